package segmentlog

import (
	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/vfs"
)

// Read finds the batch that holds from, or the next one, and returns its place and that of as many more as go into maxBytes.
func (l *Log) Read(from, limit model.Offset, maxBytes int) (vfs.Region, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return vfs.Region{}, segment.ErrClosed
	}
	if from < l.start || from > l.active().next {
		return vfs.Region{}, segment.ErrOffsetOutOfRange
	}
	if from >= limit {
		return vfs.Region{}, nil
	}
	for _, s := range l.segs[l.floor(from):] {
		r := vfs.Region{File: s.file, Pos: -1}
		first := int64(0)
		err := s.walk(s.offsets.floor(from), func(pos int64, h *record.Header) (bool, error) {
			if h.LastOffset() < from {
				return true, nil
			}
			if h.BaseOffset >= limit {
				return false, nil
			}
			if r.Pos < 0 {
				r.Pos, first = pos, int64(h.Size())
			}
			r.Len += int64(h.Size())
			return r.Len < int64(maxBytes), nil
		})
		if err != nil {
			return vfs.Region{}, err
		}
		if r.Pos >= 0 {
			r.Len = min(r.Len, max(first, int64(maxBytes)))
			r.File.Acquire()
			return r, nil
		}
	}
	return vfs.Region{}, nil
}

// walk goes from header to header, beginning with the batch at pos, until yield returns false.
func (s *seg) walk(pos int64, yield func(pos int64, h *record.Header) (bool, error)) error {
	var b [record.HeaderSize]byte
	var h record.Header
	for more := true; more && pos < s.size; pos += int64(h.Size()) {
		if _, err := s.file.ReadAt(b[:], pos); err != nil {
			return err
		}
		if err := record.ReadHeader(b[:], &h); err != nil {
			return err
		}
		var err error
		if more, err = yield(pos, &h); err != nil {
			return err
		}
	}
	return nil
}
