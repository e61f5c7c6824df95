package suite

import (
	"errors"

	"highwater.dev/broker/model"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/segment/logtest"
	"highwater.dev/broker/vfs"
	"highwater.dev/broker/vfs/errorfs"
	"highwater.dev/workbook/lab"
)

// rollByFullIndex looks at the segments and at the index files' sizes; rollByIndex of 1.3 at what is found in them.
func rollByFullIndex(t *lab.T, impl Impl) {
	const room = 80 // ten entries of offsets, six of times
	r := newRig(t, impl, segment.Limits{SegmentBytes: 1 << 20, IndexBytes: room, IndexIntervalBytes: 1})
	for i := range 60 {
		r.append(20, model.TimestampMs(i))
	}
	infos := r.log.Segments()
	if len(infos) < 4 {
		r.Fatalf("60 batches, an index entry for nearly each, %d bytes of index a segment: expected at least 4 segments, got %d", room, len(infos))
	}
	r.checkFiles()
	r.must("close", r.log.Close())
	for _, s := range infos {
		for _, suffix := range []string{".index", ".timeindex"} {
			if size := len(r.file(s.BaseOffset, suffix)); size > room {
				r.Fatalf("%s has %d bytes, segment.index.bytes is %d", segment.FileName(s.BaseOffset, suffix), size, room)
			}
		}
	}

	// However little an index may hold, an empty segment takes a batch.
	r = newRig(t, impl, segment.Limits{SegmentBytes: 1 << 20, IndexBytes: 1, IndexIntervalBytes: 1})
	for range 3 {
		r.append(20, 1)
	}
	r.expectBases("three batches, segment.index.bytes 1", 0, 1, 2)
	r.checkFiles()
}

// rollFails fails a step of the disk while a segment is rolled. Whatever Append says then, it keeps to it.
func rollFails(t *lab.T, impl Impl) {
	for _, kind := range []errorfs.Kind{errorfs.Create, errorfs.Sync, errorfs.SyncDir} {
		disk := errorfs.New(vfs.NewMem())
		r := newRigOn(t, impl, disk, limits())
		for range 5 { // which leave less than 300 bytes
			r.append(100, 1)
		}
		disk.SetRules(errorfs.Fail(errDiskFull, errorfs.Kinds(kind)))
		for range 2 {
			next := logtest.Make(r.model.End(), []model.TimestampMs{2}, 300, 0)
			if r.log.Append(next.Bytes) == nil {
				r.model.Append(next)
			}
			r.checkSizes(1000)
			r.model.CheckBounds(r, r.log)
		}
		disk.SetRules()
		next := logtest.Make(r.model.End(), []model.TimestampMs{3}, 300, 0)
		if err := r.log.Append(next.Bytes); errors.Is(err, segment.ErrFailed) {
			continue // it could not tell what the disk holds
		} else if err != nil {
			r.Fatalf("%v failed while a segment was rolled, and works again; Append: %v", kind, err)
		}
		r.model.Append(next)
		r.checkSizes(1000)
		r.checkFiles()
	}
}
