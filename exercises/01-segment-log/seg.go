// Given: no exercise is in this file. It was made from solutions/01-segment-log/seg.go by: go run . generate
// made: f5fee0685d93ee81d6710a4fc53b72db4180b8b71473949b147a24b0608cb909

package segmentlog

import (
	"errors"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/vfs"
)

// seg is one segment.
type seg struct {
	base, next     model.Offset // the first possible offset, which names the files; the offset after the last batch
	file           *vfs.SharedFile
	size           int64             // bytes of whole batches: where the next one goes
	first          model.TimestampMs // largest timestamp of the first batch
	max            model.TimestampMs // the segment's largest timestamp
	maxAt          model.Offset      // last offset of the first batch that has max
	offsets, times index
}

// openSegment opens a .log file, making it where it is missing.
func (l *Log) openSegment(base model.Offset) (*seg, error) {
	f, err := l.fs.OpenReadWrite(l.path(base, ".log"))
	if err != nil {
		return nil, err
	}
	s := &seg{base: base, file: vfs.Share(f)}
	s.reset()
	s.size, err = f.Size()
	return s, err
}

// reset forgets what is known of the segment's contents.
func (s *seg) reset() {
	s.next, s.size, s.first, s.max = s.base, 0, model.NoTimestamp, model.NoTimestamp
	s.offsets, s.times = index{keyBytes: 4}, index{keyBytes: 8}
}

// indexFull says that one of the indexes has no room for what another batch and sealing the segment could add.
func (s *seg) indexFull(limit int) bool {
	return (len(s.offsets.entries)+1)*8 > limit || (len(s.times.entries)+2)*12 > limit
}

// damaged says that err is about a batch's bytes: what a power cut leaves. Any other error is the disk's: it gave no bytes, and what
// stands there may be good.
func damaged(err error) bool {
	return errors.Is(err, record.ErrShort) || errors.Is(err, record.ErrMagic) || errors.Is(err, record.ErrCRC) || errors.Is(err, record.ErrCorrupt)
}

// batch reads the whole batch at pos.
func (s *seg) batch(pos int64, h *record.Header) (record.Batch, error) {
	b := make(record.Batch, h.Size())
	_, err := s.file.ReadAt(b, pos)
	return b, err
}
