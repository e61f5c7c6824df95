package suite

import (
	"errors"
	"io/fs"
	"sync"

	"highwater.dev/broker/model"
	"highwater.dev/broker/segment/logtest"
	"highwater.dev/broker/vfs"
	"highwater.dev/workbook/lab"
)

// Exercise 1.4: read.
var read = []lab.Test[Impl]{
	{
		Exercise: "1.4", Name: "region-outlives-segment", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-19", Sentence: "a region stays readable until it is released, also when its segment is deleted or the log closed"},
		Run:       regionOutlivesSegment,
	},
	{
		Exercise: "1.4", Name: "first-batch-whole", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-17", Sentence: "a read returns at least one whole batch, however small maxBytes is: a consumer always gets on"},
		Run:       firstBatchWhole,
	},
	{
		Exercise: "1.4", Name: "never-past-limit", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-18", Sentence: "no batch whose base offset is the limit or above is served"},
		Run:       neverPastLimit,
	},
	{
		Exercise: "1.4", Name: "read-over-a-gap", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-13", Sentence: "an offset that no batch holds finds the next batch, in the next segment if need be"},
		Run:       readOverAGap,
	},
	{
		Exercise: "1.4", Name: "read-beside-append", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-20", Sentence: "readers beside an appender see whole batches in order, and all of them"},
		Run:       readBesideAppend,
	},
	{
		Exercise: "1.4", Name: "read-is-short", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-16", Sentence: "finding an offset takes the log's bytes between two index entries, not the segment"},
		Run:       readIsShort,
	},
	{
		Exercise: "1.4", Name: "torn-batch-ends", Kind: lab.Fault,
		Invariant: lab.Invariant{ID: "LOG-25", Sentence: "a batch that is not whole is cut off, and nothing before it"},
		Run:       tornBatchEnds,
	},
	{
		Exercise: "1.4", Name: "walk-tells-of-the-disk", Kind: lab.Fault,
		Invariant: lab.Invariant{ID: "LOG-33", Sentence: "a disk that does not read is no bad batch: nothing is cut for it"},
		Run:       diskDoesNotRead,
	},
	{
		Exercise: "1.4", Name: "read-on-a-bad-disk", Kind: lab.Fault,
		Invariant: lab.Invariant{ID: "LOG-20", Sentence: "readers beside an appender see whole batches in order, and all of them"},
		Run:       readOnABadDisk,
	},
}

func firstBatchWhole(t *lab.T, impl Impl) {
	r := newRig(t, impl, limits())
	for i := range 20 {
		r.append(30, 1, 2, model.TimestampMs(i))
	}
	for _, maxBytes := range []int{0, 1, 60, 61, 200, 333, 5000} {
		for o := range r.model.End() {
			if r.model.CheckRead(r, r.log, o, r.model.End(), maxBytes) == 0 {
				r.Fatalf("Read(from=%d, limit=%d, maxBytes=%d): nothing", o, r.model.End(), maxBytes)
			}
		}
	}
}

func neverPastLimit(t *lab.T, impl Impl) {
	r := newRig(t, impl, limits())
	for range 20 {
		r.append(30, 1, 2, 3)
	}
	for _, from := range []model.Offset{-1, r.model.End() + 1} { // out of range, whatever the limit
		for _, limit := range []model.Offset{from - 1, from, from + 1} {
			r.model.CheckRead(r, r.log, from, limit, 250)
		}
	}
	for from := range r.model.End() + 1 {
		for limit := range r.model.End() + 1 {
			n := r.model.CheckRead(r, r.log, from, limit, 250)
			if from >= limit && n > 0 {
				r.Fatalf("Read(from=%d, limit=%d): expected nothing, got %d bytes", from, limit, n)
			}
		}
	}
}

func readOverAGap(t *lab.T, impl Impl) {
	r := newRig(t, impl, limits())
	for _, base := range []model.Offset{0, 7, 8, 1 << 33} { // the last is too far for an index entry: its segment begins there
		b := logtest.Make(base, []model.TimestampMs{1, 2}[:1], 20, 0)
		r.must("append", r.log.Append(b.Bytes))
		r.model.Append(b)
	}
	for _, from := range []model.Offset{0, 1, 6, 7, 8, 9, 1 << 20, 1<<33 - 1, 1 << 33} {
		r.model.CheckRead(r, r.log, from, r.model.End(), 1)
	}
}

func regionOutlivesSegment(t *lab.T, impl Impl) {
	disk := &countFS{FS: vfs.NewMem()}
	r := newRigOn(t, impl, disk, limits())
	for range 20 {
		r.append(100, 1)
	}
	for from := model.Offset(5); from <= 20; from++ { // some of these are empty
		r.model.CheckRead(r, r.log, from, 10, 1)
	}
	first := r.model.Batches[0].Bytes
	for n := range 3 {
		region, err := r.log.Read(0, 1, 1)
		if err == nil {
			_, err = region.File.ReadAt(make([]byte, region.Len), region.Pos)
			region.Release()
		}
		if errors.Is(err, fs.ErrClosed) {
			r.Fatalf("Read %d of offset 0: %v: the file was closed when the region before was released. A region's receiver gives up a hold of its own: Read has to take it, with Acquire, before it returns", n+1, err)
		}
		r.must("read", err)
	}
	region, err := r.log.Read(0, 1, 1)
	r.must("read", err)
	r.must("trim", r.log.TrimTo(17))
	r.model.TrimTo(17)
	r.checkReads() // below the start nothing is served, though its segment's file is there
	last, err := r.log.Read(19, 20, 1)
	r.must("read", err)
	r.must("close", r.log.Close())
	b := make([]byte, region.Len)
	if _, err := region.File.ReadAt(b, region.Pos); err != nil || string(b) != string(first) {
		r.Fatalf("a region of a segment that was deleted: expected its bytes, got %v", err)
	}
	region.Release()
	b = make([]byte, last.Len)
	if _, err := last.File.ReadAt(b, last.Pos); err != nil || string(b) != string(r.model.Batches[19].Bytes) {
		r.Fatalf("a region of a log that was closed: expected its bytes, got %v", err)
	}
	last.Release()
	if n := disk.open.Load(); n != 0 {
		r.Fatalf("the log is closed and all regions are released, and %d files are still open: Read takes one hold for each region that it gives out, and none where there is nothing", n)
	}
}

// readIsShort has many segments of few index entries: a read finds the right one, and begins at its index's floor.
func readIsShort(t *lab.T, impl Impl) {
	shortLookups(t, impl, 150000)
	shortLookups(t, impl, 15000)
}

func readBesideAppend(t *lab.T, impl Impl) {
	r := newRig(t, impl, limits())
	const batches = 300
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() { r.follow(2 * batches) })
	}
	wg.Go(func() {
		for range 20 {
			if err := r.log.Flush(); err != nil {
				r.Errorf("flush beside appends: %v", err)
				return
			}
		}
	})
	for i := range batches {
		r.append(40, model.TimestampMs(i), model.TimestampMs(i))
	}
	wg.Wait()
}
