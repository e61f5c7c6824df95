package segmentlog

import (
	"errors"
	"io"
	"math"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
)

// Append writes a batch behind the last one, in a new segment when the active one is full.
func (l *Log) Append(batch record.Batch) error {
	var h record.Header
	if err := record.ReadHeader(batch, &h); err != nil {
		return err
	}
	if err := l.lock(); err != nil {
		return err
	}
	defer l.mu.Unlock()
	switch {
	case h.Size() != len(batch):
		return record.ErrCorrupt
	case h.BaseOffset < l.active().next:
		return segment.ErrOutOfOrder
	case len(batch) > l.limits.SegmentBytes:
		return segment.ErrBatchTooLarge
	}
	if l.full(l.active(), &h) {
		if err := l.roll(&h); err != nil {
			return err
		}
	}
	s := l.active()
	if err := s.write(batch); err != nil {
		if s.file.Truncate(s.size) != nil {
			l.failed = true // half a batch is left at the end, and would be in the way of the next
		}
		return err
	}
	if err := s.add(&h, l.limits.IndexIntervalBytes); err != nil {
		return l.fail(err)
	}
	s.dirty = true
	if l.observer != nil {
		l.observer.Batch(&h, batch)
	}
	return nil
}

func (s *seg) write(batch record.Batch) error {
	n, err := s.file.WriteAt(batch, s.size)
	if err == nil && n < len(batch) {
		err = io.ErrShortWrite
	}
	return err
}

// add takes note of a batch that stands at the end of the file: the indexes, then the new end.
func (s *seg) add(h *record.Header, interval int) error {
	if s.size == 0 {
		s.first = h.MaxTimestamp
	}
	if h.MaxTimestamp > s.max.Timestamp {
		s.max = segment.TimeEntry{Timestamp: h.MaxTimestamp, Offset: h.LastOffset()}
	}
	if s.size-s.offsets.last().Position > int64(interval) {
		err := errors.Join(s.offsets.add(h.LastOffset(), s.size), s.times.add(s.max))
		if err != nil {
			return err
		}
	}
	s.size += int64(h.Size())
	s.next = h.NextOffset()
	return nil
}

// full says whether the batch needs a new segment: by size, by age, because an index is full, or
// because its offset is too far from the base for an index entry.
func (l *Log) full(s *seg, h *record.Header) bool {
	if h.LastOffset()-s.base > math.MaxInt32 {
		return true
	}
	return s.size > 0 && (s.size+int64(h.Size()) > int64(l.limits.SegmentBytes) ||
		l.limits.SegmentMs > 0 && s.first >= 0 && int64(h.MaxTimestamp-s.first) > l.limits.SegmentMs ||
		(len(s.offsets.entries)+1)*8 > l.limits.IndexBytes || (len(s.times.entries)+2)*12 > l.limits.IndexBytes)
}

// roll finishes the active segment and begins the next one where it ends. The fsync comes first: whatever a
// power cut takes, it takes from the last segment.
func (l *Log) roll(h *record.Header) error {
	old := l.active()
	base := old.next
	if h.LastOffset()-base > math.MaxInt32 {
		base = h.BaseOffset
	}
	if err := old.times.add(old.max); err != nil {
		return err
	}
	old.dirty = true
	if err := l.flush(old); err != nil {
		return err
	}
	return l.begin(base)
}

// begin makes an empty segment the active one.
func (l *Log) begin(base model.Offset) error {
	s, err := l.openSegment(base)
	if err != nil {
		return err
	}
	s.max = segment.TimeEntry{Timestamp: model.NoTimestamp, Offset: base}
	if err := l.fs.SyncDir(l.dir); err != nil {
		return l.fail(err)
	}
	l.segs = append(l.segs, s)
	if l.observer != nil && len(l.segs) > 1 {
		l.observer.Rolled(base)
	}
	return nil
}
