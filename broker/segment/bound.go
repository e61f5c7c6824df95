package segment

import (
	"fmt"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/vfs"
)

// UpperBound implements Bounder: it finds the first index entry at or behind the region's end. The batch that the entry
// points to must bear it out: a bound that is too low hides something from the caller.
func (l *store) UpperBound(from model.Offset, r vfs.Region) (model.Offset, error) {
	s, size, next, err := l.holder(from, r)
	if err != nil {
		return 0, err
	}
	end := r.Pos + r.Len
	if end >= size {
		return next, nil
	}
	en, ok, err := s.offsets.firstFrom(end)
	if err != nil || !ok {
		return next, err
	}
	var h record.Header
	w := walk(r.File, en.Position, size)
	defer w.done()
	if err := w.expect(en, &h); err != nil {
		return next, nil
	}
	return h.BaseOffset, nil
}

// largeBatch is the average distance of index entries, in bytes, from which on Whole looks for the last batch's place: batches
// that are smaller leave less behind a cut than finding it costs.
const largeBatch = 16 << 10

// Whole implements Bounder: it goes from the last index entry inside of the region, or from its beginning when there is none, to the first
// batch that reaches beyond it. The batch that the entry points to must bear it out: a region that ends inside of its first
// batch stops a consumer for ever.
func (l *store) Whole(from model.Offset, r vfs.Region) (int64, error) {
	s, size, _, err := l.holder(from, r)
	if err != nil {
		return 0, err
	}
	end := r.Pos + r.Len
	if end >= size {
		return r.Len, nil
	}
	en, ok, err := s.offsets.lastBelow(end, int(size/largeBatch))
	if err != nil || !ok {
		return r.Len, err
	}
	begin := max(en.Position, r.Pos)
	var h record.Header
	w := walk(r.File, begin, size)
	defer w.done()
	if begin > r.Pos {
		err = w.expect(en, &h)
	} else {
		_, err = w.next(&h)
	}
	for pos := begin; err == nil && pos <= begin+pageBytes; pos, err = w.next(&h) { // an entry would not be far
		if w.pos > end {
			return pos - r.Pos, nil
		}
	}
	return r.Len, nil
}

// holder finds the segment whose file r lies in, and how far it reaches.
func (l *store) holder(from model.Offset, r vfs.Region) (s *segment, size int64, next model.Offset, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := l.floorSegment(from)
	for i < len(l.segments) && !l.segments[i].owns(r.File) {
		i++
	}
	if i == len(l.segments) {
		return nil, 0, 0, fmt.Errorf("%w: %s is gone", ErrOffsetOutOfRange, r.File.Name())
	}
	s = l.segments[i]
	return s, s.size, s.next, nil
}

// owns reports whether f is the segment's .log file, as it is open now or was before.
func (s *segment) owns(f *vfs.SharedFile) bool {
	s.fileMu.Lock()
	same := s.file == f
	s.fileMu.Unlock()
	return same || s.path(logSuffix) == f.Name()
}
