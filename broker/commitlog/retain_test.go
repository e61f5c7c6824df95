package commitlog

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/clock"
	"highwater.dev/broker/config"
	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/vfs"
)

// aged makes a partition of segments of one batch each, ten records a batch, a day apart; the newest is of testStart.
func aged(t *testing.T, segments int, edit func(*config.Topic)) *Partition {
	o := testOptions()
	o.Topic.SegmentBytes = 300
	edit(&o.Topic)
	p := open(t, vfs.NewMem(), partitionDir, o)
	for i := range segments {
		var w record.Builder
		ts := testStart.Add(-time.Duration(segments-1-i) * 24 * time.Hour)
		for range 10 {
			w.Add(model.TimestampMs(ts.UnixMilli()), []byte("k"), []byte("0123456789"))
		}
		_, err := p.AppendAsLeader(w.Batch(), 0)
		require.NoError(t, err)
	}
	require.Len(t, p.Segments(), segments)
	return p
}

func TestRetain(t *testing.T) {
	day := 24 * time.Hour
	for _, c := range []struct {
		name    string
		topic   func(*config.Topic)
		trim    model.Offset // DeleteRecords first
		hw      model.Offset
		after   time.Duration // since testStart
		removed int
		start   model.Offset
	}{
		{"nothing is old", func(c *config.Topic) { c.RetentionMs = 10 * day.Milliseconds() }, 0, 50, 0, 0, 0},
		{"exactly as old as retention.ms stays", func(c *config.Topic) { c.RetentionMs = 3 * day.Milliseconds() }, 0, 50, 0, 1, 10},
		{"older than retention.ms goes", func(c *config.Topic) { c.RetentionMs = 3*day.Milliseconds() - 1 }, 0, 50, 0, 2, 20},
		{"the active segment goes too", func(c *config.Topic) { c.RetentionMs = day.Milliseconds() }, 0, 50, 2 * day, 5, 50},
		{"nothing above the high watermark", func(c *config.Topic) { c.RetentionMs = day.Milliseconds() }, 0, 35, 2 * day, 3, 30},
		{"retention.ms=-1 keeps all", func(c *config.Topic) {}, 0, 50, 1000 * day, 0, 0},
		{"size: not below retention.bytes", func(c *config.Topic) { c.RetentionBytes = 2 * 241 }, 0, 50, 0, 3, 30},
		{"size: one byte more keeps one more", func(c *config.Topic) { c.RetentionBytes = 2*241 + 1 }, 0, 50, 0, 2, 20},
		{"size 0", func(c *config.Topic) { c.RetentionBytes = 0 }, 0, 50, 0, 5, 50},
		{"compacted topics keep", func(c *config.Topic) { c.CleanupDelete, c.CleanupCompact, c.RetentionMs = false, true, 1 }, 0, 50, 9 * day, 0, 0},
		{"size, then time", func(c *config.Topic) { c.RetentionBytes, c.RetentionMs = 4*241, 3*day.Milliseconds()-1 }, 0, 50, 0, 2, 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := aged(t, 5, c.topic)
			require.Equal(t, int64(5*241), p.Size())
			removed, err := p.Retain(testStart.Add(c.after), c.hw)
			require.NoError(t, err)
			require.Equal(t, c.removed, removed)
			require.Equal(t, c.start, p.StartOffset())
			require.Equal(t, model.Offset(50), p.EndOffset())
			for _, o := range p.SnapshotOffsets() {
				require.GreaterOrEqual(t, o, c.start, "snapshots go with their segments")
			}
			again, err := p.Retain(testStart.Add(c.after), c.hw)
			require.NoError(t, err)
			require.Zero(t, again)
			a, err := p.AppendAsLeader(batch(1, 1), 0)
			require.NoError(t, err)
			require.Equal(t, model.Offset(50), a.Base)
		})
	}
}

