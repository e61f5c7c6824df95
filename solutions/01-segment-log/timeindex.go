package segmentlog

import (
	"errors"
	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
)

// raiseMax is called with each batch of the segment, in order. It keeps s.max, the segment's largest timestamp, and s.maxAt, the last
// offset of the first batch that has it. Timestamps are the producers': they go back as often as they like.
func (s *seg) raiseMax(h *record.Header) {
	// BEGIN SOLUTION 1.5 keep the largest timestamp and its batch
	if h.MaxTimestamp > s.max {
		s.max, s.maxAt = h.MaxTimestamp, h.LastOffset()
	}
	// END SOLUTION
}

// addTime adds an entry to the time index: no timestamp up to offset s.maxAt (relative to the base) is above s.max. It is called with
// each entry of the offset index, and when the segment is sealed: the last entry then has the segment's largest timestamp. A segment
// without any timestamp (s.max below 0) gets none.
func (s *seg) addTime() {
	// BEGIN SOLUTION 1.5 an entry of the largest timestamp so far
	if s.max >= 0 {
		s.times.add(int64(s.max), int64(s.maxAt-s.base))
	}
	// END SOLUTION
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
	// BEGIN SOLUTION 1.5 skip segments by their largest time, go to the indexes' floors, walk, look into batches
	for i := range l.segments {
		s := l.segments[i]
		if s.max < ts {
			continue
		}
		err = s.walk(s.offsets.floor(s.times.floor(int64(ts))), s.size, func(pos int64, h *record.Header) (bool, error) {
			if h.MaxTimestamp < ts || h.LastOffset() < l.start {
				return true, nil
			}
			at, found, err = s.firstRecord(pos, h, ts, l.start)
			return !found, err
		})
		if found || err != nil {
			return at, found, err
		}
	}
	return at, false, nil
	// END SOLUTION
}

// firstRecord finds the first record of the batch at pos that is at or above offset start and of time ts or later: its offset, its
// time, and the header's leader epoch. A record's offset and time are the header's base offset and base timestamp and its own deltas; with
// LogAppendTime, all have the header's MaxTimestamp. An error of s.batch or of codec.Each is returned as it is.
func (s *seg) firstRecord(pos int64, h *record.Header, ts model.TimestampMs, start model.Offset) (at segment.TimestampOffset, found bool, err error) {
	// BEGIN SOLUTION 1.5 read the batch (s.batch) and go through its records (codec.Each)
	b, err := s.batch(pos, h)
	if err != nil {
		return at, false, err
	}
	err = codec.Each(b, func(r *record.Record) bool {
		at = segment.TimestampOffset{
			Offset:      h.BaseOffset + model.Offset(r.OffsetDelta),
			Timestamp:   h.BaseTimestamp + model.TimestampMs(r.TimestampDelta),
			LeaderEpoch: h.LeaderEpoch,
		}
		if h.Attributes.LogAppendTime() {
			at.Timestamp = h.MaxTimestamp
		}
		found = at.Offset >= start && at.Timestamp >= ts
		return !found
	})
	return at, found, err
	// END SOLUTION
}
