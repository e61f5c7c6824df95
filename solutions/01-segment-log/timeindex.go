package segmentlog

import (
	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
)

// addTime adds the largest timestamp so far to the time index. Its keys grow, also when the records' times do not.
func (s *seg) addTime() {
	if s.max >= 0 {
		s.times.add(int64(s.max), int64(s.maxAt-s.base))
	}
}

// OffsetForTime finds the first record of time ts or later.
func (l *Log) OffsetForTime(ts model.TimestampMs) (at segment.TimestampOffset, found bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken == segment.ErrClosed {
		return at, false, l.broken
	}
	for _, s := range l.segments {
		if s.max < ts {
			continue
		}
		err = s.walk(s.offsets.floor(s.times.floor(int64(ts))), s.size, func(pos int64, h *record.Header) (bool, error) {
			if h.MaxTimestamp >= ts && h.LastOffset() >= l.start {
				at, found, err = s.firstRecord(pos, h, ts, l.start)
			}
			return !found, err
		})
		if found || err != nil {
			return at, found, err
		}
	}
	return at, false, nil
}

// firstRecord looks into one batch: timestamps inside it come in any order.
func (s *seg) firstRecord(pos int64, h *record.Header, ts model.TimestampMs, start model.Offset) (at segment.TimestampOffset, found bool, err error) {
	b, err := s.batch(pos, h)
	var it record.Iterator
	defer it.Close()
	if err == nil {
		err = it.Reset(b)
	}
	for err == nil && it.Next() {
		if it.Offset() >= start && it.Timestamp() >= ts {
			return segment.TimestampOffset{Offset: it.Offset(), Timestamp: it.Timestamp(), LeaderEpoch: h.LeaderEpoch}, true, nil
		}
	}
	return at, false, err
}
