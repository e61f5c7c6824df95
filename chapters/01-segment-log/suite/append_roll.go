package suite

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/segment/logtest"
	"highwater.dev/broker/vfs"
	"highwater.dev/broker/vfs/errorfs"
	"highwater.dev/workbook/lab"
)

// Exercise 1.2: append and roll. These tests look at the .log files: there is no Read yet.
var appendRoll = []lab.Test[Impl]{
	{
		Exercise: "1.2", Name: "append-keeps-bytes", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-6", Sentence: "the .log files hold, byte for byte, what was appended, in that order"},
		Run:       appendKeepsBytes,
	},
	{
		Exercise: "1.2", Name: "append-order", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-7", Sentence: "offsets only grow: what is refused leaves no trace"},
		Run:       appendOrder,
	},
	{
		Exercise: "1.2", Name: "roll-by-size", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-8", Sentence: "no .log file is larger than segment.bytes, and none is cut short for nothing"},
		Run:       rollBySize,
	},
	{
		Exercise: "1.2", Name: "roll-by-time", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-9", Sentence: "a batch whose largest timestamp is more than segment.ms above that of the segment's first begins a new segment"},
		Run:       rollByTime,
	},
	{
		Exercise: "1.2", Name: "roll-by-offset", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-10", Sentence: "an offset is at most 2^31-1 above its segment's base offset, so that an index entry can hold it"},
		Run:       rollByOffset,
	},
	{
		Exercise: "1.2", Name: "any-appends", Kind: lab.Property,
		Invariant: lab.Invariant{ID: "LOG-6", Sentence: "the .log files hold, byte for byte, what was appended, in that order"},
		Run:       anyAppends,
	},
	{
		Exercise: "1.2", Name: "write-fails", Kind: lab.Fault,
		Invariant: lab.Invariant{ID: "LOG-11", Sentence: "an append that fails leaves nothing behind that a later one could be read through"},
		Run:       writeFails,
	},
	{
		Exercise: "1.2", Name: "roll-fails", Kind: lab.Fault,
		Invariant: lab.Invariant{ID: "LOG-11", Sentence: "an append that fails leaves nothing behind that a later one could be read through"},
		Run:       rollFails,
	},
	{
		Exercise: "1.2", Name: "append-is-heard", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-27", Sentence: "the observer hears of every batch once, in order, on recovery and on append"},
		Run:       appendIsHeard,
	},
	{
		Exercise: "1.2", Name: "roll-by-full-index", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-14", Sentence: "a segment whose index is full takes no more batches, and everything in it is found"},
		Run:       rollByFullIndex,
	},
	{
		Exercise: "1.2", Name: "flushed-is-durable", Kind: lab.Fault,
		Invariant: lab.Invariant{ID: "LOG-28", Sentence: "after a power cut everything flushed is there, and all there is is a beginning of what was appended"},
		Run:       flushedIsDurable,
	},
	{
		Exercise: "1.2", Name: "power-cuts-in-appends", Kind: lab.Fault,
		Invariant: lab.Invariant{ID: "LOG-28", Sentence: "after a power cut everything flushed is there, and all there is is a beginning of what was appended"},
		Run:       powerCutsInAppends,
	},
}

// checkFiles compares the .log files with the model, and what the log says of itself with the files.
func (r *rig) checkFiles() {
	r.Helper()
	r.model.CheckBounds(r, r.log)
	infos := r.log.Segments()
	var want []byte
	for _, b := range r.model.Batches {
		want = append(want, b.Bytes...)
	}
	for i, s := range infos {
		got := r.file(s.BaseOffset, ".log")
		if int64(len(got)) != s.Bytes {
			r.Fatalf("%s has %d bytes, Segments says %d", segment.FileName(s.BaseOffset, ".log"), len(got), s.Bytes)
		}
		n := min(len(got), len(want))
		if p := picture(got, want[:n]); p != "" {
			r.Fatalf("%s: %s", segment.FileName(s.BaseOffset, ".log"), p)
		}
		want = want[n:]
		if i+1 < len(infos) && s.EndOffset != infos[i+1].BaseOffset {
			r.Fatalf("segment %d ends at %d, the next begins at %d", s.BaseOffset, s.EndOffset, infos[i+1].BaseOffset)
		}
		var h record.Header
		if len(got) > 0 && (record.ReadHeader(got, &h) != nil || h.BaseOffset < s.BaseOffset) {
			r.Fatalf("%s begins with %s", segment.FileName(s.BaseOffset, ".log"), logtest.Describe(got))
		}
	}
	if len(want) > 0 {
		r.Fatalf("the .log files end, and these were appended: %s", logtest.Describe(want))
	}
}

