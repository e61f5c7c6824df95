// This file is yours to edit. It was made from solutions/01-segment-log/read.go by: go run . generate
// made: dc3c4851ca7d01c77797c2f6554e9e81826aee5a967e4c9217257c7e2c8bd81b

package segmentlog

import (
	"errors"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/vfs"
	"highwater.dev/workbook/lab"
)

// floor is the number, in l.segments, of the segment that may hold offset: the last whose base is not above it; 0 when there is none.
func (l *Log) floor(offset model.Offset) int {
	// TODO 1.4: a binary search over the segments' base offsets
	// Text: chapters/01-segment-log/README.md#exercise-1-4
	// Test: go run . test 1.4
	panic(lab.NotStarted("1.4"))
}

// walk goes from header to header, from the batch at position pos up to position end, until yield returns false or an error. It reads
// no records, only record.HeaderSize bytes of each batch: the header says where the next one begins. What cannot be a header is
// codec.ReadHeader's error; a header or a batch that goes on behind end is record.ErrShort. A disk that does not give its bytes is
// another matter: that error is passed on as it is. Only io.EOF is none: the file ends in the middle of what was asked for, and that is
// record.ErrShort.
func (s *seg) walk(pos, end int64, yield func(pos int64, h *record.Header) (more bool, err error)) error {
	// TODO 1.4: read a header, check that its batch ends in time, yield it, step to the next
	// Text: chapters/01-segment-log/README.md#exercise-1-4
	// Test: go run . test 1.4
	panic(lab.NotStarted("1.4"))
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
	// TODO 1.4: find the segment, go to the index's floor, walk to the batch, and on to the limit
	// Text: chapters/01-segment-log/README.md#exercise-1-4
	// Test: go run . test 1.4
	panic(lab.NotStarted("1.4"))
}
