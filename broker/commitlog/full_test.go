package commitlog

import (
	"math/rand/v2"
	"path"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/vfs"
	"highwater.dev/broker/vfs/errorfs"
)

// full is a disk without room: nothing is written and no file is made, but for a segment, which takes the place of one that was deleted.
func full(disk vfs.FS) errorfs.Rule {
	return func(op errorfs.Op) errorfs.Fault {
		_, err := disk.Stat(op.Name)
		if op.Kind == errorfs.Write || op.Kind == errorfs.Create && vfs.IsNotExist(err) && path.Ext(op.Name) != ".log" {
			return errorfs.Fault{Err: syscall.ENOSPC}
		}
		return errorfs.Fault{}
	}
}

// TestRecoveryOnAFullDisk: after a power cut a log is opened on a disk without room, with all that the model says. What could not be
// written waits: a kill loses nothing of it, and with room again a flush makes it durable.
func TestRecoveryOnAFullDisk(t *testing.T) {
	for seed := range uint64(400) {
		const steps = 70
		whole := newWorld(newDisk(t), seed)
		require.NoError(t, whole.run(steps), "seed %d", seed)
		dice := rand.New(rand.NewPCG(seed, 13))
		disk := newDisk(t)
		w := newWorld(disk, seed)
		w.fs.CrashAt(1 + dice.Int64N(whole.fs.Changes()))
		_ = w.run(steps)
		disk = disk.CrashClone(dice.Uint64(), []int{0, 50, 100}[dice.IntN(3)])
		names, err := disk.List(partitionDir)
		if vfs.IsNotExist(err) || len(offsetsOf(names, ".log")) == 0 {
			continue // a log that begins needs room
		}
		for range 2 {
			fs := errorfs.New(disk, full(disk))
			o, err := w.options(fs)
			require.NoError(t, err)
			p, err := Open(fs, partitionDir, testTP, o)
			require.NoError(t, err, "seed %d", seed)
			if w.cutting >= 0 && w.cutting < w.start {
				break
			}
			survived := w.verify(t, p)
			w.verifyProducers(t, p, survived)
			if err := p.FlushTo(p.EndOffset()); err != nil {
				require.ErrorIs(t, err, syscall.ENOSPC)
			}
			require.NoError(t, p.Failed())
			if dice.IntN(2) == 0 {
				continue
			}
			fs.SetRules()
			require.NoError(t, p.FlushTo(p.EndOffset()))
			w.flushed = p.EndOffset()
			o.RecoveryPoint = p.RecoveryPoint()
			disk = disk.CrashClone(1, 0)
			again := open(t, disk, partitionDir, o)
			w.verifyProducers(t, again, w.verify(t, again))
		}
	}
}
