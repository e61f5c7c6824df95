package commitlog

import (
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/model"
	"highwater.dev/broker/vfs"
)

// TestSnapshotsOfRecoveredSegments: each segment that recovery finds has its snapshot, as if it had been appended, so that it can become
// the first one; and each says what the batches below it say.
func TestSnapshotsOfRecoveredSegments(t *testing.T) {
	disk := newDisk(t)
	abortedLog(t, disk)
	o := testOptions()
	o.Topic.SegmentBytes = 5000
	p := open(t, disk, partitionDir, o) // the one before was killed
	segments := p.Segments()
	var bases []model.Offset
	for _, s := range segments[1:] {
		bases = append(bases, s.BaseOffset)
	}
	require.Equal(t, append(bases, p.EndOffset()), p.SnapshotOffsets())
	require.NoError(t, p.FlushTo(p.EndOffset()))
	aborted, err := p.Aborted(0, p.EndOffset(), nil)
	require.NoError(t, err)
	require.NotEmpty(t, aborted)
	for _, base := range bases {
		o.RecoveryPoint = base
		again := open(t, disk.CrashClone(1, 0), partitionDir, o)
		require.Equal(t, p.Producers(), again.Producers(), "from the snapshot at %d", base)
		got, err := again.Aborted(0, p.EndOffset(), nil)
		require.NoError(t, err)
		require.Equal(t, aborted, got, "from the snapshot at %d", base)
	}
}

// damage changes bytes of a file.
func damage(t *testing.T, disk vfs.FS, name string) {
	f, err := disk.OpenReadWrite(name)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte{0xff, 0xff}, 2)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// TestDamagedSnapshotOfTheFirstSegment: the snapshot at the first segment is damaged, and the segments before it are gone. The next snapshot knows their producers;
// and of the batches that are left, those of aborted transactions are all listed, those before that snapshot too.
func TestDamagedSnapshotOfTheFirstSegment(t *testing.T) {
	disk := newDisk(t)
	p := abortedLog(t, disk)
	require.NoError(t, p.FlushTo(p.EndOffset()))
	first, next := p.Segments()[1].BaseOffset, p.Segments()[2].BaseOffset
	_, err := p.DeleteRecords(first)
	require.NoError(t, err)
	require.Equal(t, []model.Offset{first, next}, p.SnapshotOffsets())
	want := p.Producers()
	require.Len(t, want, 2)

	disk = disk.CrashClone(1, 0)
	damage(t, disk, p.file(first, snapshotSuffix))
	// So that no entry of the index that was written may count for one that was not.
	require.NoError(t, disk.Remove(p.file(first, ".txnindex")))
	o := testOptions()
	o.Topic.SegmentBytes = 5000
	p = open(t, disk, partitionDir, o)
	require.Equal(t, want, p.Producers())
	require.Equal(t, []model.Offset{next, p.EndOffset()}, p.SnapshotOffsets())
	list, err := p.Aborted(first, p.EndOffset(), nil)
	require.NoError(t, err)
	for _, h := range contents(t, p) {
		if h.Attributes.Control() {
			continue
		}
		covered := false
		for _, txn := range list {
			covered = covered || txn.ProducerID == h.ProducerID && txn.First <= h.BaseOffset && h.LastOffset() <= txn.Last
		}
		require.Equal(t, h.Attributes.Transactional(), covered, "batch at %d", h.BaseOffset)
	}
}

// TestSnapshotBelowTheFirstSegment: what it says of producers is too old to be believed.
func TestSnapshotBelowTheFirstSegment(t *testing.T) {
	disk, o := newDisk(t), testOptions()
	o.Topic.SegmentBytes = 1500
	p := open(t, disk, partitionDir, o)
	_, err := p.AppendAsLeader(idempotent(7, 0, 0, 3, 10), 1)
	require.NoError(t, err)
	fill(t, p, 1)
	_, err = p.AppendAsLeader(idempotent(7, 0, 3, 1, 10), 1)
	require.NoError(t, err)
	fill(t, p, 1)
	old, first := p.Segments()[1].BaseOffset, p.Segments()[2].BaseOffset
	snapshot, err := p.fs.Open(p.file(old, snapshotSuffix))
	require.NoError(t, err)
	size, err := snapshot.Size()
	require.NoError(t, err)
	kept := make([]byte, size)
	_, err = snapshot.ReadAt(kept, 0)
	require.NoError(t, err)
	_, err = p.DeleteRecords(first)
	require.NoError(t, err)
	require.NoError(t, p.FlushTo(p.EndOffset()))

	disk = disk.CrashClone(1, 0)
	require.NoError(t, disk.Remove(p.file(first, snapshotSuffix)))
	f, err := disk.Create(p.file(old, snapshotSuffix))
	require.NoError(t, err)
	_, err = f.WriteAt(kept, 0)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	p = open(t, disk, partitionDir, o)
	require.Empty(t, p.Producers())
	_, err = p.AppendAsLeader(idempotent(7, 0, 4, 1, 10), 1)
	require.NoError(t, err, "an unknown producer is believed, one of sequence 2 would be out of order")
}

// TestEpochsBelowTheSnapshotThatIsLeft: leader epochs that began between the recovery point and the snapshot that is loaded instead are known.
func TestEpochsBelowTheSnapshotThatIsLeft(t *testing.T) {
	disk, o := newDisk(t), testOptions()
	o.Topic.SegmentBytes = 1500
	p := open(t, disk, partitionDir, o)
	for e := model.LeaderEpoch(1); len(p.Segments()) < 4; e++ {
		for range 3 {
			_, err := p.AppendAsLeader(batch(1, 100), e)
			require.NoError(t, err)
		}
	}
	require.NoError(t, p.FlushTo(p.EndOffset()))
	first := p.Segments()[1].BaseOffset
	_, err := p.DeleteRecords(first)
	require.NoError(t, err)
	want := p.Epochs()
	require.Greater(t, len(want), 4)

	disk = disk.CrashClone(1, 0)
	damage(t, disk, p.file(first, snapshotSuffix))
	require.Equal(t, want, open(t, disk, partitionDir, o).Epochs())
}
