package segment

import (
	"errors"
	"fmt"
	"io"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/vfs"
)

// OffsetForTime implements Log. Segments and batches whose largest timestamp is below ts are passed by; of the
// first that is not, the records are read, for inside a batch timestamps come in any order.
func (l *store) OffsetForTime(ts model.TimestampMs) (at TimestampOffset, found bool, err error) {
	for {
		at, found, again, err := l.offsetForTime(ts)
		if !again {
			return at, found, err
		}
	}
}

func (l *store) offsetForTime(ts model.TimestampMs) (at TimestampOffset, found, again bool, err error) {
	l.mu.Lock()
	closed, changes := l.closed, l.changes
	l.mu.Unlock()
	if closed {
		return at, false, false, ErrClosed
	}
	views, start := l.views()
	for i := range views {
		v := &views[i]
		if v.size == 0 {
			continue
		}
		if m, err := l.maxTime(v); err == nil && m.Timestamp < ts {
			continue
		}
		at, found, err = l.findTime(v, ts, start)
		if err != nil && l.changedSince(changes) {
			return at, false, true, nil
		}
		if err != nil {
			return at, false, false, fmt.Errorf("offset for time %d in %s: %w", ts, v.s.path(logSuffix), err)
		}
		if found {
			return at, true, false, nil
		}
	}
	return at, false, false, nil
}

// findTime is OffsetForTime in one segment.
func (l *store) findTime(v *view, ts model.TimestampMs, start model.Offset) (at TimestampOffset, found bool, err error) {
	f, err := v.s.acquire()
	if err != nil {
		return at, false, err
	}
	defer release(f)
	pos, err := l.seekTime(v, f, ts, start)
	if errors.Is(err, io.EOF) {
		return at, false, nil
	}
	if err != nil {
		return at, false, err
	}
	w := walk(f, pos, v.size)
	defer w.done()
	var h record.Header
	for {
		pos, err := w.next(&h)
		if errors.Is(err, io.EOF) {
			return at, false, nil
		}
		if err != nil {
			return at, false, err
		}
		if h.MaxTimestamp < ts || h.LastOffset() < start {
			continue
		}
		at, found, err = firstRecord(f, pos, &h, ts, start)
		if found || err != nil {
			return at, found, err
		}
	}
}

// seekTime finds a position with nothing at ts or later before it: the last time index entry at or below ts says up
// to where no timestamp is above its own. The entry counts only when the batch it names bears it out.
func (l *store) seekTime(v *view, f vfs.File, ts model.TimestampMs, start model.Offset) (int64, error) {
	var e [timeEntrySize]byte
	ok, err := v.s.times.floor(int64(ts), 0, 0, &e)
	var h record.Header
	if err == nil && ok {
		en := decodeTimeEntry(e[:], v.s.base)
		pos, serr := l.seek(v, f, en.Offset, &h)
		if serr != nil && !errors.Is(serr, io.EOF) {
			return 0, serr
		}
		if serr == nil && h.LastOffset() == en.Offset && h.MaxTimestamp == en.Timestamp {
			return pos, nil
		}
		if en.Offset >= v.next {
			return 0, io.EOF // of a batch appended meanwhile
		}
		err = fmt.Errorf("%w: no batch ends at offset %d with largest timestamp %d", errIndex, en.Offset, en.Timestamp)
	}
	if err != nil {
		if !errors.Is(err, errIndex) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return 0, err
		}
		return 0, l.rebuild(v, err)
	}
	return l.seek(v, f, max(start, v.s.base), &h)
}

// firstRecord finds the first record of the batch at pos that is at start or above, of time ts or later.
func firstRecord(f vfs.File, pos int64, h *record.Header, ts model.TimestampMs, start model.Offset) (at TimestampOffset, found bool, err error) {
	b := make(record.Batch, h.Size())
	if err := readFull(f, b, pos); err != nil {
		return at, false, err
	}
	var it record.Iterator
	defer it.Close()
	if err := it.Reset(b); err != nil {
		return at, false, err
	}
	for it.Next() {
		if it.Offset() >= start && it.Timestamp() >= ts {
			return TimestampOffset{Offset: it.Offset(), Timestamp: it.Timestamp(), LeaderEpoch: h.LeaderEpoch}, true, nil
		}
	}
	return at, false, it.Err()
}
