package main

import (
	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
)

// entry of an offset index, and what else is known of its batch.
type entry struct {
	header record.Header
	pos    int64
}

// segmentOf is the last of the log's segments that begins at offset or below.
func (s *session) segmentOf(offset model.Offset) segment.Info {
	all := s.log.Segments()
	found := all[0]
	for _, info := range all {
		if info.BaseOffset <= offset {
			found = info
		}
	}
	return found
}

// batchesOf lists the batches of a segment's file, and those of them that have an index entry by the rule of index.interval.bytes. An
// active segment's index may be in memory only; the rule makes the same one of the .log file.
func (s *session) batchesOf(base model.Offset) (all, indexed []entry, err error) {
	b, err := s.bytesOf(base)
	last := int64(0)
	var e entry
	for record.ReadHeader(b[min(e.pos, int64(len(b))):], &e.header) == nil {
		all = append(all, e)
		if e.pos-last > int64(s.opts.Limits.IndexIntervalBytes) {
			indexed, last = append(indexed, e), e.pos
		}
		e.pos += int64(e.header.Size())
	}
	return all, indexed, err
}

// bytesOf reads a segment's .log file.
func (s *session) bytesOf(base model.Offset) ([]byte, error) {
	f, err := s.disk.Open(s.dir + "/" + segment.FileName(base, ".log"))
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	size, err := f.Size()
	b := make([]byte, size)
	if err == nil && size > 0 {
		_, err = f.ReadAt(b, 0)
	}
	return b, err
}

// trace prints how an offset is found: the segment, each step of the index's binary search, each header of the scan.
func (s *session) trace(offset model.Offset) error {
	info := s.segmentOf(offset)
	all, indexed, err := s.batchesOf(info.BaseOffset)
	if err != nil {
		return err
	}
	s.printf("  segment %s: the last that begins at %d or below; %d batches, %d index entries", segment.FileName(info.BaseOffset, ".log"), offset, len(all), len(indexed))
	key := int64(offset - info.BaseOffset)
	low, high := 0, len(indexed)
	for low < high {
		middle := (low + high) / 2
		e := indexed[middle]
		relative := int64(e.header.LastOffset() - info.BaseOffset)
		turn := "not above: go right"
		if relative > key {
			turn, high = "above: go left", middle
		} else {
			low = middle + 1
		}
		s.printf("    index entry %d of %d: offset %d+%d at position %d; %d is sought, it is %s", middle, len(indexed), info.BaseOffset, relative, e.pos, offset, turn)
	}
	from := int64(0)
	if low > 0 {
		from = indexed[low-1].pos
	}
	s.printf("    floor: position %d", from)
	for _, e := range all {
		if e.pos < from {
			continue
		}
		hit := e.header.LastOffset() >= offset
		s.printf("    scan: position %d, batch %d..%d%s", e.pos, e.header.BaseOffset, e.header.LastOffset(), map[bool]string{true: ": here", false: ": go on"}[hit])
		if hit {
			break
		}
	}
	return nil
}

// traceTime prints which segments a look-up by time skips.
func (s *session) traceTime(ts model.TimestampMs) {
	for _, info := range s.log.Segments() {
		what := "may have it: its time index says from which offset on"
		if info.MaxTimestamp < ts {
			what = "skipped"
		}
		s.printf("  segment %s: latest time %d, %s", segment.FileName(info.BaseOffset, ".log"), info.MaxTimestamp, what)
		if info.MaxTimestamp >= ts {
			return
		}
	}
	s.printf("  no segment has time %d or later", ts)
}
