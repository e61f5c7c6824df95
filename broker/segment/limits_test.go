package segment_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/segment/logtest"
	"highwater.dev/broker/vfs"
)

func (w *world) bases() (out []model.Offset) {
	for _, s := range w.log.Segments() {
		out = append(out, s.BaseOffset)
	}
	return out
}

// appendAt appends a batch of one record of that time.
func (w *world) appendAt(ts model.TimestampMs) {
	w.Helper()
	b := logtest.Make(w.model.End(), []model.TimestampMs{ts}, 20, record.None)
	require.NoError(w, w.log.Append(b.Bytes))
	w.model.Append(b)
}

func TestRollByTime(t *testing.T) {
	w := newWorld(t, vfs.NewMem(), dir, segment.Limits{SegmentMs: 100})
	for _, ts := range []model.TimestampMs{1000, 1100, 900, 1101, 1150, 1201} {
		w.appendAt(ts)
	}
	require.Equal(t, []model.Offset{0, 3}, w.bases())
	w.reopen(true)
	w.appendAt(1202)
	require.Equal(t, []model.Offset{0, 3, 6}, w.bases(), "counts from the segment's first batch, also after a restart")
	w.log.(segment.Tunable).SetLimits(segment.Limits{})
	w.appendAt(99999)
	require.Equal(t, []model.Offset{0, 3, 6}, w.bases())
	w.model.Check(t, w.log)
}

// TestRollByIndexSize: neither index grows beyond segment.index.bytes, and the time index keeps room for its last entry.
func TestRollByIndexSize(t *testing.T) {
	for _, size := range []int{40, 60} {
		w := newWorld(t, vfs.NewMem(), dir, segment.Limits{IndexBytes: size, IndexIntervalBytes: 1})
		for i := range 40 {
			w.appendAt(model.TimestampMs(i))
		}
		require.NoError(t, w.log.Close())
		largest := 0
		for _, base := range w.bases() {
			w.checkIndexes(base, 1)
			for _, suffix := range []string{".index", ".timeindex"} {
				n := len(w.read(w.path(base, suffix)))
				require.LessOrEqual(t, n, size, "%s", w.path(base, suffix))
				largest = max(largest, n)
			}
		}
		require.Greater(t, largest, size-24)
	}
}

// TestRollByOffset: what an index entry cannot express begins a new segment.
func TestRollByOffset(t *testing.T) {
	w := newWorld(t, vfs.NewMem(), dir, segment.Limits{})
	for _, at := range []struct{ offset, base model.Offset }{{0, 0}, {1<<31 - 1, 0}, {1 << 31, 1 << 31}, {1<<31 + 9, 1 << 31}, {1 << 40, 1 << 40}} {
		b := logtest.Make(at.offset, []model.TimestampMs{1}, 1, record.None)
		require.NoError(t, w.log.Append(b.Bytes))
		w.model.Append(b)
		bases := w.bases()
		require.Equal(t, at.base, bases[len(bases)-1], "offset %d", at.offset)
	}
	w.opts.Gaps = true
	for range 2 {
		for _, b := range w.model.Batches {
			w.model.CheckRead(t, w.log, b.Base, w.model.End(), 1)
		}
		w.model.CheckRead(t, w.log, 1<<31+10, w.model.End(), 1) // in the gap: the next segment has the next batch
		w.open()
	}
	largest := logtest.Make(1<<63-1, []model.TimestampMs{1}, 1, record.None)
	require.ErrorIs(t, w.log.Append(largest.Bytes), record.ErrCorrupt)
}

// heard lists what an observer heard of batches: base offsets, negative when the bytes came along.
type heard []model.Offset

func (o *heard) Batch(h *record.Header, whole record.Batch) {
	if whole == nil {
		*o = append(*o, h.BaseOffset)
	} else {
		*o = append(*o, -h.BaseOffset)
	}
}
func (*heard) Rolled(model.Offset)  {}
func (*heard) Removed(model.Offset) {}

// TestReplay: what ends above ReplayFrom is heard of once, in order, from segments that recovery scans and from others, and
// control batches come with their bytes.
func TestReplay(t *testing.T) {
	w := newWorld(t, vfs.NewMem(), dir, small)
	w.append(30)
	marker := record.Builder{BaseOffset: w.model.End(), LeaderEpoch: 7, Control: true, Transactional: true, Idempotent: true, ProducerID: 1}
	marker.Add(2000, []byte{0, 0, 0, 1}, []byte{0, 0, 0, 0, 0, 0})
	require.NoError(t, w.log.Append(marker.Batch()))
	control := w.model.End()
	w.model.Append(logtest.Batch{Bytes: marker.Batch(), Base: control, Next: control + 1, Max: 2000, Times: []model.TimestampMs{2000}})
	w.append(30)
	require.NoError(t, w.log.Close())
	segments := w.log.Segments()
	for _, from := range []model.Offset{0, 1, segments[1].BaseOffset, segments[2].BaseOffset + 3, control, control + 1, w.model.End() - 1, w.model.End()} {
		for _, point := range []model.Offset{-1, 0, segments[3].BaseOffset, w.model.End()} {
			var want, got heard
			for _, b := range w.model.Batches {
				switch {
				case b.Next <= from:
				case b.Base == control:
					want = append(want, -control)
				default:
					want = append(want, b.Base)
				}
			}
			opts := w.opts
			opts.Observer, opts.ReplayFrom, opts.RecoveryPoint, opts.Clean = &got, from, max(point, 0), point < 0
			l, err := segment.Open(w.fs, dir, opts)
			require.NoError(t, err)
			require.Equal(t, want, got, "replay from %d, recovery point %d", from, point)
			require.NoError(t, l.Close())
		}
	}
}

// TestInterruptedRestart: a truncation that emptied the log at offset 40 was interrupted before the old first segment was deleted.
func TestInterruptedRestart(t *testing.T) {
	w := newWorld(t, vfs.NewMem(), dir, segment.Limits{})
	require.NoError(t, w.log.Close())
	w.write(w.path(40, ".log"), logtest.Make(40, []model.TimestampMs{1}, 1, record.None).Bytes)
	w.opts.RecoveryPoint = 40
	w.open()
	start, end := w.log.Bounds()
	require.Equal(t, []model.Offset{40, 41}, []model.Offset{start, end})
	require.Equal(t, []model.Offset{40}, w.bases())
}

// TestTruncateKeepsMaxTimestamp: also where no index entry tells it.
func TestTruncateKeepsMaxTimestamp(t *testing.T) {
	w := newWorld(t, vfs.NewMem(), dir, segment.Limits{})
	for _, ts := range []model.TimestampMs{100, 5000, 200, 9000} {
		w.appendAt(ts)
	}
	require.NoError(t, w.log.Truncate(3))
	w.model.Truncate(3)
	w.checkMax()
	w.appendAt(4000)
	w.checkMax()
	w.reopen(true)
	w.checkIndexes(0, 4096)
	w.model.Check(t, w.log)
}
