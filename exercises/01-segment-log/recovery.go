// This file is yours to edit. It was made from solutions/01-segment-log/recovery.go by: go run . generate
// made: 04abe95f9fa1365b06577264ac80cd13cc585e56507cde6a695eba556fd8dc17

package segmentlog

import (
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/workbook/lab"
)

// scanFrom is the number, in l.segments, of the first segment that Open has to scan; those before it are loaded, and those behind it
// scanned as well. l.segments is not empty.
//
// After a clean end nothing has to be: len(l.segments) (Open asks all the same when there is an observer). After an unclean one (o.Clean is false) it is the segment that holds the recovery
// point (l.floor: the first one, when the point is below it), for everything below the point was flushed; the last segment at the
// latest, whatever the recovery point says. And in either case an observer that asked for a replay (o.Observer set, o.ReplayFrom 0 or
// above) has to hear of the batches from the segment that holds ReplayFrom on, so it is that one when it comes earlier.
func (l *Log) scanFrom(o *segment.Options) int {
	// TODO 1.6: decide by Clean, RecoveryPoint and ReplayFrom
	// Text: chapters/01-segment-log/README.md#exercise-1-6
	// Test: go run . test 1.6
	panic(lab.NotStarted("1.6"))
}

// recover checks segment i batch by batch and makes its indexes anew. At the first bad batch the log ends: later segments go, newest
// first (l.remove), the file is cut behind the last good batch, and a warning says what was cut (l.warnCut). The segment is sealed in
// either case: what was recovered is durable before anything is built on it, and so are its new index files.
//
// A disk that fails to read is no bad batch (damaged tells them apart): that error is returned, and nothing is removed or cut. Who
// opens the log again finds all of it.
//
// The observer, where there is one, hears of each good batch whose last offset is o.ReplayFrom or above; when it asked for no replay,
// ReplayFrom is -1, and it hears of all that are scanned. It gets (as whole) the bytes of a control batch (h.Attributes.Control), because what a
// control batch says is in its record, and nil with every other one.
func (l *Log) recover(i int, o *segment.Options) error {
	// TODO 1.6: scan; when something is wrong remove what is behind and cut; seal
	// Text: chapters/01-segment-log/README.md#exercise-1-6
	// Test: go run . test 1.6
	panic(lab.NotStarted("1.6"))
}

// scan forgets what is known of the segment (s.reset; s.size becomes 0 there, and is the file's length before) and adds each good batch of
// its file again (l.add), calling each with it. It stops at the first bad one, with s.size behind the last good one, and returns what is
// wrong: walk's error for what cannot be a header, or for one that says more bytes than the file has; CheckCRC's; or record.ErrCorrupt for a base
// offset below s.next, where the batch before ended (for the first one: the segment's base). An error of the disk ends it as well, and
// is returned as it is.
func (l *Log) scan(s *seg, each func(*record.Header, record.Batch)) error {
	// TODO 1.6: walk over the file, read each batch whole, check its CRC and its offset, add it
	// Text: chapters/01-segment-log/README.md#exercise-1-6
	// Test: go run . test 1.6
	panic(lab.NotStarted("1.6"))
}
