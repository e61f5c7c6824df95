package segment

import (
	"encoding/binary"

	"highwater.dev/broker/model"
)

// OffsetEntry is an entry of an offset index: the batch whose last offset is Offset starts at Position.
type OffsetEntry struct {
	Offset   model.Offset
	Position int64
}

func (en OffsetEntry) encode(base model.Offset) (b [offsetEntrySize]byte) {
	binary.BigEndian.PutUint32(b[0:], uint32(en.Offset-base))
	binary.BigEndian.PutUint32(b[4:], uint32(en.Position))
	return b
}

func decodeOffsetEntry(b []byte, base model.Offset) OffsetEntry {
	return OffsetEntry{
		Offset:   base + model.Offset(int32(binary.BigEndian.Uint32(b))),
		Position: int64(int32(binary.BigEndian.Uint32(b[4:]))),
	}
}

// TimeEntry is an entry of a time index: no batch up to and with the one whose last offset is Offset holds a
// timestamp above Timestamp, and that batch holds it.
type TimeEntry struct {
	Timestamp model.TimestampMs
	Offset    model.Offset
}

func (en TimeEntry) encode(base model.Offset) (b [timeEntrySize]byte) {
	binary.BigEndian.PutUint64(b[0:], uint64(en.Timestamp))
	binary.BigEndian.PutUint32(b[8:], uint32(en.Offset-base))
	return b
}

func decodeTimeEntry(b []byte, base model.Offset) TimeEntry {
	return TimeEntry{
		Timestamp: model.TimestampMs(binary.BigEndian.Uint64(b)),
		Offset:    base + model.Offset(int32(binary.BigEndian.Uint32(b[8:]))),
	}
}
