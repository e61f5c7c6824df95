package record

import (
	"fmt"
	"math"

	"highwater.dev/broker/model"
)

// walked is what a walk over a batch's records has found, so that nothing needs to be looked at twice.
type walked struct {
	min, max model.TimestampMs // of the records' timestamps, as they stand in the records
	nullKeys int               // records without a key
}

// walk reads h.Count records from s, checks each one's structure, and checks that offset deltas count up from 0.
// Bytes that follow the last record are an error. Errors: ErrInvalid, ErrDecompress.
func walk(s *source, h *Header, w *walked) error {
	*w = walked{min: math.MaxInt64, max: math.MinInt64}
	for i := int32(0); ; {
		n, err := walkWindow(s, i, h, w)
		if err != nil {
			return err
		}
		if i += n; i == h.Count {
			break
		}
		s.fill(5)
		size, p := varint32(s.win[:s.end], s.at)
		if p < 0 || size < 0 {
			return s.fault(i)
		}
		need := p - s.at + int(size)
		if need <= windowSize || s.in == nil {
			if !s.fill(need) {
				return s.fault(i)
			}
			continue
		}
		if err := walkLarge(s, i, h, w); err != nil {
			return err
		}
		if i++; i == h.Count {
			break
		}
	}
	if s.more() {
		return fmt.Errorf("%w: bytes follow the last of %d records", ErrInvalid, h.Count)
	}
	return s.err
}

// fault is the error for a record that ends early or has a senseless length.
func (s *source) fault(i int32) error {
	if s.err != nil {
		return s.err
	}
	return fmt.Errorf("%w: record %d ends early or has a senseless length", ErrInvalid, i)
}

// walkWindow reads the records that lie in s's window as a whole, from record first on, and says how many.
func walkWindow(s *source, first int32, h *Header, w *walked) (int32, error) {
	win := s.win[:s.end]
	lo, hi, nullKeys := w.min, w.max, w.nullKeys
	i, at := first, s.at
	for ; i < h.Count; i++ {
		size, p := varint32(win, at)
		if p < 0 || size < 0 || int(size) > len(win)-p {
			break
		}
		end := p + int(size)
		rec := win[:end]
		p++ // attributes, of which no bit is in use
		ts, p := varint64(rec, p)
		if p < 0 {
			return 0, s.fault(i)
		}
		delta, p := varint32(rec, p)
		if p < 0 || delta != i {
			return 0, fmt.Errorf("%w: record %d has offset delta %d", ErrInvalid, i, delta)
		}
		key, p := varint32(rec, p)
		if p < 0 || int(key) > len(rec)-p {
			return 0, s.fault(i)
		}
		if key >= 0 {
			p += int(key)
		} else {
			nullKeys++
		}
		value, p := varint32(rec, p)
		if p < 0 || int(value) > len(rec)-p {
			return 0, s.fault(i)
		}
		p += max(int(value), 0)
		if p+1 != end || rec[p] != 0 {
			if p = skipHeaders(rec, p); p != end {
				return 0, fmt.Errorf("%w: headers of record %d", ErrInvalid, i)
			}
		}
		t := h.BaseTimestamp + model.TimestampMs(ts)
		lo, hi = min(lo, t), max(hi, t)
		at = end
	}
	w.min, w.max, w.nullKeys = lo, hi, nullKeys
	s.at = at
	return i - first, nil
}

// skipHeaders returns the place after a record's headers, or -1.
func skipHeaders(rec []byte, p int) int {
	n, p := varint32(rec, p)
	if p < 0 || n < 0 || int(n) > len(rec)-p {
		return -1
	}
	for ; n > 0; n-- {
		var size int32
		if size, p = varint32(rec, p); p < 0 || size < 0 || int(size) > len(rec)-p {
			return -1
		}
		p += int(size)
		if size, p = varint32(rec, p); p < 0 || int(size) > len(rec)-p {
			return -1
		}
		p += max(int(size), 0)
	}
	return p
}

// walkLarge reads one record that is larger than the window, without bringing all of it to hand.
func walkLarge(s *source, i int32, h *Header, w *walked) error {
	c := large{s: s}
	left := c.varint()
	start := c.read
	c.skip(1)
	ts := c.varlong()
	delta := c.varint()
	key := c.varint()
	c.skip(max(int(key), 0))
	c.skip(max(int(c.varint()), 0))
	headers := c.varint()
	if headers < 0 {
		c.bad = true
	}
	for ; headers > 0 && !c.bad; headers-- {
		size := c.varint()
		c.bad = c.bad || size < 0
		c.skip(max(int(size), 0))
		c.skip(max(int(c.varint()), 0))
	}
	if c.bad || c.read-start != int(left) {
		return s.fault(i)
	}
	if delta != i {
		return fmt.Errorf("%w: record %d has offset delta %d", ErrInvalid, i, delta)
	}
	if key < 0 {
		w.nullKeys++
	}
	t := h.BaseTimestamp + model.TimestampMs(ts)
	w.min, w.max = min(w.min, t), max(w.max, t)
	return nil
}

// large reads a record's fields across windows. The first failure sticks.
type large struct {
	s    *source
	read int
	bad  bool
}

func (c *large) skip(n int) {
	if c.bad || !c.s.skip(n) {
		c.bad = true
		return
	}
	c.read += n
}

func (c *large) varint() int32 {
	c.s.fill(5)
	v, p := varint32(c.s.win[:c.s.end], c.s.at)
	c.advance(p)
	return v
}

func (c *large) varlong() int64 {
	c.s.fill(10)
	v, p := varint64(c.s.win[:c.s.end], c.s.at)
	c.advance(p)
	return v
}

func (c *large) advance(p int) {
	if c.bad || p < 0 {
		c.bad = true
		return
	}
	c.read += p - c.s.at
	c.s.at = p
}
