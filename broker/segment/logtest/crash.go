package logtest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/vfs"
)

// Crash is a run of a log through appends, rolls, flushes, truncations and trims on a file system in memory, with power cuts at
// steps in the middle of them. After each cut the log is opened on what is left of the disk and compared with what was promised.
type Crash struct {
	Open segment.Opener
	Seed uint64
	Ops  int // how many operations
	Cuts int // how many power cuts, at most one for each step of the disk
	// AppendsOnly leaves everything but appends and flushes out of the operations.
	AppendsOnly bool

	t      TB
	rng    *rand.Rand
	mem    *vfs.Mem
	log    segment.Log
	now    model.TimestampMs
	step   int
	cutAt  map[int]bool
	cuts   int
	doing  string
	model  *Model       // all operations done
	before *Model       // without the one being done
	safe   model.Offset // everything below is flushed
	point  model.Offset // the recovery point that the log's owner has written down
	start  model.Offset // the start offset that the log's owner has written down
	opts   segment.Options
}

const crashDir = "data/t-0"

// Run returns the number of power cuts it checked.
func (c *Crash) Run(t TB) int {
	t.Helper()
	steps := c.pass(t, nil)
	c.rng = rand.New(rand.NewPCG(c.Seed, 1))
	at := map[int]bool{}
	for len(at) < min(c.Cuts, steps) {
		at[c.rng.IntN(steps)] = true
	}
	c.pass(t, at)
	return c.cuts
}

// pass does all operations, cutting the power before the steps in cutAt, and returns how many steps there were.
func (c *Crash) pass(t TB, cutAt map[int]bool) int {
	t.Helper()
	c.t, c.cutAt, c.step, c.cuts = t, cutAt, 0, 0
	c.rng = rand.New(rand.NewPCG(c.Seed, 0))
	c.mem = vfs.NewMem()
	c.now, c.safe, c.point, c.start = 1000, 0, 0, 0
	c.model = &Model{}
	c.before = c.model.Clone()
	c.opts = segment.Options{
		Limits:     segment.Limits{SegmentBytes: 800 + c.rng.IntN(1200), IndexIntervalBytes: 1 + c.rng.IntN(400), IndexBytes: 1 << 20},
		ReplayFrom: model.NoOffset,
	}
	c.doing = "open"
	if err := errors.Join(c.mem.MkdirAll("data"), c.mem.SyncDir("/")); err != nil {
		t.Fatalf("%v", err)
	}
	tap := &Tap{FS: c.mem, Before: c.tick}
	var err error
	if c.log, err = c.Open(tap, crashDir, c.opts); err != nil {
		t.Fatalf("open an empty folder: %v", err)
	}
	for range c.Ops {
		c.op()
	}
	c.doing = "close"
	if err := c.log.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	return c.step
}

func (c *Crash) tick(op, name string) error {
	if c.cutAt[c.step] {
		c.cuts++
		c.cut(fmt.Sprintf("seed %d, power cut at step %d, before %s of %s, in %s", c.Seed, c.step, op, name, c.doing))
	}
	c.step++
	return nil
}

// op does one operation on the log and the model.
func (c *Crash) op() {
	c.before = c.model.Clone()
	var err error
	kinds := 20
	if c.AppendsOnly {
		kinds = 13
	}
	switch n := c.rng.IntN(kinds); {
	case n < 12:
		b := Random(c.rng, c.model.End(), c.now)
		c.now += model.TimestampMs(c.rng.IntN(10))
		c.doing = fmt.Sprintf("append of batch %d..%d", b.Base, b.Next-1)
		c.model.Append(b)
		err = c.log.Append(b.Bytes)
	case n < 16:
		c.doing = fmt.Sprintf("flush up to %d", c.model.End())
		if err = c.log.Flush(); err == nil {
			c.safe = c.model.End()
			if c.rng.IntN(2) == 0 {
				c.point = c.safe
			}
		}
	case n < 17 && c.model.End() > c.model.Start:
		to := c.model.Start + model.Offset(c.rng.Int64N(int64(c.model.End()-c.model.Start)))
		c.doing = fmt.Sprintf("truncate to %d", to)
		c.model.Truncate(to)
		c.safe = min(c.safe, c.model.End())
		err = c.log.Truncate(to)
		c.point = min(c.point, c.model.End())
		c.before = c.model.Clone()
	case n < 18 && c.model.End() > c.model.Start:
		to := c.model.Start + model.Offset(c.rng.Int64N(int64(c.model.End()-c.model.Start)+1))
		c.doing = fmt.Sprintf("trim to %d", to)
		c.model.TrimTo(to)
		err = c.log.TrimTo(to)
		if c.rng.IntN(2) == 0 {
			c.start = to
		}
	default:
		c.doing = "close and open"
		if err = c.log.Close(); err == nil {
			c.safe = c.model.End()
			opts := c.opts
			opts.Start, opts.Clean = c.model.Start, true
			c.log, err = c.Open(&Tap{FS: c.mem, Before: c.tick}, crashDir, opts)
		}
	}
	if err != nil {
		c.t.Fatalf("seed %d, %s: %v", c.Seed, c.doing, err)
	}
}

