package commitlog

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/model"
	"highwater.dev/broker/vfs"
)

// onlyLatest takes away the snapshots of segments, which are missing where there was no room for them.
func onlyLatest(t *testing.T, disk *vfs.Mem, p *Partition) {
	offsets := p.SnapshotOffsets()
	for _, o := range offsets[:len(offsets)-1] {
		require.NoError(t, disk.Remove(p.file(o, snapshotSuffix)))
	}
	require.Equal(t, p.EndOffset(), offsets[len(offsets)-1])
}

// fill appends until there are n more segments.
func fill(t *testing.T, p *Partition, n int) {
	for n += len(p.Segments()); len(p.Segments()) < n; {
		require.NoError(t, appendOne(p))
	}
}

// writtenFirst makes a log of three segments; producer 7 has written to the first one only.
func writtenFirst(t *testing.T, disk vfs.FS, o Options) {
	p := open(t, disk, partitionDir, o)
	_, err := p.AppendAsLeader(idempotent(7, 0, 0, 3, 10), 1)
	require.NoError(t, err)
	fill(t, p, 2)
}

// A producer has written to the first segment only. A process that was killed, and recovery, left no snapshot but one at the end of the
// log. A later flush replaces that one, retention deletes the segment, and the power goes before the recovery point is checkpointed:
// the producer is still known, and goes on where it was.
func TestProducerOfADeletedSegment(t *testing.T) {
	disk, o := newDisk(t), testOptions()
	o.Topic.SegmentBytes = 1500
	writtenFirst(t, disk, o)
	p := open(t, disk, partitionDir, o) // the one before was killed
	require.NoError(t, p.Close())
	onlyLatest(t, disk, p)

	o.RecoveryPoint, o.Clean = p.RecoveryPoint(), true
	p = open(t, disk, partitionDir, o)
	fill(t, p, 2)
	require.NoError(t, p.FlushTo(p.EndOffset()))
	_, err := p.DeleteRecords(p.Segments()[1].BaseOffset)
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
	writtenFirst(t, disk, o)
	p := open(t, disk, partitionDir, o) // the one before was killed
	require.NoError(t, p.FlushTo(p.EndOffset()))
	onlyLatest(t, disk, p)
	o.RecoveryPoint = p.RecoveryPoint()
	require.NoError(t, appendOne(p))
	p = open(t, disk, partitionDir, o) // and this one
	want := p.Producers()
	require.Len(t, want, 1)
	_, err := p.DeleteRecords(p.Segments()[1].BaseOffset)
	require.NoError(t, err)

	p = open(t, disk.CrashClone(1, 0), partitionDir, o)
	require.Equal(t, want, p.Producers())
	require.NoError(t, p.Close())
}

// A snapshot that a killed process left is not durable, however new: it replaces none before the next flush.
func TestProducerOfADeletedSegmentAndAKill(t *testing.T) {
	disk, o := newDisk(t), testOptions()
	o.Topic.SegmentBytes = 1500
	writtenFirst(t, disk, o)
	p := open(t, disk, partitionDir, o) // the one before was killed
	_, err := p.DeleteRecords(p.Segments()[1].BaseOffset)
	require.NoError(t, err)
	require.NoError(t, p.Close()) // and the power goes before the checkpoint is written
	disk = disk.CrashClone(1, 0)

	p = open(t, disk, partitionDir, o)
	want := p.Producers()
	require.Len(t, want, 1)
	fill(t, p, 1)
	p = open(t, disk, partitionDir, o) // killed again
	require.Equal(t, want, p.Producers())
	for seed := range uint64(50) {
		p = open(t, disk.CrashClone(seed, 50), partitionDir, o)
		require.Equal(t, want, p.Producers(), "seed %d", seed)
		require.NoError(t, p.Close())
	}
}

// What is asked of a log whose first segments are gone, after recovery and two truncations: the second one goes behind the snapshot that the
// first one left, to where only the batches of the segments that are left, and a snapshot where those begin, say who has written.
func TestTruncateTwiceAfterDeletedSegments(t *testing.T) {
	disk, o := newDisk(t), testOptions()
	o.Topic.SegmentBytes = 1500
	p := open(t, disk, partitionDir, o)
	_, err := p.AppendAsLeader(idempotent(7, 0, 0, 3, 10), 0)
	require.NoError(t, err)
	require.NoError(t, p.AppendAsFollower(transactional(8, 0, 0, 2, 3)))
	for len(p.Segments()) < 4 {
		require.NoError(t, appendOne(p))
	}
	p = open(t, disk, partitionDir, o) // the one before was killed: all is replayed
	want := p.Producers()
	require.Len(t, want, 2)
	_, err = p.DeleteRecords(p.Segments()[1].BaseOffset)
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, p.Truncate(p.EndOffset()-3))
		require.Equal(t, want, p.Producers())
	}
	require.NoError(t, p.FlushTo(p.EndOffset()))
	p = open(t, disk.CrashClone(1, 0), partitionDir, o)
	require.Equal(t, want, p.Producers())
	require.NoError(t, p.Close())
}

