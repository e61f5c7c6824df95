package record

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Levels that compression.gzip.level, compression.lz4.level and compression.zstd.level have by default.
const (
	DefaultGzipLevel = -1
	DefaultLZ4Level  = 9
	DefaultZstdLevel = 3
)

// zstdEncoderWindow is how far back our zstd looks, in bytes: what Java's level 3 does. Every reader must be able to
// keep as much.
const zstdEncoderWindow = 2 << 20

// DefaultLevel is the codec's level where none is configured; 0 for codecs without levels.
func (c Compression) DefaultLevel() int {
	switch c {
	case Gzip:
		return DefaultGzipLevel
	case LZ4:
		return DefaultLZ4Level
	case Zstd:
		return DefaultZstdLevel
	default:
		return 0
	}
}

// Compress appends records, compressed by codec c at its default level, to dst. It panics on an unknown codec.
func Compress(dst, records []byte, c Compression) []byte {
	out := output{b: dst}
	w := acquireEncoder(c, c.DefaultLevel(), &out)
	defer w.release()
	// An output without a limit does not fail, so neither does the compression.
	_, _ = w.Write(records)
	_ = w.Close()
	return out.b
}

// output collects what an encoder writes, at most limit bytes of b; 0 is no limit.
type output struct {
	b     []byte
	limit int
}

var outputs = sync.Pool{New: func() any { return new(output) }}

func (o *output) Write(p []byte) (int, error) {
	if o.limit > 0 && len(o.b)+len(p) > o.limit {
		return 0, ErrTooLarge
	}
	o.b = append(o.b, p...)
	return len(p), nil
}

// encoder compresses one batch's records: Writes, then Close. release makes it ready for another batch; it is the
// last call, after an error too.
type encoder interface {
	io.WriteCloser
	release()
}

// acquireEncoder takes a pooled encoder that writes to out. It panics on a codec or a level that does not exist:
// configuration was validated.
func acquireEncoder(c Compression, level int, out *output) encoder {
	switch c {
	case None:
		return plainEncoder{out}
	case Gzip:
		return acquireGzip(level, out)
	case Snappy:
		e := snappyEncoders.Get().(*blockEncoder)
		e.start(out)
		_, e.err = out.Write(xerialHeader)
		return e
	case LZ4:
		e := lz4Encoders.Get().(*lz4Encoder)
		e.start(out, level)
		return e
	case Zstd:
		return acquireZstd(level, out)
	default:
		panic(fmt.Sprintf("record: %v", c))
	}
}

type plainEncoder struct{ *output }

func (plainEncoder) Close() error { return nil }
func (plainEncoder) release()     {}

// gzipEncoders has a pool for each level, -1 first.
var gzipEncoders [gzip.BestCompression - gzip.DefaultCompression + 1]sync.Pool

type gzipEncoder struct {
	*gzip.Writer
	pool *sync.Pool
}

func acquireGzip(level int, out *output) *gzipEncoder {
	pool := &gzipEncoders[level-gzip.DefaultCompression]
	e, ok := pool.Get().(*gzipEncoder)
	if !ok {
		w, err := gzip.NewWriterLevel(out, level)
		if err != nil {
			panic("record: gzip level: " + err.Error())
		}
		return &gzipEncoder{w, pool}
	}
	e.Reset(out)
	return e
}

func (e *gzipEncoder) release() {
	e.Reset(nil)
	e.pool.Put(e)
}

// zstdEncoders has a pool for each of our encoder's levels. They are fewer than Java's.
var zstdEncoders [zstd.SpeedBestCompression + 1]sync.Pool

type zstdEncoder struct {
	*zstd.Encoder
	pool *sync.Pool
}

func acquireZstd(level int, out *output) *zstdEncoder {
	if level == 0 { // the library of Java's client takes it for the default
		level = DefaultZstdLevel
	}
	speed := zstd.EncoderLevelFromZstd(level)
	pool := &zstdEncoders[speed]
	e, ok := pool.Get().(*zstdEncoder)
	if !ok {
		// The batch has a CRC of its own.
		w, err := zstd.NewWriter(out, zstd.WithEncoderLevel(speed), zstd.WithEncoderConcurrency(1),
			zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(zstdEncoderWindow), zstd.WithEncoderCRC(false))
		if err != nil {
			panic("record: zstd options: " + err.Error())
		}
		return &zstdEncoder{w, pool}
	}
	e.Reset(out)
	return e
}

