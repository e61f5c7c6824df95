package segment_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/segment/logtest"
	"highwater.dev/broker/vfs"
)

const dir = "data/t-0"

var small = segment.Limits{SegmentBytes: 2000, IndexIntervalBytes: 200}

// world is a log with its model on some disk.
type world struct {
	*testing.T
	fs    vfs.FS
	dir   string
	opts  segment.Options
	log   segment.Log
	model logtest.Model
	rng   *rand.Rand
	said  bytes.Buffer // the log's own log lines
}

func newWorld(t *testing.T, fs vfs.FS, dir string, limits segment.Limits) *world {
	w := &world{T: t, fs: fs, dir: dir, rng: rand.New(rand.NewPCG(1, 2))}
	w.opts = segment.Options{Limits: limits, ReplayFrom: model.NoOffset, Logger: slog.New(slog.NewTextHandler(&w.said, nil))}
	w.open()
	return w
}

func (w *world) open() {
	w.Helper()
	l, err := segment.Open(w.fs, w.dir, w.opts)
	require.NoError(w, err)
	w.log = l
}

// append adds n batches.
func (w *world) append(n int) {
	w.Helper()
	for range n {
		b := logtest.Random(w.rng, w.model.End(), 1000+model.TimestampMs(w.model.End()))
		require.NoError(w, w.log.Append(b.Bytes))
		w.model.Append(b)
	}
}

func (w *world) reopen(clean bool) {
	w.Helper()
	require.NoError(w, w.log.Close())
	w.opts.Clean = clean
	w.open()
}

func (w *world) path(base model.Offset, suffix string) string {
	return w.dir + "/" + segment.FileName(base, suffix)
}

func (w *world) read(name string) []byte {
	w.Helper()
	f, err := w.fs.Open(name)
	require.NoError(w, err)
	size, err := f.Size()
	require.NoError(w, err)
	b := make([]byte, size)
	if size > 0 {
		_, err = f.ReadAt(b, 0)
		require.NoError(w, err)
	}
	require.NoError(w, f.Close())
	return b
}

func (w *world) write(name string, b []byte) {
	w.Helper()
	f, err := w.fs.Create(name)
	require.NoError(w, err)
	_, err = f.WriteAt(b, 0)
	require.NoError(w, err)
	require.NoError(w, f.Close())
}

// checkIndexes compares the segment's index files with what Apache Kafka would have written: an offset entry for a batch that
// starts more than the interval behind the one indexed before; with it, if the largest timestamp grew, a time entry; at the end
// a time entry with the segment's largest timestamp.
func (w *world) checkIndexes(base model.Offset, interval int64) {
	w.Helper()
	log := w.read(w.path(base, ".log"))
	var offsets, times []byte
	var indexedAt, pos int64
	top, topAt, timed := model.NoTimestamp, model.Offset(0), model.NoTimestamp
	addTime := func() {
		if top > timed {
			times = binary.BigEndian.AppendUint64(times, uint64(top))
			times = binary.BigEndian.AppendUint32(times, uint32(topAt-base))
			timed = top
		}
	}
	for h := (record.Header{}); pos < int64(len(log)); pos += int64(h.Size()) {
		require.NoError(w, record.ReadHeader(log[pos:], &h))
		if h.MaxTimestamp > top {
			top, topAt = h.MaxTimestamp, h.LastOffset()
		}
		if pos-indexedAt > interval {
			offsets = binary.BigEndian.AppendUint32(offsets, uint32(h.LastOffset()-base))
			offsets = binary.BigEndian.AppendUint32(offsets, uint32(pos))
			indexedAt = pos
			addTime()
		}
	}
	addTime()
	require.Equal(w, append([]byte{}, offsets...), w.read(w.path(base, ".index")), "%s", w.path(base, ".index"))
	require.Equal(w, append([]byte{}, times...), w.read(w.path(base, ".timeindex")), "%s", w.path(base, ".timeindex"))
}

// checkMax compares each segment's largest timestamp with that of its batches.
func (w *world) checkMax() {
	w.Helper()
	for _, s := range w.log.Segments() {
		want := model.NoTimestamp
		for _, b := range w.model.Batches {
			if b.Base >= s.BaseOffset && b.Base < s.EndOffset {
				want = max(want, b.Max)
			}
		}
		require.Equal(w, want, s.MaxTimestamp, "segment %d", s.BaseOffset)
	}
}

