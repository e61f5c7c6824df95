package suite

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"pgregory.net/rapid"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/segment/logtest"
	"highwater.dev/workbook/lab"
)

// Exercise 1.2: append and roll.
var appendRoll = []lab.Test[Impl]{
	{
		Exercise: "1.2", Name: "append-keeps-bytes", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-1", Sentence: "what is read is, byte for byte, what was appended, in that order"},
		Run:       appendKeepsBytes,
	},
	{
		Exercise: "1.2", Name: "append-order", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-2", Sentence: "offsets only grow: a batch that starts below the end offset is refused and leaves no trace"},
		Run:       appendOrder,
	},
	{
		Exercise: "1.2", Name: "roll-by-size", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-3", Sentence: "no .log file is larger than segment.bytes, and none is cut short for nothing"},
		Run:       rollBySize,
	},
	{
		Exercise: "1.2", Name: "roll-by-time", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-4", Sentence: "a batch more than segment.ms newer than the segment's first begins a new segment"},
		Run:       rollByTime,
	},
	{
		Exercise: "1.2", Name: "roll-by-offset", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-5", Sentence: "an offset is at most 2^31-1 above its segment's base offset, so that an index entry can hold it"},
		Run:       rollByOffset,
	},
	{
		Exercise: "1.2", Name: "any-history", Kind: lab.Property,
		Invariant: lab.Invariant{ID: "LOG-1", Sentence: "what is read is, byte for byte, what was appended, in that order"},
		Run:       anyHistory,
	},
}

func appendKeepsBytes(t *lab.T, impl Impl) {
	r := newRig(t, impl, limits())
	r.check()
	for i := range 20 {
		r.append(10+i, model.TimestampMs(i), model.TimestampMs(i+1))
	}
	r.check()
	for _, clean := range []bool{true, false} {
		r.reopen(clean)
		r.check()
	}
	r.append(5, 99)
	r.check()
}

func appendOrder(t *lab.T, impl Impl) {
	r := newRig(t, impl, limits())
	r.append(10, 1, 2, 3)
	low := logtest.Make(2, []model.TimestampMs{5}, 10, 0)
	if err := r.log.Append(low.Bytes); !errors.Is(err, segment.ErrOutOfOrder) {
		r.Fatalf("Append of batch 2..2 to a log that ends at 3: expected ErrOutOfOrder, got %v", err)
	}
	large := logtest.Make(3, []model.TimestampMs{5}, 2000, 0)
	if err := r.log.Append(large.Bytes); !errors.Is(err, segment.ErrBatchTooLarge) {
		r.Fatalf("Append of %d bytes with segment.bytes=1000: expected ErrBatchTooLarge, got %v", len(large.Bytes), err)
	}
	r.check()
	gap := logtest.Make(10, []model.TimestampMs{5, 6}, 10, 0)
	r.must("append above the end (a compacted log has gaps)", r.log.Append(gap.Bytes))
	r.model.Append(gap)
	r.check()
	r.reopen(true)
	r.check()
}

func rollBySize(t *lab.T, impl Impl) {
	r := newRig(t, impl, limits())
	for i := range 40 {
		r.append(50+7*(i%5), model.TimestampMs(i))
	}
	infos := r.log.Segments()
	for i, s := range infos {
		if s.Bytes > 1000 {
			r.Fatalf("segment %d has %d bytes; segment.bytes is 1000", s.BaseOffset, s.Bytes)
		}
		if got := r.fileSize(s.BaseOffset); got != s.Bytes {
			r.Fatalf("%s has %d bytes, Segments says %d", segment.FileName(s.BaseOffset, ".log"), got, s.Bytes)
		}
		if i+1 == len(infos) {
			break
		}
		next := infos[i+1].BaseOffset
		if s.EndOffset != next {
			r.Fatalf("segment %d ends at %d, the next begins at %d", s.BaseOffset, s.EndOffset, next)
		}
		first := r.model.Batches[slices.IndexFunc(r.model.Batches, func(b logtest.Batch) bool { return b.Base == next })]
		if s.Bytes+int64(len(first.Bytes)) <= 1000 {
			r.Fatalf("segment %d was rolled at %d bytes although the next batch, %d bytes, had room", s.BaseOffset, s.Bytes, len(first.Bytes))
		}
	}
	r.check()
}

func (r *rig) fileSize(base model.Offset) int64 {
	r.Helper()
	info, err := r.disk.Stat(dir + "/" + segment.FileName(base, ".log"))
	r.must("look for a segment's file", err)
	return info.Size
}

