// This file is yours to edit. It was made from solutions/01-segment-log/timeindex.go by: go run . generate
// made: 6726c13dca08023e78ba69fb80169232e69b13d21913534c685e7f0c1a2a67e5

package segmentlog

import (
	"errors"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/workbook/lab"
)

// raiseMax is called with each batch of the segment, in order. It keeps s.max, the segment's largest timestamp, and s.maxAt, the last
// offset of the first batch that has it. Timestamps are the producers': they go back as often as they like.
func (s *seg) raiseMax(h *record.Header) {
	// TODO 1.5: keep the largest timestamp and its batch
	// Text: chapters/01-segment-log/README.md#exercise-1-5
	// Test: go run . test 1.5
	panic(lab.NotStarted("1.5"))
}

// addTime adds an entry to the time index: no timestamp up to offset s.maxAt (relative to the base) is above s.max. It is called with
// each entry of the offset index, and when the segment is sealed: the last entry then has the segment's largest timestamp. A segment
// without any timestamp (s.max below 0) gets none.
func (s *seg) addTime() {
	// TODO 1.5: an entry of the largest timestamp so far
	// Text: chapters/01-segment-log/README.md#exercise-1-5
	// Test: go run . test 1.5
	panic(lab.NotStarted("1.5"))
}

// OffsetForTime finds the first record, in offset order and at or above the log's start, whose time is ts or later.
//
// s.max rules whole segments out. In a segment that remains, the time index's floor of ts gives an offset up to which no time is above
// ts. The batch that ends there may be the answer, when its time is ts itself; none before it is. The offset index's floor of that offset is
// the position to start at: that batch's, or one before it. From there the headers' MaxTimestamp tells which batch to look into.
// A batch that has such a time may have it below the log's start: then the search goes on, in the next segments too. On a closed log:
// segment.ErrClosed.
func (l *Log) OffsetForTime(ts model.TimestampMs) (at segment.TimestampOffset, found bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(l.broken, segment.ErrClosed) {
		return at, false, l.broken
	}
	// TODO 1.5: skip segments by their largest time, go to the indexes' floors, walk, look into batches
	// Text: chapters/01-segment-log/README.md#exercise-1-5
	// Test: go run . test 1.5
	panic(lab.NotStarted("1.5"))
}

// firstRecord finds the first record of the batch at pos that is at or above offset start and of time ts or later: its offset, its
// time, and the header's leader epoch. A record's offset and time are the header's base offset and base timestamp and its own deltas; with
// LogAppendTime, all have the header's MaxTimestamp. An error of s.batch or of codec.Each is returned as it is.
func (s *seg) firstRecord(pos int64, h *record.Header, ts model.TimestampMs, start model.Offset) (at segment.TimestampOffset, found bool, err error) {
	// TODO 1.5: read the batch (s.batch) and go through its records (codec.Each)
	// Text: chapters/01-segment-log/README.md#exercise-1-5
	// Test: go run . test 1.5
	panic(lab.NotStarted("1.5"))
}
