package segmentlog

import (
	"errors"
	"fmt"
	"log/slog"
	"path"
	"strconv"
	"strings"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/vfs"
)

// Open opens the log in dir and repairs what a crash left. It is the chapter's segment.Opener.
func Open(fs vfs.FS, dir string, o segment.Options) (segment.Log, error) {
	l := &Log{fs: fs, dir: dir, limits: o.Limits, observer: o.Observer, logger: o.Logger}
	if l.limits == (segment.Limits{}) {
		l.limits = segment.DefaultLimits()
	}
	if err := errors.Join(fs.MkdirAll(dir), fs.SyncDir(path.Dir(dir)), l.list(), fs.SyncDir(dir)); err != nil {
		return nil, err
	}
	from := len(l.segs) - 1 // the last segment is scanned always
	if !o.Clean {
		from = l.floor(o.RecoveryPoint)
	}
	if o.Observer != nil && o.ReplayFrom >= 0 {
		from = min(from, l.floor(o.ReplayFrom))
	}
	for i := 0; i < len(l.segs); i++ {
		s := l.segs[i]
		if i >= from || s.load(l.segs[i+1].base) != nil {
			if err := l.recover(i, &o); err != nil {
				return nil, err
			}
		}
	}
	if n := len(l.segs); n > 0 && l.active().next < o.Start {
		if err := l.removeFrom(0); err != nil {
			return nil, err
		}
	}
	if len(l.segs) == 0 {
		if err := l.begin(max(o.Start, 0)); err != nil {
			return nil, err
		}
	}
	l.start = max(o.Start, l.segs[0].base)
	return l, l.drop()
}

