package record

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Compression names how a batch's records are compressed.
type Compression int8

// Kafka's codecs (compression.type).
const (
	None Compression = iota
	Gzip
	Snappy
	LZ4
	Zstd
)

// String is the codec's name in Kafka's configuration.
func (c Compression) String() string {
	switch c {
	case None:
		return "none"
	case Gzip:
		return "gzip"
	case Snappy:
		return "snappy"
	case LZ4:
		return "lz4"
	case Zstd:
		return "zstd"
	default:
		return fmt.Sprintf("compression(%d)", int8(c))
	}
}

// maxZstdWindow is the largest window, in bytes, that a zstd frame may ask the broker to keep: what RFC 8878 wants
// every decoder to support, and what levels up to 19 use.
const maxZstdWindow = 8 << 20

// decoder decompresses one batch's records. release makes it ready for another batch; it is the last call.
type decoder interface {
	io.Reader
	release()
}

// acquireDecoder takes a pooled decoder for records. Errors: ErrDecompress, ErrInvalid for an unknown codec.
func acquireDecoder(c Compression, records []byte) (decoder, error) {
	switch c {
	case Gzip:
		d := gzipDecoders.Get().(*gzipDecoder)
		return d, d.reset(records)
	case Snappy:
		d := snappyDecoders.Get().(*snappyDecoder)
		d.reset(records)
		return d, nil
	case LZ4:
		d := lz4Decoders.Get().(*lz4Decoder)
		return d, d.reset(records)
	case Zstd:
		d := zstdDecoders.Get().(*zstdDecoder)
		return d, d.reset(records)
	default:
		return nil, fmt.Errorf("%w: unknown %v", ErrInvalid, c)
	}
}

var gzipDecoders = sync.Pool{New: func() any { return new(gzipDecoder) }}

type gzipDecoder struct {
	gzip.Reader
	in bytes.Reader
}

func (d *gzipDecoder) reset(records []byte) error {
	d.in.Reset(records)
	if err := d.Reader.Reset(&d.in); err != nil {
		d.release()
		return fmt.Errorf("%w: gzip: %w", ErrDecompress, err)
	}
	return nil
}

func (d *gzipDecoder) release() {
	d.in.Reset(nil)
	gzipDecoders.Put(d)
}

var zstdDecoders = sync.Pool{New: func() any {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxZstdWindow))
	if err != nil {
		panic("record: zstd options: " + err.Error())
	}
	return &zstdDecoder{Decoder: d}
}}

type zstdDecoder struct {
	*zstd.Decoder
	in bytes.Reader
}

func (d *zstdDecoder) reset(records []byte) error {
	d.in.Reset(records)
	if err := d.Decoder.Reset(&d.in); err != nil {
		d.release()
		return fmt.Errorf("%w: zstd: %w", ErrDecompress, err)
	}
	return nil
}

func (d *zstdDecoder) release() {
	d.in.Reset(nil)
	zstdDecoders.Put(d)
}