// TestRetainByFileTime: records without timestamps age with their file, as in Kafka.
func TestRetainByFileTime(t *testing.T) {
	disk := vfs.NewMem()
	disk.SetClock(clock.NewManual(testStart))
	o := testOptions()
	o.Topic.RetentionMs = 1000
	p := open(t, disk, partitionDir, o)
	var w record.Builder
	w.Add(model.NoTimestamp, []byte("k"), nil)
	_, err := p.AppendAsLeader(w.Batch(), 0)
	require.NoError(t, err)
	n, err := p.Retain(testStart.Add(time.Second), 1)
	require.NoError(t, err)
	require.Zero(t, n)
	n, err = p.Retain(testStart.Add(time.Second+time.Millisecond), 1)
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

func TestDeleteRecords(t *testing.T) {
	disk := newDisk(t)
	o := testOptions()
	o.Topic.SegmentBytes = 1000
	p := open(t, disk, partitionDir, o)
	for i := range int32(20) {
		_, err := p.AppendAsLeader(idempotent(1, 0, i*2, 2, 100), model.LeaderEpoch(i/10))
		require.NoError(t, err)
	}
	producers := p.Producers()
	start, err := p.DeleteRecords(21)
	require.NoError(t, err)
	require.Equal(t, model.Offset(21), start)
	_, err = p.Read(20, 40, 100)
	requireCode(t, "OFFSET_OUT_OF_RANGE", err)
	r, err := p.Read(21, 40, 100)
	require.NoError(t, err)
	r.Release()
	require.Equal(t, model.LeaderEpoch(1), p.EpochAt(21))
	require.Equal(t, model.NoLeaderEpoch, p.EpochAt(5))
	start, err = p.DeleteRecords(3)
	require.NoError(t, err)
	require.Equal(t, model.Offset(21), start, "never back")
	_, err = p.DeleteRecords(41)
	requireCode(t, "OFFSET_OUT_OF_RANGE", err)
	start, err = p.DeleteRecords(40)
	require.NoError(t, err)
	require.Equal(t, model.Offset(40), start)
	require.Zero(t, p.Size())
	require.Equal(t, producers, p.Producers(), "producers outlive their records")
	// And a power cut: the last thing that was durable is the empty segment with its snapshot.
	o.Start = 40
	p = open(t, disk.CrashClone(3, 0), partitionDir, o)
	require.Equal(t, model.Offset(40), p.StartOffset())
	require.Equal(t, producers, p.Producers())
	a, err := p.AppendAsLeader(idempotent(1, 0, 38, 2, 100), 1)
	require.NoError(t, err)
	require.True(t, a.Duplicate)
}

// TestSnapshotsKept: one per segment, and the latest; Close adds the latest.
func TestSnapshotsKept(t *testing.T) {
	disk := vfs.NewMem()
	o := testOptions()
	o.Topic.SegmentBytes = 1000
	p := open(t, disk, partitionDir, o)
	fill := func(n int) {
		for range n {
			require.NoError(t, appendOne(p))
		}
	}
	bases := func() (offsets []model.Offset) {
		for _, s := range p.Segments()[1:] {
			offsets = append(offsets, s.BaseOffset)
		}
		return offsets
	}
	fill(12)
	require.Equal(t, bases(), p.SnapshotOffsets())
	end := p.EndOffset()
	require.NoError(t, p.Close())
	require.NoError(t, p.Close(), "twice is harmless")
	requireCode(t, "KAFKA_STORAGE_ERROR", appendOne(p))
	require.NoError(t, p.FlushTo(math.MaxInt64))
	o.Clean = true
	p = open(t, disk, partitionDir, o)
	require.Equal(t, append(bases(), end), p.SnapshotOffsets())
	require.NoError(t, p.Close())
	p = open(t, disk, partitionDir, o)
	require.Equal(t, append(bases(), end), p.SnapshotOffsets(), "nothing new, no new snapshot")
	fill(12)
	require.NoError(t, p.FlushTo(p.EndOffset()))
	require.Equal(t, bases(), p.SnapshotOffsets(), "the stray one went when a later one was durable")
}

func TestReconfigure(t *testing.T) {
	p := open(t, vfs.NewMem(), partitionDir, testOptions())
	topic := testTopic()
	topic.SegmentBytes = 300
	p.Reconfigure(topic)
	for range 4 {
		require.NoError(t, appendOne(p))
	}
	require.Len(t, p.Segments(), 4)
	require.Equal(t, 300, p.Config().SegmentBytes)
}

func TestSegmentJitter(t *testing.T) {
	topic := testTopic()
	topic.SegmentMs, topic.SegmentJitterMs = 1000, 400
	seen := map[int64]bool{}
	for i := range int32(50) {
		ms := limits(&topic, model.TopicPartition{Topic: "t", Partition: i}).SegmentMs
		require.Greater(t, ms, int64(600))
		require.LessOrEqual(t, ms, int64(1000))
		seen[ms] = true
	}
	require.Greater(t, len(seen), 20, "partitions roll at different times")
}

// TestTruncateInsideBatch: the whole batch goes, and the recovery point with it.
func TestTruncateInsideBatch(t *testing.T) {
	p := open(t, vfs.NewMem(), partitionDir, testOptions())
	for i := range int32(3) {
		_, err := p.AppendAsLeader(idempotent(1, 0, i*5, 5, 10), model.LeaderEpoch(i))
		require.NoError(t, err)
	}
	require.NoError(t, p.FlushTo(15))
	require.NoError(t, p.Truncate(12))
	require.Equal(t, model.Offset(10), p.EndOffset())
	require.Equal(t, model.Offset(10), p.RecoveryPoint())
	require.Equal(t, model.LeaderEpoch(1), p.LatestEpoch())
	require.Equal(t, int32(9), p.Producers()[0].LastSequence)
	a, err := p.AppendAsLeader(idempotent(1, 0, 10, 5, 10), 7)
	require.NoError(t, err)
	require.False(t, a.Duplicate)
	require.Equal(t, model.Offset(10), a.Base)
	require.NoError(t, p.FlushTo(15))
	require.Equal(t, model.Offset(15), p.RecoveryPoint())
	p.AssignEpoch(9)
	require.NoError(t, p.Truncate(15))
	require.Equal(t, model.LeaderEpoch(7), p.LatestEpoch(), "the epoch of a leader that wrote nothing goes")
}

// TestTxnIndexRewrittenByRecovery: recovery writes the index anew and takes a snapshot; when the power goes
// again, the snapshot must not be there without the index.
func TestTxnIndexRewrittenByRecovery(t *testing.T) {
	disk := newDisk(t)
	p := open(t, disk, partitionDir, testOptions())
	require.NoError(t, p.AppendAsFollower(transactional(7, 0, 0, 2, 0)))
	require.NoError(t, p.AppendAsFollower(marker(7, 0, false, 2)))
	require.NoError(t, p.FlushTo(3))
	want, err := p.Aborted(0, 3, nil)
	require.NoError(t, err)
	require.Len(t, want, 1)
	o := testOptions()
	o.RecoveryPoint = 3
	for seed := range uint64(30) {
		again := disk.CrashClone(seed, 0)
		open(t, again, partitionDir, o)
		p := open(t, again.CrashClone(seed, 70), partitionDir, o)
		got, err := p.Aborted(0, 3, nil)
		require.NoError(t, err)
		require.Equal(t, want, got, "seed %d", seed)
	}
}

// TestTruncateForgetsSnapshotsDurably: a snapshot above the cut would, if it came back, describe records that are gone.
func TestTruncateForgetsSnapshotsDurably(t *testing.T) {
	disk := newDisk(t)
	o := testOptions()
	o.Topic.SegmentBytes = 1000
	p := open(t, disk, partitionDir, o)
	for range 8 {
		require.NoError(t, appendOne(p))
	}
	require.Len(t, p.Segments(), 2)
	end := p.EndOffset()
	require.NoError(t, p.Close())
	o.Clean = true
	p = open(t, disk, partitionDir, o)
	base := p.Segments()[1].BaseOffset
	require.Equal(t, []model.Offset{base, end}, p.SnapshotOffsets())
	require.NoError(t, p.Truncate(base))
	names, err := disk.CrashClone(1, 0).List(partitionDir)
	require.NoError(t, err)
	require.Equal(t, []model.Offset{base}, offsetsOf(names, snapshotSuffix))
}

// TestNewFolderIsDurable: its name survives a power cut as soon as it is used.
func TestNewFolderIsDurable(t *testing.T) {
	disk := newDisk(t)
	open(t, disk, partitionDir, testOptions())
	info, err := disk.CrashClone(1, 0).Stat(partitionDir)
	require.NoError(t, err)
	require.True(t, info.Dir)
}
