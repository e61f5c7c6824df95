// Package segmentlog is chapter 01's solution: a partition's log as segment files with sparse indexes.
//
// What keeps it short, and what the broker does instead: one lock over everything; every segment's files stay open;
// all index entries are in memory as well; roll waits for an fsync, so that only the last segment is ever unflushed.
package segmentlog

import (
	"errors"
	"fmt"
	"log/slog"
	"path"
	"sort"
	"sync"

	"highwater.dev/broker/model"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/vfs"
)

// Log is a segment.Log.
type Log struct {
	fs       vfs.FS
	dir      string
	limits   segment.Limits
	observer segment.Observer
	logger   *slog.Logger

	mu     sync.Mutex
	start  model.Offset
	segs   []*seg // oldest first, never empty; the last is active
	failed bool
	closed bool
}

// seg is one segment: a .log file and its two indexes.
type seg struct {
	base, next model.Offset // the first possible offset; the offset after the last batch
	file       *vfs.SharedFile
	size       int64 // bytes of whole batches
	dirty      bool  // has bytes that were not flushed
	first      model.TimestampMs
	max        segment.TimeEntry // the largest timestamp, and the last offset of the first batch that has it
	offsets    offsetIndex
	times      timeIndex
}

func (l *Log) path(base model.Offset, suffix string) string {
	return path.Join(l.dir, segment.FileName(base, suffix))
}

// openSegment opens the three files, making those that are missing.
func (l *Log) openSegment(base model.Offset) (*seg, error) {
	s := &seg{base: base, next: base}
	s.offsets.base, s.times.base = base, base
	f, err := l.fs.OpenReadWrite(l.path(base, ".log"))
	if err != nil {
		return nil, err
	}
	s.file = vfs.Share(f)
	var ierr, terr, serr error
	s.offsets.file, ierr = l.fs.OpenReadWrite(l.path(base, ".index"))
	s.times.file, terr = l.fs.OpenReadWrite(l.path(base, ".timeindex"))
	s.size, serr = f.Size()
	return s, errors.Join(ierr, terr, serr)
}

func (s *seg) close() error {
	return errors.Join(s.file.Release(), s.offsets.file.Close(), s.times.file.Close())
}

func (l *Log) active() *seg { return l.segs[len(l.segs)-1] }

// floor is the number of the segment that holds offset.
func (l *Log) floor(offset model.Offset) int {
	return max(0, sort.Search(len(l.segs), func(i int) bool { return l.segs[i].base > offset })-1)
}

// lock takes the lock for a change, unless the log takes none any more.
func (l *Log) lock() error {
	l.mu.Lock()
	switch {
	case l.closed:
		l.mu.Unlock()
		return segment.ErrClosed
	case l.failed:
		l.mu.Unlock()
		return segment.ErrFailed
	}
	return nil
}

// fail remembers that nobody knows what the disk holds now.
func (l *Log) fail(err error) error {
	if err == nil {
		return nil
	}
	l.failed = true
	return fmt.Errorf("%w: %w", segment.ErrFailed, err)
}

// Bounds returns the first offset and the one after the last.
func (l *Log) Bounds() (start, end model.Offset) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.start, l.active().next
}

// Segments describes the segments.
func (l *Log) Segments() (infos []segment.Info) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.segs {
		infos = append(infos, segment.Info{BaseOffset: s.base, EndOffset: s.next, Bytes: s.size, MaxTimestamp: s.max.Timestamp})
	}
	return infos
}

// Flush makes everything durable: only the active segment can have news.
func (l *Log) Flush() error {
	if err := l.lock(); err != nil {
		return err
	}
	defer l.mu.Unlock()
	return l.flush(l.active())
}

func (l *Log) flush(s *seg) error {
	if !s.dirty {
		return nil
	}
	s.dirty = false
	return l.fail(errors.Join(s.file.Sync(), s.offsets.file.Sync(), s.times.file.Sync()))
}

// Close flushes and gives up the files. Readers that hold a Region keep theirs.
func (l *Log) Close() error {
	if err := l.lock(); err != nil {
		return err
	}
	defer l.mu.Unlock()
	s := l.active()
	err := s.times.add(s.max)
	if err == nil {
		err = l.flush(s)
	}
	l.closed = true
	for _, s := range l.segs {
		err = errors.Join(err, s.close())
	}
	return err
}
