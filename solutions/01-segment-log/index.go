package segmentlog

import (
	"encoding/binary"
	"sort"
)

// index is a sparse index: entries in ascending order of their keys.
//
// An offset index's entry says that the batch whose last offset is base+key starts at position value. A time index's
// entry says that no timestamp up to offset base+value is above key.
type index struct {
	keyBytes int // in the file: 4 for offsets, 8 for timestamps; a value has 4 always
	entries  []entry
}

type entry struct{ key, value int64 }

// add appends an entry, unless its key is not above the last one's.
func (x *index) add(key, value int64) {
	if len(x.entries) == 0 || key > x.last().key {
		x.entries = append(x.entries, entry{key, value})
	}
}

// last is the last entry. For an empty index it is zero, which is right: start at the front.
func (x *index) last() (e entry) {
	if n := len(x.entries); n > 0 {
		e = x.entries[n-1]
	}
	return e
}

// floor is the value of the last entry whose key is not above key, and 0, the front, when there is none.
func (x *index) floor(key int64) int64 {
	i := sort.Search(len(x.entries), func(i int) bool { return x.entries[i].key > key })
	if i == 0 {
		return 0
	}
	return x.entries[i-1].value
}

func (x *index) encode() (b []byte) {
	for _, e := range x.entries {
		if x.keyBytes == 4 {
			b = binary.BigEndian.AppendUint32(b, uint32(e.key))
		} else {
			b = binary.BigEndian.AppendUint64(b, uint64(e.key))
		}
		b = binary.BigEndian.AppendUint32(b, uint32(e.value))
	}
	return b
}

// decode stops where the keys stop growing: zeros are behind that, Apache Kafka allocates index files ahead.
func (x *index) decode(b []byte) {
	for width := x.keyBytes + 4; len(b) >= width; b = b[width:] {
		var key [8]byte
		copy(key[8-x.keyBytes:], b)
		if n := len(x.entries); n > 0 && int64(binary.BigEndian.Uint64(key[:])) <= x.last().key {
			return
		}
		x.add(int64(binary.BigEndian.Uint64(key[:])), int64(binary.BigEndian.Uint32(b[x.keyBytes:])))
	}
}
