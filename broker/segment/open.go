package segment

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/vfs"
)

// Open opens the log in dir, making it where it is missing. It is the broker's Opener.
func Open(fs vfs.FS, dir string, opts Options) (Log, error) {
	l := &store{fs: fs, dir: dir, observer: opts.Observer, logger: opts.Logger, limits: opts.Limits.withDefaults()}
	if err := l.open(&opts); err != nil {
		for _, s := range l.segments {
			s.discard()
		}
		return nil, fmt.Errorf("open log %s: %w", dir, err)
	}
	return l, nil
}

func (l *store) open(opts *Options) error {
	if err := l.fs.MkdirAll(l.dir); err != nil {
		return err
	}
	if l.parent = !opts.Clean; l.parent {
		l.recoveryPoint = opts.RecoveryPoint
	}
	if err := l.sweep(); err != nil {
		return err
	}
	if err := l.list(opts.Clean); err != nil {
		return err
	}
	if err := l.dropUpTo(opts.Start); err != nil {
		return err
	}
	if err := l.load(opts); err != nil {
		return err
	}
	for len(l.segments) > 1 && l.segments[0].size == 0 {
		// A Truncate that emptied the log was interrupted: the segment behind is where it goes on.
		if err := l.removeFirst(); err != nil {
			return err
		}
	}
	start := max(opts.Start, 0)
	if n := len(l.segments); n > 0 && l.active().next < start {
		l.warn("log ends below its start offset: beginning anew",
			slog.String("dir", l.dir), slog.Int64("end", int64(l.active().next)), slog.Int64("start", int64(start)))
		if err := l.removeFrom(0); err != nil {
			return err
		}
	}
	if len(l.segments) == 0 {
		if err := l.begin(start); err != nil {
			return err
		}
	}
	l.start = max(start, l.segments[0].base)
	return nil
}

