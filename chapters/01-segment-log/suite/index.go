package suite

import (
	"math/rand/v2"

	"highwater.dev/broker/model"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/segment/logtest"
	"highwater.dev/workbook/lab"
)

// Exercise 1.3: the sparse offset index.
var index = []lab.Test[Impl]{
	{
		Exercise: "1.3", Name: "lookup-everywhere", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-6", Sentence: "an offset is found whatever its place between two index entries"},
		Run:       lookupEverywhere,
	},
	{
		Exercise: "1.3", Name: "lookup-in-gaps", Kind: lab.Property,
		Invariant: lab.Invariant{ID: "LOG-7", Sentence: "an offset that no batch holds finds the next batch, in the next segment if need be"},
		Run:       lookupInGaps,
	},
	{
		Exercise: "1.3", Name: "roll-by-index", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-8", Sentence: "a segment whose index is full takes no more batches, and everything in it is found"},
		Run:       rollByIndex,
	},
}

func lookupEverywhere(t *lab.T, impl Impl) {
	for _, interval := range []int{1, 150, 700, 1 << 20} {
		r := newRig(t, impl, segment.Limits{SegmentBytes: 1 << 20, IndexBytes: 1 << 20, IndexIntervalBytes: interval})
		for i := range 30 {
			r.append(20+13*(i%4), 1, 2, 3)
		}
		r.check()
		r.reopen(true)
		r.check()
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
	r.check()
	r.reopen(true)
	r.check()
}

func rollByIndex(t *lab.T, impl Impl) {
	r := newRig(t, impl, segment.Limits{SegmentBytes: 1 << 20, IndexBytes: 80, IndexIntervalBytes: 1})
	for i := range 60 {
		r.append(20, model.TimestampMs(i))
	}
	if n := len(r.log.Segments()); n < 4 {
		r.Fatalf("60 batches, an index entry for nearly each, 80 bytes of index a segment: expected at least 4 segments, got %d", n)
	}
	r.check()
	r.reopen(false)
	r.check()
}
