package suite

import (
	"bytes"
	"errors"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/segment/logtest"
	"highwater.dev/broker/vfs"
	"highwater.dev/broker/vfs/errorfs"
	"highwater.dev/workbook/lab"
)

// flushedIsDurable cuts the power right after Flush and looks at the .log files: no recovery takes part.
func flushedIsDurable(t *lab.T, impl Impl) {
	mem := vfs.NewMem()
	if err := errors.Join(mem.MkdirAll("data"), mem.SyncDir("/")); err != nil {
		t.Fatalf("%v", err)
	}
	r := newRigOn(t, impl, mem, limits())
	for i := range 40 {
		r.append(50+7*(i%5), model.TimestampMs(i))
		if i%9 != 8 {
			continue
		}
		r.must("flush", r.log.Flush())
		after := &rig{TB: t, impl: impl, disk: mem.CrashClone(t.Seed()+uint64(i), 0), model: r.model}
		want := r.model.Batches
		for _, base := range r.bases() {
			for got := after.file(base, ".log"); len(got) > 0 && len(want) > 0; want = want[1:] {
				if !bytes.HasPrefix(got, want[0].Bytes) {
					break
				}
				got = got[len(want[0].Bytes):]
			}
		}
		if len(want) > 0 {
			t.Fatalf("%d batches were appended, in segments at %v, and flushed; then the power was cut. Batch %d..%d is not on the disk: a segment that is full has to be flushed as well",
				len(r.model.Batches), r.bases(), want[0].Base, want[0].Next-1)
		}
	}
}

// powerCutsInAppends cuts the power before each step of the disk in a few runs of appends.
func powerCutsInAppends(t *lab.T, impl Impl) {
	for i := range uint64(4) {
		c := logtest.Crash{Open: impl.Open, Seed: t.Seed()>>16 + i, Ops: 40, Cuts: 1000, AppendsOnly: true}
		if cuts := c.Run(t); cuts < 40 {
			t.Fatalf("only %d power cuts", cuts)
		}
	}
}

// powerCuts cuts the power at some steps in runs of any operations.
func powerCuts(t *lab.T, impl Impl) {
	cuts := 0
	for i := range uint64(6) {
		c := logtest.Crash{Open: impl.Open, Seed: t.Seed()>>16 + i, Ops: 40, Cuts: 16}
		cuts += c.Run(t)
	}
	if cuts < 90 {
		t.Fatalf("only %d power cuts", cuts)
	}
}

var errUnreadable = errors.New("the disk does not read (the test says so)")

// diskDoesNotRead fails one read after the other of those that an Open makes. Opened again, by a disk that reads, everything is there.
func diskDoesNotRead(t *lab.T, impl Impl) {
	for nth := 1; ; nth++ {
		disk := errorfs.New(vfs.NewMem())
		r := newRigOn(t, impl, disk, limits())
		for range 12 {
			r.append(60, 1, 2)
		}
		reads := 0
		disk.SetRules(func(op errorfs.Op) errorfs.Fault {
			if op.Kind == errorfs.Read {
				reads++
			}
			if op.Kind != errorfs.Read || reads != nth {
				return errorfs.Fault{}
			}
			return errorfs.Fault{Err: errUnreadable}
		})
		l, err := impl.Open(disk, dir, r.opts) // the process was killed: the log was not closed
		disk.SetRules()
		if err == nil { // an index file that cannot be read can be made anew
			r.log = l
			if _, end := l.Bounds(); end != r.model.End() {
				r.Fatalf("read %d of the disk failed in Open, which said nothing and ends the log at %d; %d was appended", nth, end, r.model.End())
			}
			r.check()
		}
		if err == nil && reads >= nth {
			err = errors.New("it did not fail")
		}
		r.open()
		if _, end := r.log.Bounds(); end != r.model.End() {
			t.Fatalf("read %d of the disk failed in Open (%v); opened again, the log ends at %d, and %d was appended: a disk that does not read is no bad batch, nothing may be cut for it",
				nth, err, end, r.model.End())
		}
		r.check()
		if reads < nth {
			return
		}
	}
}

