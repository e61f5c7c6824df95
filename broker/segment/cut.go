package segment

import (
	"errors"
	"fmt"
	"io"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
)

// removeFrom removes segment i and all later ones, newest first. Each is gone for good before the next goes:
// after a crash the log has lost its end, never its middle.
func (l *store) removeFrom(i int) error {
	for n := len(l.segments); n > i; n = len(l.segments) {
		s := l.segments[n-1]
		l.mu.Lock()
		l.segments = l.segments[:n-1]
		l.changes++
		l.forgetUnsynced(s)
		l.mu.Unlock()
		if err := l.remove(s); err != nil {
			return err
		}
	}
	return nil
}

// removeFirst removes the oldest segment.
func (l *store) removeFirst() error {
	l.mu.Lock()
	s := l.segments[0]
	l.segments = l.segments[1:]
	l.changes++
	l.forgetUnsynced(s)
	l.mu.Unlock()
	return l.remove(s)
}

// remove deletes the files of a segment that has left the list.
func (l *store) remove(s *segment) error {
	s.discard()
	if err := s.removeLog(); err != nil {
		return err
	}
	if err := l.fs.SyncDir(l.dir); err != nil {
		return err
	}
	l.mu.Lock()
	l.dirty = true
	l.mu.Unlock()
	if err := s.removeRest(); err != nil {
		return err
	}
	if l.observer != nil {
		l.observer.Removed(s.base)
	}
	return nil
}

// TrimTo implements Log.
func (l *store) TrimTo(start model.Offset) error {
	l.mu.Lock()
	err, end := l.usable(), l.active().next
	done := start <= l.start
	if err == nil && start > end {
		err = fmt.Errorf("%w: trim to %d, log ends at %d", ErrOffsetOutOfRange, start, end)
	}
	if err != nil || done {
		l.mu.Unlock()
		return err
	}
	l.start = start
	l.mu.Unlock()
	if err := l.dropUpTo(start); err != nil {
		return err
	}
	if start < end || l.active().size == 0 {
		return nil
	}
	// Everything goes. What has been deleted already makes room for the new segment's name.
	s, next := l.active(), record.Header{BaseOffset: end}
	_, err = l.roll(s, &next)
	if err != nil && !errors.Is(err, ErrFailed) {
		// A full disk has no room for the rest of the indexes of a segment that goes at once. Empty ones are right, only slow.
		if err = errors.Join(s.offsets.reset(), s.times.reset()); err == nil {
			_, err = l.roll(s, &next)
		}
	}
	if err != nil {
		return err
	}
	return l.dropUpTo(start)
}

// dropUpTo removes the segments that lie wholly below start, oldest first.
func (l *store) dropUpTo(start model.Offset) error {
	for len(l.segments) > 1 && l.segments[1].base <= start {
		if err := l.removeFirst(); err != nil {
			return l.fail(err)
		}
	}
	return nil
}

// Truncate implements Log.
func (l *store) Truncate(to model.Offset) error {
	l.mu.Lock()
	err, end := l.usable(), l.active().next
	i := l.floorSegment(to)
	l.mu.Unlock()
	if err != nil || to >= end {
		return err
	}
	if err := l.truncate(i, max(to, 0)); err != nil {
		return l.fail(fmt.Errorf("truncate %s to %d: %w", l.dir, to, err))
	}
	return nil
}

func (l *store) truncate(i int, to model.Offset) error {
	s := l.segments[i]
	pos, next, err := l.cutPoint(s, to)
	if err != nil {
		return err
	}
	if i == 0 && (pos == 0 || next <= l.start) {
		return l.restart(min(to, l.start))
	}
	if err := l.removeFrom(i + 1); err != nil {
		return err
	}
	l.mu.Lock()
	l.changes++
	l.marks = nil
	s.cuts++
	s.size, s.next, s.flushed = pos, next, min(s.flushed, pos)
	s.sealed, s.synced = false, false
	l.forgetUnsynced(s)
	l.mu.Unlock()
	if err := s.cutLog(pos); err != nil {
		return err
	}
	return s.cutIndexes()
}

