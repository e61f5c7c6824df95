package segmentlog

import (
	"errors"
	"io"
	"math"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
)

// Append writes a batch behind the last one, in a new segment when the active one is full.
//
// Refused, and without a trace: anything on a log that failed or is closed (l.broken, which is the error); what begins with no
// header (ReadHeader's error); fewer or more bytes than the header says (record.ErrCorrupt); a base offset below the log end offset
// (segment.ErrOutOfOrder; above it is fine, a compacted log has gaps); a batch larger than a whole segment may be
// (segment.ErrBatchTooLarge).
//
// A write can fail after a part of the batch: a full disk. Then the file is cut back to where it was, so that no half batch stands
// before the next one, the write's error is returned, and the log goes on; the new segment that the batch may have begun stays, empty. When the cut
// fails as well, nobody knows what the file holds: l.fail remembers it, and its error is returned too (errors.Join). A batch that is written is
// added to its segment (l.add), and the observer, where there is one, hears of it: the header, and the slice that was appended.
func (l *Log) Append(batch record.Batch) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	// BEGIN SOLUTION 1.2 check the batch, roll if the active segment is full, write at its end, take note
	var h record.Header
	if l.broken != nil {
		return l.broken
	}
	if err := codec.ReadHeader(batch, &h); err != nil {
		return err
	}
	switch {
	case h.Size() != len(batch):
		return record.ErrCorrupt
	case h.BaseOffset < l.active().next:
		return segment.ErrOutOfOrder
	case len(batch) > l.limits.SegmentBytes:
		return segment.ErrBatchTooLarge
	}
	if l.full(l.active(), &h) {
		if err := l.roll(&h); err != nil {
			return err
		}
	}
	s := l.active()
	n, err := s.file.WriteAt(batch, s.size)
	if err == nil && n < len(batch) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return errors.Join(err, l.fail(s.file.Truncate(s.size)))
	}
	l.add(s, &h)
	if l.observer != nil {
		l.observer.Batch(&h, batch)
	}
	return nil
	// END SOLUTION
}

// full says whether the batch of header h needs a new segment:
//   - its last offset is more than 2^31-1 (math.MaxInt32) above the segment's base: an index entry could not hold it;
//   - segment.bytes: the file would become larger;
//   - segment.ms, when set: the batch's largest timestamp is more than that above s.first, the largest of the segment's first batch,
//     and that one has a time (s.first is 0 or above; segments roll by the records' clock here, not by the wall's: the log has none);
//   - an index is full (s.indexFull).
//
// An empty segment is rolled for the first reason only: for the others, the next one would be as empty, and have the same name.
func (l *Log) full(s *seg, h *record.Header) bool {
	// BEGIN SOLUTION 1.2 the four reasons to roll
	switch {
	case h.LastOffset()-s.base > math.MaxInt32:
		return true
	case s.size == 0:
		return false
	case s.size+int64(h.Size()) > int64(l.limits.SegmentBytes):
		return true
	case l.limits.SegmentMs > 0 && s.first >= 0 && int64(h.MaxTimestamp-s.first) > l.limits.SegmentMs:
		return true
	default:
		return s.indexFull(l.limits.IndexBytes)
	}
	// END SOLUTION
}

// roll seals the active segment (l.seal) and begins the next one (l.begin). Its base is where the old one ends, so that no
// offset lies between two segments; only when that is more than math.MaxInt32 below h's last offset, it is h's base offset.
//
// The order matters. A segment is durable to its last byte before there is another behind it: so whatever a power cut takes, it takes from
// the last segment's end, and recovery need not look elsewhere.
func (l *Log) roll(h *record.Header) error {
	// BEGIN SOLUTION 1.2 seal the old segment, then begin the new one at the right base offset
	base := l.active().next
	if h.LastOffset()-base > math.MaxInt32 {
		base = h.BaseOffset
	}
	if err := l.seal(l.active()); err != nil {
		return err
	}
	return l.begin(base)
	// END SOLUTION
}

// add takes note of a batch that stands at the end of the file, at s.size.
func (l *Log) add(s *seg, h *record.Header) {
	if s.size == 0 {
		s.first = h.MaxTimestamp
	}
	whenStarted(func() { s.raiseMax(h) })
	whenStarted(func() {
		if s.addOffset(h, l.limits.IndexIntervalBytes) {
			s.addTime()
		}
	})
	s.size += int64(h.Size())
	s.next = h.NextOffset()
}

// seal makes a segment durable, all of it, and writes its index files. Its .log goes first: an index file that is missing, or is not
// whole, is made anew.
func (l *Log) seal(s *seg) error {
	if err := l.fail(s.file.Sync()); err != nil {
		return err
	}
	var err error
	whenStarted(s.addTime)
	whenStarted(func() {
		err = errors.Join(l.writeFile(s.base, ".index", s.offsets.encode()), l.writeFile(s.base, ".timeindex", s.times.encode()))
	})
	return err
}

// begin makes an empty segment the active one.
func (l *Log) begin(base model.Offset) error {
	s, err := l.openSegment(base)
	if err != nil {
		return err
	}
	l.segments = append(l.segments, s)
	if l.observer != nil && len(l.segments) > 1 {
		l.observer.Rolled(base)
	}
	return l.fail(l.fs.SyncDir(l.dir))
}
