package segment

import (
	"errors"
	"fmt"
	"io"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/vfs"
)

// mark is a known batch boundary in the active segment: the batch that begins at offset starts at pos.
type mark struct {
	offset model.Offset
	pos    int64
}

// marks remembers the places of the last batches appended and of where the last reads ended. A consumer at
// the end of the log, and the high watermark just below it, are found here without reading the disk.
type marks struct {
	appended [32]mark
	read     [4]mark
	appends  int // made since reset
	reads    int
}

func (m *marks) add(k mark)     { m.appended[m.appends%len(m.appended)] = k; m.appends++ }
func (m *marks) addRead(k mark) { m.read[m.reads%len(m.read)] = k; m.reads++ }

// marked makes sure that there are marks. The caller holds mu.
func (l *store) marked() *marks {
	if l.marks == nil {
		l.marks = &marks{}
	}
	return l.marks
}

func (m *marks) find(offset model.Offset) (pos int64, ok bool) {
	if m == nil {
		return 0, false
	}
	for i := m.appends - 1; i >= max(0, m.appends-len(m.appended)); i-- {
		k := m.appended[i%len(m.appended)]
		if k.offset == offset {
			return k.pos, true
		}
		if k.offset < offset {
			break
		}
	}
	for i := range min(m.reads, len(m.read)) {
		if m.read[i].offset == offset {
			return m.read[i].pos, true
		}
	}
	return 0, false
}

// view is what a Read saw of one segment under mu.
type view struct {
	s       *segment
	size    int64
	next    model.Offset
	after   model.Offset // where the next segment begins; 0 for the active one
	pos     int64        // where the batch that begins at from starts; -1 not known
	limit   int64        // where the first batch at limit or above starts; -1 not known
	exact   bool         // limit is a batch's base offset, or the end
	changes int
	active  bool
}

// Read implements Log.
func (l *store) Read(from, limit model.Offset, maxBytes int) (vfs.Region, error) {
	for {
		r, again, err := l.read(from, limit, maxBytes)
		if !again {
			return r, err
		}
	}
}

// read is one try. again: the log was cut beside it, what it saw is gone.
func (l *store) read(from, limit model.Offset, maxBytes int) (r vfs.Region, again bool, err error) {
	for i := -1; ; i++ {
		var v view
		if i, err = l.look(&v, i, from, limit); err != nil || v.s == nil {
			return vfs.Region{}, false, err
		}
		r, err = l.readSegment(&v, from, limit, maxBytes)
		switch {
		case err == nil:
			return r, false, nil
		case errors.Is(err, io.EOF) && from < v.after:
			from = v.after // a gap at the segment's end, or behind it: the next one has the batch
		case errors.Is(err, io.EOF):
			return vfs.Region{}, false, nil
		case l.changedSince(v.changes):
			return vfs.Region{}, true, nil
		default:
			return vfs.Region{}, false, fmt.Errorf("read at offset %d of %s: %w", from, v.s.path(logSuffix), err)
		}
	}
}

// look fills v with segment i, or the one that holds from for i = -1, and returns its number. v.s stays nil when
// there is nothing to read.
func (l *store) look(v *view, i int, from, limit model.Offset) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return 0, ErrClosed
	}
	active := l.active()
	if from < l.start || from > active.next {
		return 0, fmt.Errorf("%w: %d, log is %d to %d", ErrOffsetOutOfRange, from, l.start, active.next)
	}
	if from >= limit || from == active.next {
		return 0, nil
	}
	if i < 0 || i >= len(l.segments) || l.segments[i].base > from {
		i = len(l.segments) - 1
		if from < active.base {
			i = l.floorSegment(from)
		}
	}
	s := l.segments[i]
	*v = view{s: s, size: s.size, next: s.next, pos: -1, limit: -1, changes: l.changes, active: s == active}
	if !v.active {
		v.after = l.segments[i+1].base
	}
	if limit >= s.next {
		v.limit, v.exact = s.size, true
	}
	if from == s.base {
		v.pos = 0
	}
	if v.active {
		if p, ok := l.marks.find(from); ok {
			v.pos = p
		}
		if v.limit < 0 {
			if p, ok := l.marks.find(limit); ok {
				v.limit, v.exact = p, true
			}
		}
	}
	return i, nil
}

