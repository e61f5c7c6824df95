package commitlog

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/model"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/vfs"
	"highwater.dev/broker/vfs/errorfs"
)

func appendOne(p *Partition) error {
	_, err := p.AppendAsLeader(batch(1, 100), 0)
	return err
}

// TestFailedFsync: never retried, never acknowledged; reads go on.
func TestFailedFsync(t *testing.T) {
	for _, pattern := range []string{"*.log", "*.snapshot", "leader-epoch-checkpoint*", "*.txnindex"} {
		t.Run(pattern, func(t *testing.T) {
			disk := vfs.NewMem()
			fs := errorfs.New(disk)
			p := open(t, fs, partitionDir, testOptions())
			for p.EndOffset() < 50 {
				require.NoError(t, appendOne(p))
			}
			require.NoError(t, p.FlushTo(50))
			require.NoError(t, p.AppendAsFollower(transactional(7, 0, 0, 2, 50)))
			require.NoError(t, p.AppendAsFollower(marker(7, 0, false, 52)))
			p.AssignEpoch(1)
			for p.EndOffset() < 90 {
				require.NoError(t, appendOne(p))
			}
			require.NotEmpty(t, p.SnapshotOffsets(), "the log has rolled")
			fs.SetRules(errorfs.Fail(syscall.EIO, errorfs.Kinds(errorfs.Sync), errorfs.Base(pattern), errorfs.Nth(1)))
			end := p.EndOffset()
			requireCode(t, "KAFKA_STORAGE_ERROR", p.FlushTo(end))
			require.ErrorIs(t, p.Failed(), syscall.EIO)
			require.Equal(t, model.Offset(50), p.RecoveryPoint())
			requireCode(t, "KAFKA_STORAGE_ERROR", p.FlushTo(end))
			requireCode(t, "KAFKA_STORAGE_ERROR", appendOne(p))
			_, err := p.DeleteRecords(10)
			requireCode(t, "KAFKA_STORAGE_ERROR", err)
			requireCode(t, "KAFKA_STORAGE_ERROR", p.Truncate(10))
			require.Equal(t, end, p.EndOffset())
			// What the failed fsync was for may be gone; what was durable before is not.
			r, err := p.Read(0, end, 1000)
			require.NoError(t, err)
			r.Release()
			require.Error(t, p.Close(), "not a clean shutdown")
		})
	}
}

// TestDiskFull: a write that fails is a retriable error for this batch only; nothing of it is readable, and when there is
// room again appends go on.
func TestDiskFull(t *testing.T) {
	for _, cause := range []error{syscall.ENOSPC, syscall.EIO} {
		for name, rule := range map[string]errorfs.Rule{
			"nothing written": errorfs.Fail(cause, errorfs.Kinds(errorfs.Write), errorfs.Base("*.log")),
			"half written":    errorfs.FailShort(cause, 3, errorfs.Kinds(errorfs.Write), errorfs.Base("*.log")),
		} {
			t.Run(cause.Error()+", "+name, func(t *testing.T) {
				fs := errorfs.New(vfs.NewMem())
				p := open(t, fs, partitionDir, testOptions())
				first := idempotent(1, 0, 0, 2, 100)
				_, err := p.AppendAsLeader(first, 0)
				require.NoError(t, err)
				fs.SetRules(rule)
				_, err = p.AppendAsLeader(idempotent(1, 0, 2, 2, 100), 0)
				requireCode(t, "KAFKA_STORAGE_ERROR", err)
				require.ErrorIs(t, err, cause)
				require.Len(t, contents(t, p), 1)
				require.Equal(t, model.Offset(2), p.EndOffset())
				fs.SetRules()
				if p.Failed() != nil {
					return
				}
				a, err := p.AppendAsLeader(idempotent(1, 0, 2, 2, 100), 0)
				require.NoError(t, err)
				require.False(t, a.Duplicate, "the failed attempt left no trace")
				require.Equal(t, model.Offset(2), a.Base)
				require.NoError(t, p.Close())
			})
		}
	}
}

