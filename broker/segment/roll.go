package segment

import (
	"fmt"
	"math"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/vfs"
)

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	if l.SegmentBytes <= 0 {
		l.SegmentBytes = d.SegmentBytes
	}
	if l.IndexBytes <= 0 {
		l.IndexBytes = d.IndexBytes
	}
	if l.IndexIntervalBytes <= 0 {
		l.IndexIntervalBytes = d.IndexIntervalBytes
	}
	return l
}

// shouldRoll says whether the batch must go to a new segment.
func (l *store) shouldRoll(s *segment, h *record.Header, limits Limits) (bool, error) {
	if !s.fits(h.LastOffset()) {
		return true, nil
	}
	if s.size == 0 {
		return false, nil
	}
	if s.size+int64(h.Size()) > int64(limits.SegmentBytes) {
		return true, nil
	}
	if limits.SegmentMs > 0 {
		first, err := s.firstTimestamp()
		if err != nil {
			return false, err
		}
		if first >= 0 && int64(h.MaxTimestamp-first) > limits.SegmentMs {
			return true, nil
		}
	}
	offsets, err := s.offsets.count()
	if err != nil {
		return false, err
	}
	times, err := s.times.count()
	if err != nil {
		return false, err
	}
	// The time index keeps room for the entry that roll forces.
	return (offsets+1)*offsetEntrySize > limits.IndexBytes || (times+2)*timeEntrySize > limits.IndexBytes, nil
}

// firstTimestamp returns the max timestamp of the segment's first batch.
func (s *segment) firstTimestamp() (model.TimestampMs, error) {
	if s.firstRead {
		return s.firstTs, nil
	}
	f, err := s.acquire()
	if err != nil {
		return 0, err
	}
	defer release(f)
	w := walk(f, 0, s.size)
	defer w.done()
	var h record.Header
	if _, err := w.next(&h); err != nil {
		return 0, fmt.Errorf("first batch of %s: %w", s.path(logSuffix), err)
	}
	s.firstTs, s.firstRead = h.MaxTimestamp, true
	return s.firstTs, nil
}

// roll seals s and begins the next segment at the log end offset. After an error s is still active.
//
// What it makes durable itself is what recovery could not see was missing:
//   - the indexes of s, if its .log is durable to the end: the recovery point may already lie behind s. After a recovery it is known to lie
//     there, and the .log is made durable as well: of a truncation that a kill interrupted the end may still be on disk;
//   - the name of s, before the next one's: a segment in the middle of the log never goes missing.
func (l *store) roll(s *segment, h *record.Header) (next *segment, err error) {
	base := s.next
	if h.LastOffset()-base > math.MaxInt32 {
		base = h.BaseOffset // a gap in a compacted log that relative offsets cannot bridge
	}
	l.mu.Lock()
	named := !l.dirty
	l.mu.Unlock()
	if !named {
		if err := l.syncDir(); err != nil {
			return nil, err
		}
	}
	if err := l.completeIndexes(s); err != nil {
		return nil, fmt.Errorf("roll at offset %d: %w", base, err)
	}
	l.mu.Lock()
	s.sealed = true // a Flush under way sees to the indexes from here on
	size, cuts := s.size, s.cuts
	durable := s.flushed == size
	l.mu.Unlock()
	if !durable && s.next <= l.recoveryPoint {
		durable, err = true, l.syncLog(s, size, cuts)
	}
	if durable && err == nil {
		err = l.syncIndexes(s)
	}
	if err != nil {
		l.unseal(s)
		return nil, err
	}
	next = newSegment(l.fs, l.dir, base)
	f, err := l.fs.Create(next.path(logSuffix))
	if err != nil {
		l.unseal(s)
		return nil, fmt.Errorf("roll at offset %d: %w", base, err)
	}
	l.adopt(s, next, f)
	if l.observer != nil {
		l.observer.Rolled(base)
	}
	return next, nil
}

// unseal takes the seal back from a segment that stays active.
func (l *store) unseal(s *segment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.sealed, s.synced = false, false
}

// adopt makes next, with its empty .log file f, the active segment after s.
func (l *store) adopt(s, next *segment, f vfs.File) {
	next.file = vfs.Share(f)
	next.maxKnown = true
	next.offsets.loaded, next.offsets.tail = true, s.offsets.takeTail()
	next.times.loaded, next.times.tail = true, s.times.takeTail()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !s.synced {
		l.unsynced = append(l.unsynced, s)
	}
	l.segments = append(l.segments, next)
	l.dirty = true
	l.marks = nil
}
