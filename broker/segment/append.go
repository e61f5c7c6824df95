package segment

import (
	"errors"
	"fmt"
	"io"

	"highwater.dev/broker/record"
)

// Append implements Log.
func (l *store) Append(batch record.Batch) error {
	h := &l.appending
	if err := record.ReadHeader(batch, h); err != nil {
		return err
	}
	if h.Size() != len(batch) || h.NextOffset() <= h.BaseOffset {
		return fmt.Errorf("%w: header says %d bytes, batch has %d; offsets %d to %d", record.ErrCorrupt, h.Size(), len(batch), h.BaseOffset, h.LastOffset())
	}
	l.mu.Lock()
	err, limits, s := l.usable(), l.limits, l.active()
	l.mu.Unlock()
	switch {
	case err != nil:
		return err
	case h.BaseOffset < s.next:
		return fmt.Errorf("%w: base offset %d, log end offset %d", ErrOutOfOrder, h.BaseOffset, s.next)
	case len(batch) > limits.SegmentBytes:
		return fmt.Errorf("%w: %d bytes, segment.bytes is %d", ErrBatchTooLarge, len(batch), limits.SegmentBytes)
	}
	if roll, err := l.shouldRoll(s, h, limits); err != nil {
		return err
	} else if roll {
		if s, err = l.roll(s, h); err != nil {
			return err
		}
	}
	if err := l.write(s, batch); err != nil {
		return err
	}
	if s.size == 0 {
		s.firstTs, s.firstRead = h.MaxTimestamp, true
	}
	s.raiseMax(h.MaxTimestamp, h.LastOffset())
	// Index entries come first: a reader may look for a batch from the moment it is published.
	s.addIndexEntries(s.size, h.LastOffset(), limits.IndexIntervalBytes)
	l.mu.Lock()
	l.marked().add(mark{offset: h.BaseOffset, pos: s.size})
	s.size += int64(len(batch))
	s.next = h.NextOffset()
	l.mu.Unlock()
	if l.observer != nil {
		l.observer.Batch(h, batch)
	}
	return nil
}

// write puts the batch behind the segment's last. What a failed write left is cut off again.
func (l *store) write(s *segment, batch record.Batch) error {
	f, err := s.acquire()
	if err != nil {
		return err
	}
	defer release(f)
	n, err := f.WriteAt(batch, s.size)
	if err == nil && n == len(batch) {
		return nil
	}
	if err == nil {
		err = io.ErrShortWrite
	}
	err = fmt.Errorf("append at offset %d to %s: %w", s.next, s.path(logSuffix), err)
	if terr := f.Truncate(s.size); terr != nil {
		return l.fail(errors.Join(err, terr))
	}
	return err
}