func rollByTime(t *lab.T, impl Impl) {
	lim := limits()
	lim.SegmentMs = 100
	r := newRig(t, impl, lim)
	r.append(1, 1000)
	r.append(1, 1100) // exactly segment.ms newer: stays
	r.append(1, 900)
	r.expectBases("after times 1000, 1100, 900", 0)
	r.append(1, 1101)
	r.expectBases("after time 1101", 0, 3)
	r.append(1, 1150)
	r.reopen(true)
	r.append(1, 1202) // 101 after 1101, also when the log was opened meanwhile
	r.expectBases("after opening again, and time 1202", 0, 3, 5)
	r.check()
}

func (r *rig) expectBases(when string, want ...model.Offset) {
	r.Helper()
	if got := r.bases(); !slices.Equal(got, want) {
		r.Fatalf("%s: expected segments at %v, got %v", when, want, got)
	}
}

func rollByOffset(t *lab.T, impl Impl) {
	r := newRig(t, impl, limits())
	r.append(1, 1)
	for _, base := range []model.Offset{1<<31 - 1, 1 << 31, 1<<31 + 5, 1 << 33} {
		b := logtest.Make(base, []model.TimestampMs{2}, 1, record.None)
		r.must(fmt.Sprintf("append at offset %d", base), r.log.Append(b.Bytes))
		r.model.Append(b)
	}
	for _, s := range r.log.Segments() {
		if s.EndOffset-1-s.BaseOffset > 1<<31-1 && s.Bytes > 0 && s.BaseOffset != 1<<31+6 && s.EndOffset != 1<<33 {
			r.Fatalf("segment %d goes on to %d, more than 2^31-1 above it", s.BaseOffset, s.EndOffset-1)
		}
	}
	for _, b := range r.model.Batches {
		r.model.CheckRead(r, r.log, b.Base, r.model.End(), 1)
	}
	r.opts.Gaps = true
	r.reopen(false)
	for _, b := range r.model.Batches {
		r.model.CheckRead(r, r.log, b.Base, r.model.End(), 1)
	}
}

func anyHistory(t *lab.T, impl Impl) {
	t.Check(func(rt *rapid.T) {
		lim := segment.Limits{
			SegmentBytes: rapid.IntRange(600, 3000).Draw(rt, "segment.bytes"), IndexBytes: rapid.SampledFrom([]int{48, 1 << 20}).Draw(rt, "segment.index.bytes"),
			IndexIntervalBytes: rapid.IntRange(1, 600).Draw(rt, "index.interval.bytes"),
		}
		r := newRig(rt, impl, lim)
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "batches"), 0))
		for range rapid.IntRange(1, 25).Draw(rt, "operations") {
			r.anyOperation(rt, rng)
		}
		r.check()
	})
}

func (r *rig) anyOperation(rt *rapid.T, rng *rand.Rand) {
	op := rapid.SampledFrom([]string{"append", "append", "append", "append", "flush", "truncate", "trim", "close", "kill", "read", "time"}).Draw(rt, "do")
	start, end := int64(r.model.Start), int64(r.model.End())
	switch op {
	case "append":
		b := logtest.Random(rng, r.model.End(), 1000+model.TimestampMs(end))
		r.must("append", r.log.Append(b.Bytes))
		r.model.Append(b)
	case "flush":
		r.must("flush", r.log.Flush())
	case "truncate":
		to := model.Offset(rapid.Int64Range(0, end+1).Draw(rt, "to"))
		r.must("truncate", r.log.Truncate(to))
		r.model.Truncate(to)
		r.model.CheckBounds(r, r.log)
	case "trim":
		to := model.Offset(rapid.Int64Range(0, end).Draw(rt, "start"))
		r.must("trim", r.log.TrimTo(to))
		r.model.TrimTo(to)
		r.model.CheckBounds(r, r.log)
	case "close":
		r.reopen(true)
	case "kill": // the process dies, the machine does not
		r.opts.Clean, r.opts.Start = false, r.model.Start
		r.open()
	case "read":
		from := model.Offset(rapid.Int64Range(start, end).Draw(rt, "from"))
		limit := model.Offset(rapid.Int64Range(start, end).Draw(rt, "limit"))
		r.model.CheckRead(r, r.log, from, limit, rapid.IntRange(0, 2000).Draw(rt, "maxBytes"))
	case "time":
		r.model.CheckTime(r, r.log, model.TimestampMs(rapid.Int64Range(950, 1100+end).Draw(rt, "time")))
	}
}
