package segment

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path"
	"slices"
	"sort"
	"sync"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/vfs"
)

// store is the broker's Log.
//
// Locks: flushMu (one Flush at a time), then mu (what readers see), then a segment's fileMu, maxMu or an index's mu.
// mu is never held over a read, write or fsync of the .log: a slow disk under Append does not hold up readers.
type store struct {
	fs       vfs.FS
	dir      string
	observer Observer
	logger   *slog.Logger

	flushMu sync.Mutex

	// appending is Append's header, of which there is one at a time: on its stack it would escape to the
	// observer and be allocated for each batch.
	appending record.Header

	mu       sync.Mutex
	limits   Limits
	segments []*segment // oldest first, never empty; the last is active
	start    model.Offset
	failed   error // why no more appends are taken; nil while all is well
	closed   bool
	dirty    bool       // names were made or removed since the last SyncDir
	parent   bool       // the folder's own name may not be durable
	unsynced []*segment // sealed segments that Flush has to see to, oldest first
	changes  int        // Truncate and TrimTo calls: a Read that overlapped one starts again
	marks    marks
}

var (
	_ Log     = (*store)(nil)
	_ Tunable = (*store)(nil)
	_ Idler   = (*store)(nil)
	_ Bounder = (*store)(nil)
	_ Opener  = Open
)

// active is the segment that is appended to. The caller holds mu or is the goroutine that changes the log.
func (l *store) active() *segment { return l.segments[len(l.segments)-1] }

// Bounds implements Log.
func (l *store) Bounds() (start, end model.Offset) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.start, l.active().next
}

// Segments implements Log.
func (l *store) Segments() []Info {
	views, _ := l.views()
	infos := make([]Info, len(views))
	for i := range views {
		v := &views[i]
		infos[i] = Info{BaseOffset: v.s.base, EndOffset: v.next, Bytes: v.size, MaxTimestamp: model.NoTimestamp}
		// Where it cannot be read now, NoTimestamp keeps retention by time away from the segment.
		if m, err := l.maxTime(v); err == nil {
			infos[i].MaxTimestamp = m.Timestamp
		}
	}
	return infos
}

// views returns what there is of every segment, and the log start offset.
func (l *store) views() ([]view, model.Offset) {
	l.mu.Lock()
	defer l.mu.Unlock()
	views := make([]view, len(l.segments))
	for i, s := range l.segments {
		views[i] = view{s: s, size: s.size, next: s.next, changes: l.changes, active: i == len(l.segments)-1}
	}
	return views, l.start
}

// maxTime returns a segment's largest timestamp. For a segment that was sealed before the log was opened it comes from the last
// time index entry, on first use, if the batch that the entry names bears it out: retention deletes by it.
func (l *store) maxTime(v *view) (TimeEntry, error) {
	m, known := v.s.knownMax()
	if known || v.size == 0 {
		return m, nil
	}
	f, err := v.s.acquire()
	if err != nil {
		return m, err
	}
	defer f.Release()
	var h record.Header
	var e [timeEntrySize]byte
	ok, err := v.s.times.last(&e)
	if err == nil && ok {
		m = decodeTimeEntry(e[:], v.s.base)
		_, err = l.seek(v, f, m.Offset, &h)
		ok = err == nil && h.LastOffset() == m.Offset
	} else if err == nil {
		_, err = l.seek(v, f, v.s.base, &h) // no entry: no batch has a timestamp
		ok = err == nil
	}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return m, err
	}
	if ok && h.MaxTimestamp == m.Timestamp {
		v.s.setMax(m)
		return m, nil
	}
	if err := l.rebuild(v, fmt.Errorf("%w: its last entry names no batch with its timestamp", errIndex)); err != nil {
		return m, err
	}
	m, _ = v.s.knownMax()
	return m, nil
}

// SetLimits implements Tunable.
func (l *store) SetLimits(limits Limits) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limits = limits.withDefaults()
}

// CloseIdle implements Idler.
func (l *store) CloseIdle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	for i, s := range l.segments {
		if i < len(l.segments)-1 && s.synced {
			s.closeLog(false)
		}
		s.offsets.close()
		s.times.close()
	}
}

