package commitlog

import (
	"path"
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/commitlog/checkpoint"
	"highwater.dev/broker/epoch"
	"highwater.dev/broker/model"
	"highwater.dev/broker/vfs/errorfs"
)

// A node with ten thousand partitions starts and stops: those that nobody wrote to cost nothing, although each start begins a
// leader epoch.
func TestCloseOfAnIdlePartitionChangesNoFile(t *testing.T) {
	for name, records := range map[string]int{"empty": 0, "one segment": 3, "several segments": 40} {
		t.Run(name, func(t *testing.T) {
			fs := errorfs.New(newDisk(t))
			p := open(t, fs, partitionDir, testOptions())
			p.AssignEpoch(1)
			for range records {
				_, err := p.AppendAsLeader(batch(1, 500), 1)
				require.NoError(t, err)
			}
			end := p.EndOffset()
			require.NoError(t, p.Close())
			o := testOptions()
			o.Clean = true
			for e := range model.LeaderEpoch(3) {
				p = open(t, fs, partitionDir, o)
				p.AssignEpoch(2 + e)
				before := fs.Changes()
				require.NoError(t, p.Close())
				require.Equal(t, before, fs.Changes())
			}
			p = open(t, fs, partitionDir, o)
			require.Equal(t, end, p.EndOffset())
			require.Len(t, contents(t, p), records)
			require.NoError(t, p.Close())
		})
	}
}

// A process is killed between the renaming of the epochs' file and its fsync. The next one finds the file as it wants to have it, and
// then the power is cut: below the recovery point the epochs are still there.
func TestEpochsThatAKilledProcessRenamed(t *testing.T) {
	disk := newDisk(t)
	name := path.Join(partitionDir, epoch.FileName)
	p := open(t, disk, partitionDir, testOptions())
	_, err := p.AppendAsLeader(batch(1, 10), 1)
	require.NoError(t, err)
	require.NoError(t, p.FlushTo(1))
	_, err = p.AppendAsLeader(batch(1, 10), 2)
	require.NoError(t, err)
	want := []epoch.Entry{{Epoch: 1, Start: 0}, {Epoch: 2, Start: 1}}
	require.Equal(t, want, p.Epochs())
	file, err := disk.Create(name + ".tmp")
	require.NoError(t, err)
	_, err = file.WriteAt(epoch.Append(nil, want), 0)
	require.NoError(t, err)
	require.NoError(t, file.Sync())
	require.NoError(t, disk.Rename(name+".tmp", name))

	o := testOptions()
	o.RecoveryPoint = 1
	p = open(t, disk, partitionDir, o)
	require.NoError(t, p.FlushTo(2))
	require.EqualValues(t, 2, p.RecoveryPoint())
	data, err := checkpoint.ReadFile(disk.CrashClone(1, 0), name)
	require.NoError(t, err)
	entries, err := epoch.Parse(data, name)
	require.NoError(t, err)
	require.Equal(t, want, entries)
}
