// Package suite is chapter 01's graded suite: what every segment.Log must do, whatever it is made of.
//
// One file is one exercise's theme, and an exercise's own tests pin what its own file must do, whosever the other files are. A test
// looks at the seam, at the .log files' names and bytes, and at the index files' bytes after Close, which are part of it.
package suite

import (
	"testing"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/segment/logtest"
	"highwater.dev/broker/vfs"
	"highwater.dev/workbook/lab"
)

// Impl is what is graded.
type Impl struct {
	Name  string
	Open  segment.Opener
	Codec record.Codec
}

// TB is what helpers ask of *lab.T and *rapid.T.
type TB = logtest.TB

// Tests are all graded tests, by exercise.
func Tests() []lab.Test[Impl] {
	var all []lab.Test[Impl]
	for _, tests := range [][]lab.Test[Impl]{codec, appendRoll, index, read, timeIndex, recovery} {
		all = append(all, tests...)
	}
	return all
}

// Run runs the suite over one implementation.
func Run(t *testing.T, impl Impl) { lab.Run(t, impl, Tests()) }

const dir = "data/topic-0"

// rig is a log under test on a disk in memory, with the model beside it.
type rig struct {
	logtest.TB
	impl  Impl
	disk  vfs.FS
	opts  segment.Options
	log   segment.Log
	model logtest.Model
}

func newRig(t logtest.TB, impl Impl, limits segment.Limits) *rig {
	t.Helper()
	return newRigOn(t, impl, vfs.NewMem(), limits)
}

func newRigOn(t logtest.TB, impl Impl, disk vfs.FS, limits segment.Limits) *rig {
	t.Helper()
	r := &rig{TB: t, impl: impl, disk: disk}
	r.model.Explain = picture
	r.opts = segment.Options{Limits: limits, ReplayFrom: model.NoOffset}
	r.open()
	return r
}

// limits are small, so that a few batches fill a segment and every batch or two gets an index entry.
func limits() segment.Limits {
	return segment.Limits{SegmentBytes: 1000, IndexBytes: 1 << 20, IndexIntervalBytes: 100}
}

func (r *rig) open() {
	r.Helper()
	l, err := r.impl.Open(r.disk, dir, r.opts)
	if err != nil {
		r.Fatalf("open the log: %v", err)
	}
	r.log = l
}

// reopen closes the log and opens it again.
func (r *rig) reopen(clean bool) {
	r.Helper()
	r.must("close", r.log.Close())
	r.opts.Clean, r.opts.Start = clean, r.model.Start
	r.open()
}

func (r *rig) must(what string, err error) {
	r.Helper()
	if err != nil {
		r.Fatalf("%s: %v", what, err)
	}
}

// append adds a batch of records with the given times, each of size bytes.
func (r *rig) append(size int, times ...model.TimestampMs) logtest.Batch {
	r.Helper()
	b := logtest.Make(r.model.End(), times, size, 0)
	r.must("append", r.log.Append(b.Bytes))
	r.model.Append(b)
	return b
}

// check compares everything with the model, reads and look-ups by time.
func (r *rig) check() {
	r.Helper()
	r.model.Check(r, r.log)
}

// checkReads leaves look-ups by time out.
func (r *rig) checkReads() {
	r.Helper()
	r.model.CheckReads(r, r.log)
}

// bases lists the segments' base offsets.
func (r *rig) bases() (out []model.Offset) {
	for _, s := range r.log.Segments() {
		out = append(out, s.BaseOffset)
	}
	return out
}
