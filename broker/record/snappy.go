package record

import (
	"bytes"
	"encoding/binary"
	"errors"
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
	// maxSnappyBlock is the largest block, decompressed, that is decoded as a whole.
	maxSnappyBlock = 4 << 20
)

var errSnappyBlock = errors.New("snappy block is too large or malformed")

var snappyDecoders = sync.Pool{New: func() any { return new(snappyDecoder) }}

// snappyDecoder reads snappy as clients send it: Java's framing, or (librdkafka, Go) one raw block.
type snappyDecoder struct {
	in     []byte
	framed bool
	block  []byte // decompressed, not yet read
	buf    []byte // memory of block
}

func (d *snappyDecoder) reset(records []byte) {
	d.in, d.block = records, nil
	d.framed = len(records) >= len(xerialHeader) && bytes.Equal(records[:xerialMagicSize], xerialHeader[:xerialMagicSize])
	if d.framed {
		d.in = records[len(xerialHeader):]
	}
}

func (d *snappyDecoder) release() {
	d.in, d.block = nil, nil
	snappyDecoders.Put(d)
}

func (d *snappyDecoder) Read(p []byte) (int, error) {
	for len(d.block) == 0 {
		if len(d.in) == 0 {
			return 0, io.EOF
		}
		if err := d.next(); err != nil {
			d.in = nil
			return 0, err
		}
	}
	n := copy(p, d.block)
	d.block = d.block[n:]
	return n, nil
}

// next decompresses the next block.
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
	size, err := s2.DecodedLen(raw)
	if err != nil {
		return err
	}
	// A snappy copy of 3 bytes makes at most 64: a greater claim is a lie, and gets no memory.
	if size > maxSnappyBlock || size > 22*len(raw) {
		return errSnappyBlock
	}
	if cap(d.buf) < size {
		d.buf = make([]byte, max(size, xerialBlock))
	}
	d.block, err = s2.Decode(d.buf[:cap(d.buf)], raw)
	return err
}

// appendSnappy compresses records in Java's framing, which every client reads.
func appendSnappy(dst, records []byte) []byte {
	dst = append(dst, xerialHeader...)
	for len(records) > 0 {
		n := min(len(records), xerialBlock)
		block := s2.EncodeSnappy(nil, records[:n])
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(block)))
		dst = append(dst, block...)
		records = records[n:]
	}
	return dst
}
