// This file is yours to edit. It was made from solutions/01-segment-log/index.go by: go run . generate
// made: e6f24c7887ccf32ea94a758bb5513c0d5ff6c75aa5e04ddc14a913bf30be7dd0

package segmentlog

import (
	"highwater.dev/broker/record"
	"highwater.dev/workbook/lab"
)

// index is a sparse index: entries in ascending order of their keys. A segment has two.
//
// An offset index's entry says that the batch whose last offset is base+key starts at position value. A time index's
// entry says that no timestamp up to offset base+value is above key. Both are relative to the segment's base offset, so that
// an offset takes 4 bytes.
type index struct {
	keyBytes int // in the file: 4 for offsets, 8 for timestamps; a value has 4 always
	entries  []entry
}

type entry struct{ key, value int64 }

// last is the last entry. For an empty index it is zero, which is right: start at the front.
func (x *index) last() (e entry) {
	if n := len(x.entries); n > 0 {
		e = x.entries[n-1]
	}
	return e
}

// add appends an entry, unless its key is not above the last one's: keys only grow. An empty index takes any key, 0 as well.
func (x *index) add(key, value int64) {
	// TODO 1.3: append, and keep the keys growing
	// Text: chapters/01-segment-log/README.md#exercise-1-3
	// Test: go run . test 1.3
	panic(lab.NotStarted("1.3"))
}

// floor is the value of the last entry whose key is not above key, and 0, the front, when there is none. It is a binary search:
// an index of 10 MiB has 1.3 million entries, and a consumer that seeks waits for it.
func (x *index) floor(key int64) int64 {
	// TODO 1.3: search by halves
	// Text: chapters/01-segment-log/README.md#exercise-1-3
	// Test: go run . test 1.3
	panic(lab.NotStarted("1.3"))
}

// encode is the index as a file: entry after entry, key and value big-endian, in keyBytes and 4 bytes.
func (x *index) encode() (b []byte) {
	// TODO 1.3: write the entries as Apache Kafka does
	// Text: chapters/01-segment-log/README.md#exercise-1-3
	// Test: go run . test 1.3
	panic(lab.NotStarted("1.3"))
}

// decode reads a file into x, which is empty. It stops at an entry that is cut short, at one whose key and value are 0 (the first one, too), and at one whose
// key is not above the one before: Apache Kafka allocates index files ahead, and zeros stand behind the last entry.
func (x *index) decode(b []byte) {
	// TODO 1.3: read entries as long as there are any
	// Text: chapters/01-segment-log/README.md#exercise-1-3
	// Test: go run . test 1.3
	panic(lab.NotStarted("1.3"))
}

// addOffset is called with each batch h before it counts into s.size, the position where it stands. It gives the batch an entry in
// the offset index when it starts more than interval bytes behind the start of the last entry's batch (without an entry: of the file),
// and says whether it did. The key is the batch's last offset, as Kafka has it: floor then finds a batch at or before the one that holds
// an offset.
func (s *seg) addOffset(h *record.Header, interval int) bool {
	// TODO 1.3: an entry every interval bytes, not for every batch
	// Text: chapters/01-segment-log/README.md#exercise-1-3
	// Test: go run . test 1.3
	panic(lab.NotStarted("1.3"))
}
