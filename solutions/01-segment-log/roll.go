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
	l.mu.Lock()
	defer l.mu.Unlock()
	var h record.Header
	if err := errors.Join(l.broken, record.ReadHeader(batch, &h)); err != nil {
		return err
	}
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
	n, err := s.file.WriteAt(batch, s.size)
	if err == nil && n < len(batch) {
		err = io.ErrShortWrite
	}
	if err != nil {
		// Half a batch would be in the way of the next one.
		return errors.Join(err, l.fail(s.file.Truncate(s.size)))
	}
	s.add(&h, l.limits.IndexIntervalBytes)
	if l.observer != nil {
		l.observer.Batch(&h, batch)
	}
	return nil
}

// add takes note of a batch that stands at the end of the file.
func (s *seg) add(h *record.Header, interval int) {
	if s.size == 0 {
		s.first = h.MaxTimestamp
	}
	if h.MaxTimestamp > s.max {
		s.max, s.maxAt = h.MaxTimestamp, h.LastOffset()
	}
	if s.size-s.offsets.last().value > int64(interval) {
		s.offsets.add(int64(h.LastOffset()-s.base), s.size)
		s.addTime()
	}
	s.size += int64(h.Size())
	s.next = h.NextOffset()
}

// full says whether the batch needs a new segment: because its offset is too far from the base for an
// index entry, by size, by age, or because an index is full.
func (l *Log) full(s *seg, h *record.Header) bool {
	if h.LastOffset()-s.base > math.MaxInt32 {
		return true
	}
	return s.size > 0 && (s.size+int64(h.Size()) > int64(l.limits.SegmentBytes) ||
		l.limits.SegmentMs > 0 && s.first >= 0 && int64(h.MaxTimestamp-s.first) > l.limits.SegmentMs ||
		(len(s.offsets.entries)+1)*8 > l.limits.IndexBytes || (len(s.times.entries)+2)*12 > l.limits.IndexBytes)
}

// roll seals the active segment and begins the next one where it ends.
func (l *Log) roll(h *record.Header) error {
	base := l.active().next
	if h.LastOffset()-base > math.MaxInt32 {
		base = h.BaseOffset
	}
	if err := l.seal(l.active()); err != nil {
		return err
	}
	return l.begin(base)
}

// seal writes a segment's index files and makes all of it durable: whatever a power cut takes, it takes from the
// segment behind.
func (l *Log) seal(s *seg) error {
	s.addTime()
	if err := l.fail(s.file.Sync()); err != nil {
		return err
	}
	return errors.Join(l.writeFile(s.base, ".index", s.offsets.encode()), l.writeFile(s.base, ".timeindex", s.times.encode()))
}

func (l *Log) writeFile(base model.Offset, suffix string, b []byte) error {
	f, err := l.fs.Create(l.path(base, suffix))
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, 0)
	return errors.Join(err, f.Sync(), f.Close())
}

// begin makes an empty segment the active one.
func (l *Log) begin(base model.Offset) error {
	s, err := l.openSegment(base)
	if err != nil {
		return err
	}
	l.segments = append(l.segments, s)
	if l.observer != nil && len(l.segments) > 1 {
		l.observer.Rolled(base)
	}
	return l.fail(l.fs.SyncDir(l.dir))
}
