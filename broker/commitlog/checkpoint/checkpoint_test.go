package checkpoint

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/model"
	"highwater.dev/broker/vfs"
	"highwater.dev/broker/vfs/errorfs"
)

// kafkas is a file that Apache Kafka 4.3 wrote.
func kafkas(t *testing.T, name string) []byte {
	data, err := os.ReadFile("testdata/" + name)
	require.NoError(t, err)
	return data
}

func TestOffsetsAsKafkas(t *testing.T) {
	want := kafkas(t, RecoveryPoints)
	offsets, err := ParseOffsets(want, RecoveryPoints)
	require.NoError(t, err)
	require.Equal(t, Offsets{{Topic: "__transaction_state", Partition: 42}: 0, {Topic: "txn"}: 99}, offsets)
	require.Equal(t, string(want), string(AppendOffsets(nil, offsets)))
	fs := vfs.NewMem()
	empty, err := ReadOffsets(fs, "", RecoveryPoints)
	require.NoError(t, err)
	require.Empty(t, empty)
	require.NoError(t, Replace(fs, HighWatermarks, nil))
	empty, err = ReadOffsets(fs, "", HighWatermarks)
	require.NoError(t, err, "Kafka makes empty checkpoints")
	require.Empty(t, empty)
	require.NoError(t, WriteOffsets(fs, "", RecoveryPoints, offsets))
	again, err := ReadOffsets(fs, "", RecoveryPoints)
	require.NoError(t, err)
	require.Equal(t, offsets, again)
}

func TestDamagedOffsets(t *testing.T) {
	for name, c := range map[string]struct{ content, says string }{
		"version":      {"1\n0\n", ":1: version"},
		"no count":     {"0\n", ":2: no count"},
		"bad count":    {"0\n-1\n", ":2: count"},
		"too few":      {"0\n2\na 0 1\n", "2 lines announced, 1 found"},
		"too many":     {"0\n0\na 0 1\n", "0 lines announced, 1 found"},
		"fields":       {"0\n1\na 0\n", ":3:"},
		"partition":    {"0\n1\na -1 5\n", "bad partition"},
		"offset":       {"0\n1\na 0 -5\n", "bad offset"},
		"huge offset":  {"0\n1\na 0 9223372036854775808\n", "bad offset"},
		"named twice":  {"0\n2\na 0 5\na 0 6\n", ":4:"},
		"binary zeros": {strings.Repeat("\x00", 30), ":1: version"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseOffsets([]byte(c.content), "file")
			require.ErrorIs(t, err, ErrCorrupt)
			require.ErrorContains(t, err, c.says)
			require.ErrorContains(t, err, "file")
		})
	}
}

func TestPartitionMetadata(t *testing.T) {
	want := kafkas(t, PartitionMetadata)
	id, err := ParsePartitionMetadata(want, "f")
	require.NoError(t, err)
	fs := vfs.NewMem()
	_, err = ReadPartitionMetadata(fs, "")
	require.True(t, vfs.IsNotExist(err))
	require.NoError(t, WritePartitionMetadata(fs, "", id))
	ours, err := ReadFile(fs, PartitionMetadata)
	require.NoError(t, err)
	require.Equal(t, want, ours)
	again, err := ReadPartitionMetadata(fs, "")
	require.NoError(t, err)
	require.Equal(t, id, again)
	for _, bad := range []string{"", "version: 0", "version: 1\ntopic_id: " + id.String(), "version: 0\ntopic: x",
		"version: 0\ntopic_id: short", "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA"} {
		_, err := ParsePartitionMetadata([]byte(bad), "f")
		require.ErrorIs(t, err, ErrCorrupt, bad)
	}
}

func TestCleanShutdown(t *testing.T) {
	fs := vfs.NewMem()
	epoch, clean, err := ReadCleanShutdown(fs, "")
	require.NoError(t, err)
	require.False(t, clean)
	require.Equal(t, NoBrokerEpoch, epoch)
	require.NoError(t, WriteCleanShutdown(fs, "", 12))
	ours, err := ReadFile(fs, CleanShutdown)
	require.NoError(t, err)
	require.Equal(t, string(kafkas(t, CleanShutdown)), string(ours))
	epoch, clean, err = ReadCleanShutdown(fs, "")
	require.NoError(t, err)
	require.True(t, clean)
	require.Equal(t, int64(12), epoch)
	require.NoError(t, RemoveCleanShutdown(fs, ""))
	require.NoError(t, RemoveCleanShutdown(fs, ""), "it may be gone already")
	_, clean, err = ReadCleanShutdown(fs, "")
	require.NoError(t, err)
	require.False(t, clean)
	require.NoError(t, Replace(fs, CleanShutdown, nil))
	epoch, clean, err = ReadCleanShutdown(fs, "")
	require.NoError(t, err)
	require.True(t, clean, "older Kafkas write an empty file")
	require.Equal(t, NoBrokerEpoch, epoch)
}

