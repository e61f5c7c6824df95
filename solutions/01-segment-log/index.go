package segmentlog

import (
	"encoding/binary"
	"sort"

	"highwater.dev/broker/model"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/vfs"
)

// offsetIndex is sparse: an entry now and then says that the batch ending at some offset starts at some position.
// On disk an entry is 8 bytes: the offset relative to base, the position.
type offsetIndex struct {
	base    model.Offset
	file    vfs.File
	entries []segment.OffsetEntry
}

func (x *offsetIndex) add(last model.Offset, pos int64) error {
	var b [8]byte
	binary.BigEndian.PutUint32(b[0:], uint32(last-x.base))
	binary.BigEndian.PutUint32(b[4:], uint32(pos))
	if _, err := x.file.WriteAt(b[:], int64(len(x.entries))*8); err != nil {
		return err
	}
	x.entries = append(x.entries, segment.OffsetEntry{Offset: last, Position: pos})
	return nil
}

// last is the last entry; that of an empty index points to the start of the file.
func (x *offsetIndex) last() segment.OffsetEntry {
	if len(x.entries) == 0 {
		return segment.OffsetEntry{Offset: x.base}
	}
	return x.entries[len(x.entries)-1]
}

// floor is a position from where a scan meets the batch that holds offset: the last entry's that is not above it.
func (x *offsetIndex) floor(offset model.Offset) int64 {
	i := sort.Search(len(x.entries), func(i int) bool { return x.entries[i].Offset > offset })
	if i == 0 {
		return 0
	}
	return x.entries[i-1].Position
}

// load reads the file's entries. An entry at position 0 is none: Apache Kafka allocates index files ahead.
func (x *offsetIndex) load() error {
	x.entries = nil
	return eachEntry(x.file, 8, func(b []byte) bool {
		e := segment.OffsetEntry{
			Offset:   x.base + model.Offset(binary.BigEndian.Uint32(b)),
			Position: int64(binary.BigEndian.Uint32(b[4:])),
		}
		if e.Position == 0 {
			return false
		}
		x.entries = append(x.entries, e)
		return true
	})
}

func (x *offsetIndex) reset() error {
	x.entries = nil
	return x.file.Truncate(0)
}

// eachEntry calls yield with the file's entries of width bytes until it returns false.
func eachEntry(f vfs.File, width int, yield func([]byte) bool) error {
	size, err := f.Size()
	if err != nil || size == 0 {
		return err
	}
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil {
		return err
	}
	for ; len(b) >= width && yield(b[:width]); b = b[width:] {
	}
	return nil
}
