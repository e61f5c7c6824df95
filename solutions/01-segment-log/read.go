package segmentlog

import (
	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/vfs"
)

// Read finds the batch that holds from, or the next one, and returns its place and that of as many more as go into maxBytes.
func (l *Log) Read(from, limit model.Offset, maxBytes int) (r vfs.Region, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken == segment.ErrClosed {
		return r, l.broken
	}
	if from < l.start || from > l.active().next {
		return r, segment.ErrOffsetOutOfRange
	}
	for _, s := range l.segments[l.floor(from):] {
		first := int64(0)
		err := s.walk(s.offsets.floor(int64(from-s.base)), s.size, func(pos int64, h *record.Header) (bool, error) {
			if h.LastOffset() < from {
				return true, nil
			}
			if h.BaseOffset >= limit || from >= limit {
				return false, nil
			}
			if r.Len == 0 {
				r.Pos, first = pos, int64(h.Size())
			}
			r.Len += int64(h.Size())
			return r.Len < int64(maxBytes), nil
		})
		if err != nil {
			return vfs.Region{}, err
		}
		if r.Len > 0 {
			r.Len = min(r.Len, max(first, int64(maxBytes)))
			r.File = s.file
			r.File.Acquire()
			break
		}
	}
	return r, nil
}

// walk goes from header to header, from the batch at pos up to end, until yield returns false.
func (s *seg) walk(pos, end int64, yield func(pos int64, h *record.Header) (bool, error)) (err error) {
	var b [record.HeaderSize]byte
	var h record.Header
	for more := true; more && pos < end && err == nil; pos += int64(h.Size()) {
		n, _ := s.file.ReadAt(b[:], pos)
		if err = record.ReadHeader(b[:n], &h); err == nil && int64(h.Size()) > end-pos {
			err = record.ErrShort
		}
		if err == nil {
			more, err = yield(pos, &h)
		}
	}
	return err
}

// batch reads the whole batch at pos.
func (s *seg) batch(pos int64, h *record.Header) (record.Batch, error) {
	b := make(record.Batch, h.Size())
	_, err := s.file.ReadAt(b, pos)
	return b, err
}
