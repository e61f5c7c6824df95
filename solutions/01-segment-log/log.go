// Package segmentlog is chapter 01's solution: a partition's log as segment files with sparse indexes.
//
// What keeps it short, and what the broker does instead: one lock over everything; every .log file stays open; index entries are
// in memory, and a segment's index files are written when it is sealed; roll waits for an fsync, so that only the last segment is
// ever unflushed.
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

	mu       sync.Mutex
	start    model.Offset
	segments []*seg // oldest first, never empty; the last is active
	broken   error  // ErrFailed or ErrClosed: no more changes
}

// seg is one segment.
type seg struct {
	base, next     model.Offset // the first possible offset; the offset after the last batch
	file           *vfs.SharedFile
	size           int64 // bytes of whole batches
	first, max     model.TimestampMs
	maxAt          model.Offset // last offset of the first batch that has max
	offsets, times index
}

func (l *Log) path(base model.Offset, suffix string) string {
	return path.Join(l.dir, segment.FileName(base, suffix))
}

// openSegment opens a .log file, making it where it is missing.
func (l *Log) openSegment(base model.Offset) (*seg, error) {
	f, err := l.fs.OpenReadWrite(l.path(base, ".log"))
	if err != nil {
		return nil, err
	}
	s := &seg{base: base, next: base, max: model.NoTimestamp, file: vfs.Share(f), offsets: index{keyBytes: 4}, times: index{keyBytes: 8}}
	s.size, err = f.Size()
	return s, err
}

func (l *Log) active() *seg { return l.segments[len(l.segments)-1] }

// floor is the number of the segment that holds offset.
func (l *Log) floor(offset model.Offset) int {
	return max(0, sort.Search(len(l.segments), func(i int) bool { return l.segments[i].base > offset })-1)
}

// fail remembers that nobody knows what the disk holds now.
func (l *Log) fail(err error) error {
	if err != nil && l.broken == nil {
		l.broken = segment.ErrFailed
		err = fmt.Errorf("%w: %w", segment.ErrFailed, err)
	}
	return err
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
	for _, s := range l.segments {
		infos = append(infos, segment.Info{BaseOffset: s.base, EndOffset: s.next, Bytes: s.size, MaxTimestamp: s.max})
	}
	return infos
}

// Flush makes everything durable: only the active segment can have news.
func (l *Log) Flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken != nil {
		return l.broken
	}
	return l.fail(l.active().file.Sync())
}

// Close flushes and gives up the files. Readers that hold a Region keep theirs.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken == segment.ErrClosed {
		return l.broken
	}
	err := l.broken
	if err == nil {
		err = l.seal(l.active())
	}
	for _, s := range l.segments {
		err = errors.Join(err, s.file.Release())
	}
	l.broken = segment.ErrClosed
	return err
}
