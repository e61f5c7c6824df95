package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"sync"

	"github.com/pierrec/lz4/v4"
)

// Parts of an LZ4 frame, as its published format describes them. Kafka reads frames with independent blocks only
// and does not look at the content checksum; neither do we.
const (
	lz4Magic           = 0x184d2204
	lz4VersionMask     = 0xc0
	lz4Version         = 0x40
	lz4Independent     = 0x20
	lz4BlockChecksum   = 0x10
	lz4ContentSize     = 0x08
	lz4ContentChecksum = 0x04
	lz4Reserved        = 0x03
	lz4Stored          = 1 << 31 // a block that is not compressed
	lz4BuilderBlock    = 64 << 10
)

var errLZ4 = errors.New("malformed lz4 frame")

var lz4Decoders = sync.Pool{New: func() any { return new(lz4Decoder) }}

// lz4Decoder reads one LZ4 frame out of memory, a block (at most 4 MiB) at a time. It is here, and not a reader
// of the lz4 package, because the compressed bytes are all at hand: only one block needs memory.
type lz4Decoder struct {
	in       []byte
	maxBlock int
	checked  bool   // each block is followed by a checksum
	block    []byte // decompressed, not yet read
	buf      []byte // memory of block
}

func (d *lz4Decoder) reset(records []byte) error {
	d.block = nil
	if err := d.header(records); err != nil {
		d.release()
		return fmt.Errorf("%w: %w", ErrDecompress, err)
	}
	return nil
}

// header reads the frame descriptor.
func (d *lz4Decoder) header(b []byte) error {
	if len(b) < 7 || binary.LittleEndian.Uint32(b) != lz4Magic {
		return fmt.Errorf("%w: no frame header", errLZ4)
	}
	flags, size := b[4], b[5]
	if flags&lz4VersionMask != lz4Version || flags&lz4Reserved != 0 || flags&lz4Independent == 0 {
		return fmt.Errorf("%w: flags %#x", errLZ4, flags)
	}
	code := size >> 4
	if size&0x8f != 0 || code < 4 {
		return fmt.Errorf("%w: block size %#x", errLZ4, size)
	}
	end := 6
	if flags&lz4ContentSize != 0 {
		end += 8
	}
	if len(b) <= end {
		return io.ErrUnexpectedEOF
	}
	if b[end] != byte(xxh32(b[4:end])>>8) {
		return fmt.Errorf("%w: header checksum", errLZ4)
	}
	d.maxBlock = 1 << (8 + 2*code) // 64 KiB, 256 KiB, 1 MiB, 4 MiB
	d.checked = flags&lz4BlockChecksum != 0
	d.in = b[end+1:]
	return nil
}

func (d *lz4Decoder) release() {
	d.in, d.block = nil, nil
	lz4Decoders.Put(d)
}

func (d *lz4Decoder) Read(p []byte) (int, error) {
	for len(d.block) == 0 {
		if err := d.next(); err != nil {
			d.in = nil
			return 0, err
		}
	}
	n := copy(p, d.block)
	d.block = d.block[n:]
	return n, nil
}

// next decompresses the next block. What follows the end mark (a content checksum) is not read.
func (d *lz4Decoder) next() error {
	if len(d.in) < 4 {
		return io.ErrUnexpectedEOF
	}
	word := binary.LittleEndian.Uint32(d.in)
	if word == 0 {
		return io.EOF
	}
	size := int(word &^ lz4Stored)
	if size > d.maxBlock {
		return fmt.Errorf("%w: block of %d bytes, at most %d", errLZ4, size, d.maxBlock)
	}
	rest := d.in[4:]
	if len(rest) < size {
		return io.ErrUnexpectedEOF
	}
	block := rest[:size]
	rest = rest[size:]
	if d.checked {
		if len(rest) < 4 || binary.LittleEndian.Uint32(rest) != xxh32(block) {
			return fmt.Errorf("%w: block checksum", errLZ4)
		}
		rest = rest[4:]
	}
	d.in = rest
	if word&lz4Stored != 0 {
		d.block = block
		return nil
	}
	// A byte of a block makes at most 255: a small block gets little memory, whatever the frame's block size.
	room := min(d.maxBlock, 255*len(block)+64)
	if cap(d.buf) < room {
		d.buf = make([]byte, max(room, lz4BuilderBlock))
	}
	n, err := lz4.UncompressBlock(block, d.buf[:min(cap(d.buf), d.maxBlock)])
	if err != nil {
		return fmt.Errorf("%w: %w", errLZ4, err)
	}
	d.block = d.buf[:n]
	return nil
}

const (
	xxPrime1 uint32 = 2654435761
	xxPrime2 uint32 = 2246822519
	xxPrime3 uint32 = 3266489917
	xxPrime4 uint32 = 668265263
	xxPrime5 uint32 = 374761393
)

// xxh32 is the 32-bit xxHash of b with seed 0, the checksum inside LZ4 frames.
func xxh32(b []byte) uint32 {
	n := uint32(len(b))
	h := xxPrime5
	if len(b) >= 16 {
		p1, p2 := xxPrime1, xxPrime2
		v := [4]uint32{p1 + p2, p2, 0, -p1}
		for ; len(b) >= 16; b = b[16:] {
			for i := range v {
				v[i] = bits.RotateLeft32(v[i]+binary.LittleEndian.Uint32(b[4*i:])*xxPrime2, 13) * xxPrime1
			}
		}
		h = bits.RotateLeft32(v[0], 1) + bits.RotateLeft32(v[1], 7) + bits.RotateLeft32(v[2], 12) +
			bits.RotateLeft32(v[3], 18)
	}
	h += n
	for ; len(b) >= 4; b = b[4:] {
		h = bits.RotateLeft32(h+binary.LittleEndian.Uint32(b)*xxPrime3, 17) * xxPrime4
	}
	for _, c := range b {
		h = bits.RotateLeft32(h+uint32(c)*xxPrime5, 11) * xxPrime1
	}
	h = (h ^ h>>15) * xxPrime2
	h = (h ^ h>>13) * xxPrime3
	return h ^ h>>16
}