func TestIndexFilesAreKafkas(t *testing.T) {
	for name, fs := range map[string]vfs.FS{"mem": vfs.NewMem(), "os": vfs.OS()} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, fs, t.TempDir()+"/t-0", small)
			w.append(200)
			check := func() {
				for _, s := range w.log.Segments() {
					w.checkIndexes(s.BaseOffset, 200)
				}
			}
			w.reopen(true)
			check()
			w.append(20)
			require.NoError(t, w.log.Truncate(w.model.End()-100))
			w.model.Truncate(w.model.End() - 100)
			w.checkMax()
			w.append(20)
			w.checkMax()
			w.reopen(false)
			w.append(1)
			w.reopen(true)
			check()
			w.model.Check(t, w.log)
			require.Empty(t, w.said.String())
			require.NoError(t, w.log.Close())
		})
	}
}

// TestLongTailIsWritten fills more index entries than wait in memory at once.
func TestLongTailIsWritten(t *testing.T) {
	w := newWorld(t, vfs.NewMem(), dir, segment.Limits{IndexIntervalBytes: 1})
	w.append(500)
	w.model.Check(t, w.log)
	w.reopen(true)
	w.checkIndexes(0, 1)
	w.model.Check(t, w.log)
}

// TestAllocatedAhead opens what a killed Apache Kafka leaves: index files, and with preallocate=true the .log, that end in zeros.
func TestAllocatedAhead(t *testing.T) {
	for _, clean := range []bool{true, false} {
		w := newWorld(t, vfs.NewMem(), dir, small)
		w.append(60)
		require.NoError(t, w.log.Close())
		segments := w.log.Segments()
		for _, s := range segments {
			for _, suffix := range []string{".index", ".timeindex"} {
				w.write(w.path(s.BaseOffset, suffix), append(w.read(w.path(s.BaseOffset, suffix)), make([]byte, 12*8*500)...))
			}
		}
		last := segments[len(segments)-1].BaseOffset
		w.write(w.path(last, ".log"), append(w.read(w.path(last, ".log")), make([]byte, 5000)...))
		w.opts.Clean = clean
		w.open()
		w.model.Check(t, w.log)
		w.append(40)
		w.model.Check(t, w.log)
		w.reopen(true)
		w.model.Check(t, w.log)
		require.Contains(t, w.said.String(), "zeros")
		require.NotContains(t, w.said.String(), "rebuilding")
	}
}

// TestDamagedIndexes damages index files of a log that was closed in order. Whatever they hold, what is read is right.
func TestDamagedIndexes(t *testing.T) {
	damages := map[string]func(rng *rand.Rand, b []byte) []byte{
		"missing":      nil,
		"empty":        func(_ *rand.Rand, _ []byte) []byte { return nil },
		"odd length":   func(_ *rand.Rand, b []byte) []byte { return b[:len(b)-3] },
		"half":         func(_ *rand.Rand, b []byte) []byte { return b[:len(b)/2/24*24] },
		"hole":         func(_ *rand.Rand, b []byte) []byte { clear(b[:len(b)/2]); return b },
		"noise":        func(rng *rand.Rand, b []byte) []byte { b[rng.IntN(len(b))] ^= 1 << rng.IntN(8); return b },
		"all noise":    func(rng *rand.Rand, b []byte) []byte { return randomBytes(rng, len(b)) },
		"other's file": func(rng *rand.Rand, b []byte) []byte { return append(randomBytes(rng, 240), b...) },
	}
	for name, damage := range damages {
		for _, suffix := range []string{".index", ".timeindex"} {
			t.Run(name+suffix, func(t *testing.T) {
				w := newWorld(t, vfs.NewMem(), dir, small)
				w.append(120)
				require.NoError(t, w.log.Close())
				for _, s := range w.log.Segments() {
					file := w.path(s.BaseOffset, suffix)
					if damage == nil {
						require.NoError(t, w.fs.Remove(file))
						continue
					}
					if b := w.read(file); len(b) > 24 {
						w.write(file, damage(w.rng, b))
					}
				}
				w.opts.Clean = true
				w.open()
				for o := w.model.Start; o <= w.model.End(); o++ {
					w.model.CheckRead(t, w.log, o, w.model.End(), 1)
				}
				if name != "half" && name != "odd length" { // a time index that only lost its end does not show
					w.checkMax()
				}
				w.append(1)
				w.reopen(false)
				w.model.Check(t, w.log)
			})
		}
	}
}

