package commitlog

import (
	"os"
	"path"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/commitlog/checkpoint"
	"highwater.dev/broker/epoch"
	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/vfs"
)

const kafkaFolder = "testdata/kafka-4.3-txn"

// kafkaDisk holds the partition that Apache Kafka 4.3 wrote: see testdata/README.md.
func kafkaDisk(t *testing.T) *vfs.Mem {
	disk := vfs.NewMem()
	require.NoError(t, disk.MkdirAll(partitionDir))
	files, err := os.ReadDir(kafkaFolder)
	require.NoError(t, err)
	for _, f := range files {
		data, err := os.ReadFile(path.Join(kafkaFolder, f.Name()))
		require.NoError(t, err)
		require.NoError(t, checkpoint.Replace(disk, path.Join(partitionDir, f.Name()), data))
	}
	return disk
}

// readCommitted is what kcat -X isolation.level=read_committed printed of the offsets (-f '%o ').
const readCommitted = `0 1 2 3 4 9 10 11 12 13 14 15 16 21 22 23 24 25 26 29 31 32 33 35 36 41 42 43 44 45 47 48 49 57 58
61 64 65 66 67 68 69 70 71 72 73 74 75 76 77 79 80 81 89 90 94`

// committed reads a partition as a read_committed consumer does: up to the last stable offset, without control records and
// without the batches of aborted transactions.
func committed(t *testing.T, p *Partition) []string {
	stable := p.LastStableOffset(p.EndOffset())
	aborted, err := p.Aborted(0, stable, nil)
	require.NoError(t, err)
	var offsets []string
	for _, h := range contents(t, p) {
		if h.BaseOffset >= stable || h.Attributes.Control() {
			continue
		}
		dropped := false
		for _, a := range aborted {
			inside := h.ProducerID == a.ProducerID && h.BaseOffset >= a.First && h.LastOffset() < a.Last
			dropped = dropped || inside && h.Attributes.Transactional()
		}
		for o := h.BaseOffset; !dropped && o <= h.LastOffset(); o++ {
			offsets = append(offsets, strconv.Itoa(int(o)))
		}
	}
	return offsets
}

func TestKafkaTransactions(t *testing.T) {
	for _, c := range []struct {
		name  string
		clean bool
		edit  func(t *testing.T, disk *vfs.Mem)
	}{
		{"clean shutdown", true, func(*testing.T, *vfs.Mem) {}},
		{"kill -9: everything is rebuilt from the log", false, func(t *testing.T, disk *vfs.Mem) {
			require.NoError(t, disk.Remove(path.Join(partitionDir, "leader-epoch-checkpoint")))
		}},
		{"no snapshots", true, func(t *testing.T, disk *vfs.Mem) {
			for _, base := range []string{"30", "59", "85", "99"} {
				require.NoError(t, disk.Remove(path.Join(partitionDir, strings.Repeat("0", 18)+base+".snapshot")))
			}
		}},
		{"damaged latest snapshot", true, func(t *testing.T, disk *vfs.Mem) {
			name := path.Join(partitionDir, strings.Repeat("0", 18)+"99.snapshot")
			require.NoError(t, checkpoint.Replace(disk, name, []byte("not a snapshot")))
		}},
		{"damaged transaction index", true, func(t *testing.T, disk *vfs.Mem) {
			name := path.Join(partitionDir, strings.Repeat("0", 18)+"30.txnindex")
			require.NoError(t, checkpoint.Replace(disk, name, make([]byte, 50)))
		}},
		{"damaged epochs", true, func(t *testing.T, disk *vfs.Mem) {
			require.NoError(t, checkpoint.Replace(disk, path.Join(partitionDir, epoch.FileName), []byte{0, 0, 0}))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk := kafkaDisk(t)
			want, err := checkpoint.ReadFile(disk, path.Join(partitionDir, strings.Repeat("0", 18)+"99.snapshot"))
			require.NoError(t, err)
			c.edit(t, disk)
			o := testOptions()
			o.Clean = c.clean
			p := open(t, disk, partitionDir, o)
			require.Equal(t, model.Offset(99), p.EndOffset())
			require.Equal(t, model.Offset(96), p.LastStableOffset(99))
			require.Equal(t, strings.Fields(readCommitted), committed(t, p))
			require.Equal(t, []epoch.Entry{{Epoch: 0, Start: 0}}, p.Epochs())
			require.Equal(t, want, p.table.AppendSnapshot(nil), "the same bytes as Apache Kafka's snapshot")
			aborted, err := p.Aborted(0, 99, nil)
			require.NoError(t, err)
			require.Len(t, aborted, 7)
			require.NoError(t, p.Close())
			again, err := checkpoint.ReadFile(disk, path.Join(partitionDir, strings.Repeat("0", 18)+"99.snapshot"))
			require.NoError(t, err)
			require.Equal(t, want, again)
		})
	}
}

// TestKafkaTransactionsReplicated copies Kafka's batches into a new partition as a follower does: the transaction index
// comes out as Kafka's own, byte for byte.
func TestKafkaTransactionsReplicated(t *testing.T) {
	source := open(t, kafkaDisk(t), partitionDir, func() Options { o := testOptions(); o.Clean = true; return o }())
	disk := vfs.NewMem()
	o := testOptions()
	o.Topic.SegmentBytes = 1500
	p := open(t, disk, partitionDir, o)
	for p.EndOffset() < source.EndOffset() {
		r, err := source.Read(p.EndOffset(), source.EndOffset(), 700)
		require.NoError(t, err)
		b := make([]byte, r.Len)
		_, err = r.File.ReadAt(b, r.Pos)
		require.NoError(t, err)
		r.Release()
		before := p.EndOffset()
		require.NoError(t, p.AppendAsFollower(b))
		require.Greater(t, p.EndOffset(), before)
	}
	require.Equal(t, committed(t, source), committed(t, p))
	require.NoError(t, p.Close())
	names, err := disk.List(partitionDir)
	require.NoError(t, err)
	for _, name := range names {
		if strings.HasSuffix(name, ".index") || strings.HasSuffix(name, ".timeindex") {
			continue // segment's own tests compare these
		}
		ours, err := checkpoint.ReadFile(disk, path.Join(partitionDir, name))
		require.NoError(t, err)
		theirs, err := os.ReadFile(path.Join(kafkaFolder, name))
		require.NoError(t, err)
		if len(theirs) > 0 || len(ours) > 0 {
			require.Equal(t, theirs, ours, name)
		}
	}
}

// TestTransactionalProduceRefused: no coordinator has enrolled the partition.
func TestTransactionalProduceRefused(t *testing.T) {
	p := open(t, vfs.NewMem(), partitionDir, testOptions())
	_, err := p.AppendAsLeader(transactional(7, 0, 0, 1, 0), 0)
	requireCode(t, "INVALID_TXN_STATE", err)
	_, err = p.AppendAsLeader(record.Batch(marker(7, 0, true, 0)), 0)
	requireCode(t, "INVALID_RECORD", err)
	require.Equal(t, model.Offset(0), p.EndOffset())
}
