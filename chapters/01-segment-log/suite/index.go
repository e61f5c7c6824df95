package suite

import (
	"math/rand/v2"
	"sync/atomic"

	"highwater.dev/broker/model"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/segment/logtest"
	"highwater.dev/broker/vfs"
	"highwater.dev/workbook/lab"
)

// Exercise 1.3: the sparse offset index. An index is seen through Read.
var index = []lab.Test[Impl]{
	{
		Exercise: "1.3", Name: "lookup-everywhere", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-12", Sentence: "an offset is found whatever its place between two index entries"},
		Run:       lookupEverywhere,
	},
	{
		Exercise: "1.3", Name: "lookup-in-gaps", Kind: lab.Property,
		Invariant: lab.Invariant{ID: "LOG-13", Sentence: "an offset that no batch holds finds the next batch, in the next segment if need be"},
		Run:       lookupInGaps,
	},
	{
		Exercise: "1.3", Name: "roll-by-index", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-14", Sentence: "a segment whose index is full takes no more batches, and everything in it is found"},
		Run:       rollByIndex,
	},
	{
		Exercise: "1.3", Name: "index-is-sparse", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-15", Sentence: "an index has an entry at most every index.interval.bytes of log"},
		Run:       indexIsSparse,
	},
	{
		Exercise: "1.3", Name: "lookup-is-short", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-16", Sentence: "finding an offset takes the log's bytes between two index entries, not the segment"},
		Run:       lookupIsShort,
	},
	{
		Exercise: "1.3", Name: "index-bytes", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-30", Sentence: "an index file has Kafka's bytes: the last offset of a batch, relative to the segment's, and its position, big-endian; keys grow"},
		Run:       indexBytes,
	},
	{
		Exercise: "1.3", Name: "zeros-behind-entries", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-32", Sentence: "zeros behind the last entry of an index file are no entries: Kafka allocates index files ahead"},
		Run:       zerosBehindEntries,
	},
	{
		Exercise: "1.3", Name: "half-entries", Kind: lab.Fault,
		Invariant: lab.Invariant{ID: "LOG-32", Sentence: "zeros behind the last entry of an index file are no entries: Kafka allocates index files ahead"},
		Run:       halfEntries,
	},
}

// countFS counts how often files are read, and those that are open.
type countFS struct {
	vfs.FS
	calls, open atomic.Int64
}

func (c *countFS) wrap(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	c.open.Add(1)
	return &countFile{f, c}, nil
}

func (c *countFS) Open(name string) (vfs.File, error) { return c.wrap(c.FS.Open(name)) }
func (c *countFS) OpenReadWrite(name string) (vfs.File, error) {
	return c.wrap(c.FS.OpenReadWrite(name))
}
func (c *countFS) Create(name string) (vfs.File, error) { return c.wrap(c.FS.Create(name)) }

type countFile struct {
	vfs.File
	fs *countFS
}

func (f *countFile) ReadAt(p []byte, off int64) (int, error) {
	f.fs.calls.Add(1)
	return f.File.ReadAt(p, off)
}

func (f *countFile) Close() error {
	f.fs.open.Add(-1)
	return f.File.Close()
}

func lookupEverywhere(t *lab.T, impl Impl) {
	for _, interval := range []int{1, 150, 700, 1 << 20} {
		r := newRig(t, impl, segment.Limits{SegmentBytes: 1 << 20, IndexBytes: 1 << 20, IndexIntervalBytes: interval})
		for i := range 30 {
			r.append(20+13*(i%4), 1, 2, 3)
		}
		r.checkReads()
		r.reopen(true)
		r.checkReads()
	}
}

func lookupInGaps(t *lab.T, impl Impl) {
	rng := rand.New(rand.NewPCG(t.Seed(), 0))
	r := newRig(t, impl, limits())
	r.opts.Gaps = true
	for range 50 {
		base := r.model.End() + model.Offset(rng.IntN(6))
		b := logtest.Random(rng, base, 1000)
		r.must("append", r.log.Append(b.Bytes))
		r.model.Append(b)
	}
	r.checkReads()
	r.reopen(true)
	r.checkReads()
}

func rollByIndex(t *lab.T, impl Impl) {
	r := newRig(t, impl, segment.Limits{SegmentBytes: 1 << 20, IndexBytes: 80, IndexIntervalBytes: 1})
	for i := range 60 {
		r.append(20, model.TimestampMs(i))
	}
	if n := len(r.log.Segments()); n < 4 {
		r.Fatalf("60 batches, an index entry for nearly each, 80 bytes of index a segment: expected at least 4 segments, got %d", n)
	}
	r.checkReads()
	r.reopen(true)
	r.checkReads()
}

func indexIsSparse(t *lab.T, impl Impl) {
	// 60 batches of 150 bytes and more, an entry at most every 3000 bytes: three entries or so, and ten have room.
	r := newRig(t, impl, segment.Limits{SegmentBytes: 1 << 20, IndexBytes: 80, IndexIntervalBytes: 3000})
	for range 60 {
		r.append(80, 1)
	}
	r.expectBases("60 batches, an index entry at most every 3000 bytes, room for ten", 0)
	r.checkReads()
}

// lookupIsShort looks times up as well: the time index gets an entry with each one of the offset index.
func lookupIsShort(t *lab.T, impl Impl) {
	shortLookups(t, impl, 150000)
	timeLookupIsShort(t, impl)
}

// shortLookups counts the reads of a look-up in a log of 400 batches.
func shortLookups(t *lab.T, impl Impl, segmentBytes int) {
	disk := &countFS{FS: vfs.NewMem()}
	r := newRigOn(t, impl, disk, segment.Limits{SegmentBytes: segmentBytes, IndexBytes: 1 << 20, IndexIntervalBytes: 4096})
	for range 400 {
		r.append(1000, 1)
	}
	for _, clean := range []bool{false, true} {
		if clean {
			r.reopen(true)
		}
		for o := model.Offset(0); o < 400; o += 19 {
			before := disk.calls.Load()
			r.model.CheckRead(r, r.log, o, r.model.End(), 1)
			// One read is CheckRead's own. 4096 bytes are four batches, and a few more may be read about.
			if calls := disk.calls.Load() - before; calls > 24 {
				r.Fatalf("offset %d of 400, index entries every 4096 bytes, four batches: %d reads of the file to find it", o, calls)
			}
		}
	}
}
