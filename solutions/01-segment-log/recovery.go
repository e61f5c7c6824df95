package segmentlog

import (
	"errors"

	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
)

// scanFrom is the number, in l.segments, of the first segment that Open has to scan; those before it are loaded, and those behind it
// scanned as well. l.segments is not empty.
//
// After a clean end nothing has to be: len(l.segments) (Open asks all the same when there is an observer). After an unclean one (o.Clean is false) it is the segment that holds the recovery
// point (l.floor: the first one, when the point is below it), for everything below the point was flushed; the last segment at the
// latest, whatever the recovery point says. And in either case an observer that asked for a replay (o.Observer set, o.ReplayFrom 0 or
// above) has to hear of the batches from the segment that holds ReplayFrom on, so it is that one when it comes earlier.
func (l *Log) scanFrom(o *segment.Options) int {
	// BEGIN SOLUTION 1.6 decide by Clean, RecoveryPoint and ReplayFrom
	from := len(l.segments)
	if !o.Clean {
		from = min(l.floor(o.RecoveryPoint), len(l.segments)-1)
	}
	if o.Observer != nil && o.ReplayFrom >= 0 {
		from = min(from, l.floor(o.ReplayFrom))
	}
	return from
	// END SOLUTION
}

// recover checks segment i batch by batch and makes its indexes anew. At the first bad batch the log ends: later segments go, newest
// first (l.remove), the file is cut behind the last good batch, and a warning says what was cut (l.warnCut). The segment is sealed in
// either case: what was recovered is durable before anything is built on it, and so are its new index files.
//
// A disk that fails to read is no bad batch (damaged tells them apart): that error is returned, and nothing is removed or cut. Who
// opens the log again finds all of it.
//
// The observer, where there is one, hears of each good batch whose last offset is o.ReplayFrom or above; when it asked for no replay,
// ReplayFrom is -1, and it hears of all that are scanned. It gets (as whole) the bytes of a control batch (h.Attributes.Control), because what a
// control batch says is in its record, and nil with every other one.
func (l *Log) recover(i int, o *segment.Options) error {
	// BEGIN SOLUTION 1.6 scan; when something is wrong remove what is behind and cut; seal
	s := l.segments[i]
	size := s.size
	cause := l.scan(s, func(h *record.Header, b record.Batch) {
		if l.observer == nil || h.NextOffset() <= o.ReplayFrom {
			return
		}
		if !h.Attributes.Control() {
			b = nil
		}
		l.observer.Batch(h, b)
	})
	switch {
	case cause == nil:
		return l.seal(s)
	case !damaged(cause):
		return cause
	}
	l.warnCut(s, size, cause)
	for n := len(l.segments) - 1; n > i; n-- {
		if err := l.remove(n); err != nil {
			return err
		}
	}
	return errors.Join(s.file.Truncate(s.size), l.seal(s))
	// END SOLUTION
}

// scan forgets what is known of the segment (s.reset; s.size becomes 0 there, and is the file's length before) and adds each good batch of
// its file again (l.add), calling each with it. It stops at the first bad one, with s.size behind the last good one, and returns what is
// wrong: walk's error for what cannot be a header, or for one that says more bytes than the file has; CheckCRC's; or record.ErrCorrupt for a base
// offset below s.next, where the batch before ended (for the first one: the segment's base). An error of the disk ends it as well, and
// is returned as it is.
func (l *Log) scan(s *seg, each func(*record.Header, record.Batch)) error {
	// BEGIN SOLUTION 1.6 walk over the file, read each batch whole, check its CRC and its offset, add it
	end := s.size
	s.reset()
	return s.walk(0, end, func(pos int64, h *record.Header) (bool, error) {
		b, err := s.batch(pos, h)
		if err == nil {
			err = codec.CheckCRC(b)
		}
		if err == nil && h.BaseOffset < s.next {
			err = record.ErrCorrupt
		}
		if err != nil {
			return false, err
		}
		l.add(s, h)
		each(h, b)
		return true, nil
	})
	// END SOLUTION
}
