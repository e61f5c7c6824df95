package suite

import (
	"runtime"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
)

// follow reads from the start, at the log's heels, until it has seen offset end-1. It runs on a goroutine of its own: it reports
// by Errorf only.
func (r *rig) follow(end model.Offset) {
	for from := model.Offset(0); from < end; {
		_, logEnd := r.log.Bounds()
		region, err := r.log.Read(from, logEnd, 700)
		if err != nil {
			r.Errorf("Read(from=%d, limit=%d) beside appends: %v", from, logEnd, err)
			return
		}
		if region.Len == 0 {
			region.Release()
			runtime.Gosched()
			continue
		}
		b := make([]byte, region.Len)
		_, err = region.File.ReadAt(b, region.Pos)
		region.Release()
		if err != nil {
			r.Errorf("Read(from=%d, limit=%d): its region cannot be read: %v", from, logEnd, err)
			return
		}
		next := from
		for h := (record.Header{}); record.ReadHeader(b, &h) == nil && h.Size() <= len(b); b = b[h.Size():] {
			if h.BaseOffset != next || record.Batch(b[:h.Size()]).CheckCRC() != nil {
				r.Errorf("beside appends, from=%d: expected a good batch at %d, got %d", from, next, h.BaseOffset)
				return
			}
			next = h.NextOffset()
		}
		if next == from {
			r.Errorf("Read(from=%d, limit=%d) beside appends: %d bytes, and no whole batch", from, logEnd, region.Len)
			return
		}
		from = next
	}
}