// TestDamagedIndexesOnAFullDisk: indexes that cannot be written are made in memory, and opening and reading go on.
func TestDamagedIndexesOnAFullDisk(t *testing.T) {
	for _, suffix := range []string{".index", ".timeindex"} {
		for _, missing := range []bool{true, false} {
			t.Run(fmt.Sprintf("missing=%t%s", missing, suffix), func(t *testing.T) {
				mem, full := vfs.NewMem(), false
				w := newWorld(t, &logtest.Tap{FS: mem, Before: func(op, name string) error {
					_, err := mem.Stat(name)
					if full && (op == "write" || vfs.IsNotExist(err) && (op == "open" || op == "create")) {
						return syscall.ENOSPC
					}
					return nil
				}}, dir, small)
				w.append(120)
				require.NoError(t, w.log.Close())
				for _, s := range w.log.Segments() {
					file := w.path(s.BaseOffset, suffix)
					if missing {
						require.NoError(t, w.fs.Remove(file))
					} else {
						w.write(file, randomBytes(w.rng, 240))
					}
				}
				full, w.opts.Clean = true, true
				w.open()
				w.model.Check(t, w.log)
				w.checkMax()
				full = false
				w.append(10)
				w.reopen(true)
				w.model.Check(t, w.log)
				w.checkMax()
			})
		}
	}
}

func randomBytes(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// TestLeftovers: what interrupted deletions, cleanings and swaps leave.
func TestLeftovers(t *testing.T) {
	w := newWorld(t, vfs.NewMem(), dir, small)
	w.append(60)
	require.NoError(t, w.log.Close())
	segments := w.log.Segments()
	require.Greater(t, len(segments), 4)
	name := func(i int, suffix string) string { return w.path(segments[i].BaseOffset, suffix) }

	// An orphan index; a segment being deleted; a cleaning that was not finished.
	w.write(w.path(99999, ".index"), []byte("x"))
	w.write(w.path(99999, ".txnindex"), []byte("x"))
	w.write(w.path(99999, ".log.deleted"), []byte("x"))
	w.write(name(3, ".log.cleaned"), []byte("x"))
	w.write(name(3, ".log.swap"), []byte("x")) // not below the smallest .cleaned: part of the unfinished one
	// A swap that was cut off after the last rename to .swap: segments 0 and 1 become one.
	merged := append(w.read(name(0, ".log")), w.read(name(1, ".log"))...)
	w.write(name(0, ".log.swap"), merged)

	w.opts.Clean = true
	w.open()
	names, err := w.fs.List(dir)
	require.NoError(t, err)
	for _, n := range names {
		require.NotContains(t, n, "swap")
		require.NotContains(t, n, "cleaned")
		require.NotContains(t, n, "deleted")
		require.NotContains(t, n, "99999")
	}
	require.Equal(t, merged, w.read(name(0, ".log")))
	require.Equal(t, segments[2].BaseOffset, w.log.Segments()[1].BaseOffset)
	w.model.Check(t, w.log)
	require.Contains(t, w.said.String(), "finishing an interrupted swap")
}

// TestLostSegment: a segment in the middle that is gone takes the rest with it, unless the log may have gaps.
func TestLostSegment(t *testing.T) {
	for _, gaps := range []bool{false, true} {
		w := newWorld(t, vfs.NewMem(), dir, small)
		w.append(60)
		require.NoError(t, w.log.Close())
		lost := w.log.Segments()[2]
		for _, suffix := range []string{".log", ".index", ".timeindex"} {
			require.NoError(t, w.fs.Remove(w.path(lost.BaseOffset, suffix)))
		}
		w.opts.Gaps = gaps
		w.open()
		_, end := w.log.Bounds()
		if gaps {
			require.Equal(t, w.model.End(), end)
			require.Empty(t, w.said.String())
			continue
		}
		require.Equal(t, lost.BaseOffset, end)
		require.Equal(t, 1, strings.Count(w.said.String(), "\n"))
		w.model.Truncate(lost.BaseOffset)
		w.append(3)
		w.model.Check(t, w.log)
	}
}

// TestRecoveryPointIsTrusted: what lies in segments below the recovery point's is not scanned, and what lies in it or above is.
func TestRecoveryPointIsTrusted(t *testing.T) {
	w := newWorld(t, vfs.NewMem(), dir, small)
	w.append(60)
	require.NoError(t, w.log.Close())
	segments := w.log.Segments()
	flip := func(i int) {
		file := w.path(segments[i].BaseOffset, ".log")
		b := w.read(file)
		b[len(b)-1] ^= 1
		w.write(file, b)
	}
	flip(1)
	w.opts.RecoveryPoint = segments[2].BaseOffset
	w.open()
	w.model.CheckBounds(t, w.log)
	require.Empty(t, w.said.String())
	require.NoError(t, w.log.Close())
	flip(3)
	w.open()
	_, end := w.log.Bounds()
	require.Greater(t, end, segments[3].BaseOffset-1)
	require.Less(t, end, segments[3].EndOffset)
	require.Contains(t, w.said.String(), "CRC-32C mismatch")
	require.Contains(t, w.said.String(), segment.FileName(segments[3].BaseOffset, ".log"))
}