func (l *store) changedSince(changes int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changes != changes
}

// readSegment makes the region. io.EOF: the segment has no batch at from or above.
func (l *store) readSegment(v *view, from, limit model.Offset, maxBytes int) (vfs.Region, error) {
	if v.size == 0 {
		return vfs.Region{}, io.EOF
	}
	f, err := v.s.acquire()
	if err != nil {
		return vfs.Region{}, err
	}
	n, err := l.measure(v, f, from, limit, maxBytes)
	if err != nil || n == 0 {
		_ = f.Release()
		return vfs.Region{}, err
	}
	if v.active && v.exact && v.pos+n == v.limit {
		l.mu.Lock()
		if next := min(limit, v.next); l.changes == v.changes && l.active() == v.s {
			l.marked().addRead(mark{offset: next, pos: v.limit})
		}
		l.mu.Unlock()
	}
	return vfs.Region{File: f, Pos: v.pos, Len: n}, nil
}

// measure finds v.pos and v.limit where they are not known, and returns the region's length.
func (l *store) measure(v *view, f vfs.File, from, limit model.Offset, maxBytes int) (int64, error) {
	var h record.Header
	first := int64(0) // the first batch's size, 0 not known
	if v.pos < 0 {
		pos, err := l.seek(v, f, from, &h)
		if err != nil {
			return 0, err
		}
		if h.BaseOffset >= limit {
			return 0, nil
		}
		v.pos, first = pos, int64(h.Size())
	}
	if v.limit < 0 {
		// The batch that holds limit-1 ends there, or begins there when limit-1 is in a gap before it.
		pos, err := l.seek(v, f, limit-1, &h)
		switch {
		case errors.Is(err, io.EOF):
			v.limit = v.size
		case err != nil:
			return 0, err
		case h.BaseOffset >= limit:
			v.limit = pos
		default:
			v.limit = pos + int64(h.Size())
		}
	}
	n := v.limit - v.pos
	if n <= int64(maxBytes) {
		return max(n, 0), nil
	}
	if first == 0 {
		w := walk(f, v.pos, v.size)
		_, err := w.next(&h)
		w.done()
		if err != nil {
			return 0, err
		}
		first = int64(h.Size())
	}
	return max(first, int64(maxBytes)), nil
}

// seek finds the first batch of v.s whose last offset is at least offset. io.EOF: there is none. An index entry counts only
// when the batch it points to ends where the entry says; otherwise the index is damaged, and the search starts at the
// front of the file.
func (l *store) seek(v *view, f vfs.File, offset model.Offset, h *record.Header) (int64, error) {
	en, err := v.s.positionOf(offset, v.next)
	w := walk(f, en.Position, v.size)
	defer w.done()
	if err == nil && en.Offset != model.NoOffset {
		if err = w.expect(en, h); err == nil && en.Offset >= offset {
			return en.Position, nil
		}
	}
	if err != nil {
		if !errors.Is(err, errIndex) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return 0, err
		}
		if err := l.rebuild(v, err); err != nil {
			return 0, err
		}
		w.pos = 0
	}
	return w.find(offset, h)
}

// rebuild mends the indexes of the segment in v after cause was found. The active segment's are left as they are:
// searches that meet the damage start at the front until the segment is sealed.
func (l *store) rebuild(v *view, cause error) error {
	l.mu.Lock()
	mend := v.s.sealed && l.changes == v.changes
	l.mu.Unlock()
	if !mend || !v.s.mending.CompareAndSwap(false, true) {
		return nil
	}
	defer v.s.mending.Store(false)
	return l.rebuildIndexes(v.s, cause)
}

func (l *store) warn(msg string, attrs ...any) {
	if l.logger != nil {
		l.logger.Warn(msg, attrs...)
	}
}
