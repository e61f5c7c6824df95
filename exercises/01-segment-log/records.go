// Given: no exercise is in this file. It was made from solutions/01-segment-log/records.go by: go run . generate
// made: 85a81d351ab4fe7b58d37e819eadca0df25360c78d383dfc40ef2d04a0a575b1

package segmentlog

import (
	"encoding/binary"
	"fmt"

	"highwater.dev/broker/record"
)

// appendRecord adds one record to a batch's block of records:
//
//	+----+----+---------+------+------+-----+------+-------+---------+-------------------------+
//	|len |attr|timestamp|offset|key   | key |value | value | headers | for each: key length,   |
//	|    |0   |delta    |delta |length|     |length|       | (count) | key, value length, value|
//	+----+----+---------+------+------+-----+------+-------+---------+-------------------------+
//
// Its numbers are zigzag varints (0, -1, 1, -2 become 0, 1, 2, 3; seven bits a byte), which is what binary.AppendVarint writes.
// A length of -1 is null. len counts what follows it.
func appendRecord(dst []byte, r *record.Record) []byte {
	body := []byte{0}
	body = binary.AppendVarint(body, r.TimestampDelta)
	body = binary.AppendVarint(body, int64(r.OffsetDelta))
	body = appendNullable(appendNullable(body, r.Key), r.Value)
	body = binary.AppendVarint(body, int64(len(r.Headers)))
	for _, h := range r.Headers {
		body = binary.AppendVarint(body, int64(len(h.Key)))
		body = appendNullable(append(body, h.Key...), h.Value)
	}
	return append(binary.AppendVarint(dst, int64(len(body))), body...)
}

func appendNullable(dst, b []byte) []byte {
	if b == nil {
		return binary.AppendVarint(dst, -1)
	}
	return append(binary.AppendVarint(dst, int64(len(b))), b...)
}

// readRecord decodes the record at the start of b and returns the bytes behind it. Bytes that are no record are
// record.ErrInvalid. The record's slices are parts of b.
func readRecord(b []byte) (r record.Record, rest []byte, err error) {
	size, n := binary.Varint(b)
	if n <= 0 || size < 1 || size > int64(len(b)-n) {
		return r, nil, fmt.Errorf("%w: a record's length", record.ErrInvalid)
	}
	f := fields{b: b[n+1 : n+int(size)]} // without the attributes, which are unused
	r.TimestampDelta, r.OffsetDelta = f.number(), int32(f.number())
	r.Key, r.Value = f.bytes(), f.bytes()
	for count := f.number(); count > 0 && !f.bad; count-- {
		r.Headers = append(r.Headers, record.RecordHeader{Key: f.bytes(), Value: f.bytes()})
	}
	if f.bad || len(f.b) > 0 {
		return r, nil, fmt.Errorf("%w: a record's fields", record.ErrInvalid)
	}
	return r, b[n+int(size):], nil
}

// fields reads a record's fields in order. bad stays set once one does not fit.
type fields struct {
	b   []byte
	bad bool
}

func (f *fields) number() int64 {
	v, n := binary.Varint(f.b)
	if n <= 0 {
		f.bad = true
		return 0
	}
	f.b = f.b[n:]
	return v
}

func (f *fields) bytes() []byte {
	n := f.number()
	if n < -1 || n > int64(len(f.b)) {
		f.bad = true
	}
	if n < 0 || f.bad {
		return nil
	}
	v := f.b[:n:n]
	f.b = f.b[n:]
	return v
}

// eachCompressed is Each for a batch whose records are compressed, and for no other (record.ErrInvalid): chapter 03 looks into that.
func eachCompressed(b record.Batch, yield func(*record.Record) bool) error {
	var it record.Iterator
	defer it.Close()
	if err := it.Reset(b); err != nil {
		return err
	}
	if it.Header().Attributes.Compression() == record.None {
		return fmt.Errorf("%w: the records are not compressed", record.ErrInvalid)
	}
	for it.Next() {
		if !yield(&it.Record) {
			return nil
		}
	}
	return it.Err()
}