// usable says why the log takes no change, if so. The caller holds mu.
func (l *store) usable() error {
	if l.closed {
		return ErrClosed
	}
	if l.failed != nil {
		return ErrFailed
	}
	return nil
}

// fail takes the log out of service after a failure that leaves the disk's contents unknown.
func (l *store) fail(cause error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil {
		l.failed = cause
	}
	return fmt.Errorf("%w: %w", ErrFailed, cause)
}

// floorSegment returns the number of the segment that holds offset, or would: the last whose base is at most
// offset; 0 when there is none. The caller holds mu.
func (l *store) floorSegment(offset model.Offset) int {
	return floorIn(l.segments, offset)
}

func floorIn(segs []*segment, offset model.Offset) int {
	i := sort.Search(len(segs), func(i int) bool { return segs[i].base > offset })
	return max(i-1, 0)
}

// Close implements Log.
func (l *store) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return ErrClosed
	}
	failed, active := l.failed, l.active()
	l.mu.Unlock()
	var err error
	if failed == nil {
		err = l.closeActive(active)
	} else {
		err = ErrFailed
	}
	l.flushMu.Lock()
	defer l.flushMu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, s := range l.segments {
		s.discard()
	}
	return err
}

// closeActive makes the active segment's files complete and durable.
func (l *store) closeActive(s *segment) error {
	err := l.completeIndexes(s)
	if ferr := l.Flush(); ferr != nil {
		return ferr
	}
	if err != nil {
		return err
	}
	return l.syncIndexes(s)
}

// completeIndexes writes everything of the segment's indexes, the last time entry included: retention decides by it.
func (l *store) completeIndexes(s *segment) error {
	s.addTimeEntry()
	l.mu.Lock()
	l.dirty = true
	l.mu.Unlock()
	if err := s.offsets.write(); err != nil {
		return err
	}
	return s.times.write()
}

// syncIndexes makes the indexes of a sealed segment durable.
func (l *store) syncIndexes(s *segment) error {
	for _, x := range []*index{&s.offsets, &s.times} {
		// Recovery on a full disk may have left entries in memory. No room is no failure of what is there.
		if err := x.write(); err != nil {
			return err
		}
		if err := x.sync(); err != nil {
			return l.fail(err)
		}
	}
	return nil
}

// Flush implements Log. Appends go on beside it. Several callers at once take turns; who comes second finds
// nothing left to do. Of the active segment only the .log is synced: recovery rebuilds its indexes. The
// indexes of sealed segments are synced: recovery passes those below the recovery point by.
func (l *store) Flush() error {
	l.flushMu.Lock()
	defer l.flushMu.Unlock()
	l.mu.Lock()
	last := l.active() // what is appended behind it from now on is not this call's
	l.mu.Unlock()
	for done := false; !done; {
		l.mu.Lock()
		err, s := l.usable(), last
		if len(l.unsynced) > 0 && l.unsynced[0].base <= last.base {
			s = l.unsynced[0]
		}
		size, cuts, dirty := s.size, s.cuts, s.flushed < s.size
		l.mu.Unlock()
		if err == nil && dirty {
			err = l.syncLog(s, size, cuts)
		}
		complete := true
		if err == nil {
			complete, err = l.syncSealed(s)
		}
		if err != nil {
			return err
		}
		done = complete && s == last
	}
	l.mu.Lock()
	dirty := l.dirty
	l.mu.Unlock()
	if dirty {
		return l.syncDir()
	}
	return nil
}

