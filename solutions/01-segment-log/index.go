package segmentlog

import (
	"encoding/binary"
	"sort"

	"highwater.dev/broker/record"
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
	// BEGIN SOLUTION 1.3 append, and keep the keys growing
	if len(x.entries) == 0 || key > x.last().key {
		x.entries = append(x.entries, entry{key, value})
	}
	// END SOLUTION
}

// floor is the value of the last entry whose key is not above key, and 0, the front, when there is none. It is a binary search:
// an index of 10 MiB has 1.3 million entries, and a consumer that seeks waits for it.
func (x *index) floor(key int64) int64 {
	// BEGIN SOLUTION 1.3 search by halves
	i := sort.Search(len(x.entries), func(i int) bool { return x.entries[i].key > key })
	if i == 0 {
		return 0
	}
	return x.entries[i-1].value
	// END SOLUTION
}

// encode is the index as a file: entry after entry, key and value big-endian, in keyBytes and 4 bytes.
func (x *index) encode() (b []byte) {
	// BEGIN SOLUTION 1.3 write the entries as Apache Kafka does
	for _, e := range x.entries {
		if x.keyBytes == 4 {
			b = binary.BigEndian.AppendUint32(b, uint32(e.key))
		} else {
			b = binary.BigEndian.AppendUint64(b, uint64(e.key))
		}
		b = binary.BigEndian.AppendUint32(b, uint32(e.value))
	}
	return b
	// END SOLUTION
}

// decode reads a file into x, which is empty. It stops at an entry that is cut short, at one whose key and value are 0 (the first one, too), and at one whose
// key is not above the one before: Apache Kafka allocates index files ahead, and zeros stand behind the last entry.
func (x *index) decode(b []byte) {
	// BEGIN SOLUTION 1.3 read entries as long as there are any
	for width := x.keyBytes + 4; len(b) >= width; b = b[width:] {
		key := int64(binary.BigEndian.Uint32(b))
		if x.keyBytes == 8 {
			key = int64(binary.BigEndian.Uint64(b))
		}
		value := int64(binary.BigEndian.Uint32(b[x.keyBytes:]))
		if key == 0 && value == 0 || len(x.entries) > 0 && key <= x.last().key {
			return
		}
		x.add(key, value)
	}
	// END SOLUTION
}

// addOffset is called with each batch h before it counts into s.size, the position where it stands. It gives the batch an entry in
// the offset index when it starts more than interval bytes behind the start of the last entry's batch (without an entry: of the file),
// and says whether it did. The key is the batch's last offset, as Kafka has it: floor then finds a batch at or before the one that holds
// an offset.
func (s *seg) addOffset(h *record.Header, interval int) bool {
	// BEGIN SOLUTION 1.3 an entry every interval bytes, not for every batch
	if s.size-s.offsets.last().value <= int64(interval) {
		return false
	}
	s.offsets.add(int64(h.LastOffset()-s.base), s.size)
	return true
	// END SOLUTION
}
