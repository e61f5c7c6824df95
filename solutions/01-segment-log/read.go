package segmentlog

import (
	"errors"
	"io"
	"sort"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/vfs"
)

// floor is the number, in l.segments, of the segment that may hold offset: the last whose base is not above it; 0 when there is none.
func (l *Log) floor(offset model.Offset) int {
	// BEGIN SOLUTION 1.4 a binary search over the segments' base offsets
	return max(0, sort.Search(len(l.segments), func(i int) bool { return l.segments[i].base > offset })-1)
	// END SOLUTION
}

// walk goes from header to header, from the batch at position pos up to position end, until yield returns false or an error. It reads
// no records, only record.HeaderSize bytes of each batch: the header says where the next one begins. What cannot be a header is
// codec.ReadHeader's error; a header or a batch that goes on behind end is record.ErrShort. A disk that does not give its bytes is
// another matter: that error is passed on as it is. Only io.EOF is none: the file ends in the middle of what was asked for, and that is
// record.ErrShort.
func (s *seg) walk(pos, end int64, yield func(pos int64, h *record.Header) (more bool, err error)) error {
	// BEGIN SOLUTION 1.4 read a header, check that its batch ends in time, yield it, step to the next
	var b [record.HeaderSize]byte
	var h record.Header
	for pos < end {
		n, err := s.file.ReadAt(b[:min(record.HeaderSize, end-pos)], pos)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if err := codec.ReadHeader(b[:n], &h); err != nil {
			return err
		}
		if int64(h.Size()) > end-pos {
			return record.ErrShort
		}
		if more, err := yield(pos, &h); err != nil || !more {
			return err
		}
		pos += int64(h.Size())
	}
	return nil
	// END SOLUTION
}

// Read finds the batch that holds from (in a gap: the next one, in the next segment if need be) and returns its place and that of
// as many more bytes of this file as go into maxBytes. It copies nothing: a Region is a place in a file, and the socket reads from there.
//
// The first batch is whole however small maxBytes is, or a consumer whose limit is below a batch's size would ask for ever. What follows
// may be cut in the middle of a batch, clients know that; a batch whose base offset is limit or above is not in it.
//
// In this order: a closed log is segment.ErrClosed (one that failed is still read); below the start or above the end is
// segment.ErrOffsetOutOfRange, whatever the limit; at from >= limit, and at from = end, there is nothing to read: the zero Region.
//
// The Region holds its file: s.file.Acquire(), once, when there is something in it (it succeeds: the log holds the file, too). Its receiver releases that hold; without it the
// release would close the log's own file.
func (l *Log) Read(from, limit model.Offset, maxBytes int) (r vfs.Region, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(l.broken, segment.ErrClosed) {
		return r, l.broken
	}
	// BEGIN SOLUTION 1.4 find the segment, go to the index's floor, walk to the batch, and on to the limit
	if from < l.start || from > l.active().next {
		return r, segment.ErrOffsetOutOfRange
	}
	if from >= limit {
		return r, nil
	}
	for _, s := range l.segments[l.floor(from):] {
		first := int64(0)
		err := s.walk(s.offsets.floor(int64(from-s.base)), s.size, func(pos int64, h *record.Header) (bool, error) {
			if h.LastOffset() < from {
				return true, nil
			}
			if h.BaseOffset >= limit {
				return false, nil
			}
			if r.Len == 0 {
				r.Pos, first = pos, int64(h.Size())
			}
			r.Len += int64(h.Size())
			return r.Len < int64(maxBytes), nil
		})
		if err != nil {
			return vfs.Region{}, err
		}
		if r.Len > 0 {
			r.Len = min(r.Len, max(first, int64(maxBytes)))
			r.File = s.file
			r.File.Acquire()
			return r, nil
		}
	}
	return r, nil
	// END SOLUTION
}