func TestMeta(t *testing.T) {
	m, err := ParseMeta(kafkas(t, MetaProperties), "f")
	require.NoError(t, err)
	require.Equal(t, model.NodeID(1), m.NodeID)
	require.Equal(t, "fHEChZ2QQeK73oBDGWvaKQ", m.ClusterID)
	require.Equal(t, "26bcYWgGDgb4Vr41Xt74TA", m.DirectoryID.String())
	fs := vfs.NewMem()
	_, err = ReadMeta(fs, "")
	require.True(t, vfs.IsNotExist(err))
	for _, cluster := range []string{m.ClusterID, ""} {
		m.ClusterID = cluster
		require.NoError(t, WriteMeta(fs, "", m))
		again, err := ReadMeta(fs, "")
		require.NoError(t, err)
		require.Equal(t, m, again)
	}
	for _, bad := range []string{"", "version=0\nbroker.id=1\n", "version=1\n", "version=1\nnode.id=x\n", "version=1\nnode.id=-1\n",
		"version=1\nnode.id=1\ndirectory.id=zz\n", "version=1\nnode.id=1\nnonsense\n"} {
		_, err := ParseMeta([]byte(bad), "f")
		require.ErrorIs(t, err, ErrCorrupt, bad)
	}
}

// TestReplaceSurvives cuts the power at every change that Replace makes: the old contents or the new are there, whole,
// and the new ones once Replace has returned.
func TestReplaceSurvives(t *testing.T) {
	old, fresh := strings.Repeat("old", 3000), strings.Repeat("fresh", 3000)
	for cut := int64(0); cut <= 6; cut++ {
		for seed := range uint64(40) {
			disk := vfs.NewMem()
			require.NoError(t, Replace(disk, "f", []byte(old)))
			fs := errorfs.New(disk)
			fs.CrashAt(cut)
			err := Replace(fs, "f", []byte(fresh))
			data, readErr := ReadFile(disk.CrashClone(seed, int(seed%3)*50), "f")
			require.NoError(t, readErr)
			if err == nil {
				require.Equal(t, fresh, string(data))
			} else {
				require.Contains(t, []string{old, fresh}, string(data))
			}
		}
	}
}

func TestReplaceFailure(t *testing.T) {
	for _, kind := range []errorfs.Kind{errorfs.Create, errorfs.Write, errorfs.Sync, errorfs.Rename} {
		disk := vfs.NewMem()
		require.NoError(t, Replace(disk, "f", []byte("old")))
		err := Replace(errorfs.New(disk, errorfs.Fail(syscall.ENOSPC, errorfs.Kinds(kind))), "f", []byte("new"))
		require.ErrorIs(t, err, syscall.ENOSPC)
		data, err := ReadFile(disk, "f")
		require.NoError(t, err)
		require.Equal(t, "old", string(data))
	}
	disk := vfs.NewMem()
	err := Replace(errorfs.New(disk, errorfs.Fail(syscall.EIO, errorfs.Kinds(errorfs.SyncDir))), "f", []byte("new"))
	require.ErrorIs(t, err, syscall.EIO, "not durable, not done")
}

// FuzzOffsets: no panic, and what is accepted encodes to the same offsets again.
func FuzzOffsets(f *testing.F) {
	f.Add([]byte("0\n2\na 0 1\nb-c 7 9\n"))
	f.Add([]byte("0\n0\n"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		offsets, err := ParseOffsets(data, "f")
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			return
		}
		again, err := ParseOffsets(AppendOffsets(nil, offsets), "f")
		require.NoError(t, err)
		require.Equal(t, offsets, again)
	})
}

// FuzzMeta covers the other small files: no panic.
func FuzzMeta(f *testing.F) {
	f.Add([]byte("#\nnode.id=1\ndirectory.id=26bcYWgGDgb4Vr41Xt74TA\nversion=1\ncluster.id=fHEChZ2QQeK73oBDGWvaKQ\n"))
	f.Add([]byte("version: 0\ntopic_id: 26bcYWgGDgb4Vr41Xt74TA"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if m, err := ParseMeta(data, "f"); err == nil {
			again, err := ParseMeta(AppendMeta(nil, m), "f")
			require.NoError(t, err)
			require.Equal(t, m, again)
		}
		if id, err := ParsePartitionMetadata(data, "f"); err == nil {
			require.NotZero(t, id)
		}
	})
}