// tornBatchEnds tears the last batch in its records: the header says that it goes on behind the file's end.
func tornBatchEnds(t *lab.T, impl Impl) {
	for _, left := range []int64{30, record.HeaderSize, record.HeaderSize + 1, 100, 150} {
		r := newRig(t, impl, limits())
		for range 8 {
			r.append(60, 1, 2)
		}
		last, segments := r.model.Batches[7], r.log.Segments()
		active := segments[len(segments)-1]
		r.tear(active.BaseOffset, active.Bytes-int64(len(last.Bytes))+left)
		l, err := impl.Open(r.disk, dir, r.opts)
		if err != nil {
			t.Fatalf("open a log of which a power cut left the first %d of the last batch's %d bytes: %v; walk says record.ErrShort where a batch goes on behind the end",
				left, len(last.Bytes), err)
		}
		r.log = l
		r.model.Truncate(last.Base)
		r.checkReads()
		r.append(1, 1) // smaller than what is left of the batch: the rest of that one must be gone
		r.checkFiles()
	}
	r := newRig(t, impl, limits())
	for range 8 {
		r.append(60, 1, 2)
	}
	last := r.model.Batches[7]
	r.flip(last, len(last.Bytes)-1, 1)
	r.model.Truncate(last.Base)
	r.open() // the CRC tells, not the header: walk hands on what its caller says of a batch
	r.append(1, 1)
	r.checkFiles()
}

// failsToRead calls look with a log of which each read of the disk in turn fails: look says what is wrong, unless there was an error.
func failsToRead(t *lab.T, impl Impl, look func(r *rig) (failed bool)) {
	for nth := 1; ; nth++ {
		disk := errorfs.New(vfs.NewMem())
		r := newRigOn(t, impl, disk, segment.Limits{SegmentBytes: 2000, IndexBytes: 1 << 20, IndexIntervalBytes: 500})
		for i := range 20 {
			r.append(60, model.TimestampMs(10*i), model.TimestampMs(10*i+5))
		}
		reads := 0
		disk.SetRules(func(op errorfs.Op) errorfs.Fault {
			if op.Kind == errorfs.Read {
				if reads++; reads == nth {
					return errorfs.Fault{Err: errUnreadable}
				}
			}
			return errorfs.Fault{}
		})
		failed := look(r)
		disk.SetRules()
		if reads < nth {
			return
		}
		if failed {
			r.check() // the disk reads again
		}
	}
}

func readOnABadDisk(t *lab.T, impl Impl) {
	failsToRead(t, impl, func(r *rig) bool {
		region, err := r.log.Read(27, r.model.End(), 1)
		if err != nil {
			return true
		}
		defer region.Release()
		if region.Len == 0 {
			r.Fatalf("a read of the disk failed in Read(from=27): expected an error, or the batch at 27, got nothing: a consumer would take that for the end")
		}
		return false
	})
}

func timeOnABadDisk(t *lab.T, impl Impl) {
	failsToRead(t, impl, func(r *rig) bool {
		at, found, err := r.log.OffsetForTime(134)
		if err == nil && (!found || at.Offset != 27) {
			r.Fatalf("a read of the disk failed in OffsetForTime(134): expected an error, or offset 27, got %+v, found %v", at, found)
		}
		return err != nil
	})
}

// gapsAreScanned recovers a log that compaction has left gaps in.
func gapsAreScanned(t *lab.T, impl Impl) {
	r := newRig(t, impl, segment.Limits{SegmentBytes: 1 << 20, IndexBytes: 1 << 20, IndexIntervalBytes: 100})
	r.opts.Gaps = true
	for _, base := range []model.Offset{0, 3, 4, 90, 1000} {
		b := logtest.Make(base, []model.TimestampMs{5}, 50, 0)
		r.must("append", r.log.Append(b.Bytes))
		r.model.Append(b)
	}
	r.open()
	r.check()
}

// offsetsGoBack gives a batch on the disk a base offset that an earlier one has: the CRC does not cover it.
func offsetsGoBack(t *lab.T, impl Impl) {
	for _, victim := range []int{1, 5, 11} {
		r := newRig(t, impl, segment.Limits{SegmentBytes: 1 << 20, IndexBytes: 1 << 20, IndexIntervalBytes: 100})
		for range 12 {
			r.append(60, 1, 2)
		}
		b := r.model.Batches[victim]
		pos := int64(0)
		for _, before := range r.model.Batches[:victim] {
			pos += int64(len(before.Bytes))
		}
		r.overwrite(0, pos+7, byte(b.Base-1)) // the offset's last byte: one below where the batch before ended
		r.model.Truncate(b.Base)
		r.open()
		if _, end := r.log.Bounds(); end != b.Base {
			t.Fatalf("a batch on the disk begins at offset %d, and the one before it ends there: expected the log to be cut to %d, it ends at %d\n%s",
				b.Base-1, b.Base, end, logtest.Describe(r.file(0, ".log")))
		}
		r.append(60, 3, 4)
		r.check()
	}
}

// overwrite changes a byte of a .log file.
func (r *rig) overwrite(base model.Offset, pos int64, to byte) {
	r.Helper()
	f, err := r.disk.OpenReadWrite(dir + "/" + segment.FileName(base, ".log"))
	r.must("open a .log file", err)
	_, err = f.WriteAt([]byte{to}, pos)
	r.must("change a byte", err)
	r.must("close it", f.Close())
}
