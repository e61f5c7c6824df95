// This file is yours to edit. It was made from solutions/01-segment-log/recovery.go by: go run . generate
// made: 22ab8af37f335ae7a4ba45b091ef25768375c67cc9d4082b06a20eb46022179d

package segmentlog

import (
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/workbook/lab"
)

// scanFrom is the number, in l.segments, of the first segment that Open has to scan; those before it are loaded, and those behind it
// scanned as well. l.segments is not empty. After an unclean end that is the segment that holds the recovery point, for everything
// below it was flushed; the last segment, at the latest, whatever the recovery point says. An observer that asked for a replay
// (o.Observer set, o.ReplayFrom 0 or above) has to hear of the batches from the segment that holds ReplayFrom on. len(l.segments):
// nothing has to be scanned.
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
// The observer hears of each good batch that ends above o.ReplayFrom. It gets the header, and for whole nil: of a control batch only
// (h.Attributes.Control) the bytes, because what a control batch says is in its record.
func (l *Log) recover(i int, o *segment.Options) error {
	// TODO 1.6: scan; when something is wrong remove what is behind and cut; seal
	// Text: chapters/01-segment-log/README.md#exercise-1-6
	// Test: go run . test 1.6
	panic(lab.NotStarted("1.6"))
}

// scan forgets what is known of the segment (s.reset) and adds each good batch of its file again (l.add), calling each with it. It
// stops at the first bad one, with s.size behind the last good one, and returns what is wrong: a header that can not be, fewer bytes
// than it says, a CRC that is not right, or a base offset below where the batch before ended (record.ErrCorrupt). An error of the disk
// ends it as well, and is returned as it is.
func (l *Log) scan(s *seg, each func(*record.Header, record.Batch)) error {
	// TODO 1.6: walk over the file, read each batch whole, check its CRC and its offset, add it
	// Text: chapters/01-segment-log/README.md#exercise-1-6
	// Test: go run . test 1.6
	panic(lab.NotStarted("1.6"))
}
