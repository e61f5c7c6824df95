package suite

import (
	"math/rand/v2"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/segment/logtest"
	"highwater.dev/broker/vfs"
	"highwater.dev/workbook/lab"
)

// Exercise 1.5: the time index.
var timeIndex = []lab.Test[Impl]{
	{
		Exercise: "1.5", Name: "record-not-batch", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-21", Sentence: "a time look-up finds the first record of that time or later: the record, not its batch"},
		Run:       recordNotBatch,
	},
	{
		Exercise: "1.5", Name: "times-in-any-order", Kind: lab.Property,
		Invariant: lab.Invariant{ID: "LOG-22", Sentence: "producers set the times: they come in any order, and the answer is still the first record in offset order"},
		Run:       timesInAnyOrder,
	},
	{
		Exercise: "1.5", Name: "segment-max-timestamp", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-23", Sentence: "a segment knows its largest timestamp, also after it was opened again: retention deletes by it"},
		Run:       segmentMaxTimestamp,
	},
	{
		Exercise: "1.5", Name: "time-lookup-is-short", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-24", Sentence: "finding a time takes the log's bytes about two index entries, not all segments"},
		Run:       timeLookupIsShort,
	},
	{
		Exercise: "1.5", Name: "log-append-time", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-21", Sentence: "a time look-up finds the first record of that time or later: the record, not its batch"},
		Run:       logAppendTime,
	},
	{
		Exercise: "1.5", Name: "time-index-bytes", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-31", Sentence: "a time index file has Kafka's bytes: the largest timestamp so far, and the last offset of the first batch that has it; the last entry has the segment's"},
		Run:       timeIndexBytes,
	},
	{
		Exercise: "1.5", Name: "time-on-a-bad-disk", Kind: lab.Fault,
		Invariant: lab.Invariant{ID: "LOG-21", Sentence: "a time look-up finds the first record of that time or later: the record, not its batch"},
		Run:       timeOnABadDisk,
	},
}

func recordNotBatch(t *lab.T, impl Impl) {
	r := newRig(t, impl, limits())
	r.append(10, 100, 110, 120)
	r.append(10, 130, 90, 140)
	r.append(10, 0, 0, 0)
	for ts := range model.TimestampMs(150) {
		r.model.CheckTime(r, r.log, ts)
	}
	r.must("trim", r.log.TrimTo(1))
	r.model.TrimTo(1)
	r.model.CheckTime(r, r.log, 50) // offset 0 is below the start now
	r.model.CheckTime(r, r.log, 100)

	// The time that makes a batch look right may be below the start: then a later batch has the answer.
	r = newRig(t, impl, limits())
	r.append(10, 200, 50)
	r.append(10, 150)
	r.must("trim", r.log.TrimTo(1))
	r.model.TrimTo(1)
	r.model.CheckTime(r, r.log, 120)
	r.model.CheckTime(r, r.log, 180)

	// That later batch may be in the next segment.
	lim := limits()
	lim.SegmentBytes = 100
	r = newRig(t, impl, lim)
	r.append(10, 200, 50)
	r.append(10, 150)
	r.append(10, 60)
	r.must("trim", r.log.TrimTo(1))
	r.model.TrimTo(1)
	for ts := model.TimestampMs(40); ts < 210; ts += 10 {
		r.model.CheckTime(r, r.log, ts)
	}

	// The same time again and again, and the largest time well before an index entry.
	r = newRig(t, impl, segment.Limits{SegmentBytes: 1 << 20, IndexBytes: 1 << 20, IndexIntervalBytes: 100})
	for i := range model.TimestampMs(9) {
		r.append(10, 1000+100*i)
		r.append(10, 1000+100*i)
		for range i % 4 {
			r.append(10, 950)
		}
	}
	r.model.CheckTimes(r, r.log)

	// Times one beside the other: an entry of the next time is no entry of this one.
	r = newRig(t, impl, segment.Limits{SegmentBytes: 1 << 20, IndexBytes: 1 << 20, IndexIntervalBytes: 200})
	for i := range model.TimestampMs(40) {
		r.append(10, 1000+i/3)
	}
	for ts := model.TimestampMs(998); ts < 1016; ts++ {
		r.model.CheckTime(r, r.log, ts)
	}
}

// logAppendTime has batches whose records all have the time at which the broker appended them, whatever their deltas say.
func logAppendTime(t *lab.T, impl Impl) {
	r := newRig(t, impl, limits())
	for i, times := range [][]model.TimestampMs{{100, 180}, {50, 300, 10}, {500}, {170, 160}} {
		b := logtest.Make(r.model.End(), times, 10, record.None)
		if i != 3 {
			b.Max = model.TimestampMs(200 + 10*i)
			b.Bytes.SetMaxTimestamp(b.Max, true)
			for j := range b.Times {
				b.Times[j] = b.Max
			}
		}
		r.must("append", r.log.Append(b.Bytes))
		r.model.Append(b)
	}
	for ts := model.TimestampMs(0); ts < 310; ts += 5 {
		r.model.CheckTime(r, r.log, ts)
	}
}

func timesInAnyOrder(t *lab.T, impl Impl) {
	rng := rand.New(rand.NewPCG(t.Seed(), 0))
	r := newRig(t, impl, limits())
	for range 40 {
		b := logtest.Random(rng, r.model.End(), model.TimestampMs(1000+rng.IntN(500)))
		r.must("append", r.log.Append(b.Bytes))
		r.model.Append(b)
	}
	r.check()
	r.reopen(true)
	r.check()
}

func segmentMaxTimestamp(t *lab.T, impl Impl) {
	r := newRig(t, impl, limits())
	for i := range 40 {
		r.append(30, model.TimestampMs(1000+(i*37)%101))
	}
	r.checkMaxTimestamps("after append")
	r.reopen(true)
	r.checkMaxTimestamps("after close and open")
}

func timeLookupIsShort(t *lab.T, impl Impl) {
	disk := &countFS{FS: vfs.NewMem()}
	r := newRigOn(t, impl, disk, segment.Limits{SegmentBytes: 150000, IndexBytes: 1 << 20, IndexIntervalBytes: 4096})
	for i := range 400 {
		r.append(1000, model.TimestampMs(10*i))
	}
	for _, clean := range []bool{false, true} {
		if clean {
			r.reopen(true)
		}
		for ts := model.TimestampMs(0); ts < 4000; ts += 155 {
			before := disk.calls.Load()
			r.model.CheckTime(r, r.log, ts)
			if calls := disk.calls.Load() - before; calls > 30 {
				r.Fatalf("time %d among 400 batches, index entries every 4096 bytes, four batches: %d reads of the files to find it", ts, calls)
			}
		}
	}
}

func (r *rig) checkMaxTimestamps(when string) {
	r.Helper()
	for _, s := range r.log.Segments() {
		want := model.NoTimestamp
		for _, b := range r.model.Batches {
			if b.Base >= s.BaseOffset && b.Base < s.EndOffset {
				want = max(want, b.Max)
			}
		}
		if s.MaxTimestamp != want {
			r.Fatalf("%s: segment %d to %d: expected largest timestamp %d, got %d", when, s.BaseOffset, s.EndOffset, want, s.MaxTimestamp)
		}
	}
}