// TestRollWithoutRoomForSnapshot: the roll goes on without its snapshot; recovery starts from an older one.
func TestRollWithoutRoomForSnapshot(t *testing.T) {
	disk := newDisk(t)
	fs := errorfs.New(disk, errorfs.Fail(syscall.ENOSPC, errorfs.Kinds(errorfs.Write), errorfs.Base("*.snapshot")))
	p := open(t, fs, partitionDir, testOptions())
	for i := range int32(60) {
		_, err := p.AppendAsLeader(idempotent(1, 0, i, 1, 100), 0)
		require.NoError(t, err)
	}
	require.Empty(t, p.SnapshotOffsets())
	require.NoError(t, p.FlushTo(60))
	o := testOptions()
	o.RecoveryPoint = 60
	again := open(t, disk.CrashClone(1, 0), partitionDir, o)
	require.Equal(t, model.Offset(60), again.EndOffset())
	require.Equal(t, p.Producers(), again.Producers())
}

// mixed makes a log whose producers, epochs and aborted transactions are not flushed above 50.
func mixed(t *testing.T, fs vfs.FS, segmentBytes int) *Partition {
	o := testOptions()
	o.Topic.SegmentBytes = segmentBytes
	p := open(t, fs, partitionDir, o)
	for i := range int32(50) {
		_, err := p.AppendAsLeader(idempotent(1, 0, i, 1, 100), 0)
		require.NoError(t, err)
	}
	require.NoError(t, p.FlushTo(50))
	require.NoError(t, p.AppendAsFollower(transactional(7, 0, 0, 2, 50)))
	return p
}

// mixedTail is the part of mixed that is written while there is no room beside the log.
func mixedTail(t *testing.T, p *Partition) {
	require.NoError(t, p.AppendAsFollower(marker(7, 0, false, 52)))
	p.AssignEpoch(1)
	for i := int32(50); i < 80; i++ {
		_, err := p.AppendAsLeader(idempotent(1, 0, i, 1, 100), 1)
		require.NoError(t, err)
	}
	require.Equal(t, model.Offset(83), p.EndOffset())
}

// TestNoRoomBesideTheLog: what cannot be written beside the log is not durable yet, and nothing worse; with room again it is
// made up for. A crash meanwhile loses nothing that was flushed.
func TestNoRoomBesideTheLog(t *testing.T) {
	for _, kind := range []errorfs.Kind{errorfs.Create, errorfs.Write} {
		for _, pattern := range []string{"*.snapshot", "leader-epoch-checkpoint*", "*.txnindex", "*.index"} {
			t.Run(kind.String()+" "+pattern, func(t *testing.T) {
				disk := newDisk(t)
				fs := errorfs.New(disk)
				p := mixed(t, fs, 1500)
				full := errorfs.Fail(syscall.ENOSPC, errorfs.Kinds(kind), errorfs.Base(pattern))
				if pattern != "*.index" { // a log rolls only with its indexes
					fs.SetRules(full)
				}
				mixedTail(t, p)
				fs.SetRules(full)
				err := p.FlushTo(83)
				if pattern == "*.snapshot" {
					require.NoError(t, err, "recovery starts from an older one")
				} else if kind == errorfs.Write && pattern != "*.index" {
					requireCode(t, "KAFKA_STORAGE_ERROR", err)
					require.ErrorIs(t, err, syscall.ENOSPC)
					require.Equal(t, model.Offset(50), p.RecoveryPoint())
				}
				require.NoError(t, p.Failed())
				o := testOptions()
				o.RecoveryPoint = p.RecoveryPoint()
				again := open(t, disk.CrashClone(1, 0), partitionDir, o)
				if err == nil {
					require.Equal(t, p.EndOffset(), again.EndOffset())
					require.Equal(t, p.Producers(), again.Producers())
					require.Equal(t, p.Epochs(), again.Epochs())
				}
				fs.SetRules()
				require.NoError(t, p.FlushTo(83))
				require.Equal(t, model.Offset(83), p.RecoveryPoint())
				o.RecoveryPoint = 83
				again = open(t, disk.CrashClone(1, 0), partitionDir, o)
				require.Equal(t, p.Producers(), again.Producers())
				require.Equal(t, p.Epochs(), again.Epochs())
				want, err := p.Aborted(0, 83, nil)
				require.NoError(t, err)
				require.Len(t, want, 1)
				got, err := again.Aborted(0, 83, nil)
				require.NoError(t, err)
				require.Equal(t, want, got)
				require.NoError(t, p.Close())
			})
		}
	}
}

