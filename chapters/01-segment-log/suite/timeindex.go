package suite

import (
	"math/rand/v2"

	"highwater.dev/broker/model"
	"highwater.dev/broker/segment/logtest"
	"highwater.dev/workbook/lab"
)

// Exercise 1.5: the time index.
var timeIndex = []lab.Test[Impl]{
	{
		Exercise: "1.5", Name: "record-not-batch", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-13", Sentence: "a time look-up finds the first record of that time or later: the record, not its batch"},
		Run:       recordNotBatch,
	},
	{
		Exercise: "1.5", Name: "times-in-any-order", Kind: lab.Property,
		Invariant: lab.Invariant{ID: "LOG-14", Sentence: "producers set the times: they come in any order, and the answer is still the first record in offset order"},
		Run:       timesInAnyOrder,
	},
	{
		Exercise: "1.5", Name: "segment-max-timestamp", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-15", Sentence: "a segment knows its largest timestamp, also after it was opened again: retention deletes by it"},
		Run:       segmentMaxTimestamp,
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
	for _, clean := range []bool{true, false} {
		r.reopen(clean)
		r.check()
	}
}

func segmentMaxTimestamp(t *lab.T, impl Impl) {
	r := newRig(t, impl, limits())
	for i := range 40 {
		r.append(30, model.TimestampMs(1000+(i*37)%101))
	}
	check := func(when string) {
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
	check("after append")
	r.reopen(true)
	check("after close and open")
	r.reopen(false)
	check("after recovery")
	r.must("truncate", r.log.Truncate(33))
	r.model.Truncate(33)
	check("after truncation to 33")
}