// syncLog makes the first size bytes of s durable.
func (l *store) syncLog(s *segment, size int64, cuts int) error {
	f, err := s.acquire()
	if err == nil {
		err = f.Sync()
		_ = f.Release()
	}
	// A segment that was trimmed or truncated away meanwhile has nothing to keep.
	if err != nil && !errors.Is(err, ErrOffsetOutOfRange) {
		return l.fail(fmt.Errorf("sync %s: %w", s.path(logSuffix), err))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.cuts == cuts {
		s.flushed = max(s.flushed, size)
	}
	return nil
}

// syncSealed makes the indexes of s durable, if it is sealed by now, and strikes it off Flush's list. complete is false when s grew
// before it was sealed: its .log is to be synced once more.
func (l *store) syncSealed(s *segment) (complete bool, err error) {
	l.mu.Lock()
	sealed, rest := s.sealed, s.flushed < s.size
	l.mu.Unlock()
	if !sealed || rest {
		return !sealed, nil
	}
	if err := l.syncIndexes(s); err != nil {
		return false, err
	}
	s.offsets.close()
	s.times.close()
	l.mu.Lock()
	defer l.mu.Unlock()
	s.synced = true
	l.forgetUnsynced(s)
	return true, nil
}

// forgetUnsynced strikes s off Flush's list. The caller holds mu.
func (l *store) forgetUnsynced(s *segment) {
	if i := slices.Index(l.unsynced, s); i >= 0 {
		l.unsynced = slices.Delete(l.unsynced, i, i+1)
	}
}

// syncDir makes the folder's names durable, and the first time its own name in the folder above.
func (l *store) syncDir() error {
	l.mu.Lock()
	parent := l.parent
	l.dirty, l.parent = false, false
	l.mu.Unlock()
	err := l.fs.SyncDir(l.dir)
	if err == nil && parent {
		err = l.fs.SyncDir(path.Dir(l.dir))
	}
	if err != nil {
		return l.fail(fmt.Errorf("sync %s: %w", l.dir, err))
	}
	return nil
}

// Append implements Log.
func (l *store) Append(batch record.Batch) error {
	h := &l.appending
	if err := record.ReadHeader(batch, h); err != nil {
		return err
	}
	if h.Size() != len(batch) || h.NextOffset() <= h.BaseOffset {
		return fmt.Errorf("%w: header says %d bytes, batch has %d; offsets %d to %d", record.ErrCorrupt, h.Size(), len(batch), h.BaseOffset, h.LastOffset())
	}
	l.mu.Lock()
	err, limits, s := l.usable(), l.limits, l.active()
	l.mu.Unlock()
	switch {
	case err != nil:
		return err
	case h.BaseOffset < s.next:
		return fmt.Errorf("%w: base offset %d, log end offset %d", ErrOutOfOrder, h.BaseOffset, s.next)
	case len(batch) > limits.SegmentBytes:
		return fmt.Errorf("%w: %d bytes, segment.bytes is %d", ErrBatchTooLarge, len(batch), limits.SegmentBytes)
	}
	if roll, err := l.shouldRoll(s, h, limits); err != nil {
		return err
	} else if roll {
		if s, err = l.roll(s, h); err != nil {
			return err
		}
	}
	if err := l.write(s, batch); err != nil {
		return err
	}
	if s.size == 0 {
		s.firstTs, s.firstRead = h.MaxTimestamp, true
	}
	s.raiseMax(h.MaxTimestamp, h.LastOffset())
	// Index entries come first: a reader may look for a batch from the moment it is published.
	s.addIndexEntries(s.size, h.LastOffset(), limits.IndexIntervalBytes)
	l.mu.Lock()
	l.marks.add(mark{offset: h.BaseOffset, pos: s.size})
	s.size += int64(len(batch))
	s.next = h.NextOffset()
	l.mu.Unlock()
	if l.observer != nil {
		l.observer.Batch(h, batch)
	}
	return nil
}

// write puts the batch behind the segment's last. What a failed write left is cut off again.
func (l *store) write(s *segment, batch record.Batch) error {
	f, err := s.acquire()
	if err != nil {
		return err
	}
	defer f.Release()
	n, err := f.WriteAt(batch, s.size)
	if err == nil && n == len(batch) {
		return nil
	}
	if err == nil {
		err = io.ErrShortWrite
	}
	err = fmt.Errorf("append at offset %d to %s: %w", s.next, s.path(logSuffix), err)
	if terr := f.Truncate(s.size); terr != nil {
		return l.fail(errors.Join(err, terr))
	}
	return err
}
