package suite

import (
	"bytes"
	"log/slog"
	"math/rand/v2"
	"strings"

	"highwater.dev/broker/model"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/segment/logtest"
	"highwater.dev/workbook/lab"
)

// Exercise 1.6: recovery.
var recovery = []lab.Test[Impl]{
	{
		Exercise: "1.6", Name: "torn-tail", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-25", Sentence: "a batch that is not whole is cut off, and nothing before it"},
		Run:       tornTail,
	},
	{
		Exercise: "1.6", Name: "flipped-bit", Kind: lab.Fault,
		Invariant: lab.Invariant{ID: "LOG-26", Sentence: "recovery serves no batch whose CRC is wrong, and nothing behind one"},
		Run:       flippedBit,
	},
	{
		Exercise: "1.6", Name: "observer-hears", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-27", Sentence: "the observer hears of every batch once, in order, on recovery and on append"},
		Run:       observerHears,
	},
	{
		Exercise: "1.6", Name: "power-cuts", Kind: lab.Fault,
		Invariant: lab.Invariant{ID: "LOG-28", Sentence: "after a power cut everything flushed is there, and all there is is a beginning of what was appended"},
		Run:       powerCuts,
	},
	{
		Exercise: "1.6", Name: "goes-on", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-29", Sentence: "a log that was opened again behaves as if it had never been closed: limits, times, offsets, bytes"},
		Run:       goesOn,
	},
	{
		Exercise: "1.6", Name: "any-history", Kind: lab.Property,
		Invariant: lab.Invariant{ID: "LOG-29", Sentence: "a log that was opened again behaves as if it had never been closed: limits, times, offsets, bytes"},
		Run:       anyHistory,
	},
	{
		Exercise: "1.6", Name: "offsets-go-back", Kind: lab.Fault,
		Invariant: lab.Invariant{ID: "LOG-7", Sentence: "offsets only grow: what is refused leaves no trace"},
		Run:       offsetsGoBack,
	},
	{
		Exercise: "1.6", Name: "rebuilt-indexes", Kind: lab.Fault,
		Invariant: lab.Invariant{ID: "LOG-29", Sentence: "a log that was opened again behaves as if it had never been closed: limits, times, offsets, bytes"},
		Run:       rebuiltIndexes,
	},
	{
		Exercise: "1.6", Name: "disk-does-not-read", Kind: lab.Fault,
		Invariant: lab.Invariant{ID: "LOG-33", Sentence: "a disk that does not read is no bad batch: nothing is cut for it"},
		Run:       diskDoesNotRead,
	},
	{
		Exercise: "1.6", Name: "gaps-are-scanned", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-25", Sentence: "a batch that is not whole is cut off, and nothing before it"},
		Run:       gapsAreScanned,
	},
}

// tear leaves the first n bytes of a segment's .log file.
func (r *rig) tear(base model.Offset, n int64) {
	r.Helper()
	f, err := r.disk.OpenReadWrite(dir + "/" + segment.FileName(base, ".log"))
	r.must("open a .log file", err)
	r.must("cut it", f.Truncate(n))
	r.must("close it", f.Close())
}

func tornTail(t *lab.T, impl Impl) {
	// What a power cut may leave of the last batch: around the fields' borders, and here and there in the records.
	for _, left := range []int64{0, 1, 7, 8, 11, 12, 16, 17, 20, 21, 60, 61, 62, 100, 150, -1} {
		r := newRig(t, impl, limits())
		for range 8 {
			r.append(60, 1, 2)
		}
		last := r.model.Batches[7]
		segments := r.log.Segments()
		active := segments[len(segments)-1]
		if left < 0 {
			left = int64(len(last.Bytes)) - 1
		}
		r.tear(active.BaseOffset, active.Bytes-int64(len(last.Bytes))+left)
		r.model.Truncate(last.Base)
		var out bytes.Buffer
		r.opts.Logger = slog.New(slog.NewTextHandler(&out, nil))
		r.open() // the process was killed: the log was not closed
		r.model.CheckBounds(r, r.log)
		r.append(60, 3, 4)
		r.check()
		if lines := strings.Count(out.String(), "\n"); left > 0 && lines != 1 {
			r.Fatalf("recovery cut %d bytes: expected one line in the broker's own log that says so, got %d:\n%s", left, lines, out.String())
		}
	}
}

func flippedBit(t *lab.T, impl Impl) {
	rng := rand.New(rand.NewPCG(t.Seed(), 0))
	for range 20 {
		r := newRig(t, impl, limits())
		for range 15 {
			r.append(60, 1, 2)
		}
		i := rng.IntN(15)
		victim := r.model.Batches[i]
		at := 12 + rng.IntN(len(victim.Bytes)-12) // not the base offset, which nothing protects
		if at >= 12 && at < 16 {
			at = 16 // nor the leader epoch
		}
		r.flip(victim, at, byte(1)<<rng.IntN(8))
		r.model.Truncate(victim.Base)
		if i%2 == 0 { // who asks for no more than the end still gets a log that was looked at from the recovery point on
			r.opts.Observer, r.opts.ReplayFrom = &listener{}, r.model.End()+1000
		}
		r.open()
		if _, end := r.log.Bounds(); end != victim.Base {
			r.Fatalf("a bit of byte %d of batch %d..%d is flipped on the disk, and nothing was flushed: recovery ends the log before that batch, at %d; got %d",
				at, victim.Base, victim.Next-1, victim.Base, end)
		}
		r.append(60, 3, 4)
		r.check()
		r.reopen(false)
		r.check()
	}
}

// flip changes a bit of a batch on the disk.
func (r *rig) flip(b logtest.Batch, at int, mask byte) {
	r.Helper()
	pos, base := int64(0), model.Offset(0)
	for _, s := range r.log.Segments() {
		if s.BaseOffset <= b.Base {
			base = s.BaseOffset
		}
	}
	for _, other := range r.model.Batches {
		if other.Base >= base && other.Base < b.Base {
			pos += int64(len(other.Bytes))
		}
	}
	f, err := r.disk.OpenReadWrite(dir + "/" + segment.FileName(base, ".log"))
	r.must("open a .log file", err)
	_, err = f.WriteAt([]byte{b.Bytes[at] ^ mask}, pos+int64(at))
	r.must("flip a bit", err)
	r.must("close it", f.Close())
}

func goesOn(t *lab.T, impl Impl) {
	for _, clean := range []bool{true, false} {
		lim := limits()
		lim.SegmentMs = 100
		r := newRig(t, impl, lim)
		r.append(1, 1000, 1000)
		r.append(1, 1090)
		r.reopen(clean)
		r.append(1, 1100)
		r.expectBases("opened again, time 1100", 0)
		r.append(1, 1101)
		r.expectBases("opened again, time 1101, the segment's first being 1000", 0, 4)
		for i := range 30 {
			r.append(40, model.TimestampMs(1101+(i*37)%99))
		}
		r.reopen(clean)
		r.checkMaxTimestamps("after opening again")
		r.check()
		r.must("truncate", r.log.Truncate(23))
		r.model.Truncate(23)
		r.checkMaxTimestamps("after truncation to 23")
		r.check()
	}
}