// begin makes an empty segment at base the log's only one.
func (l *store) begin(base model.Offset) error {
	s := newSegment(l.fs, l.dir, base)
	f, err := l.fs.Create(s.path(logSuffix))
	if err != nil {
		return err
	}
	s.file = vfs.Share(f)
	s.maxKnown, s.offsets.loaded, s.times.loaded = true, true, true
	if err := errors.Join(s.offsets.reset(), s.times.reset()); err != nil {
		s.discard()
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.segments = append(l.segments, s)
	l.dirty = true
	return nil
}

// list fills segments from the folder's names and removes index files without their .log: what a
// deletion that was interrupted leaves. After a clean shutdown the names are durable.
func (l *store) list(clean bool) error {
	names, err := l.fs.List(l.dir)
	if err != nil {
		return err
	}
	have := make(map[string]bool, len(names))
	for _, name := range names {
		have[name] = true
	}
	for _, name := range names {
		base, suffix, ok := parseName(name)
		if !ok {
			continue
		}
		switch suffix {
		case logSuffix:
			s := newSegment(l.fs, l.dir, base)
			info, err := l.fs.Stat(s.path(logSuffix))
			if err != nil {
				return err
			}
			s.size = info.Size
			s.bare = !have[FileName(base, indexSuffix)] || !have[FileName(base, timeIndexSuffix)]
			s.offsets.found, s.times.found = clean && !s.bare, clean && !s.bare
			l.segments = append(l.segments, s)
		case indexSuffix, timeIndexSuffix, txnIndexSuffix:
			if !have[FileName(base, logSuffix)] {
				if err := l.fs.Remove(filePath(l.dir, base, suffix)); err != nil {
					return err
				}
				l.dirty = true
			}
		}
	}
	for i, s := range l.segments {
		if i+1 < len(l.segments) {
			s.next, s.sealed, s.synced, s.flushed = l.segments[i+1].base, true, true, s.size
		}
	}
	return nil
}

// load brings every segment into a state that can be read, and the last into one that can be appended to.
func (l *store) load(opts *Options) error {
	n := len(l.segments)
	if n == 0 {
		return nil
	}
	scanFrom := n
	if !opts.Clean {
		scanFrom = l.floorSegment(opts.RecoveryPoint)
	}
	for i := 0; i < len(l.segments); i++ {
		s := l.segments[i]
		if i >= scanFrom {
			if err := l.recover(i, opts); err != nil {
				return err
			}
			continue
		}
		if i == n-1 {
			err := l.loadActive(s)
			s.closeFiles() // most partitions are idle after a start
			if err != nil && !isDamage(err) {
				return err
			}
			if err != nil {
				l.warn("the last segment of a log that was closed is damaged: recovering it",
					slog.String("file", s.path(logSuffix)), slog.Any("cause", err))
				if err := l.recover(i, opts); err != nil {
					return err
				}
				continue
			}
			s.flushed = s.size
		} else if s.bare {
			if err := l.rebuildIndexes(s, errors.New("an index file is missing")); err != nil {
				return err
			}
		}
		if err := l.replay(s, opts); err != nil {
			return err
		}
	}
	return nil
}

// isDamage tells damaged files, which recovery mends, from files that cannot be read now.
func isDamage(err error) bool {
	for _, kind := range []error{errIndex, record.ErrShort, record.ErrMagic, record.ErrCRC, record.ErrCorrupt, io.EOF, io.ErrUnexpectedEOF} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// loadActive finds the end of a segment that was closed in order: from the last index entry on it goes
// from header to header, and must come out at the end of the file. The last time entry must name a batch that bears it out.
func (l *store) loadActive(s *segment) error {
	if s.bare {
		return fmt.Errorf("%w: an index file is missing", errIndex)
	}
	f, err := s.acquire()
	if err != nil {
		return err
	}
	defer release(f)
	var e [timeEntrySize]byte
	timed, err := s.times.last(&e)
	if err != nil {
		return err
	}
	if timed {
		s.setMax(decodeTimeEntry(e[:], s.base))
		s.timed = s.max.Timestamp
	}
	top := s.max
	var h record.Header
	w := walk(f, 0, s.size)
	defer w.done()
	if ok, err := s.offsets.last(&e); err != nil {
		return err
	} else if ok {
		en := decodeOffsetEntry(e[:], s.base)
		w.pos, s.indexedAt = en.Position, en.Position
		if err := w.expect(en, &h); err != nil {
			return err
		}
		s.next = h.NextOffset()
		s.raiseMax(h.MaxTimestamp, h.LastOffset())
	}
	for {
		_, err := w.next(&h)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if h.BaseOffset < s.next {
			return fmt.Errorf("%w: offset %d after %d", record.ErrCorrupt, h.BaseOffset, s.next-1)
		}
		s.next = h.NextOffset()
		s.raiseMax(h.MaxTimestamp, h.LastOffset())
	}
	s.maxKnown = true
	if !timed {
		return nil
	}
	v := view{s: s, size: s.size, next: s.next}
	if _, err := l.seek(&v, f, top.Offset, &h); err != nil || h.LastOffset() != top.Offset || h.MaxTimestamp != top.Timestamp {
		return fmt.Errorf("%w: its last entry names no batch with its timestamp", errIndex)
	}
	return nil
}

// replay reports the segment's batches that end above opts.ReplayFrom to the observer.
func (l *store) replay(s *segment, opts *Options) error {
	if opts.Observer == nil || opts.ReplayFrom < 0 || s.next <= opts.ReplayFrom || s.size == 0 {
		return nil
	}
	f, err := s.acquire()
	if err != nil {
		return err
	}
	defer release(f)
	v := view{s: s, size: s.size, next: s.next, changes: l.changes}
	var h record.Header
	pos, err := l.seek(&v, f, opts.ReplayFrom, &h)
	w := walk(f, pos, s.size)
	defer w.done()
	for err == nil {
		if pos, err = w.next(&h); err != nil {
			break
		}
		var whole record.Batch
		if h.Attributes.Control() {
			whole = make(record.Batch, h.Size())
			if err := readFull(f, whole, pos); err != nil {
				return err
			}
		}
		opts.Observer.Batch(&h, whole)
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return fmt.Errorf("replay %s at %d: %w", s.path(logSuffix), pos, err)
}
