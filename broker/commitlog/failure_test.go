package commitlog

import (
	"errors"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/model"
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
