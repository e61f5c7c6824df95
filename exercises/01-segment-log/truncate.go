// Given: no exercise is in this file. It was made from solutions/01-segment-log/truncate.go by: go run . generate
// made: d3f32ae26e8e86454d77c442e231bece2e8fb0ee028822e75a7eaf351ea52ea7

package segmentlog

import (
	"errors"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
)

// Truncate removes the batches that end at to or above, and scans the segment that was cut again.
func (l *Log) Truncate(to model.Offset) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken != nil || to >= l.active().next {
		return l.broken
	}
	return l.fail(l.truncate(to))
}

func (l *Log) truncate(to model.Offset) error {
	l.start = min(l.start, to)
	for i := len(l.segments) - 1; i > l.floor(to); i-- { // newest first: what is left never has a hole
		if err := l.remove(i); err != nil {
			return err
		}
	}
	s := l.active()
	cut := s.size
	err := s.walk(0, s.size, func(pos int64, h *record.Header) (bool, error) {
		if h.LastOffset() >= to {
			cut = pos
		}
		return cut == s.size, nil
	})
	s.size = cut
	// The fsync keeps what was cut from coming back behind batches that are appended next.
	err = errors.Join(err, s.file.Truncate(cut), s.file.Sync())
	if err == nil {
		err = l.scan(s, func(*record.Header, record.Batch) {})
	}
	if err == nil && len(l.segments) == 1 && s.base != l.start && (s.next <= l.start || s.size == 0) { // begin anew
		err = errors.Join(l.begin(l.start), l.remove(0))
	}
	return err
}

// TrimTo raises the start and removes the segments below it.
func (l *Log) TrimTo(start model.Offset) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	end := l.active().next
	switch {
	case l.broken != nil:
		return l.broken
	case start > end:
		return segment.ErrOffsetOutOfRange
	case start == end && l.active().size > 0:
		if err := errors.Join(l.seal(l.active()), l.begin(end)); err != nil {
			return err
		}
	}
	l.start = max(l.start, start)
	return l.drop()
}

// drop removes the segments below the start, oldest first: what is left never has a hole.
func (l *Log) drop() error {
	for len(l.segments) > 1 && l.segments[1].base <= l.start {
		if err := l.remove(0); err != nil {
			return l.fail(err)
		}
	}
	return nil
}

// remove deletes segment i's files, the .log last: a .log without its indexes is scanned again.
func (l *Log) remove(i int) error {
	s := l.segments[i]
	l.segments = append(l.segments[:i:i], l.segments[i+1:]...)
	_ = l.fs.Remove(l.path(s.base, ".index")) // missing where the segment was never sealed
	_ = l.fs.Remove(l.path(s.base, ".timeindex"))
	err := errors.Join(s.file.Release(), l.fs.Remove(l.path(s.base, ".log")), l.fs.SyncDir(l.dir))
	if err == nil && l.observer != nil {
		l.observer.Removed(s.base)
	}
	return err
}
