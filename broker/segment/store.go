package segment

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
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
	// recoveryPoint is where recovery began; 0 when the log was opened after a clean shutdown.
	recoveryPoint model.Offset

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
	marks    *marks     // nil until there is one: an idle log is small
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
	defer release(f)
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
	if !s.offsets.found || !s.times.found {
		l.mu.Lock()
		l.dirty = true
		l.mu.Unlock()
	}
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