// A log that goes on below its first segment has another history from there: what its producers did before says nothing any more, and
// a transaction whose end it will never see must not hold back consumers.
func TestTruncateBelowTheFirstSegment(t *testing.T) {
	disk, o := newDisk(t), testOptions()
	o.Topic.SegmentBytes = 1500
	p := open(t, disk, partitionDir, o)
	for len(p.Segments()) < 2 {
		require.NoError(t, appendOne(p))
	}
	require.NoError(t, p.AppendAsFollower(transactional(8, 0, 0, 2, p.EndOffset())))
	require.NoError(t, p.FlushTo(p.EndOffset()))
	for len(p.Segments()) < 4 {
		require.NoError(t, appendOne(p))
	}
	_, err := p.DeleteRecords(p.Segments()[2].BaseOffset)
	require.NoError(t, err)
	require.Len(t, p.Producers(), 1)
	to := p.StartOffset() - 3
	require.NoError(t, p.Truncate(to))
	check := func(p *Partition) {
		require.Equal(t, []model.Offset{to, to}, []model.Offset{p.StartOffset(), p.EndOffset()})
		require.Empty(t, p.Producers())
		require.NoError(t, p.AppendAsFollower(at(batch(2, 10), to, 0)))
		require.Equal(t, to+2, p.LastStableOffset(to+2))
	}
	check(p)
	check(open(t, disk.CrashClone(1, 0), partitionDir, o))
}

// A log that lost its end up to below its start offset begins anew there, without producers: a transaction that it lost the end of would
// never end.
func TestBeginningAnewForgetsProducers(t *testing.T) {
	disk, o := newDisk(t), testOptions()
	p := open(t, disk, partitionDir, o)
	require.NoError(t, p.AppendAsFollower(transactional(8, 0, 0, 2, 0)))
	require.NoError(t, p.Close())
	o.RecoveryPoint, o.Clean = 2, true
	p = open(t, disk, partitionDir, o)
	for range 5 {
		require.NoError(t, appendOne(p))
	}
	require.NoError(t, p.FlushTo(7))
	require.Equal(t, []model.Offset{2}, p.SnapshotOffsets())
	f, err := disk.OpenReadWrite(p.file(0, ".log"))
	require.NoError(t, err)
	_, err = f.WriteAt([]byte{1, 2, 3}, 400)
	require.NoError(t, err)
	o.RecoveryPoint, o.Start, o.Clean = 7, 6, false
	p = open(t, disk, partitionDir, o)
	require.Equal(t, []model.Offset{6, 6}, []model.Offset{p.StartOffset(), p.EndOffset()})
	require.NoError(t, appendOne(p))
	require.Equal(t, model.Offset(7), p.LastStableOffset(7))
	require.Empty(t, p.Producers())
	require.NoError(t, p.Close())
}

// betweenFS calls once before it makes a folder's names durable.
type betweenFS struct {
	vfs.FS
	then func()
}

func (fs *betweenFS) SyncDir(dir string) error {
	if then := fs.then; then != nil {
		fs.then = nil
		then()
	}
	return fs.FS.SyncDir(dir)
}

// A truncation beside a flush, and appends, have taken a snapshot anew where the flush has just synced the one of before: it is not durable,
// and a trim that relies on it syncs it.
func TestSnapshotTakenAnewBesideAFlush(t *testing.T) {
	disk, o := newDisk(t), testOptions()
	o.Topic.SegmentBytes = 1500
	fs := &betweenFS{FS: disk}
	p := open(t, fs, partitionDir, o)
	_, err := p.AppendAsLeader(idempotent(7, 0, 0, 3, 10), 0)
	require.NoError(t, err)
	fill := func() {
		for len(p.Segments()) < 2 {
			require.NoError(t, appendOne(p))
		}
	}
	fill()
	base := p.Segments()[1].BaseOffset
	require.NoError(t, p.log.Flush()) // so that the flush below has only the snapshot's name to sync
	fs.then = func() {
		require.NoError(t, p.Truncate(base-1))
		fill()
		require.Equal(t, base, p.Segments()[1].BaseOffset)
	}
	require.NoError(t, p.syncSnapshots())
	require.Nil(t, fs.then)
	want := p.Producers()
	require.Len(t, want, 1)
	_, err = p.DeleteRecords(base)
	require.NoError(t, err)
	p = open(t, disk.CrashClone(1, 0), partitionDir, o)
	require.Equal(t, base, p.StartOffset())
	require.Equal(t, want, p.Producers())
}

// An empty last segment, which a kill after a roll leaves, has the snapshot that recovery takes at the end of the log: it stays as long as
// the segment does.
func TestSnapshotOfAnEmptyLastSegment(t *testing.T) {
	disk, o := newDisk(t), testOptions()
	o.Topic.SegmentBytes = 1500
	p := open(t, disk, partitionDir, o)
	for len(p.Segments()) < 2 {
		require.NoError(t, appendOne(p))
	}
	base := p.Segments()[1].BaseOffset
	f, err := disk.OpenReadWrite(p.file(base, ".log"))
	require.NoError(t, err)
	require.NoError(t, errors.Join(f.Truncate(0), f.Close()))
	p = open(t, disk, partitionDir, o) // the one before was killed
	require.Equal(t, base, p.EndOffset())
	for range 2 {
		require.NoError(t, appendOne(p))
		require.NoError(t, p.snapshot(p.EndOffset(), false))
		require.NoError(t, p.FlushTo(p.EndOffset()))
	}
	require.Equal(t, []model.Offset{base, base + 2}, p.SnapshotOffsets())
	require.NoError(t, p.Close())
}