// list opens the segments in the folder and removes index files whose .log is gone.
func (l *Log) list() error {
	names, err := l.fs.List(l.dir)
	if err != nil {
		return err
	}
	logs := map[string]bool{}
	for _, name := range names {
		digits, isLog := strings.CutSuffix(name, ".log")
		base, err := strconv.ParseInt(digits, 10, 64)
		if !isLog || err != nil {
			continue
		}
		logs[digits] = true
		s, err := l.openSegment(model.Offset(base))
		if err != nil {
			return err
		}
		l.segs = append(l.segs, s)
	}
	for _, name := range names {
		digits, suffix, _ := strings.Cut(name, ".")
		if (suffix == "index" || suffix == "timeindex") && !logs[digits] {
			if err := l.fs.Remove(path.Join(l.dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// load trusts a sealed segment's files. next is where the following one begins.
func (s *seg) load(next model.Offset) error {
	s.next = next
	if err := errors.Join(s.offsets.load(), s.times.load()); err != nil {
		return err
	}
	if len(s.times.entries) == 0 {
		return errors.New("no time index") // of a sealed segment it has an entry at least
	}
	s.max = s.times.entries[len(s.times.entries)-1]
	return nil
}

// recover checks segment i batch by batch, makes its indexes anew, and cuts the log at the first bad one.
func (l *Log) recover(i int, o *segment.Options) error {
	s := l.segs[i]
	size := s.size
	cause := s.scan(l.limits.IndexIntervalBytes, func(h *record.Header, b record.Batch) {
		if o.Observer != nil && h.NextOffset() > o.ReplayFrom {
			o.Observer.Batch(h, b)
		}
	})
	s.dirty = true
	if cause != nil {
		if l.logger != nil {
			l.logger.Warn("log recovered: cut at the first bad batch", "segment", s.base, "position", s.size, "bytesCut", size-s.size, slog.Any("cause", cause))
		}
		if err := l.removeFrom(i + 1); err != nil {
			return err
		}
		if err := errors.Join(s.file.Truncate(s.size), s.file.Sync()); err != nil {
			return err
		}
	}
	if i+1 < len(l.segs) { // sealed: the time index ends with the largest timestamp
		if err := s.times.add(s.max); err != nil {
			return err
		}
	}
	return l.flush(s)
}

// scan reads the file from the front, adding each good batch to the segment; it stops with the cause at the first bad one.
func (s *seg) scan(interval int, each func(*record.Header, record.Batch)) error {
	end := s.size
	s.size, s.next, s.max = 0, s.base, segment.TimeEntry{Timestamp: model.NoTimestamp, Offset: s.base}
	if err := errors.Join(s.offsets.reset(), s.times.reset()); err != nil {
		return err
	}
	var h record.Header
	for s.size < end {
		b := make(record.Batch, min(record.HeaderSize, end-s.size))
		if _, err := s.file.ReadAt(b, s.size); err != nil {
			return err
		}
		if err := record.ReadHeader(b, &h); err != nil {
			return err
		}
		if int64(h.Size()) > end-s.size {
			return record.ErrShort
		}
		b = make(record.Batch, h.Size())
		if _, err := s.file.ReadAt(b, s.size); err != nil {
			return err
		}
		if err := b.CheckCRC(); err != nil {
			return err
		}
		if h.BaseOffset < s.next {
			return fmt.Errorf("%w: offset %d after %d", record.ErrCorrupt, h.BaseOffset, s.next-1)
		}
		if err := s.add(&h, interval); err != nil {
			return err
		}
		each(&h, b)
	}
	return nil
}

// Truncate removes the batches that end at to or above, and scans again the segment that was cut.
func (l *Log) Truncate(to model.Offset) error {
	if err := l.lock(); err != nil {
		return err
	}
	defer l.mu.Unlock()
	if to >= l.active().next {
		return nil
	}
	i := l.floor(to)
	s := l.segs[i]
	cut, next := s.size, s.base
	err := s.walk(0, func(pos int64, h *record.Header) (bool, error) {
		if h.LastOffset() < to {
			next = h.NextOffset()
			return true, nil
		}
		cut = pos
		return false, nil
	})
	none := i == 0 && next <= l.start || cut == 0 && i == 0
	if none {
		cut = 0
	}
	if err == nil {
		err = l.removeFrom(i + 1)
	}
	if err == nil {
		err = errors.Join(s.file.Truncate(cut), s.file.Sync())
	}
	s.size = cut
	if err == nil {
		err = s.scan(l.limits.IndexIntervalBytes, func(*record.Header, record.Batch) {})
	}
	s.dirty = true
	if none {
		l.start = min(l.start, to)
	}
	if err == nil && none && s.base != l.start { // begin anew
		if err = l.begin(l.start); err == nil {
			err = l.removeFirst()
		}
	}
	return l.fail(err)
}

// TrimTo raises the start and removes the segments below it.
func (l *Log) TrimTo(start model.Offset) error {
	if err := l.lock(); err != nil {
		return err
	}
	defer l.mu.Unlock()
	if end := l.active().next; start > end {
		return segment.ErrOffsetOutOfRange
	} else if start == end && l.active().size > 0 {
		if err := l.roll(&record.Header{BaseOffset: end}); err != nil {
			return err
		}
	}
	l.start = max(l.start, start)
	return l.drop()
}

// drop removes the segments below the start, oldest first: what is left never has a hole.
func (l *Log) drop() error {
	for len(l.segs) > 1 && l.segs[1].base <= l.start {
		if err := l.removeFirst(); err != nil {
			return l.fail(err)
		}
	}
	return nil
}

func (l *Log) removeFirst() error {
	s := l.segs[0]
	l.segs = l.segs[1:]
	return l.remove(s)
}

// removeFrom removes segment i and the later ones, newest first.
func (l *Log) removeFrom(i int) error {
	for len(l.segs) > i {
		s := l.active()
		l.segs = l.segs[:len(l.segs)-1]
		if err := l.remove(s); err != nil {
			return err
		}
	}
	return nil
}

// remove deletes a segment's files, the .log first: an index without its .log is swept up by the next Open.
func (l *Log) remove(s *seg) error {
	if err := errors.Join(s.close(), l.fs.Remove(l.path(s.base, ".log")), l.fs.SyncDir(l.dir)); err != nil {
		return err
	}
	if l.observer != nil {
		l.observer.Removed(s.base)
	}
	return errors.Join(l.fs.Remove(l.path(s.base, ".index")), l.fs.Remove(l.path(s.base, ".timeindex")))
}
