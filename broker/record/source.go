package record

import (
	"errors"
	"fmt"
	"io"
	"sync"
)

// MaxDecompressed is the most bytes, decompressed, that the records of one batch may have. Kafka has no such
// limit; without one, a batch of a megabyte can keep a core busy for a minute.
const MaxDecompressed = 256 << 20

// windowSize is how many decompressed bytes are looked at together.
const windowSize = 64 << 10

// source gives the records' bytes of a batch, decompressed, through a window. For a batch that is not compressed
// the window is the batch itself.
type source struct {
	win   []byte // the bytes at hand are win[at:end]
	at    int
	end   int
	in    io.Reader // nil when win holds everything that is left
	total int       // bytes read from in
	err   error     // why in ended, unless it was io.EOF
	dec   decoder
	own   *[]byte // the pooled memory of win
}

var windows = sync.Pool{New: func() any {
	b := make([]byte, windowSize)
	return &b
}}

// open starts at the records of b, whose header is h.
func (s *source) open(b Batch, c Compression) error {
	records := b[HeaderSize:]
	*s = source{}
	if c == None {
		s.win, s.end = records, len(records)
		return nil
	}
	dec, err := acquireDecoder(c, records)
	if err != nil {
		return err
	}
	s.dec, s.in = dec, dec
	s.own = windows.Get().(*[]byte)
	s.win = *s.own
	return nil
}

// close gives the pooled memory back. Nothing that the source handed out may be used afterwards.
func (s *source) close() {
	if s.dec != nil {
		s.dec.release()
	}
	if s.own != nil {
		windows.Put(s.own)
	}
	*s = source{}
}

func (s *source) left() int { return s.end - s.at }

// fill brings at least n bytes to hand, or all that are left, moving and growing the window as bytes arrive, never
// because a length claims that there are more. It reports whether n are there.
func (s *source) fill(n int) bool {
	for s.left() < n && s.in != nil {
		if s.at > 0 {
			copy(s.win, s.win[s.at:s.end])
			s.at, s.end = 0, s.end-s.at
		}
		if s.end == len(s.win) {
			grown := make([]byte, min(2*len(s.win), n))
			copy(grown, s.win)
			s.win = grown
		}
		m, err := s.in.Read(s.win[s.end:])
		s.end += m
		s.total += m
		if s.total > MaxDecompressed {
			err = fmt.Errorf("more than %d bytes", MaxDecompressed)
		}
		if err != nil {
			s.in = nil
			if !errors.Is(err, io.EOF) {
				s.err = fmt.Errorf("%w: %w", ErrDecompress, err)
			}
		}
	}
	return s.left() >= n
}

// skip drops n bytes, keeping the window small. It reports whether there were as many.
func (s *source) skip(n int) bool {
	for n > s.left() {
		n -= s.left()
		s.at = s.end
		if !s.fill(1) {
			return false
		}
	}
	s.at += n
	return true
}

// more reports whether any byte is left.
func (s *source) more() bool { return s.left() > 0 || s.fill(1) }
