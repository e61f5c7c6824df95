package segment_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/segment/logtest"
	"highwater.dev/broker/vfs"
)

// TestRollOrder: before a segment's .log is made, the name of the one before is durable; and, if that one was flushed to its end,
// its complete indexes are as well: the recovery point may already lie behind them.
func TestRollOrder(t *testing.T) {
	for _, flush := range []bool{false, true} {
		var steps []string
		fs := &logtest.Tap{FS: vfs.NewMem(), Before: func(op, name string) error {
			steps = append(steps, op+" "+name[strings.LastIndex(name, "/")+1:])
			return nil
		}}
		w := newWorld(t, fs, dir, small)
		for len(w.log.Segments()) < 6 {
			w.append(1)
			if flush {
				require.NoError(t, w.log.Flush())
			}
		}
		last := func(step string, before int) int {
			for i := before - 1; i >= 0; i-- {
				if steps[i] == step {
					return i
				}
			}
			return -1
		}
		segments := w.log.Segments()
		for i := 1; i < len(segments); i++ {
			base := func(suffix string) string { return segment.FileName(segments[i-1].BaseOffset, suffix) }
			made := last("create "+segment.FileName(segments[i].BaseOffset, ".log"), len(steps))
			require.Positive(t, made)
			require.Greater(t, last("syncdir t-0", made), last("create "+base(".log"), made), "segment %d, flushed: %v", i, flush)
			for _, suffix := range []string{".index", ".timeindex"} {
				if flush {
					written := last("write "+base(suffix), made)
					require.Positive(t, written)
					require.Greater(t, last("sync "+base(suffix), made), written)
				}
			}
		}
	}
}

// TestDeletionOrder: a log file goes before its indexes; Truncate takes the newest segment first and TrimTo the oldest, each durably
// before the next.
func TestDeletionOrder(t *testing.T) {
	var steps []string
	fs := &logtest.Tap{FS: vfs.NewMem(), Before: func(op, name string) error {
		if op == "remove" || op == "syncdir" {
			steps = append(steps, op+" "+name[strings.LastIndex(name, "/")+1:])
		}
		return nil
	}}
	w := newWorld(t, fs, dir, small)
	for len(w.log.Segments()) < 6 {
		w.append(1)
	}
	require.NoError(t, w.log.Flush())
	segments := w.log.Segments()
	want := func(order ...int) (out []string) {
		for _, i := range order {
			file := func(suffix string) string { return segment.FileName(segments[i].BaseOffset, suffix) }
			out = append(out, "remove "+file(".log"), "syncdir t-0",
				"remove "+file(".index"), "remove "+file(".timeindex"), "remove "+file(".txnindex"))
		}
		return out
	}
	steps = nil
	require.NoError(t, w.log.TrimTo(segments[2].BaseOffset+1))
	require.Equal(t, want(0, 1), steps)
	steps = nil
	require.NoError(t, w.log.Truncate(segments[3].BaseOffset+1))
	require.Equal(t, want(5, 4), steps)
}

// TestIntervalIsExclusive: a batch that starts exactly index.interval.bytes behind the one indexed before gets no entry, as in Kafka.
func TestIntervalIsExclusive(t *testing.T) {
	b := logtest.Make(0, []model.TimestampMs{1}, 100, record.None)
	interval := len(b.Bytes)
	w := newWorld(t, vfs.NewMem(), dir, segment.Limits{IndexIntervalBytes: interval})
	for i := range model.Offset(10) {
		b.Bytes.SetBaseOffset(i)
		require.NoError(t, w.log.Append(b.Bytes))
	}
	require.NoError(t, w.log.Close())
	w.checkIndexes(0, int64(interval))
	require.Len(t, w.read(w.path(0, ".index")), 4*8)
}

// TestRecoveryOfCompactedLog: gaps or not, nothing behind a bad batch stays, and no batch that goes back in offsets.
func TestRecoveryOfCompactedLog(t *testing.T) {
	w := newWorld(t, vfs.NewMem(), dir, small)
	w.append(60)
	require.NoError(t, w.log.Close())
	segments := w.log.Segments()
	file := w.path(segments[2].BaseOffset, ".log")
	b := w.read(file)
	var h record.Header
	require.NoError(t, record.ReadHeader(b, &h))
	w.write(file, append(b[:h.Size():h.Size()], b...)) // the first batch twice
	w.opts.Gaps = true
	w.open()
	_, end := w.log.Bounds()
	require.Equal(t, h.NextOffset(), end)
	require.Contains(t, w.said.String(), fmt.Sprintf("segmentsRemoved=%d", len(segments)-3))
	w.model.Truncate(end)
	w.append(5)
	w.model.Check(t, w.log)
}

// TestMissingTimeIndex: of the last segment, only the time index is gone; the log was closed in order.
func TestMissingTimeIndex(t *testing.T) {
	w := newWorld(t, vfs.NewMem(), dir, segment.Limits{IndexIntervalBytes: 100})
	top := logtest.Make(0, []model.TimestampMs{9999}, 10, record.None)
	require.NoError(t, w.log.Append(top.Bytes))
	w.model.Append(top)
	w.append(20)
	require.NoError(t, w.log.Close())
	require.NoError(t, w.fs.Remove(w.path(0, ".timeindex")))
	w.opts.Clean = true
	w.open()
	require.Equal(t, model.TimestampMs(9999), w.log.Segments()[0].MaxTimestamp)
	w.model.Check(t, w.log)
}

