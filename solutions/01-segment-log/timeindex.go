package segmentlog

import (
	"encoding/binary"
	"sort"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/vfs"
)

// timeIndex says, now and then, what the largest timestamp was up to some offset. Its timestamps only grow,
// also when those of the records do not. On disk an entry is 12 bytes: timestamp, offset relative to base.
type timeIndex struct {
	base    model.Offset
	file    vfs.File
	entries []segment.TimeEntry
}

// add writes the entry if its timestamp is above the last one's.
func (x *timeIndex) add(e segment.TimeEntry) error {
	n := len(x.entries)
	if e.Timestamp < 0 || n > 0 && e.Timestamp <= x.entries[n-1].Timestamp {
		return nil
	}
	var b [12]byte
	binary.BigEndian.PutUint64(b[0:], uint64(e.Timestamp))
	binary.BigEndian.PutUint32(b[8:], uint32(e.Offset-x.base))
	if _, err := x.file.WriteAt(b[:], int64(n)*12); err != nil {
		return err
	}
	x.entries = append(x.entries, e)
	return nil
}

// floor is an offset below which no timestamp is ts or later.
func (x *timeIndex) floor(ts model.TimestampMs) model.Offset {
	i := sort.Search(len(x.entries), func(i int) bool { return x.entries[i].Timestamp > ts })
	if i == 0 {
		return x.base
	}
	return x.entries[i-1].Offset
}

func (x *timeIndex) load() error {
	x.entries = nil
	return eachEntry(x.file, 12, func(b []byte) bool {
		e := segment.TimeEntry{
			Timestamp: model.TimestampMs(binary.BigEndian.Uint64(b)),
			Offset:    x.base + model.Offset(binary.BigEndian.Uint32(b[8:])),
		}
		if n := len(x.entries); n > 0 && e.Timestamp <= x.entries[n-1].Timestamp {
			return false
		}
		x.entries = append(x.entries, e)
		return true
	})
}

func (x *timeIndex) reset() error {
	x.entries = nil
	return x.file.Truncate(0)
}

// OffsetForTime finds the first record of time ts or later.
func (l *Log) OffsetForTime(ts model.TimestampMs) (at segment.TimestampOffset, found bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return at, false, segment.ErrClosed
	}
	for _, s := range l.segs {
		if s.max.Timestamp < ts {
			continue
		}
		pos := s.offsets.floor(max(s.times.floor(ts), l.start))
		err = s.walk(pos, func(pos int64, h *record.Header) (bool, error) {
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
}

// firstRecord looks into one batch: timestamps inside it come in any order.
func (s *seg) firstRecord(pos int64, h *record.Header, ts model.TimestampMs, start model.Offset) (at segment.TimestampOffset, found bool, err error) {
	b := make(record.Batch, h.Size())
	if _, err := s.file.ReadAt(b, pos); err != nil {
		return at, false, err
	}
	var it record.Iterator
	defer it.Close()
	if err := it.Reset(b); err != nil {
		return at, false, err
	}
	for it.Next() {
		if it.Offset() >= start && it.Timestamp() >= ts {
			return segment.TimestampOffset{Offset: it.Offset(), Timestamp: it.Timestamp(), LeaderEpoch: h.LeaderEpoch}, true, nil
		}
	}
	return at, false, it.Err()
}
