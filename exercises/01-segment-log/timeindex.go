// This file is yours to edit. It was made from solutions/01-segment-log/timeindex.go by: go run . generate
// made: b57d49907eb1b54bfe132a4db69b4cd3529115ce7db0f080c5f592eb38fa9085

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
// s.max rules whole segments out. In the first segment that remains, the time index's floor gives an offset up to which everything is
// earlier than, or just at, ts; the offset index's floor of that a position; from there the headers' MaxTimestamp tells which batch to look into.
// A batch that has such a time may have it below the log's start: then the search goes on. On a closed log: segment.ErrClosed.
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

// firstRecord finds the first record of the batch at pos that is at or above offset start and of time ts or later. A record's offset
// and time are the header's base offset and base timestamp and its own deltas; with LogAppendTime, all have the header's MaxTimestamp.
func (s *seg) firstRecord(pos int64, h *record.Header, ts model.TimestampMs, start model.Offset) (at segment.TimestampOffset, found bool, err error) {
	// TODO 1.5: read the batch (s.batch) and go through its records (codec.Each)
	// Text: chapters/01-segment-log/README.md#exercise-1-5
	// Test: go run . test 1.5
	panic(lab.NotStarted("1.5"))
}