func (e *zstdEncoder) release() {
	e.Reset(nil)
	e.pool.Put(e)
}

// blockEncoder cuts what is written into blocks, which flush compresses one by one.
type blockEncoder struct {
	out    *output
	block  []byte // not yet compressed; its capacity is a block's size
	packed []byte // memory for a compressed block
	flush  func(*blockEncoder) error
	word   [4]byte
	err    error // the first failure
}

func (e *blockEncoder) start(out *output) { e.out, e.block, e.err = out, e.block[:0], nil }

func (e *blockEncoder) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0 && e.err == nil; {
		n := min(len(rest), cap(e.block)-len(e.block))
		e.block = append(e.block, rest[:n]...)
		if rest = rest[n:]; len(e.block) == cap(e.block) {
			e.cut()
		}
	}
	return len(p), e.err
}

func (e *blockEncoder) Close() error {
	if len(e.block) > 0 && e.err == nil {
		e.cut()
	}
	return e.err
}

func (e *blockEncoder) cut() {
	e.err = e.flush(e)
	e.block = e.block[:0]
}

// put writes a block after the word that announces it.
func (e *blockEncoder) put(word uint32, order binary.ByteOrder, block []byte) error {
	order.PutUint32(e.word[:], word)
	if _, err := e.out.Write(e.word[:]); err != nil {
		return err
	}
	_, err := e.out.Write(block)
	return err
}

// snappyEncoders write Java's framing, which every client reads.
var snappyEncoders = sync.Pool{New: func() any {
	return &blockEncoder{
		block: make([]byte, 0, xerialBlock), packed: make([]byte, s2.MaxEncodedLen(xerialBlock)),
		flush: func(e *blockEncoder) error {
			packed := s2.EncodeSnappy(e.packed, e.block)
			return e.put(uint32(len(packed)), binary.BigEndian, packed)
		},
	}
}}

func (e *blockEncoder) release() {
	e.out = nil
	snappyEncoders.Put(e)
}

var lz4Encoders = sync.Pool{New: func() any {
	e := &lz4Encoder{}
	e.block, e.packed = make([]byte, 0, lz4BuilderBlock), make([]byte, lz4.CompressBlockBound(lz4BuilderBlock))
	e.flush = e.compress
	return e
}}

// lz4Header begins the frames that we write.
var lz4Header = func() []byte {
	head := append(binary.LittleEndian.AppendUint32(nil, lz4Magic), lz4Version|lz4Independent, 4<<4)
	return append(head, byte(xxh32(head[4:])>>8))
}()

// lz4Encoder writes a frame as the Java client does: independent blocks of 64 KiB, no checksums but the header's.
type lz4Encoder struct {
	blockEncoder
	fast  lz4.Compressor
	high  lz4.CompressorHC
	level int
}

func (e *lz4Encoder) start(out *output, level int) {
	e.blockEncoder.start(out)
	e.level = level
	_, e.err = out.Write(lz4Header)
}

// compress is the encoder's flush. As in Kafka, level 9 (the default) is the fast compressor and every other one a
// search of depth 2^(level-1).
func (e *lz4Encoder) compress(b *blockEncoder) error {
	var size int
	var err error
	if e.level == DefaultLZ4Level {
		size, err = e.fast.CompressBlock(b.block, b.packed)
	} else {
		e.high.Level = 1 << (e.level - 1)
		size, err = e.high.CompressBlock(b.block, b.packed)
	}
	if err != nil || size == 0 || size >= len(b.block) {
		return b.put(uint32(len(b.block))|lz4Stored, binary.LittleEndian, b.block)
	}
	return b.put(uint32(size), binary.LittleEndian, b.packed[:size])
}

func (e *lz4Encoder) Close() error {
	if err := e.blockEncoder.Close(); err != nil {
		return err
	}
	return e.put(0, binary.LittleEndian, nil)
}

func (e *lz4Encoder) release() {
	e.out = nil
	lz4Encoders.Put(e)
}
