package segment

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
)

// recover checks every batch of segment i, rebuilds its indexes, and cuts the log at the first batch that is
// torn or damaged: everything behind it, later segments included, goes. Nothing below the recovery point
// is expected to go; what was never flushed may.
func (l *store) recover(i int, opts *Options) error {
	s := l.segments[i]
	if i > 0 && !opts.Gaps {
		if before := l.segments[i-1]; before.recovered && before.next != s.base {
			// The end of the segment before never reached the disk. What follows has lost its connection.
			l.report(s, 0, fmt.Errorf("segment begins at offset %d, the one before ends at %d", s.base, before.next), i)
			if err := l.removeFrom(i); err != nil {
				return err
			}
			l.reactivate(before)
			return nil
		}
	}
	if i > 0 {
		l.segments[i-1].next = s.base
	}
	if err := errors.Join(s.offsets.reset(), s.times.reset()); err != nil {
		return err
	}
	size := s.size
	cause, err := l.scan(s, opts)
	if err != nil {
		return err
	}
	s.recovered, s.flushed, s.synced, s.sealed = true, 0, false, false
	if cause != nil {
		l.report(s, size-s.size, cause, i+1)
		if err := l.removeFrom(i + 1); err != nil {
			return err
		}
		if err := s.cutLog(s.size); err != nil {
			return err
		}
	}
	if i < len(l.segments)-1 {
		s.sealed = true
		l.unsynced = append(l.unsynced, s)
		// On a full disk the entries stay in memory, and Flush tries again.
		_ = l.completeIndexes(s)
		// A long recovery does not keep three files open for each segment: Flush opens them again.
		s.closeFiles()
	}
	l.dirty = true
	return nil
}

// reactivate makes s, which was sealed, take appends again: it has become the last one. Taken for sealed, it would be taken for durable
// to the end as well, whatever is appended, after the first Flush.
func (l *store) reactivate(s *segment) {
	l.unseal(s)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forgetUnsynced(s)
}

// scan reads the segment from the front, up to its end or the first bad batch, and sets size, next and the
// indexes by what is good. cause says what is wrong with the rest; err is a failure to read.
func (l *store) scan(s *segment, opts *Options) (cause, err error) {
	f, err := s.acquire()
	if err != nil {
		return nil, err
	}
	defer release(f)
	r := newBatchReader(f, 0, s.size)
	s.next, s.indexedAt, s.timed = s.base, 0, model.NoTimestamp
	s.firstRead = true
	s.setMax(TimeEntry{Timestamp: model.NoTimestamp, Offset: s.base})
	var h record.Header
	for {
		pos := r.pos
		b, err := r.next(&h)
		if err == nil {
			err = s.checkBatch(&h, b)
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil, nil
		case errors.Is(err, record.ErrShort), errors.Is(err, record.ErrMagic), errors.Is(err, record.ErrCRC), errors.Is(err, record.ErrCorrupt):
			if r.zeros(pos) {
				err = fmt.Errorf("%w: zeros, of space that was allocated and not written", err)
			}
			s.size = pos
			return err, nil
		case err != nil:
			return nil, err
		}
		if pos == 0 {
			s.firstTs = h.MaxTimestamp
		}
		s.next = h.NextOffset()
		s.raiseMax(h.MaxTimestamp, h.LastOffset())
		s.addIndexEntries(pos, h.LastOffset(), l.limits.IndexIntervalBytes)
		if opts.Observer != nil && (opts.ReplayFrom < 0 || h.NextOffset() > opts.ReplayFrom) {
			if !h.Attributes.Control() {
				b = nil
			}
			opts.Observer.Batch(&h, b)
		}
	}
}

// checkBatch says whether the batch may stand behind what the segment holds.
func (s *segment) checkBatch(h *record.Header, b record.Batch) error {
	switch {
	case b.CRC() != h.CRC:
		return fmt.Errorf("%w: computed %08x, header says %08x", record.ErrCRC, b.CRC(), h.CRC)
	case h.BaseOffset < s.next:
		return fmt.Errorf("%w: base offset %d after offset %d", record.ErrCorrupt, h.BaseOffset, s.next-1)
	case h.NextOffset() <= h.BaseOffset || h.LastOffset()-s.base > math.MaxInt32:
		return fmt.Errorf("%w: offset %d is too far from the segment's base offset %d", record.ErrCorrupt, h.LastOffset(), s.base)
	}
	return nil
}

// report writes the one line that says what recovery cuts, and why.
func (l *store) report(s *segment, bytes int64, cause error, firstRemoved int) {
	l.warn("log recovered: cut at the first bad batch", slog.String("file", s.path(logSuffix)),
		slog.Int64("position", s.size), slog.Int64("bytesCut", bytes), slog.Int64("endOffset", int64(s.next)),
		slog.Int("segmentsRemoved", len(l.segments)-firstRemoved), slog.Any("cause", cause))
}

// cutLog truncates the .log file, durably: batches that were cut must not come back behind later ones.
func (s *segment) cutLog(size int64) error {
	f, err := s.acquire()
	if err != nil {
		return err
	}
	defer release(f)
	if err := f.Truncate(size); err != nil {
		return err
	}
	return f.Sync()
}

// rebuildIndexes makes a sealed segment's indexes anew from its batches' headers.
func (l *store) rebuildIndexes(s *segment, cause error) error {
	l.warn("rebuilding a segment's indexes", slog.String("file", s.path(logSuffix)), slog.Any("cause", cause))
	l.mu.Lock()
	interval, size := int64(l.limits.IndexIntervalBytes), s.size
	l.mu.Unlock()
	f, err := s.acquire()
	if err != nil {
		return err
	}
	defer release(f)
	r := newBatchReader(f, 0, size)
	var offsets, times []byte
	top, timed := TimeEntry{Timestamp: model.NoTimestamp, Offset: s.base}, model.NoTimestamp
	addTime := func() {
		if top.Timestamp > timed {
			e := top.encode(s.base)
			times, timed = append(times, e[:]...), top.Timestamp
		}
	}
	var h record.Header
	for indexedAt := int64(0); ; {
		pos := r.pos
		if _, err := r.next(&h); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("rebuild indexes of %s at %d: %w", s.path(logSuffix), pos, err)
		}
		if h.MaxTimestamp > top.Timestamp {
			top = TimeEntry{Timestamp: h.MaxTimestamp, Offset: h.LastOffset()}
		}
		if pos-indexedAt > interval {
			e := OffsetEntry{Offset: h.LastOffset(), Position: pos}.encode(s.base)
			offsets, indexedAt = append(offsets, e[:]...), pos
			addTime()
		}
	}
	addTime()
	for _, err := range []error{s.offsets.replace(offsets), s.times.replace(times)} {
		if err != nil && !errors.Is(err, errUnwritten) {
			return err
		}
		if err != nil {
			l.warn("a rebuilt index is kept in memory", slog.String("file", s.path(logSuffix)), slog.Any("cause", err))
		}
	}
	s.setMax(top)
	s.bare = false
	return nil
}
