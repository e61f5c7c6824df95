package suite

import (
	"math/rand/v2"

	"pgregory.net/rapid"

	"highwater.dev/broker/model"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/segment/logtest"
	"highwater.dev/workbook/lab"
)

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