// TestDeleteRecordsOnFullDisk: it is how a full disk gets room, from one segment or several, and needs none itself.
func TestDeleteRecordsOnFullDisk(t *testing.T) {
	for name, segmentBytes := range map[string]int{"one segment": 1 << 20, "several": 1500} {
		for _, to := range []model.Offset{30, 83} {
			t.Run(fmt.Sprintf("%s, to %d", name, to), func(t *testing.T) {
				disk := newDisk(t)
				fs := errorfs.New(disk)
				p := mixed(t, fs, segmentBytes)
				mixedTail(t, p)
				fs.SetRules(errorfs.Fail(syscall.ENOSPC, errorfs.Kinds(errorfs.Write)))
				size := p.Size()
				requireCode(t, "KAFKA_STORAGE_ERROR", appendOne(p))
				start, err := p.DeleteRecords(to)
				require.NoError(t, err)
				require.Equal(t, to, start)
				if to == 83 || segmentBytes < 2000 {
					require.Less(t, p.Size(), size)
				}
				require.NoError(t, p.Failed())
				if to == 83 {
					require.Zero(t, p.Size())
				}
				// A crash on the full disk, and a start.
				o := testOptions()
				o.RecoveryPoint = 50
				crashed := errorfs.New(disk.CrashClone(1, 0), errorfs.Fail(syscall.ENOSPC, errorfs.Kinds(errorfs.Write)))
				again := open(t, crashed, partitionDir, o)
				if to == 83 {
					require.Equal(t, model.Offset(83), again.EndOffset())
				}
				_, err = again.DeleteRecords(again.EndOffset())
				require.NoError(t, err)
				require.Zero(t, again.Size())
				crashed.SetRules()
				_, err = again.AppendAsLeader(idempotent(9, 0, 0, 1, 10), 1)
				require.NoError(t, err)
				require.NoError(t, again.Close())
				// And the log that lived on.
				fs.SetRules()
				_, err = p.AppendAsLeader(idempotent(1, 0, 80, 1, 10), 1)
				require.NoError(t, err)
				require.NoError(t, p.Close())
			})
		}
	}
}

// TestDeletedRecordsMakeRoomForTheirSnapshot: the producers of a log that was emptied on a full disk are durable as soon as
// there is room for them.
func TestDeletedRecordsMakeRoomForTheirSnapshot(t *testing.T) {
	for name, segmentBytes := range map[string]int{"one segment": 1 << 20, "several": 1500} {
		t.Run(name, func(t *testing.T) { deletedMakeRoom(t, segmentBytes) })
	}
}

func deletedMakeRoom(t *testing.T, segmentBytes int) {
	disk := newDisk(t)
	fs := errorfs.New(disk)
	p := mixed(t, fs, segmentBytes)
	mixedTail(t, p)
	room := false
	fs.SetRules(func(op errorfs.Op) errorfs.Fault {
		room = room || op.Kind == errorfs.Remove && errorfs.Base("*.log")(op)
		if !room && op.Kind == errorfs.Write {
			return errorfs.Fault{Err: syscall.ENOSPC}
		}
		return errorfs.Fault{}
	})
	_, err := p.DeleteRecords(83)
	require.NoError(t, err)
	require.True(t, room)
	topic := testTopic()
	topic.SegmentBytes = 1500
	p.Reconfigure(topic)
	for range 100 { // the snapshot stays as long as its segment, whatever later ones there are
		require.NoError(t, appendOne(p))
	}
	require.NoError(t, p.FlushTo(p.EndOffset()))
	require.Contains(t, p.SnapshotOffsets(), model.Offset(83))
	o := testOptions()
	o.RecoveryPoint = 50
	again := open(t, disk.CrashClone(1, 0), partitionDir, o)
	require.Equal(t, p.Producers(), again.Producers())
	a, err := again.AppendAsLeader(idempotent(1, 0, 79, 1, 100), 1)
	require.NoError(t, err)
	require.True(t, a.Duplicate)
}

