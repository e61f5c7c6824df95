package wire

import (
	"encoding/binary"
	"errors"
	"unsafe"

	"highwater.dev/broker/model"
)

// ErrMalformed says that the bytes of a message end early, or a length or count contradicts them.
var ErrMalformed = errors.New("wire: malformed message")

// Reader takes the protocol's primitives from the front of a byte slice. The first failure sticks: every later
// read returns zero and Err returns ErrMalformed, so a decoder checks once, at its end, and before it believes a
// count. The zero Reader is empty.
//
// Strings and slices that it returns are stretches of the source, not copies.
type Reader struct {
	src []byte
	pos int
	bad bool
}

// NewReader reads from the start of src.
func NewReader(src []byte) Reader { return Reader{src: src} }

// Reset starts over with src and without an error.
func (r *Reader) Reset(src []byte) { *r = Reader{src: src} }

// Err is nil or ErrMalformed.
func (r *Reader) Err() error {
	if r.bad {
		return ErrMalformed
	}
	return nil
}

// Pos is how many bytes have been read.
func (r *Reader) Pos() int { return r.pos }

// Left is how many bytes have not been read; 0 after a failure.
func (r *Reader) Left() int { return len(r.src) - r.pos }

// Rest returns what has not been read.
func (r *Reader) Rest() []byte { return r.src[r.pos:] }

func (r *Reader) fail() {
	r.bad = true
	r.pos = len(r.src)
}

// Span reads n bytes.
func (r *Reader) Span(n int) []byte {
	if n < 0 || n > len(r.src)-r.pos {
		r.fail()
		return nil
	}
	b := r.src[r.pos : r.pos+n : r.pos+n]
	r.pos += n
	return b
}

// Int8 reads a signed byte.
func (r *Reader) Int8() int8 {
	if len(r.src)-r.pos < 1 {
		r.fail()
		return 0
	}
	v := int8(r.src[r.pos])
	r.pos++
	return v
}

// Bool reads a byte; anything but 0 is true.
func (r *Reader) Bool() bool { return r.Int8() != 0 }

// Int16 reads a big-endian 16-bit integer.
func (r *Reader) Int16() int16 {
	if len(r.src)-r.pos < 2 {
		r.fail()
		return 0
	}
	v := int16(binary.BigEndian.Uint16(r.src[r.pos:]))
	r.pos += 2
	return v
}

// Uint16 reads an unsigned big-endian 16-bit integer.
func (r *Reader) Uint16() uint16 { return uint16(r.Int16()) }

// Int32 reads a big-endian 32-bit integer.
func (r *Reader) Int32() int32 {
	if len(r.src)-r.pos < 4 {
		r.fail()
		return 0
	}
	v := int32(binary.BigEndian.Uint32(r.src[r.pos:]))
	r.pos += 4
	return v
}

// Uint32 reads an unsigned big-endian 32-bit integer.
func (r *Reader) Uint32() uint32 { return uint32(r.Int32()) }

// Int64 reads a big-endian 64-bit integer.
func (r *Reader) Int64() int64 {
	if len(r.src)-r.pos < 8 {
		r.fail()
		return 0
	}
	v := int64(binary.BigEndian.Uint64(r.src[r.pos:]))
	r.pos += 8
	return v
}

// UUID reads 16 bytes.
func (r *Reader) UUID() (id model.TopicID) {
	copy(id[:], r.Span(len(id)))
	return id
}

// Uvarint reads an unsigned varint of at most 32 bits in at most five bytes.
func (r *Reader) Uvarint() uint32 {
	if r.pos < len(r.src) && r.src[r.pos] < 0x80 {
		v := uint32(r.src[r.pos])
		r.pos++
		return v
	}
	v, n := binary.Uvarint(r.src[r.pos:min(len(r.src), r.pos+5)])
	if n <= 0 || v > 0xffffffff {
		r.fail()
		return 0
	}
	r.pos += n
	return uint32(v)
}

// Varint reads a zigzag varint of at most 32 bits in at most five bytes.
func (r *Reader) Varint() int32 {
	u := r.Uvarint()
	return int32(u>>1) ^ -int32(u&1)
}

// Varlong reads a zigzag varint of at most 64 bits.
func (r *Reader) Varlong() int64 {
	v, n := binary.Varint(r.src[r.pos:])
	if n <= 0 {
		r.fail()
		return 0
	}
	r.pos += n
	return v
}

// asString gives b's bytes as a string without copying them. It is sound because nobody writes into the part of
// a frame that holds strings, and because the string is documented to live only as long as the frame.
func asString(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// length reads a length or count in its classic (32-bit) or compact form. Null is -1; less than that fails.
func (r *Reader) length(compact bool) int {
	var n int
	if compact {
		n = int(r.Uvarint()) - 1
	} else {
		n = int(r.Int32())
	}
	if n < -1 {
		r.fail()
		return -1
	}
	return n
}

// NullableString reads a string; ok is false for null. compact chooses the flexible versions' form.
func (r *Reader) NullableString(compact bool) (s string, ok bool) {
	var n int
	if compact {
		n = int(r.Uvarint()) - 1
	} else {
		n = int(r.Int16())
	}
	if n == -1 {
		return "", false
	}
	b := r.Span(n)
	return asString(b), b != nil
}

// String reads a string that must not be null.
func (r *Reader) String(compact bool) string {
	s, ok := r.NullableString(compact)
	if !ok {
		r.fail()
	}
	return s
}

// Bytes reads a byte array. Null is nil, empty is not.
func (r *Reader) Bytes(compact bool) []byte {
	n := r.length(compact)
	if n == -1 {
		return nil
	}
	return r.Span(n)
}

// Array reads an array's count, -1 for null. It fails when the rest of the source cannot hold that many elements
// of at least minSize bytes each, so the caller may allocate count elements.
func (r *Reader) Array(compact bool, minSize int) int {
	n := r.length(compact)
	if n > 0 && n > r.Left()/max(minSize, 1) {
		r.fail()
		return 0
	}
	return n
}

// FullArray is Array for a field that must not be null: null fails, as it does in Kafka.
func (r *Reader) FullArray(compact bool, minSize int) int {
	n := r.Array(compact, minSize)
	if n < 0 {
		r.fail()
		return 0
	}
	return n
}

// Tag reads one tagged field's number and contents (KIP-482).
func (r *Reader) Tag() (tag uint32, value []byte) {
	tag = r.Uvarint()
	size := r.Uvarint()
	if int64(size) > int64(r.Left()) {
		r.fail()
		return 0, nil
	}
	return tag, r.Span(int(size))
}

// Tags reads the number of tagged fields. A field takes two bytes at least.
func (r *Reader) Tags() int {
	n := r.Uvarint()
	if int64(n) > int64(r.Left()/2) {
		r.fail()
		return 0
	}
	return int(n)
}

// SkipTags reads tagged fields and forgets them.
func (r *Reader) SkipTags() {
	for n := r.Tags(); n > 0 && !r.bad; n-- {
		r.Tag()
	}
}
