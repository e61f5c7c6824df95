package segmentlog

import (
	"errors"
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
	if err := errors.Join(fs.MkdirAll(dir), fs.SyncDir(path.Dir(dir)), l.list(), fs.SyncDir(dir)); err != nil {
		return nil, err
	}
	from := len(l.segments) - 1 // the last segment is scanned always
	if !o.Clean {
		from = l.floor(o.RecoveryPoint)
	}
	if o.Observer != nil && o.ReplayFrom >= 0 {
		from = min(from, l.floor(o.ReplayFrom))
	}
	for i := 0; i < len(l.segments); i++ {
		if i < from && l.load(l.segments[i], l.segments[i+1].base) == nil {
			continue
		}
		if err := l.recover(i, &o); err != nil {
			return nil, err
		}
	}
	for len(l.segments) > 0 && l.active().next < o.Start {
		if err := l.remove(len(l.segments) - 1); err != nil {
			return nil, err
		}
	}
	if len(l.segments) == 0 {
		if err := l.begin(max(o.Start, 0)); err != nil {
			return nil, err
		}
	}
	l.start = max(o.Start, l.segments[0].base)
	return l, l.drop()
}

// list opens the segments in the folder.
func (l *Log) list() error {
	names, err := l.fs.List(l.dir)
	for _, name := range names {
		digits, isLog := strings.CutSuffix(name, ".log")
		base, notOurs := strconv.ParseInt(digits, 10, 64)
		if !isLog || notOurs != nil || err != nil {
			continue
		}
		var s *seg
		s, err = l.openSegment(model.Offset(base))
		l.segments = append(l.segments, s)
	}
	return err
}

// load trusts a sealed segment's files. next is where the following one begins.
func (l *Log) load(s *seg, next model.Offset) error {
	offsets, err := l.readFile(s.base, ".index")
	times, terr := l.readFile(s.base, ".timeindex")
	s.offsets.decode(offsets)
	s.times.decode(times)
	if len(s.times.entries) == 0 {
		return errors.New("a sealed segment's time index has an entry at least")
	}
	s.next, s.max = next, model.TimestampMs(s.times.last().key)
	return errors.Join(err, terr)
}

func (l *Log) readFile(base model.Offset, suffix string) ([]byte, error) {
	f, err := l.fs.Open(l.path(base, suffix))
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	b := make([]byte, size)
	if size > 0 && err == nil {
		_, err = f.ReadAt(b, 0)
	}
	return b, errors.Join(err, f.Close())
}

// recover checks segment i batch by batch, makes its indexes anew, and cuts the log at the first bad batch.
func (l *Log) recover(i int, o *segment.Options) error {
	s := l.segments[i]
	size := s.size
	cause := s.scan(l.limits.IndexIntervalBytes, func(h *record.Header, b record.Batch) {
		if l.observer != nil && h.NextOffset() > o.ReplayFrom {
			l.observer.Batch(h, b)
		}
	})
	if cause == nil {
		return l.seal(s)
	}
	if l.logger != nil {
		l.logger.Warn("log recovered: cut at the first bad batch", "segment", s.base, "position", s.size, "bytesCut", size-s.size, "cause", cause)
	}
	for n := len(l.segments) - 1; n > i; n-- {
		if err := l.remove(n); err != nil {
			return err
		}
	}
	return errors.Join(s.file.Truncate(s.size), l.seal(s))
}

// scan adds each good batch in the file to the segment. It stops at the first bad one and returns what is wrong with it.
func (s *seg) scan(interval int, each func(*record.Header, record.Batch)) error {
	end := s.size
	s.size, s.next, s.max, s.offsets.entries, s.times.entries = 0, s.base, model.NoTimestamp, nil, nil
	return s.walk(0, end, func(pos int64, h *record.Header) (bool, error) {
		b, err := s.batch(pos, h)
		if err == nil {
			err = b.CheckCRC()
		}
		if err == nil && h.BaseOffset < s.next {
			err = record.ErrCorrupt
		}
		if err == nil {
			s.add(h, interval)
			each(h, b)
		}
		return true, err
	})
}
