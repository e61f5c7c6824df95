package record

import (
	"fmt"

	"highwater.dev/broker/model"
)

// RecordHeader is a record's header field (KIP-82).
type RecordHeader struct {
	Key   []byte
	Value []byte // nil is null
}

// Record is one record of a batch. Its slices are valid until the Iterator that gave it moves on or is closed.
type Record struct {
	OffsetDelta    int32
	TimestampDelta int64 // milliseconds after the batch's base timestamp
	Key            []byte
	Value          []byte // nil is null, for Key as well
	Headers        []RecordHeader
}

// Iterator reads a batch's records in order, decompressing as it goes. Use: Reset, Next until false, Err, Close.
// It is reusable and not safe for concurrent use.
type Iterator struct {
	Record Record // the current record

	s      source
	header Header
	next   int32
	err    error
}

// Reset starts with the first record of b, a whole batch; it checks header and length, not the CRC. The base offset
// may be anything. Errors: those of ReadHeader, ErrDecompress, ErrInvalid.
func (it *Iterator) Reset(b Batch) error {
	it.Close()
	if err := ReadHeader(b, &it.header); err != nil {
		return err
	}
	if it.header.Size() > len(b) {
		return fmt.Errorf("%w: %d of %d bytes", ErrShort, len(b), it.header.Size())
	}
	return it.s.open(b[:it.header.Size()], it.header.Attributes.Compression())
}

// Header is the batch's header.
func (it *Iterator) Header() *Header { return &it.header }

// Next moves to the next record and reports whether there is one. After false, Err says why.
func (it *Iterator) Next() bool {
	if it.err != nil || it.next >= it.header.Count {
		if it.err == nil && it.s.more() {
			it.err = fmt.Errorf("%w: bytes follow the last of %d records", ErrInvalid, it.header.Count)
		}
		return false
	}
	s := &it.s
	s.fill(5)
	size, p := varint32(s.win[:s.end], s.at)
	if p < 0 || size < 0 || !s.fill(p-s.at+int(size)) {
		it.err = s.fault(it.next)
		return false
	}
	size, p = varint32(s.win[:s.end], s.at) // fill may have moved it
	s.at = p + int(size)
	if !it.Record.parse(s.win[p:s.at:s.at]) {
		it.err = s.fault(it.next)
		return false
	}
	it.next++
	return true
}

// Err is nil when all records were read.
func (it *Iterator) Err() error { return it.err }

// Offset is the current record's offset.
func (it *Iterator) Offset() model.Offset {
	return it.header.BaseOffset + model.Offset(it.Record.OffsetDelta)
}

// Timestamp is the current record's timestamp: its own, or the batch's with LogAppendTime.
func (it *Iterator) Timestamp() model.TimestampMs {
	if it.header.Attributes.LogAppendTime() {
		return it.header.MaxTimestamp
	}
	return it.header.BaseTimestamp + model.TimestampMs(it.Record.TimestampDelta)
}

// Close gives back the memory for decompression. The Iterator can be Reset again.
func (it *Iterator) Close() {
	it.s.close()
	it.header, it.next, it.err = Header{}, 0, nil
}

// parse reads a record without its length. b is all of it.
func (r *Record) parse(b []byte) bool {
	headers := r.Headers[:0]
	*r = Record{Headers: headers}
	var p int
	if r.TimestampDelta, p = varint64(b, 1); p < 0 {
		return false
	}
	if r.OffsetDelta, p = varint32(b, p); p < 0 {
		return false
	}
	if r.Key, p = bytesAt(b, p); p < 0 {
		return false
	}
	if r.Value, p = bytesAt(b, p); p < 0 {
		return false
	}
	n, p := varint32(b, p)
	if p < 0 || n < 0 || int(n) > (len(b)-p)/2 {
		return false
	}
	for ; n > 0; n-- {
		var h RecordHeader
		if h.Key, p = bytesAt(b, p); p < 0 || h.Key == nil {
			return false
		}
		if h.Value, p = bytesAt(b, p); p < 0 {
			return false
		}
		r.Headers = append(r.Headers, h)
	}
	return p == len(b)
}

// bytesAt reads a length and as many bytes; nil is null.
func bytesAt(b []byte, p int) (v []byte, next int) {
	n, p := varint32(b, p)
	if p < 0 || int(n) > len(b)-p {
		return nil, -1
	}
	if n < 0 {
		return nil, p
	}
	return b[p : p+int(n) : p+int(n)], p + int(n)
}