// cut looks at the disk as a power cut would leave it now: how much of what was not flushed is kept differs from cut to cut.
func (c *Crash) cut(where string) {
	seed := c.Seed<<20 + uint64(c.step)
	rng := rand.New(rand.NewPCG(seed, 2))
	disk := c.mem.CrashClone(seed, []int{0, 30, 60, 90, 100}[rng.IntN(5)])
	opts := c.opts
	opts.RecoveryPoint, opts.Start = c.point, c.start
	t := &prefixed{TB: c.t, prefix: where + ": "}
	found := c.recovered(t, disk, opts, "after recovery")

	// A second cut, before anything was flushed, takes nothing that was promised, and a third finds the same log.
	disk = disk.CrashClone(seed+1, rng.IntN(101))
	again := c.recovered(t, disk, opts, "after a second power cut, during or right after recovery")
	if len(again) > 0 && len(found) > 0 && bytes.Equal(again[0], found[0]) && len(again) > len(found) {
		t.Fatalf("a second recovery finds %d batches where the first found %d", len(again), len(found))
	}
	c.goesOn(t, disk, opts, again)
}

// recovered opens the log and compares what it serves with what was promised.
func (c *Crash) recovered(t TB, disk *vfs.Mem, opts segment.Options, when string) []record.Batch {
	l, err := c.Open(disk, crashDir, opts)
	if err != nil {
		t.Fatalf("%s: open: %v", when, err)
	}
	got := ReadAll(t, l)
	start, end := l.Bounds()
	if start < opts.Start || start > max(c.model.Start, c.before.Start, opts.Start) && len(got) > 0 {
		t.Fatalf("%s: the log starts at %d; its owner knew %d and had trimmed it to %d", when, start, opts.Start, c.model.Start)
	}
	if !c.isPrefix(got, c.model) && !c.isPrefix(got, c.before) {
		t.Fatalf("%s: the log serves\n  %s\nwhich is not how anything began that was appended:\n  %s", when, list(got), list(bytesOf(c.model)))
	}
	var last record.Header
	if n := len(got); n > 0 && end > max(c.model.Start, c.before.Start) && (record.ReadHeader(got[n-1], &last) != nil || last.NextOffset() != end) {
		t.Fatalf("%s: the log ends at %d, and its last batch at %d: what lies between is missing, and would be for ever. It serves\n  %s", when, end, last.NextOffset(), list(got))
	}
	if safe := max(c.safe, opts.Start); end < safe && len(c.model.Batches) > 0 {
		t.Fatalf("%s: the log ends at %d, and everything below %d was flushed. It serves\n  %s", when, end, c.safe, list(got))
	}
	return got
}

// isPrefix says whether got is some of m's batches in a row: the first holds m's start or an earlier offset.
func (c *Crash) isPrefix(got []record.Batch, m *Model) bool {
	if len(got) == 0 {
		return true
	}
	i := slices.IndexFunc(m.Batches, func(b Batch) bool { return bytes.Equal(b.Bytes, got[0]) })
	if i < 0 || len(got) > len(m.Batches)-i {
		return false
	}
	for j, b := range got {
		if !bytes.Equal(b, m.Batches[i+j].Bytes) {
			return false
		}
	}
	return true
}

// goesOn appends to the recovered log, and finds it all after one more power cut that keeps only what was flushed.
func (c *Crash) goesOn(t TB, disk *vfs.Mem, opts segment.Options, found []record.Batch) {
	l, err := c.Open(disk, crashDir, opts)
	if err != nil {
		t.Fatalf("third recovery: %v", err)
	}
	if now := ReadAll(t, l); !slices.EqualFunc(now, found, func(a, b record.Batch) bool { return bytes.Equal(a, b) }) {
		t.Fatalf("recovery is not idempotent: first\n  %s\nthen\n  %s", list(found), list(now))
	}
	for range 3 {
		_, end := l.Bounds()
		b := Random(c.rng2(), end, 5000)
		if err := l.Append(b.Bytes); err != nil {
			t.Fatalf("append after recovery: %v", err)
		}
		found = append(found, b.Bytes)
	}
	if err := l.Flush(); err != nil {
		t.Fatalf("flush after recovery: %v", err)
	}
	_, opts.RecoveryPoint = l.Bounds()
	if l, err = c.Open(disk.CrashClone(1, 0), crashDir, opts); err != nil {
		t.Fatalf("open after append and flush: %v", err)
	}
	if now := ReadAll(t, l); !slices.EqualFunc(now, found, func(a, b record.Batch) bool { return bytes.Equal(a, b) }) {
		t.Fatalf("what was appended and flushed after recovery is not there: expected\n  %s\ngot\n  %s", list(found), list(now))
	}
}

func (c *Crash) rng2() *rand.Rand { return rand.New(rand.NewPCG(c.Seed, uint64(c.step))) }

func bytesOf(m *Model) (out []record.Batch) {
	for _, b := range m.Batches {
		out = append(out, b.Bytes)
	}
	return out
}

func list(batches []record.Batch) string {
	return Describe(slices.Concat(batches...))
}

// prefixed puts where something happened before each message.
type prefixed struct {
	TB
	prefix string
}

func (p *prefixed) Errorf(format string, args ...any) {
	p.TB.Helper()
	p.TB.Errorf("%s%s", p.prefix, fmt.Sprintf(format, args...))
}

func (p *prefixed) Fatalf(format string, args ...any) {
	p.TB.Helper()
	p.TB.Fatalf("%s%s", p.prefix, fmt.Sprintf(format, args...))
}
