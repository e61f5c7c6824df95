package commitlog

import (
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/model"
)

// A producer has written to the first segment only. A process that was killed, and recovery, left no snapshot but one at the end of the
// log. A later flush replaces that one, retention deletes the segment, and the power goes before the recovery point is checkpointed:
// the producer is still known, and goes on where it was.
func TestProducerOfADeletedSegment(t *testing.T) {
	disk, o := newDisk(t), testOptions()
	o.Topic.SegmentBytes = 1500
	fill := func(p *Partition) {
		for n := len(p.Segments()); len(p.Segments()) < n+2; {
			require.NoError(t, appendOne(p))
		}
	}
	p := open(t, disk, partitionDir, o)
	_, err := p.AppendAsLeader(idempotent(7, 0, 0, 3, 10), 1)
	require.NoError(t, err)
	fill(p)
	p = open(t, disk, partitionDir, o) // the one before was killed
	require.Equal(t, []model.Offset{p.EndOffset()}, p.SnapshotOffsets())
	require.NoError(t, p.Close())

	o.RecoveryPoint, o.Clean = p.RecoveryPoint(), true
	p = open(t, disk, partitionDir, o)
	fill(p)
	require.NoError(t, p.FlushTo(p.EndOffset()))
	_, err = p.DeleteRecords(p.Segments()[1].BaseOffset)
	require.NoError(t, err)
	want := p.Producers()
	require.Len(t, want, 1)

	o.Clean = false
	p = open(t, disk.CrashClone(1, 0), partitionDir, o)
	require.Equal(t, want, p.Producers())
	_, err = p.AppendAsLeader(idempotent(7, 0, 3, 1, 10), 1)
	require.NoError(t, err)
	require.NoError(t, p.Close())
}

// The segment goes before what is behind the recovery point is durable: a snapshot that lies there cannot replace the one before.
func TestProducerOfASegmentDeletedAfterRecovery(t *testing.T) {
	disk, o := newDisk(t), testOptions()
	o.Topic.SegmentBytes = 1500
	p := open(t, disk, partitionDir, o)
	_, err := p.AppendAsLeader(idempotent(7, 0, 0, 3, 10), 1)
	require.NoError(t, err)
	for len(p.Segments()) < 3 {
		require.NoError(t, appendOne(p))
	}
	p = open(t, disk, partitionDir, o) // the one before was killed
	require.Equal(t, []model.Offset{p.EndOffset()}, p.SnapshotOffsets())
	require.NoError(t, p.FlushTo(p.EndOffset()))
	o.RecoveryPoint = p.RecoveryPoint()
	require.NoError(t, appendOne(p))
	p = open(t, disk, partitionDir, o) // and this one
	want := p.Producers()
	require.Len(t, want, 1)
	_, err = p.DeleteRecords(p.Segments()[1].BaseOffset)
	require.NoError(t, err)

	p = open(t, disk.CrashClone(1, 0), partitionDir, o)
	require.Equal(t, want, p.Producers())
	require.NoError(t, p.Close())
}

// A snapshot that a killed process left is not durable, however new: it replaces none before the next flush.
func TestProducerOfADeletedSegmentAndAKill(t *testing.T) {
	disk, o := newDisk(t), testOptions()
	o.Topic.SegmentBytes = 1500
	p := open(t, disk, partitionDir, o)
	_, err := p.AppendAsLeader(idempotent(7, 0, 0, 3, 10), 1)
	require.NoError(t, err)
	for len(p.Segments()) < 3 {
		require.NoError(t, appendOne(p))
	}
	p = open(t, disk, partitionDir, o) // the one before was killed
	_, err = p.DeleteRecords(p.Segments()[1].BaseOffset)
	require.NoError(t, err)
	require.NoError(t, p.Close()) // and the power goes before the checkpoint is written
	disk = disk.CrashClone(1, 0)

	p = open(t, disk, partitionDir, o)
	want := p.Producers()
	require.Len(t, want, 1)
	for n := len(p.Segments()); len(p.Segments()) == n; {
		require.NoError(t, appendOne(p))
	}
	p = open(t, disk, partitionDir, o) // killed again
	require.Equal(t, want, p.Producers())
	for seed := range uint64(50) {
		p = open(t, disk.CrashClone(seed, 50), partitionDir, o)
		require.Equal(t, want, p.Producers(), "seed %d", seed)
		require.NoError(t, p.Close())
	}
}
