package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/s2"
)

// xerialHeader starts the framing of Java's snappy-java: a magic, a version and the oldest compatible version (both
// 1). After it come blocks, each a 32-bit big-endian length and a raw snappy block.
var xerialHeader = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1}

const (
	xerialMagicSize = 8
	// xerialBlock is the size of the blocks that snappy-java and the Builder make, before compression.
	xerialBlock = 32 << 10
	// maxSnappyBlock is the largest block, decompressed, that is decoded as a whole; a larger one is decoded by
	// the piece.
	maxSnappyBlock = 4 << 20
	// snappyReach is how far back a copy may reach in a block that is decoded by the piece. Most encoders stay
	// within 64 KiB; the Go clients' encodes blocks of 4 MiB on their own.
	snappyReach = 4 << 20
	snappyPiece = 64 << 10
	// snappyMemory is for a piece and what it reaches. Twice the reach, so that moving costs one copy of each byte.
	snappyMemory = 2*snappyReach + snappyPiece + 64
	// keptSnappyMemory is the most that a pooled decoder keeps.
	keptSnappyMemory = 1 << 20
)

var errSnappy = errors.New("malformed snappy block")

var snappyDecoders = sync.Pool{New: func() any { return new(snappyDecoder) }}

// snappyDecoder reads snappy as clients send it: Java's framing, or (librdkafka, Go) one raw block.
type snappyDecoder struct {
	in     []byte // blocks not yet read
	framed bool
	block  []byte // decompressed, not yet given out
	buf    []byte // memory of block

	// A block that is decoded by the piece: its elements that are left, the bytes they have to make, the part of
	// the current literal that has not been copied.
	elements []byte
	want     int
	literal  int
}

func (d *snappyDecoder) reset(records []byte) {
	*d = snappyDecoder{in: records, buf: d.buf[:0]}
	d.framed = len(records) >= len(xerialHeader) && bytes.Equal(records[:xerialMagicSize], xerialHeader[:xerialMagicSize])
	if d.framed {
		d.in = records[len(xerialHeader):]
	}
}

func (d *snappyDecoder) release() {
	buf := d.buf[:0]
	if cap(buf) > keptSnappyMemory {
		buf = nil
	}
	*d = snappyDecoder{buf: buf}
	snappyDecoders.Put(d)
}

func (d *snappyDecoder) Read(p []byte) (int, error) {
	for len(d.block) == 0 {
		var err error
		switch {
		case d.want > 0:
			err = d.piece()
		case len(d.in) == 0:
			return 0, io.EOF
		default:
			err = d.next()
		}
		if err != nil {
			d.in, d.want = nil, 0
			return 0, err
		}
	}
	n := copy(p, d.block)
	d.block = d.block[n:]
	return n, nil
}

// next decompresses the next block, or gets ready to do so by the piece.
func (d *snappyDecoder) next() error {
	raw := d.in
	d.in = nil
	if d.framed {
		if len(raw) < 4 {
			return io.ErrUnexpectedEOF
		}
		n := binary.BigEndian.Uint32(raw)
		if int64(n) > int64(len(raw)-4) {
			return io.ErrUnexpectedEOF
		}
		raw, d.in = raw[4:4+n], raw[4+n:]
	}
	size, n := binary.Uvarint(raw)
	// A copy of 3 bytes makes at most 64: a greater claim is a lie, and gets no memory.
	if n <= 0 || size > uint64(22*len(raw)) {
		return fmt.Errorf("%w: %d bytes claim to hold %d", errSnappy, len(raw), size)
	}
	if !plainSnappy(raw[n:]) {
		return errSnappy
	}
	if size > maxSnappyBlock {
		d.elements, d.want, d.literal, d.buf = raw[n:], int(size), 0, d.buf[:0]
		return nil
	}
	if cap(d.buf) < int(size) {
		d.buf = make([]byte, max(int(size), xerialBlock))
	}
	var err error
	d.block, err = s2.Decode(d.buf[:cap(d.buf)], raw)
	return err
}

// plainSnappy reports whether a block's elements are snappy's own. The library also decodes S2's extension, a copy
// with offset 0, which clients do not know.
func plainSnappy(e []byte) bool {
	for len(e) > 0 {
		n, size := snappyElement(e)
		if size < 0 {
			return false
		}
		if e[0]&3 == 0 {
			size += n
		}
		if size > len(e) || e[0]&3 == 1 && e[0]&0xe0 == 0 && e[1] == 0 {
			return false
		}
		e = e[size:]
	}
	return true
}

// snappyElement reads the tag of the element at the start of e: the bytes it makes and the tag's size; -1 when e ends
// first.
func snappyElement(e []byte) (n, size int) {
	tag := int(e[0])
	switch tag & 3 {
	case 0:
		n, size = tag>>2+1, 1
		if extra := n - 60; extra > 0 {
			if len(e) <= extra {
				return 0, -1
			}
			n = 1
			for i := range extra {
				n += int(e[1+i]) << (8 * i)
			}
			size += extra
		}
		return n, size
	case 1:
		n, size = tag>>2&7+4, 2
	case 2:
		n, size = tag>>2+1, 3
	default:
		n, size = tag>>2+1, 5
	}
	if len(e) < size {
		return 0, -1
	}
	return n, size
}

// piece decompresses elements until there is something worth giving out, keeping in buf what copies may reach.
func (d *snappyDecoder) piece() error {
	if cap(d.buf) < snappyMemory {
		d.buf = make([]byte, 0, snappyMemory)
	}
	if cap(d.buf)-len(d.buf) < snappyPiece+64 {
		d.buf = d.buf[:copy(d.buf, d.buf[len(d.buf)-snappyReach:])]
	}
	start := len(d.buf)
	for len(d.buf)-start < snappyPiece && (d.literal > 0 || len(d.elements) > 0) {
		if d.literal == 0 {
			n, size := snappyElement(d.elements)
			element := d.elements[:max(size, 0)]
			d.elements = d.elements[len(element):]
			switch {
			case size < 0:
				return errSnappy
			case element[0]&3 == 0:
				d.literal = n
			default:
				if err := d.copy(element, n); err != nil {
					return err
				}
				continue
			}
		}
		n := min(d.literal, snappyPiece-(len(d.buf)-start))
		if n > len(d.elements) {
			return errSnappy
		}
		d.buf = append(d.buf, d.elements[:n]...)
		d.elements, d.literal = d.elements[n:], d.literal-n
	}
	d.block = d.buf[start:]
	d.want -= len(d.block)
	if d.want < 0 || d.want > 0 && len(d.block) == 0 {
		return fmt.Errorf("%w: does not hold what it claims", errSnappy)
	}
	if d.want == 0 && (d.literal > 0 || len(d.elements) > 0) {
		return fmt.Errorf("%w: holds more than it claims", errSnappy)
	}
	return nil
}

// copy appends n bytes from the offset that the element says.
func (d *snappyDecoder) copy(element []byte, n int) error {
	var offset int
	switch element[0] & 3 {
	case 1:
		offset = int(element[0]&0xe0)<<3 | int(element[1])
	case 2:
		offset = int(binary.LittleEndian.Uint16(element[1:]))
	default:
		offset = int(binary.LittleEndian.Uint32(element[1:]))
	}
	if offset == 0 || offset > len(d.buf) {
		return fmt.Errorf("%w: copy reaches back %d bytes", errSnappy, offset)
	}
	from := len(d.buf) - offset
	for n > 0 { // a copy may reach into what it makes
		m := min(n, offset)
		d.buf = append(d.buf, d.buf[from:from+m]...)
		from, n = from+m, n-m
	}
	return nil
}