// cutPoint finds where the first batch that ends at to or above starts, and the offset after the batch before it.
func (l *store) cutPoint(s *segment, to model.Offset) (pos int64, next model.Offset, err error) {
	f, err := s.acquire()
	if err != nil {
		return 0, 0, err
	}
	defer release(f)
	// Of the batch before it the end must be known: search from an index entry below to.
	en, err := s.positionOf(to-1, s.next)
	if err != nil {
		return 0, 0, err
	}
	var h record.Header
	w := walk(f, en.Position, s.size)
	defer w.done()
	next = s.base
	if en.Offset != model.NoOffset {
		if err := w.expect(en, &h); err == nil {
			next = h.NextOffset()
		} else {
			w.pos = 0
		}
	}
	for {
		pos, err = w.next(&h)
		switch {
		case errors.Is(err, io.EOF), err == nil && h.LastOffset() >= to:
			return pos, next, nil
		case err != nil:
			return 0, 0, err
		}
		next = h.NextOffset()
	}
}

// restart drops everything: the log goes on, empty, at base. The first segment is emptied before the
// next one is made, so that no moment shows two segments with the same offsets.
func (l *store) restart(base model.Offset) error {
	if err := l.removeFrom(1); err != nil {
		return err
	}
	first := l.segments[0]
	l.mu.Lock()
	l.changes++
	l.marks = nil
	first.cuts++
	first.size, first.next, first.flushed = 0, first.base, 0
	first.sealed, first.synced = false, false
	l.forgetUnsynced(first)
	l.start = min(l.start, base)
	l.mu.Unlock()
	if err := first.cutLog(0); err != nil {
		return err
	}
	if first.base == base {
		return first.cutIndexes()
	}
	l.mu.Lock()
	first.next = base
	l.mu.Unlock()
	if err := l.begin(base); err != nil {
		return err
	}
	if err := l.syncDir(); err != nil {
		return err
	}
	return l.removeFirst()
}

// cutIndexes drops the entries of batches that were cut off, and finds the largest timestamp of the rest.
func (s *segment) cutIndexes() error {
	keep, err := s.entriesBelow(&s.offsets, func(e []byte) bool {
		return decodeOffsetEntry(e, s.base).Position < s.size
	})
	if err == nil {
		err = s.offsets.cut(keep)
	}
	if err != nil {
		return err
	}
	keep, err = s.entriesBelow(&s.times, func(e []byte) bool { return decodeTimeEntry(e, s.base).Offset < s.next })
	if err == nil {
		err = s.times.cut(keep)
	}
	if err != nil {
		return err
	}
	return s.reloadTail()
}

// entriesBelow counts the entries at the front that keep holds for.
func (s *segment) entriesBelow(x *index, keep func(e []byte) bool) (int, error) {
	n, err := x.count()
	if err != nil {
		return 0, err
	}
	lo, hi := 0, n
	var e [timeEntrySize]byte
	for lo < hi {
		mid := (lo + hi) / 2
		if err := x.at(mid, &e); err != nil {
			return 0, err
		}
		if keep(e[:x.width]) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, nil
}

// reloadTail finds what append goes on from: the last entries, and the largest timestamp behind them.
func (s *segment) reloadTail() error {
	var e [timeEntrySize]byte
	top := TimeEntry{Timestamp: model.NoTimestamp, Offset: s.base}
	if ok, err := s.times.last(&e); err != nil {
		return err
	} else if ok {
		top = decodeTimeEntry(e[:], s.base)
	}
	s.setMax(top)
	s.timed, s.indexedAt, s.firstRead = top.Timestamp, 0, false
	if ok, err := s.offsets.last(&e); err != nil {
		return err
	} else if ok {
		s.indexedAt = decodeOffsetEntry(e[:], s.base).Position
	}
	f, err := s.acquire()
	if err != nil {
		return err
	}
	defer release(f)
	w := walk(f, s.indexedAt, s.size)
	defer w.done()
	var h record.Header
	for {
		_, err := w.next(&h)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		s.raiseMax(h.MaxTimestamp, h.LastOffset())
	}
}