// TestOpenOnFullDisk: recovery writes nothing that it cannot do without.
func TestOpenOnFullDisk(t *testing.T) {
	disk := newDisk(t)
	p := mixed(t, disk, 1500)
	require.NoError(t, p.FlushTo(52))
	full := errorfs.New(disk.CrashClone(1, 0), errorfs.Fail(syscall.ENOSPC, errorfs.Kinds(errorfs.Write)))
	again := open(t, full, partitionDir, testOptions())
	require.Equal(t, model.Offset(52), again.EndOffset())
	require.Equal(t, p.Producers(), again.Producers())
	require.Len(t, contents(t, again), 51)
	require.NoError(t, again.Failed())
}

// TestGroupCommit: callers that come while a flush runs share the next one.
func TestGroupCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		syncs := 0
		fs := errorfs.New(vfs.NewMem())
		p := open(t, fs, partitionDir, testOptions())
		require.NoError(t, appendOne(p))
		fs.SetRules(func(op errorfs.Op) errorfs.Fault {
			if op.Kind == errorfs.Sync && errorfs.Base("*.log")(op) {
				syncs++
			}
			return errorfs.Fault{}
		})
		p.flush.running = true // stands in for a flush that runs
		errs := make([]error, 16)
		for i := range errs {
			go func() { errs[i] = p.FlushTo(1) }()
		}
		synctest.Wait()
		require.Zero(t, syncs, "all wait for the flush that runs")
		p.flush.mu.Lock()
		p.flush.running = false
		p.flush.mu.Unlock()
		p.flush.done.Broadcast()
		synctest.Wait()
		require.NoError(t, errors.Join(errs...))
		require.Equal(t, 1, syncs, "one fsync for all")
		require.Equal(t, model.Offset(1), p.RecoveryPoint())
	})
}

// flushBefore is a transaction index that somebody flushes the partition before, each time that an entry comes.
type flushBefore struct {
	segment.TxnIndex
	flush func()
}

func (x flushBefore) Append(base model.Offset, t AbortedTxn) error {
	x.flush()
	return x.TxnIndex.Append(base, t)
}

// TestFlushBetweenMarkerAndIndex: a flush that finds an abort marker in the log and not yet in the transaction index does not raise the recovery
// point above it: recovery would not look for it.
func TestFlushBetweenMarkerAndIndex(t *testing.T) {
	disk, o := newDisk(t), testOptions()
	var p *Partition
	var crashed *vfs.Mem
	o.Components.OpenTxnIndex = func(fs vfs.FS, dir string) (segment.TxnIndex, model.Offset, error) {
		x, damaged, err := segment.OpenTxnIndex(fs, dir)
		return flushBefore{x, func() {
			require.NoError(t, p.FlushTo(p.EndOffset()))
			o.RecoveryPoint, crashed = p.RecoveryPoint(), disk.CrashClone(1, 0)
		}}, damaged, err
	}
	p = open(t, disk, partitionDir, o)
	require.NoError(t, p.AppendAsFollower(transactional(7, 0, 0, 2, 0)))
	require.NoError(t, p.AppendAsFollower(marker(7, 0, false, 2)))
	require.Equal(t, model.Offset(2), o.RecoveryPoint)
	require.NoError(t, p.FlushTo(3))
	require.Equal(t, model.Offset(3), p.RecoveryPoint())
	want, err := p.Aborted(0, 3, nil)
	require.NoError(t, err)
	require.Len(t, want, 1)
	o.Components.OpenTxnIndex = nil
	got, err := open(t, crashed, partitionDir, o).Aborted(0, 3, nil)
	require.NoError(t, err)
	require.Equal(t, want, got)
}
