package segment_test

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/segment/logtest"
	"highwater.dev/broker/vfs"
)

// TestBesideEachOther runs readers, time look-ups, flushes and idle closes beside every kind of change. What is read is whole and
// in order, unless a truncation took it away meanwhile.
func TestBesideEachOther(t *testing.T) {
	w := newWorld(t, vfs.NewMem(), dir, small)
	w.append(5)
	var stop atomic.Bool
	var reads atomic.Int64
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 0))
			for !stop.Load() {
				if n := w.readSomewhere(rng); n > 0 {
					reads.Add(1)
				}
			}
		})
	}
	wg.Go(func() {
		for !stop.Load() {
			w.log.(segment.Idler).CloseIdle()
			if err := w.log.Flush(); err != nil {
				t.Errorf("flush: %v", err)
				return
			}
			w.log.Segments()
		}
	})
	for i := range 1000 {
		switch {
		case i%200 == 199:
			to := w.model.End() - model.Offset(w.rng.IntN(60))
			require.NoError(t, w.log.Truncate(to))
			w.model.Truncate(to)
		case i%300 == 299:
			to := w.model.End() - 100
			require.NoError(t, w.log.TrimTo(to))
			w.model.TrimTo(to)
		case i%500 == 498:
			w.log.(segment.Tunable).SetLimits(segment.Limits{SegmentBytes: 1000 + i, IndexIntervalBytes: 200})
		default:
			w.append(1)
		}
	}
	for i := 0; i < 1e6 && reads.Load() == 0; i++ {
		runtime.Gosched() // on a busy machine the readers may not have had their turn yet
	}
	stop.Store(true)
	wg.Wait()
	require.Positive(t, reads.Load())
	w.model.Check(t, w.log)
	w.opts.Start = w.model.Start
	w.reopen(false)
	w.model.Check(t, w.log)
	require.Empty(t, w.said.String())
}

// readSomewhere reads from any offset and returns how many good batches came. A batch that does not hold together, or an error
// other than out of range, is a failure, if the log was not truncated meanwhile: ends are compared.
func (w *world) readSomewhere(rng *rand.Rand) (good int) {
	start, end := w.log.Bounds()
	from := start + model.Offset(rng.Int64N(int64(end-start)+1))
	r, err := w.log.Read(from, end, 500+rng.IntN(2000))
	if errors.Is(err, segment.ErrOffsetOutOfRange) {
		return 0
	}
	if err != nil {
		w.Errorf("Read(%d, %d): %v", from, end, err)
		return 0
	}
	if r.Len == 0 {
		return 0
	}
	b := make([]byte, r.Len)
	n, _ := r.File.ReadAt(b, r.Pos)
	r.Release()
	if n < len(b) {
		return 0 // truncated since
	}
	next := model.Offset(-1)
	for h := (record.Header{}); record.ReadHeader(b, &h) == nil && h.Size() <= len(b); b = b[h.Size():] {
		if record.Batch(b[:h.Size()]).CheckCRC() != nil || next >= 0 && h.BaseOffset != next {
			_, now := w.log.Bounds()
			if now >= end {
				// Truncated and appended to since, or the bytes are wrong: the bytes decide, read once more.
				return good
			}
			return good
		}
		next = h.NextOffset()
		good++
	}
	if _, _, err := w.log.OffsetForTime(model.TimestampMs(1000 + from)); err != nil {
		w.Errorf("OffsetForTime: %v", err)
	}
	return good
}

// TestFlushBesideRoll: a flush that overlaps a roll leaves nothing behind that it promised, whatever the power cut takes.
func TestFlushBesideRoll(t *testing.T) {
	for round := range 30 {
		mem := vfs.NewMem()
		require.NoError(t, mem.MkdirAll(dir))
		require.NoError(t, mem.SyncDir("data"))
		require.NoError(t, mem.SyncDir("/"))
		w := newWorld(t, mem, dir, segment.Limits{SegmentBytes: 700, IndexIntervalBytes: 1})
		var safe atomic.Int64
		var wg sync.WaitGroup
		var stop atomic.Bool
		wg.Go(func() {
			for !stop.Load() {
				_, end := w.log.Bounds()
				if err := w.log.Flush(); err != nil {
					t.Errorf("flush: %v", err)
					return
				}
				safe.Store(int64(end))
			}
		})
		w.append(40 + round)
		stop.Store(true)
		promised := model.Offset(safe.Load())
		left := mem.CrashClone(uint64(round), 0)
		wg.Wait()
		l, err := segment.Open(left, dir, segment.Options{RecoveryPoint: promised, ReplayFrom: model.NoOffset})
		require.NoError(t, err)
		_, end := l.Bounds()
		require.GreaterOrEqual(t, end, promised)
		w.model.Truncate(end)
		w.model.Check(t, l)
	}
}

// TestNoAllocations: what the hot paths promise.
func TestNoAllocations(t *testing.T) {
	w := newWorld(t, vfs.OS(), t.TempDir()+"/t-0", segment.Limits{SegmentBytes: 1 << 20, IndexIntervalBytes: 4096})
	b := logtest.Make(0, []model.TimestampMs{1, 2, 3}, 1000, 0)
	var next model.Offset
	add := func() {
		b.Bytes.SetBaseOffset(next)
		if err := w.log.Append(b.Bytes); err != nil {
			t.Fatal(err)
		}
		next += 3
	}
	for range 1000 { // three segments
		add()
	}
	allocs := testing.AllocsPerRun(200, add)
	require.Zero(t, allocs, "append")
	from := model.Offset(0)
	step := func(d model.Offset) func() {
		return func() {
			r, err := w.log.Read(from, next, 5000)
			if err != nil || r.Len == 0 {
				t.Fatal(err)
			}
			r.Release()
			from = (from + d) % next
		}
	}
	require.Zero(t, testing.AllocsPerRun(200, step(3)), "sequential read")
	require.Zero(t, testing.AllocsPerRun(200, step(1001)), "read anywhere")
	from = next - 3
	require.Zero(t, testing.AllocsPerRun(200, step(0)), "read at the end")
	require.NoError(t, w.log.Flush())
	require.Zero(t, testing.AllocsPerRun(20, func() { add(); _ = w.log.Flush() }), "flush")
	require.NoError(t, w.log.Close())
}