// file reads one of a segment's files.
func (r *rig) file(base model.Offset, suffix string) []byte {
	r.Helper()
	f, err := r.disk.Open(dir + "/" + segment.FileName(base, suffix))
	r.must("open a segment's "+suffix+" file", err)
	size, err := f.Size()
	r.must("look at its size", err)
	b := make([]byte, size)
	if size > 0 {
		_, err = f.ReadAt(b, 0)
		r.must("read it", err)
	}
	r.must("close it", f.Close())
	return b
}

func appendKeepsBytes(t *lab.T, impl Impl) {
	r := newRig(t, impl, limits())
	r.checkFiles()
	for i := range 20 {
		r.append(10+i, model.TimestampMs(i), model.TimestampMs(i+1))
		r.checkFiles()
	}
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
	next := logtest.Make(3, []model.TimestampMs{5}, 10, 0)
	if err := r.log.Append(next.Bytes[:record.HeaderSize-1]); !errors.Is(err, record.ErrShort) {
		r.Fatalf("Append of 60 bytes, which are no header: expected ErrShort, got %v", err)
	}
	for _, b := range []record.Batch{next.Bytes[:len(next.Bytes)-1], append(bytes.Clone(next.Bytes), 0)} {
		if err := r.log.Append(b); !errors.Is(err, record.ErrCorrupt) {
			r.Fatalf("Append of %d bytes whose header says %d: expected ErrCorrupt, got %v", len(b), len(next.Bytes), err)
		}
	}
	r.checkFiles()
	r.append(1000-(len(logtest.Make(3, []model.TimestampMs{5}, 900, 0).Bytes)-900), 5)
	r.expectBases("a batch as large as segment.bytes", 0, 3)
	r.checkFiles()
	gap := logtest.Make(10, []model.TimestampMs{5, 6}, 10, 0)
	r.must("append above the end (a compacted log has gaps)", r.log.Append(gap.Bytes))
	r.model.Append(gap)
	r.checkFiles()
}

func rollBySize(t *lab.T, impl Impl) {
	r := newRig(t, impl, limits())
	for i := range 40 {
		r.append(50+7*(i%5), model.TimestampMs(i))
	}
	r.checkSizes(1000)
	r.checkFiles()

	// Two batches of 500 bytes fill 1000 to the byte, and a third has no room.
	r = newRig(t, impl, limits())
	value := 500 - (len(logtest.Make(0, []model.TimestampMs{0}, 200, 0).Bytes) - 200)
	for range 3 {
		r.append(value, 1)
	}
	r.expectBases("three batches of 500 bytes, segment.bytes 1000", 0, 2)
	r.checkFiles()
}

// checkSizes looks at where segments were rolled.
func (r *rig) checkSizes(limit int64) {
	r.Helper()
	infos := r.log.Segments()
	for i, s := range infos {
		if s.Bytes > limit {
			r.Fatalf("segment %d has %d bytes; segment.bytes is %d", s.BaseOffset, s.Bytes, limit)
		}
		if i+1 == len(infos) {
			break
		}
		next := infos[i+1].BaseOffset
		at := slices.IndexFunc(r.model.Batches, func(b logtest.Batch) bool { return b.Base >= next })
		if at < 0 {
			break // the append that rolled failed
		}
		first := r.model.Batches[at]
		if s.Bytes+int64(len(first.Bytes)) <= limit {
			r.Fatalf("segment %d was rolled at %d bytes although the next batch, %d bytes, had room", s.BaseOffset, s.Bytes, len(first.Bytes))
		}
	}
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
	r.append(1, 1202) // 101 after 1101, the segment's first
	r.expectBases("after times 1150, 1202", 0, 3, 5)
	r.checkFiles()

	// Of a batch with several times the largest counts, and the order of its records does not.
	r = newRig(t, impl, lim)
	r.append(1, 900, 1000)
	r.append(1, 1100, 1050)
	r.expectBases("after times 900 and 1000 in the first batch, then 1100 and 1050", 0)
	r.append(1, 1040, 1101)
	r.expectBases("after times 1040 and 1101, and 1000 in the first batch", 0, 4)

	// A segment whose first batch has no time has no age.
	r = newRig(t, impl, lim)
	r.append(1, model.NoTimestamp)
	r.append(1, 1000)
	r.expectBases("after a batch without a time, and one of time 1000", 0)
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
	r.appendAt(1<<31-1, 1<<31, 1<<31+5, 1<<33)
	r.checkSpans()
	if got := r.bases(); got[0] != 0 || len(got) < 2 || got[1] != 1<<31 {
		r.Fatalf("offsets 0, 2^31-1, 2^31: expected the first two in segment 0 and the third to begin a segment at %d, got segments at %v", 1<<31, got)
	}

	// The last record of a batch can be too far where the first is not: from the segment's base, or from where the segment ends.
	r = newRig(t, impl, limits())
	r.append(1, 1)
	r.appendAt(1<<31 - 2)
	r.checkSpans()
	r = newRig(t, impl, limits())
	r.append(1, 1)
	r.appendAt(1 << 31)
	r.checkSpans()
}

