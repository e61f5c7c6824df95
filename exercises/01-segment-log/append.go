// This file is yours to edit. It was made from solutions/01-segment-log/append.go by: go run . generate
// made: c0c609bf7541c8ab908f7a47b51eb1a5059d3db3177bc93e25f876d911028696

package segmentlog

import (
	"errors"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/workbook/lab"
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
	// TODO 1.2: check the batch, roll if the active segment is full, write at its end, take note
	// Text: chapters/01-segment-log/README.md#exercise-1-2
	// Test: go run . test 1.2
	panic(lab.NotStarted("1.2"))
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
	// TODO 1.2: the four reasons to roll
	// Text: chapters/01-segment-log/README.md#exercise-1-2
	// Test: go run . test 1.2
	panic(lab.NotStarted("1.2"))
}

// roll seals the active segment (l.seal) and begins the next one (l.begin). Its base is where the old one ends, so that no
// offset lies between two segments; only when that is more than math.MaxInt32 below h's last offset, it is h's base offset.
//
// The order matters. A segment is durable to its last byte before there is another behind it: so whatever a power cut takes, it takes from
// the last segment's end, and recovery need not look elsewhere.
func (l *Log) roll(h *record.Header) error {
	// TODO 1.2: seal the old segment, then begin the new one at the right base offset
	// Text: chapters/01-segment-log/README.md#exercise-1-2
	// Test: go run . test 1.2
	panic(lab.NotStarted("1.2"))
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
