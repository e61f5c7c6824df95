package record

import (
	"fmt"
)

// Target is how Recompress leaves a batch.
type Target struct {
	Compression Compression
	// Level is of the codec's own scale: gzip -1 (the codec's default), 1 to 9; lz4 1 to 17; zstd -131072 to 22.
	// The other codecs have none.
	Level int
	// MaxBytes is the most that the new batch may have, header and all; 0 is no limit.
	MaxBytes int
}

// Recompress stores the records of b, a batch that Validate has let through, in another codec (compression.type).
// The new batch lies in dst's memory, which grows as needed and is never b's. Its records and header are b's but for
// codec, length and CRC, so offsets, timestamps and the producer's fields stay. Beyond dst it takes a window
// of 64 KiB and what the two codecs need, from pools. Errors: ErrTooLarge (MaxBytes), ErrDecompress, those of
// ReadHeader.
//
// It moves bytes and does not look at records, where Apache Kafka builds the batch anew. The difference shows in a
// batch that claims LogAppendTime in a topic of CreateTime, which only a faulty client sends: here its records get back the
// timestamps that they were sent with, there each gets the largest.
func Recompress(dst []byte, b Batch, to Target) (Batch, error) {
	var h Header
	if err := ReadHeader(b, &h); err != nil {
		return nil, err
	}
	if h.Size() > len(b) {
		return nil, fmt.Errorf("%w: %d of %d bytes", ErrShort, len(b), h.Size())
	}
	var s source
	if err := s.open(b[:h.Size()], h.Attributes.Compression()); err != nil {
		return nil, err
	}
	defer s.close()
	var room [HeaderSize]byte
	out := outputs.Get().(*output)
	out.b, out.limit = append(dst[:0], room[:]...), to.MaxBytes
	err := compressFrom(&s, out, to)
	stored := Batch(out.b)
	out.b = nil
	outputs.Put(out)
	if err != nil {
		return nil, err
	}
	h.Attributes = h.Attributes&^CompressionMask | Attributes(to.Compression)
	h.Length = int32(len(stored) - LogOverhead)
	h.write(stored)
	return stored, nil
}

// compressFrom writes everything that s has to out, compressed.
func compressFrom(s *source, out *output, to Target) error {
	w := acquireEncoder(to.Compression, to.Level, out)
	defer w.release()
	for s.more() {
		if _, err := w.Write(s.win[s.at:s.end]); err != nil {
			return fmt.Errorf("%w: over %d bytes as %v", err, to.MaxBytes, to.Compression)
		}
		s.at = s.end
	}
	if s.err != nil {
		return s.err
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("%w: over %d bytes as %v", err, to.MaxBytes, to.Compression)
	}
	return nil
}