// TestStaleReadMark: where a read ended once is forgotten when the log is truncated below it.
func TestStaleReadMark(t *testing.T) {
	w := newWorld(t, vfs.NewMem(), dir, segment.Limits{})
	w.append(10)
	end := w.model.End()
	w.model.CheckRead(t, w.log, 0, end, 1<<20) // its end is remembered
	require.NoError(t, w.log.Truncate(end/2))
	w.model.Truncate(end / 2)
	for w.model.End() < end { // one record a batch: end lies elsewhere now
		b := logtest.Make(w.model.End(), []model.TimestampMs{1}, 0, record.None)
		require.NoError(t, w.log.Append(b.Bytes))
		w.model.Append(b)
	}
	w.append(50) // more than what is remembered of appends
	w.model.CheckRead(t, w.log, end, w.model.End(), 1<<20)
}

// hookFS calls its hooks, each once, at a .log file.
type hookFS struct {
	vfs.FS
	afterSync, beforeRead func()
}

type hookFile struct {
	vfs.File
	fs *hookFS
}

func (h *hookFS) wrap(f vfs.File, err error) (vfs.File, error) { return &hookFile{f, h}, err }
func (h *hookFS) OpenReadWrite(name string) (vfs.File, error) {
	return h.wrap(h.FS.OpenReadWrite(name))
}
func (h *hookFS) Create(name string) (vfs.File, error) { return h.wrap(h.FS.Create(name)) }

func once(hook *func(), name string) {
	if do := *hook; do != nil && strings.HasSuffix(name, ".log") {
		*hook = nil
		do()
	}
}

func (f *hookFile) Sync() error {
	err := f.File.Sync()
	once(&f.fs.afterSync, f.Name())
	return err
}

func (f *hookFile) ReadAt(p []byte, off int64) (int, error) {
	once(&f.fs.beforeRead, f.Name())
	return f.File.ReadAt(p, off)
}

// TestTruncateDuringFlush: what an fsync made durable is not what stands in its place after a truncation beside it.
func TestTruncateDuringFlush(t *testing.T) {
	mem := vfs.NewMem()
	require.NoError(t, mem.MkdirAll("data"))
	require.NoError(t, mem.SyncDir("/"))
	fs := &hookFS{FS: mem}
	w := newWorld(t, fs, dir, segment.Limits{})
	w.append(20)
	fs.afterSync = func() {
		require.NoError(t, w.log.Truncate(w.model.End()/2))
		w.model.Truncate(w.model.End() / 2)
		w.append(3)
	}
	require.NoError(t, w.log.Flush())
	require.NoError(t, w.log.Flush())
	left, err := segment.Open(mem.CrashClone(1, 0), dir, w.opts)
	require.NoError(t, err)
	w.model.Check(t, left)
}

// TestAppendAndRollDuringFlush: an fsync that a roll overtakes is not the sealed segment's last.
func TestAppendAndRollDuringFlush(t *testing.T) {
	mem := vfs.NewMem()
	require.NoError(t, mem.MkdirAll("data"))
	require.NoError(t, mem.SyncDir("/"))
	fs := &hookFS{FS: mem}
	w := newWorld(t, fs, dir, segment.Limits{SegmentBytes: 1200})
	w.append(2)
	fs.afterSync = func() { w.append(20) }
	require.NoError(t, w.log.Flush())
	require.NoError(t, w.log.Flush())
	w.opts.RecoveryPoint = w.model.End()
	left, err := segment.Open(mem.CrashClone(1, 0), dir, w.opts)
	require.NoError(t, err)
	w.model.Check(t, left)
}

// TestTruncateDuringRead: a read that loses its bytes to a truncation beside it starts again.
func TestTruncateDuringRead(t *testing.T) {
	for _, tc := range []struct{ from, to model.Offset }{{90, 40}, {90, 95}, {3, 1}, {90, 91}} {
		fs := &hookFS{FS: vfs.NewMem()}
		w := newWorld(t, fs, dir, segment.Limits{SegmentBytes: 20000, IndexIntervalBytes: 300})
		for w.model.End() < 200 {
			w.append(1)
		}
		fs.beforeRead = func() {
			require.NoError(t, w.log.Truncate(tc.to))
			w.model.Truncate(tc.to)
		}
		r, err := w.log.Read(tc.from, 200, 1<<20)
		require.Nil(t, fs.beforeRead)
		if tc.from > w.model.End() {
			require.ErrorIs(t, err, segment.ErrOffsetOutOfRange)
			continue
		}
		require.NoError(t, err)
		if r.Len > 0 {
			b := make([]byte, r.Len)
			_, err = r.File.ReadAt(b, r.Pos)
			require.NoError(t, err, "the region is of before the truncation")
		}
		r.Release()
	}
}