// appendAt adds batches of three records, or of one where the next begins right behind it.
func (r *rig) appendAt(bases ...model.Offset) {
	r.Helper()
	for i, base := range bases {
		times := []model.TimestampMs{2, 2, 2}
		if i+1 < len(bases) {
			times = times[:min(3, bases[i+1]-base)]
		}
		b := logtest.Make(base, times, 1, record.None)
		r.must(fmt.Sprintf("append batch %d..%d", b.Base, b.Next-1), r.log.Append(b.Bytes))
		r.model.Append(b)
	}
}

// checkSpans looks at how far each segment's last offset is above its base.
func (r *rig) checkSpans() {
	r.Helper()
	infos := r.log.Segments()
	for i, s := range infos {
		last := s.BaseOffset
		for _, b := range r.model.Batches {
			if b.Base >= s.BaseOffset && (i+1 == len(infos) || b.Base < infos[i+1].BaseOffset) {
				last = b.Next - 1
			}
		}
		if last-s.BaseOffset > 1<<31-1 {
			r.Fatalf("segment %d holds offset %d, more than 2^31-1 above its base", s.BaseOffset, last)
		}
	}
}

func anyAppends(t *lab.T, impl Impl) {
	t.Check(func(rt *rapid.T) {
		lim := segment.Limits{SegmentBytes: rapid.IntRange(300, 1500).Draw(rt, "segment.bytes"), IndexBytes: 1 << 20, IndexIntervalBytes: 1 << 20}
		r := newRig(rt, impl, lim)
		for range rapid.IntRange(1, 20).Draw(rt, "batches") {
			base := r.model.End() + model.Offset(rapid.IntRange(-1, 2).Draw(rt, "gap"))
			b := logtest.Make(max(0, base), make([]model.TimestampMs, rapid.IntRange(1, 3).Draw(rt, "records")), rapid.IntRange(0, 300).Draw(rt, "size"), 0)
			err := r.log.Append(b.Bytes)
			switch {
			case b.Base < r.model.End():
				if !errors.Is(err, segment.ErrOutOfOrder) {
					rt.Fatalf("batch %d..%d to a log that ends at %d: expected ErrOutOfOrder, got %v", b.Base, b.Next-1, r.model.End(), err)
				}
			case len(b.Bytes) > lim.SegmentBytes:
				if !errors.Is(err, segment.ErrBatchTooLarge) {
					rt.Fatalf("%d bytes, segment.bytes %d: expected ErrBatchTooLarge, got %v", len(b.Bytes), lim.SegmentBytes, err)
				}
			default:
				r.must("append", err)
				r.model.Append(b)
			}
		}
		r.checkSizes(int64(lim.SegmentBytes))
		r.checkFiles()
	})
}

var errDiskFull = errors.New("the disk is full (the test says so)")

func writeFails(t *lab.T, impl Impl) {
	for i := range 20 {
		seed := t.Seed() + uint64(i)
		disk := errorfs.New(vfs.NewMem())
		r := newRigOn(t, impl, disk, segment.Limits{SegmentBytes: 1 << 20, IndexBytes: 1 << 20, IndexIntervalBytes: 1 << 20})
		r.append(50, 1)
		r.append(60, 1)
		long := logtest.Make(r.model.End(), []model.TimestampMs{2}, 200, 0)
		rules := []errorfs.Rule{errorfs.FailShort(errDiskFull, seed, errorfs.All(errorfs.Kinds(errorfs.Write), errorfs.Base("*.log")))}
		if i >= 10 { // and the half batch cannot be cut off
			rules = append(rules, errorfs.Fail(errDiskFull, errorfs.All(errorfs.Kinds(errorfs.Truncate), errorfs.Base("*.log"))))
		}
		disk.SetRules(rules...)
		if err := r.log.Append(long.Bytes); err == nil {
			r.Fatalf("the write of a batch failed, and Append said nothing")
		}
		disk.SetRules()
		r.model.CheckBounds(r, r.log)
		short := logtest.Make(r.model.End(), []model.TimestampMs{2}, i%10, 0)
		if err := r.log.Append(short.Bytes); i >= 10 && errors.Is(err, segment.ErrFailed) {
			continue // it could not tell what the disk holds
		} else if err != nil {
			r.Fatalf("append when the disk has room again: %v", err)
		}
		r.model.Append(short)
		r.checkFiles()
	}
	r := newRigOn(t, impl, errorfs.New(vfs.NewMem()), limits())
	r.must("close", r.log.Close())
	if err := r.log.Append(logtest.Make(0, []model.TimestampMs{1}, 1, 0).Bytes); !errors.Is(err, segment.ErrClosed) {
		r.Fatalf("Append after Close: expected ErrClosed, got %v", err)
	}
}
