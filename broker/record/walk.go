package record

import (
	"encoding/binary"
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

// prefixSize covers, in the form that walkFast reads, everything of a record up to its key.
const prefixSize = 16

// short reads an unsigned varint of one or two bytes out of a record's first bytes. A longer one sends next far
// out of the array, where it stays.
func short(q *[prefixSize]byte, i int) (u uint32, next int) {
	c := uint32(q[i&(prefixSize-1)])
	if c < 0x80 {
		return c, i + 1
	}
	d := uint32(q[(i+1)&(prefixSize-1)])
	if d < 0x80 {
		return c&0x7f | d<<7, i + 2
	}
	return 0, 1 << 20
}

func unzigzag(u uint32) int { return int(int32(u>>1) ^ -int32(u&1)) }

// deltaForm gives the bytes of i as a zigzag varint: how many, as a mask, and as a little-endian number. It does so
// below 2^20; after that mask and number equal no bytes at all.
func deltaForm(i int32) (size int, mask, number uint32) {
	u := uint32(i) << 1
	switch {
	case u < 1<<7:
		return 1, 0xff, u
	case u < 1<<14:
		return 2, 0xffff, u&0x7f | 0x80 | u<<1&0x7f00
	case u < 1<<21:
		return 3, 0xffffff, u&0x7f | 0x8080 | u<<1&0x7f00 | u<<2&0x7f0000
	default:
		return 0, 0, 1
	}
}

// walkWindow reads the records that lie in s's window as a whole, from record first on, and says how many.
//
// Its loop reads the records of common form by hand (every length below 8 KiB, no headers), because this is what
// a produced record costs the broker; walkRecord reads the others.
func walkWindow(s *source, first int32, h *Header, w *walked) (int32, error) {
	win := s.win[:s.end]
	lo, hi, nullKeys := int64(math.MaxInt64), int64(math.MinInt64), 0
	i, at := first, s.at
	for ; i < h.Count; i++ {
		deltaSize, deltaMask, deltaBytes := deltaForm(i)
		if len(win)-at >= prefixSize {
			q := (*[prefixSize]byte)(win[at:])
			size, p := short(q, 0)
			ts, p2 := short(q, p+1) // over the attributes, of which no bit is in use
			// The delta is known: its bytes are compared, not decoded.
			p3 := p2 + deltaSize
			key, p4 := short(q, p3)
			end := at + p + unzigzag(size)
			v := at + p4 + max(unzigzag(key), 0)
			if binary.LittleEndian.Uint32(q[p2&7:])&deltaMask == deltaBytes && p4 <= prefixSize && end <= len(win) && v+3 <= end && v >= at {
				// The value's length takes one or two bytes, and what follows it is a count of no headers.
				u := uint32(win[v])
				v++
				if u >= 0x80 {
					u = u&0x7f | uint32(win[v])<<7
					v++
				}
				if u < 1<<14 && v+max(unzigzag(u), 0)+1 == end && win[end-1] == 0 {
					t := int64(unzigzag(ts))
					lo, hi = min(lo, t), max(hi, t)
					nullKeys += int(key & 1)
					at = end
					continue
				}
			}
		}
		next, err := walkRecord(s, win, at, i, h, w)
		if err != nil {
			return 0, err
		}
		if next < 0 {
			break
		}
		at = next
	}
	w.nullKeys += nullKeys
	if lo <= hi {
		w.see(h, lo)
		w.see(h, hi)
	}
	s.at = at
	return i - first, nil
}

// see takes a record's timestamp, as a delta to the batch's, into account.
func (w *walked) see(h *Header, delta int64) {
	t := h.BaseTimestamp + model.TimestampMs(delta)
	w.min, w.max = min(w.min, t), max(w.max, t)
}

// walkRecord reads record i at win[at:], of any form. next is where the next one begins, or -1 when the window
// does not hold all of this one.
func walkRecord(s *source, win []byte, at int, i int32, h *Header, w *walked) (next int, err error) {
	size, p := varint32(win, at)
	if p < 0 || size < 0 || int(size) > len(win)-p {
		return -1, nil
	}
	end := p + int(size)
	rec := win[:end]
	ts, p := varint64(rec, p+1)
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
	p += max(int(key), 0)
	value, p := varint32(rec, p)
	if p < 0 || int(value) > len(rec)-p {
		return 0, s.fault(i)
	}
	if p = skipHeaders(rec, p+max(int(value), 0)); p != end {
		return 0, fmt.Errorf("%w: headers of record %d", ErrInvalid, i)
	}
	if key < 0 {
		w.nullKeys++
	}
	w.see(h, ts)
	return end, nil
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
	w.see(h, ts)
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
