package segment_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/segment/logtest"
	"highwater.dev/broker/vfs"
)

// largeWorld is a log of some segments of large batches, with small ones between them, and the places of all batches by segment.
func largeWorld(t *testing.T) (w *world, starts map[string][]int64) {
	w = newWorld(t, vfs.NewMem(), dir, segment.Limits{SegmentBytes: 1 << 20, IndexIntervalBytes: 4096})
	starts = map[string][]int64{}
	for len(w.log.Segments()) < 3 {
		size := 20_000 + w.rng.IntN(100_000)
		if w.rng.IntN(4) == 0 {
			size = w.rng.IntN(3000)
		}
		b := logtest.Make(w.model.End(), []model.TimestampMs{1}, size, record.None)
		require.NoError(t, w.log.Append(b.Bytes))
		w.model.Append(b)
	}
	for _, s := range w.log.Segments() {
		name, file := w.path(s.BaseOffset, ".log"), []byte(nil)
		for file = w.read(name); len(file) > 0; {
			var h record.Header
			require.NoError(t, record.ReadHeader(file, &h))
			starts[name] = append(starts[name], s.Bytes-int64(len(file)))
			file = file[h.Size():]
		}
		starts[name] = append(starts[name], s.Bytes)
	}
	return w, starts
}

// TestWhole: of a region that was cut, Whole keeps exactly the whole batches, wherever it was cut.
func TestWhole(t *testing.T) {
	w, starts := largeWorld(t)
	log, shortened := w.log.(segment.Bounder), 0
	for range 2000 {
		from := model.Offset(w.rng.IntN(int(w.model.End())))
		r, err := w.log.Read(from, math.MaxInt64, 1+w.rng.IntN(300_000))
		require.NoError(t, err)
		n, err := log.Whole(from, r)
		require.NoError(t, err)
		want := int64(0)
		for _, at := range starts[r.File.Name()] {
			if at > r.Pos && at <= r.Pos+r.Len {
				want = at - r.Pos
			}
		}
		require.Positive(t, want)
		require.Equal(t, want, n, "offset %d, %d bytes at %d of %s", from, r.Len, r.Pos, r.File.Name())
		if n < r.Len {
			shortened++
		}
		r.Release()
	}
	require.Greater(t, shortened, 1000)
}

// TestWholeKeepsTheFirstBatch: an index that lies about where batches begin never makes Whole cut into the first one.
func TestWholeKeepsTheFirstBatch(t *testing.T) {
	w, starts := largeWorld(t)
	require.NoError(t, w.log.Close())
	name := w.path(0, ".index")
	index := w.read(name)
	for i := 7; i < len(index); i += 8 {
		index[i] ^= 0x40 // positions that are no batch's
	}
	w.write(name, index)
	w.opts.Clean = true
	w.open()
	places := starts[w.path(0, ".log")]
	for extra := range 50 {
		r, err := w.log.Read(0, math.MaxInt64, int(places[1])+1000*extra)
		require.NoError(t, err)
		n, err := w.log.(segment.Bounder).Whole(0, r)
		require.NoError(t, err)
		require.GreaterOrEqual(t, n, places[1])
		if n < r.Len {
			require.Contains(t, places, r.Pos+n)
		}
		r.Release()
	}
}

// TestWholeOfSmallBatches: where batches are small there is little to gain, and nothing is looked up.
func TestWholeOfSmallBatches(t *testing.T) {
	w := newWorld(t, vfs.NewMem(), dir, segment.Limits{IndexIntervalBytes: 4096})
	w.append(3000)
	for _, maxBytes := range []int{5000, 20_000, 50_001} {
		r, err := w.log.Read(100, math.MaxInt64, maxBytes)
		require.NoError(t, err)
		n, err := w.log.(segment.Bounder).Whole(100, r)
		require.NoError(t, err)
		require.Equal(t, int64(maxBytes), n, fmt.Sprint(maxBytes))
		r.Release()
	}
}
