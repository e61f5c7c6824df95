package segment_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/segment/logtest"
	"highwater.dev/broker/vfs"
)

// TestRecoveryMakesAnEarlierSegmentTheLast: a segment that was followed by others lost its end in a power cut, and the others with it.
// It is appended to again, and what is flushed from then on is durable, also once it is rolled.
func TestRecoveryMakesAnEarlierSegmentTheLast(t *testing.T) {
	disk := vfs.NewMem()
	require.NoError(t, errors.Join(disk.MkdirAll("data"), disk.SyncDir("/")))
	w := newWorld(t, disk, dir, small)
	for len(w.log.Segments()) < 3 {
		w.append(1)
	}
	name := w.path(0, ".log")
	var last record.Header
	file := w.read(name)
	rest := file
	for len(rest) > 0 {
		require.NoError(t, record.ReadHeader(rest, &last))
		rest = rest[last.Size():]
	}
	w.write(name, file[:len(file)-last.Size()])
	w.model.Truncate(last.BaseOffset)

	w.open()
	require.Len(t, w.log.Segments(), 1)
	_, end := w.log.Bounds()
	require.Equal(t, last.BaseOffset, end)
	require.NoError(t, w.log.Flush())
	for len(w.log.Segments()) < 2 {
		w.append(1)
	}
	require.NoError(t, w.log.Flush())

	opts := w.opts
	_, opts.RecoveryPoint = w.log.Bounds()
	after, err := segment.Open(disk.CrashClone(1, 0), dir, opts)
	require.NoError(t, err)
	require.Equal(t, logtest.ReadAll(t, w.log), logtest.ReadAll(t, after), "what was flushed")
}

// TestIndexesOfARecoveredSegment: a recovery point at the end of the last segment lies where the next one begins once it is rolled. Recovery does not look
// at the first one then: its indexes, which an earlier recovery made anew, are durable by that time.
func TestIndexesOfARecoveredSegment(t *testing.T) {
	disk := vfs.NewMem()
	require.NoError(t, errors.Join(disk.MkdirAll("data"), disk.SyncDir("/")))
	w := newWorld(t, disk, dir, segment.Limits{SegmentBytes: 1 << 20, IndexIntervalBytes: 200})
	w.append(60)
	require.NoError(t, w.log.Flush())
	_, w.opts.RecoveryPoint = w.log.Bounds()
	w.open() // the one before was killed
	w.opts.Limits = small
	w.log.(segment.Tunable).SetLimits(w.opts.Limits)
	w.append(1)
	require.Len(t, w.log.Segments(), 2)
	w.open() // and this one
	require.NoError(t, w.log.Close())
	w.fs = disk.CrashClone(1, 0)
	w.opts.Clean = true
	w.open()
	w.checkIndexes(0, 200)
	w.checkMax()
}

// TestInterruptedCutIsDurableWhenTheSegmentIsRolled: a process was killed between the cut of a truncation and its fsync. The end that was cut must not come
// back in a segment that the next recovery takes for durable, behind which others have begun.
func TestInterruptedCutIsDurableWhenTheSegmentIsRolled(t *testing.T) {
	disk := vfs.NewMem()
	require.NoError(t, errors.Join(disk.MkdirAll("data"), disk.SyncDir("/")))
	killed := false
	w := newWorld(t, &logtest.Tap{FS: disk, Before: func(op, name string) error {
		if killed && op == "sync" {
			return errors.New("killed")
		}
		return nil
	}}, dir, segment.Limits{SegmentBytes: 1 << 20, IndexIntervalBytes: 200})
	w.append(60)
	require.NoError(t, w.log.Flush())
	_, w.opts.RecoveryPoint = w.log.Bounds()
	killed = true
	cut := w.model.Batches[30].Base
	require.Error(t, w.log.Truncate(cut))
	w.model.Truncate(cut)
	killed = false
	w.open()
	w.model.Check(t, w.log)
	w.log.(segment.Tunable).SetLimits(small)
	w.append(1)
	require.Len(t, w.log.Segments(), 2)
	want, err := disk.Stat(w.path(0, ".log"))
	require.NoError(t, err)
	got, err := disk.CrashClone(1, 0).Stat(w.path(0, ".log"))
	require.NoError(t, err)
	require.Equal(t, want.Size, got.Size)
}
