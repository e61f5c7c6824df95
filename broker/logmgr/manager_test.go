package logmgr_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/goleak"

	"highwater.dev/broker/clock"
	"highwater.dev/broker/commitlog"
	"highwater.dev/broker/commitlog/checkpoint"
	"highwater.dev/broker/config"
	"highwater.dev/broker/logmgr"
	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/vfs"
	"highwater.dev/broker/vfs/errorfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var begin = time.UnixMilli(1_700_000_000_000)

// known is the metadata of a test: topic ids by name; each has partitions 0 to 9.
type known map[string]model.TopicID

// node is an open manager with what it was made of.
type node struct {
	*logmgr.Manager
	clock *clock.Manual
	out   *bytes.Buffer // what was logged
	cfg   *config.Server
}

func (n *node) turn() { n.Turn(n.clock.Now()) }

func (n *node) topic(id model.TopicID) logmgr.Topic {
	return logmgr.Topic{ID: id, Config: n.cfg.TopicDefaults}
}

// open opens node 1's log dirs; change may alter its configuration.
func open(fs vfs.FS, change func(*config.Server)) (*node, error) {
	cfg := config.DefaultServer()
	cfg.LogDirs = []string{"data/one"}
	if change != nil {
		change(&cfg)
	}
	n := &node{clock: clock.NewManual(begin), out: &bytes.Buffer{}, cfg: &cfg}
	var err error
	n.Manager, err = logmgr.Open(logmgr.Options{FS: fs, Config: &cfg, Clock: n.clock, Seed: 5,
		Logger: slog.New(slog.NewTextHandler(n.out, nil))})
	return n, err
}

func mustOpen(t testing.TB, fs vfs.FS, topics known, change func(*config.Server)) *node {
	t.Helper()
	n, err := open(fs, change)
	require.NoError(t, err)
	require.NoError(t, n.Load(func(tp model.TopicPartition) (logmgr.Topic, bool) {
		id, ok := topics[tp.Topic]
		return n.topic(id), ok && tp.Partition < 10
	}))
	return n
}

func tp(topic string, partition int32) model.TopicPartition {
	return model.TopicPartition{Topic: topic, Partition: partition}
}

func (n *node) create(t testing.TB, topic string, partition int32, id model.TopicID) *commitlog.Partition {
	t.Helper()
	log, err := n.Create(tp(topic, partition), n.topic(id))
	require.NoError(t, err)
	return log
}

// fill appends n batches of one record.
func fill(t testing.TB, log *commitlog.Partition, n int) {
	t.Helper()
	for range n {
		var b record.Builder
		b.Add(model.TimestampMs(begin.UnixMilli()), nil, bytes.Repeat([]byte("x"), 100))
		_, err := log.AppendAsLeader(b.Batch(), 0)
		require.NoError(t, err)
	}
}

func exists(fs vfs.FS, name string) bool {
	_, err := fs.Stat(name)
	return err == nil
}

// folders are the names in dir that contain part.
func folders(t testing.TB, fs vfs.FS, dir, part string) []string {
	t.Helper()
	names, err := fs.List(dir)
	require.NoError(t, err)
	return slices.DeleteFunc(names, func(s string) bool { return !strings.Contains(s, part) })
}

func TestIdentity(t *testing.T) {
	fs := vfs.NewMem()
	n := mustOpen(t, fs, nil, nil)
	id := n.ClusterID()
	_, err := model.ParseTopicID(id)
	require.NoError(t, err, "a Uuid in Kafka's text form")
	require.Equal(t, "data/one", n.MetadataDir())

	_, err = open(fs, nil)
	require.ErrorIs(t, err, vfs.ErrLocked)
	require.ErrorContains(t, err, "data/one is in use by another process")
	require.NoError(t, n.Close())
	require.NoError(t, n.Close(), "again")

	n = mustOpen(t, fs, nil, func(c *config.Server) { c.LogDirs = []string{"data/one", "data/two"} })
	require.Equal(t, id, n.ClusterID())
	one, err := checkpoint.ReadMeta(fs, "data/one")
	require.NoError(t, err)
	two, err := checkpoint.ReadMeta(fs, "data/two")
	require.NoError(t, err)
	require.Equal(t, id, two.ClusterID, "a new dir joins the others' cluster")
	require.NotEqual(t, one.DirectoryID, two.DirectoryID)
	require.NoError(t, n.Close())
}

func TestForeignDirsAreRefused(t *testing.T) {
	fs := vfs.NewMem()
	n := mustOpen(t, fs, nil, nil)
	id := n.ClusterID()
	require.NoError(t, n.Close())
	require.NoError(t, fs.MkdirAll("data/other"))
	require.NoError(t, checkpoint.WriteMeta(fs, "data/other", checkpoint.Meta{ClusterID: "elsewhere", NodeID: 1, DirectoryID: model.TopicID{1}}))
	require.NoError(t, fs.MkdirAll("data/damaged"))
	require.NoError(t, checkpoint.Replace(fs, "data/damaged/meta.properties", []byte("version=0\n")))

	for name, c := range map[string]struct {
		change func(*config.Server)
		want   []string
	}{
		"node": {func(c *config.Server) { c.NodeID = 2 }, []string{"data/one belongs to node 1", "this is node 2", "set node.id=1"}},
		"cluster": {func(c *config.Server) { c.LogDirs = append(c.LogDirs, "data/other") },
			[]string{"data/other belongs to cluster elsewhere", "data/one to cluster " + id}},
		"damaged": {func(c *config.Server) { c.LogDirs = []string{"data/damaged"} }, []string{"data/damaged", "version"}},
	} {
		_, err := open(fs, c.change)
		require.Error(t, err, name)
		for _, want := range c.want {
			require.ErrorContains(t, err, want, name)
		}
	}
	n, err := open(fs, nil)
	require.NoError(t, err, "a refused start leaves no lock")
	require.NoError(t, n.Close())
}

func TestCleanAndUncleanRestart(t *testing.T) {
	for _, clean := range []bool{true, false} {
		fs := vfs.NewMem()
		topics := known{"a": {1}}
		n := mustOpen(t, fs, topics, nil)
		log := n.create(t, "a", 3, model.TopicID{1})
		fill(t, log, 5)
		var disk vfs.FS = fs
		if clean {
			require.NoError(t, n.Close())
			require.True(t, exists(fs, "data/one/.kafka_cleanshutdown"))
		} else {
			require.NoError(t, log.FlushTo(4))
			fill(t, log, 2)
			disk = fs.CrashClone(1, 0)
		}
		after := mustOpen(t, disk, topics, nil)
		require.False(t, exists(disk, "data/one/.kafka_cleanshutdown"), "a crash from now on is seen")
		require.Equal(t, model.Offset(5), after.Get(tp("a", 3)).EndOffset())
		require.Contains(t, after.out.String(), fmt.Sprintf("cleanShutdown=%t", clean))
		require.NoError(t, after.Close())
		require.NoError(t, n.Close())
	}
}

func TestCheckpoints(t *testing.T) {
	fs := vfs.NewMem()
	topics := known{"a": {1}}
	small := func(c *config.Server) { c.TopicDefaults.SegmentBytes = 500 }
	n := mustOpen(t, fs, topics, small)
	n.SetHighWatermarks(func(model.TopicPartition) (model.Offset, bool) { return 7, true })
	log := n.create(t, "a", 0, model.TopicID{1})
	fill(t, log, 10) // two batches a segment
	segments := log.Segments()
	active := segments[len(segments)-1].BaseOffset
	require.Less(t, log.RecoveryPoint(), active)
	n.clock.Advance(30 * time.Second)
	n.turn()
	require.GreaterOrEqual(t, log.RecoveryPoint(), active, "finished segments are flushed in the background")
	_, err := log.DeleteRecords(3)
	require.NoError(t, err)
	n.clock.Advance(2 * time.Minute)
	n.turn()
	want := checkpoint.Offsets{tp("a", 0): log.RecoveryPoint()}
	for name, want := range map[string]checkpoint.Offsets{
		checkpoint.RecoveryPoints: want, checkpoint.LogStarts: {tp("a", 0): 3}, checkpoint.HighWatermarks: {tp("a", 0): 7},
	} {
		got, err := checkpoint.ReadOffsets(fs, "data/one", name)
		require.NoError(t, err)
		require.Equal(t, want, got, name)
	}
	disk := fs.CrashClone(1, 100)
	after := mustOpen(t, disk, topics, small)
	require.Equal(t, model.Offset(3), after.Get(tp("a", 0)).StartOffset(), "DeleteRecords survives a crash")
	require.Equal(t, log.RecoveryPoint(), want[tp("a", 0)])
	require.NoError(t, after.Close())
	require.NoError(t, n.Close())
}

// TestCheckpointsSayNothingOfEarlierPartitions: what they said of a partition that was deleted is not applied to a new one of its name.
// A log start offset behind the new log's end would delete its records, and a recovery point would keep them from being checked.
func TestCheckpointsSayNothingOfEarlierPartitions(t *testing.T) {
	for _, crashed := range []bool{false, true} {
		t.Run(fmt.Sprintf("crash while it was deleted: %t", crashed), func(t *testing.T) {
			fs := vfs.NewMem()
			n := mustOpen(t, fs, nil, nil)
			log := n.create(t, "a", 0, model.TopicID{1})
			fill(t, log, 20)
			_, err := log.DeleteRecords(10)
			require.NoError(t, err)
			n.clock.Advance(2 * time.Minute)
			n.turn()
			want := checkpoint.Offsets{tp("a", 0): 10}
			starts, err := checkpoint.ReadOffsets(fs, "data/one", checkpoint.LogStarts)
			require.NoError(t, err)
			require.Equal(t, want, starts)
			if crashed {
				before := n
				fs = fs.CrashClone(1, 100)
				require.NoError(t, before.Close())
				require.NoError(t, fs.RemoveAll("data/one/a-0"))
				n = mustOpen(t, fs, nil, nil)
			} else {
				require.NoError(t, n.Delete(tp("a", 0)))
			}
			log = n.create(t, "a", 0, model.TopicID{2})
			fill(t, log, 5)
			require.NoError(t, log.FlushTo(5))
			after := mustOpen(t, fs.CrashClone(1, 0), known{"a": {2}}, nil)
			require.Equal(t, model.Offset(0), after.Get(tp("a", 0)).StartOffset())
			require.Equal(t, model.Offset(5), after.Get(tp("a", 0)).EndOffset())
			require.NoError(t, after.Close())
			require.NoError(t, n.Close())
		})
	}
}

// TestRecoveryPointBehindTheEnd: a log that ends before its recovery point, as after a truncation that a crash interrupted, has
// another one before records are appended: the old one would say that they were flushed.
func TestRecoveryPointBehindTheEnd(t *testing.T) {
	fs := vfs.NewMem()
	n := mustOpen(t, fs, nil, nil)
	log := n.create(t, "a", 0, model.TopicID{1})
	fill(t, log, 5)
	require.NoError(t, log.FlushTo(5))
	require.NoError(t, checkpoint.WriteOffsets(fs, "data/one", checkpoint.RecoveryPoints, checkpoint.Offsets{tp("a", 0): 8}))
	disk := fs.CrashClone(1, 0)
	after := mustOpen(t, disk, known{"a": {1}}, nil)
	points, err := checkpoint.ReadOffsets(disk.CrashClone(1, 0), "data/one", checkpoint.RecoveryPoints)
	require.NoError(t, err)
	require.Equal(t, checkpoint.Offsets{tp("a", 0): 5}, points)
	require.NoError(t, after.Close())
	require.NoError(t, n.Close())
}

func TestRetentionAndFlushTurns(t *testing.T) {
	fs := vfs.NewMem()
	n := mustOpen(t, fs, nil, func(c *config.Server) {
		c.TopicDefaults.SegmentBytes, c.TopicDefaults.RetentionMs = 500, 1000
		c.TopicDefaults.FlushMs, c.LogFlushSchedulerIntervalMs = 1000, 1000
	})
	log := n.create(t, "a", 0, model.TopicID{1})
	fill(t, log, 10)
	n.clock.Advance(29 * time.Second)
	n.turn()
	require.Equal(t, model.Offset(0), log.StartOffset(), "nothing before log.initial.task.delay.ms")
	require.Equal(t, model.Offset(0), log.RecoveryPoint())
	n.clock.Advance(time.Second)
	n.turn()
	require.Greater(t, log.StartOffset(), model.Offset(0), "retention.ms has passed")
	require.Equal(t, model.Offset(10), log.RecoveryPoint(), "flush.ms has passed")
	next := n.Turn(n.clock.Now())
	require.Equal(t, n.clock.Now().Add(time.Second), next, "the next thing is the flush")
	require.NoError(t, n.Close())
}

func TestDelete(t *testing.T) {
	fs := vfs.NewMem()
	n := mustOpen(t, fs, nil, nil)
	log := n.create(t, "a", 0, model.TopicID{1})
	fill(t, log, 1)
	require.NoError(t, n.Delete(tp("a", 0)))
	require.NoError(t, n.Delete(tp("a", 0)), "not here is no error")
	require.Nil(t, n.Get(tp("a", 0)))
	require.Len(t, folders(t, fs, "data/one", "-delete"), 1)
	require.Regexp(t, `^a-0\.[0-9a-f]{32}-delete$`, folders(t, fs, "data/one", "-delete")[0])
	require.Equal(t, folders(t, fs, "data/one", "-delete"), folders(t, fs.CrashClone(1, 0), "data/one", "a-0"), "the new name is durable")

	again := n.create(t, "a", 0, model.TopicID{2})
	require.Zero(t, again.EndOffset())
	n.clock.Advance(59 * time.Second)
	n.turn()
	require.Len(t, folders(t, fs, "data/one", "-delete"), 1)
	n.clock.Advance(time.Second)
	n.turn()
	require.Empty(t, folders(t, fs, "data/one", "-delete"), "file.delete.delay.ms has passed")

	require.NoError(t, n.Delete(tp("a", 0)))
	require.NoError(t, n.Close())
	n = mustOpen(t, fs, nil, nil)
	require.Empty(t, folders(t, fs, "data/one", "-delete"), "or at the next start")
	require.NoError(t, n.Close())
}

func TestLongTopicNamesCanBeDeleted(t *testing.T) {
	n := mustOpen(t, vfs.NewMem(), nil, nil)
	name := strings.Repeat("t", 249)
	n.create(t, name, 0, model.TopicID{1})
	require.NoError(t, n.Delete(tp(name, 0)))
	require.NoError(t, n.Close())
}

func TestStraysAreSetAsideAndKept(t *testing.T) {
	fs := vfs.NewMem()
	n := mustOpen(t, fs, nil, nil)
	for _, name := range []string{"gone", "recreated", "shrunk", "mine"} {
		fill(t, n.create(t, name, 0, model.TopicID{1}), 3)
	}
	fill(t, n.create(t, "shrunk", 11, model.TopicID{1}), 3)
	require.NoError(t, fs.MkdirAll("data/one/not a partition"))
	require.NoError(t, n.Close())

	topics := known{"recreated": {2}, "shrunk": {1}, "mine": {1}}
	n = mustOpen(t, fs, topics, nil)
	require.Nil(t, n.Get(tp("gone", 0)))
	require.Nil(t, n.Get(tp("recreated", 0)), "another topic's records are never served")
	require.Nil(t, n.Get(tp("shrunk", 11)))
	require.Equal(t, model.Offset(3), n.Get(tp("mine", 0)).EndOffset())
	strays := folders(t, fs, "data/one", "-stray")
	require.Len(t, strays, 3)
	require.Zero(t, n.create(t, "recreated", 0, model.TopicID{2}).EndOffset())
	require.NoError(t, n.Close())

	n = mustOpen(t, fs, topics, nil)
	require.Equal(t, strays, folders(t, fs, "data/one", "-stray"), "they stay until somebody deletes them")
	require.True(t, exists(fs, path.Join("data/one", strays[0], "00000000000000000000.log")))
	require.True(t, exists(fs, "data/one/not a partition"))
	require.NoError(t, n.Close())
}

// TestCreateNeverTakesOverAFolder: the folder of a partition whose deletion could not rename it.
func TestCreateNeverTakesOverAFolder(t *testing.T) {
	mem := vfs.NewMem()
	fs := errorfs.New(mem)
	n := mustOpen(t, fs, nil, nil)
	fill(t, n.create(t, "a", 0, model.TopicID{1}), 3)
	fs.SetRules(errorfs.Fail(errors.New("I/O error"), errorfs.Kinds(errorfs.Rename), errorfs.Base("a-0")))
	require.ErrorIs(t, n.Delete(tp("a", 0)), kerr.KafkaStorageError)
	fs.SetRules()
	require.Zero(t, n.create(t, "a", 0, model.TopicID{2}).EndOffset())
	require.Len(t, folders(t, fs, "data/one", "-stray"), 1)
	require.NoError(t, n.Close())
}

// TestSegmentsFromElsewhere: segment files copied into an existing partition's folder while the broker is down, the
// receiver's partition.metadata kept, as from Apache Kafka.
func TestSegmentsFromElsewhere(t *testing.T) {
	source := vfs.NewMem()
	from := mustOpen(t, source, nil, nil)
	fill(t, from.create(t, "theirs", 5, model.TopicID{9}), 6)
	require.NoError(t, from.Close())

	fs := vfs.NewMem()
	topics := known{"mine": {1}}
	n := mustOpen(t, fs, topics, nil)
	n.create(t, "mine", 0, model.TopicID{1})
	require.NoError(t, n.Close())
	names, err := source.List("data/one/theirs-5")
	require.NoError(t, err)
	for _, name := range names {
		if name == checkpoint.PartitionMetadata {
			continue
		}
		data, err := checkpoint.ReadFile(source, path.Join("data/one/theirs-5", name))
		require.NoError(t, err)
		require.NoError(t, checkpoint.Replace(fs, path.Join("data/one/mine-0", name), data))
	}
	n = mustOpen(t, fs, topics, nil)
	log := n.Get(tp("mine", 0))
	require.Equal(t, model.Offset(6), log.EndOffset())
	fill(t, log, 1)
	require.Equal(t, model.Offset(7), log.EndOffset())
	require.NoError(t, n.Close())
}

func TestMissingAndDamagedPartitionMetadata(t *testing.T) {
	fs := vfs.NewMem()
	topics := known{"a": {1}}
	n := mustOpen(t, fs, topics, nil)
	fill(t, n.create(t, "a", 0, model.TopicID{1}), 2)
	log := n.create(t, "a", 1, model.TopicID{1})
	fill(t, log, 2)
	_, err := log.DeleteRecords(1)
	require.NoError(t, err)
	require.NoError(t, n.Close())
	require.NoError(t, fs.Remove("data/one/a-0/partition.metadata"))
	require.NoError(t, checkpoint.Replace(fs, "data/one/a-1/partition.metadata", []byte("?")))
	n = mustOpen(t, fs, topics, nil)
	require.Equal(t, model.Offset(2), n.Get(tp("a", 0)).EndOffset(), "as in Kafka, the folder is the topic's")
	id, err := checkpoint.ReadPartitionMetadata(fs, "data/one/a-0")
	require.NoError(t, err)
	require.Equal(t, model.TopicID{1}, id)
	require.Nil(t, n.Get(tp("a", 1)))
	_, err = n.Create(tp("a", 1), n.topic(model.TopicID{1}))
	require.ErrorIs(t, err, kerr.KafkaStorageError, "nothing new is made over a partition that cannot be opened")
	require.ErrorIs(t, err, checkpoint.ErrCorrupt)
	n.clock.Advance(time.Hour)
	n.turn()
	require.NoError(t, n.Close())
	require.False(t, exists(fs, "data/one/.kafka_cleanshutdown"), "nobody looked at all of the dir's logs")
	starts, err := checkpoint.ReadOffsets(fs, "data/one", checkpoint.LogStarts)
	require.NoError(t, err)
	require.Equal(t, checkpoint.Offsets{tp("a", 1): 1}, starts, "what was known of the partition stays known")

	require.NoError(t, checkpoint.WritePartitionMetadata(fs, "data/one/a-1", model.TopicID{1}))
	n = mustOpen(t, fs, topics, nil)
	require.Equal(t, model.Offset(1), n.Get(tp("a", 1)).StartOffset(), "deleted records do not come back")
	require.NoError(t, n.Close())
}

// TestCheckpointsOnAFullDisk: the old ones stand, and nothing goes offline for it.
func TestCheckpointsOnAFullDisk(t *testing.T) {
	fs := errorfs.New(vfs.NewMem())
	n := mustOpen(t, fs, nil, nil)
	log := n.create(t, "a", 0, model.TopicID{1})
	fill(t, log, 3)
	fs.SetRules(errorfs.Fail(errors.New("no space left on device"), errorfs.Kinds(errorfs.Write)))
	n.clock.Advance(time.Hour)
	n.turn()
	require.Contains(t, n.out.String(), "checkpoint cannot be written")
	require.NoError(t, n.DirOf(tp("a", 0)).Err())
	fs.SetRules()
	fill(t, log, 1)
	require.NoError(t, n.Close())
	require.True(t, exists(fs, "data/one/.kafka_cleanshutdown"))
}

func TestSeveralDirs(t *testing.T) {
	fs := vfs.NewMem()
	two := func(c *config.Server) { c.LogDirs = []string{"data/one", "data/two"} }
	n := mustOpen(t, fs, nil, two)
	for p := range int32(6) {
		n.create(t, "a", p, model.TopicID{1})
	}
	dirs := n.Dirs()
	require.Len(t, dirs[0].Logs, 3, "spread evenly")
	require.Len(t, dirs[1].Logs, 3)
	require.Positive(t, dirs[0].Total)
	require.NoError(t, n.Close())

	// The same partition in both: nobody can say which is right.
	twice := path.Base(dirs[0].Logs[0].Dir())
	require.NoError(t, fs.MkdirAll(path.Join("data/two", twice)))
	n, err := open(fs, two)
	require.NoError(t, err)
	require.ErrorIs(t, n.Load(func(model.TopicPartition) (logmgr.Topic, bool) { return n.topic(model.TopicID{1}), true }), logmgr.ErrDuplicate)
	require.NoError(t, n.Close())
}

func TestOfflineDir(t *testing.T) {
	mem := vfs.NewMem()
	fs := errorfs.New(mem)
	n := mustOpen(t, fs, nil, func(c *config.Server) { c.LogDirs = []string{"data/one", "data/two"} })
	first := n.create(t, "a", 0, model.TopicID{1})
	fill(t, n.create(t, "a", 1, model.TopicID{1}), 1)
	fill(t, first, 1)
	fs.SetRules(errorfs.Fail(errors.New("I/O error"), errorfs.Kinds(errorfs.Sync), func(op errorfs.Op) bool { return path.Dir(op.Name) == first.Dir() }))
	require.Error(t, first.FlushTo(1))
	fs.SetRules()
	n.Failed(first)
	bad := n.DirOf(tp("a", 0))
	require.Error(t, bad.Err())
	require.NoError(t, n.DirOf(tp("a", 1)).Err())
	for p := int32(2); p < 5; p++ {
		n.create(t, "a", p, model.TopicID{1})
		require.NotEqual(t, bad, n.DirOf(tp("a", p)), "new partitions go elsewhere")
	}
	require.ErrorContains(t, n.Close(), bad.Path()+" was not shut down cleanly")
	require.False(t, exists(mem, path.Join(bad.Path(), ".kafka_cleanshutdown")))
	other := "data/two"
	if bad.Path() == other {
		other = "data/one"
	}
	require.True(t, exists(mem, path.Join(other, ".kafka_cleanshutdown")))
}

func TestTheGoroutineTurns(t *testing.T) {
	fs := vfs.NewMem()
	n := mustOpen(t, fs, nil, nil)
	n.Start()
	n.create(t, "a", 0, model.TopicID{1})
	require.NoError(t, n.Delete(tp("a", 0)))
	require.NoError(t, n.Close())
}

func TestMetadataDir(t *testing.T) {
	fs := vfs.NewMem()
	apart := func(c *config.Server) { c.MetadataLogDir = "meta" }
	n := mustOpen(t, fs, nil, apart)
	require.Equal(t, "meta", n.MetadataDir())
	require.Len(t, n.Dirs(), 1, "it holds no partitions")
	id := n.ClusterID()
	meta, err := checkpoint.ReadMeta(fs, "meta")
	require.NoError(t, err)
	require.Equal(t, id, meta.ClusterID, "it is formatted as the others")
	_, err = open(fs, apart)
	require.ErrorIs(t, err, vfs.ErrLocked)
	require.NoError(t, n.Close())
	_, err = open(fs, func(c *config.Server) { c.LogDirs, c.MetadataLogDir = []string{"data/new"}, "meta" })
	require.NoError(t, err, "all were unlocked")

	two := func(c *config.Server) { c.LogDirs, c.MetadataLogDir = []string{"a", "b"}, "b/" }
	fs = vfs.NewMem()
	n = mustOpen(t, fs, nil, two)
	require.Equal(t, "b", n.MetadataDir())
	require.NoError(t, fs.MkdirAll("b/__cluster_metadata-0"))
	require.NoError(t, n.Close())
	_, err = open(fs, func(c *config.Server) { c.LogDirs = []string{"a", "b"} })
	require.EqualError(t, err, "logmgr: the metadata log is b/__cluster_metadata-0, and metadata.log.dir (or else the first of log.dirs) is a: "+
		"move the folder there, or set metadata.log.dir=b")
	n = mustOpen(t, fs, nil, two)
	require.NoError(t, n.Close())
}

// A dir that leaves log.dirs and comes back must not bring a second metadata log with it.
func TestTwoMetadataLogs(t *testing.T) {
	fs := vfs.NewMem()
	both := func(c *config.Server) { c.LogDirs = []string{"a", "b"} }
	require.NoError(t, mustOpen(t, fs, nil, both).Close())
	require.NoError(t, fs.MkdirAll("a/__cluster_metadata-0"))
	require.NoError(t, fs.MkdirAll("b/__cluster_metadata-0"))
	_, err := open(fs, both)
	require.ErrorContains(t, err, "there are two metadata logs, a/__cluster_metadata-0 and b/__cluster_metadata-0")
	require.NoError(t, fs.RemoveAll("b/__cluster_metadata-0"))
	require.NoError(t, mustOpen(t, fs, nil, both).Close())
}

func TestKafkasMetadataIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	require.NoError(t, fs.MkdirAll("data/one/__cluster_metadata-0"))
	require.NoError(t, checkpoint.WritePartitionMetadata(fs, "data/one/__cluster_metadata-0", model.TopicID{15: 1}))
	require.NoError(t, checkpoint.WriteMeta(fs, "data/one", checkpoint.Meta{ClusterID: "theirs", NodeID: 1, DirectoryID: model.TopicID{1}}))
	_, err := open(fs, nil)
	require.ErrorContains(t, err, "log dir data/one is Apache Kafka's")
	_, err = open(fs, func(c *config.Server) { c.LogDirs, c.MetadataLogDir = []string{"data/two"}, "data/one" })
	require.ErrorContains(t, err, "log dir data/one is Apache Kafka's")
	require.False(t, exists(fs, "data/two/meta.properties"), "it was not made a part of Kafka's cluster")
}

func TestMetadataWithoutIdentity(t *testing.T) {
	fs := vfs.NewMem()
	require.NoError(t, mustOpen(t, fs, nil, nil).Close())
	require.NoError(t, fs.MkdirAll("data/one/__cluster_metadata-0"))
	require.NoError(t, fs.Remove("data/one/meta.properties"))
	_, err := open(fs, nil)
	require.ErrorContains(t, err, "data/one has a metadata log and no meta.properties")
	require.False(t, exists(fs, "data/one/meta.properties"))
}

func TestADirByTwoNames(t *testing.T) {
	one := t.TempDir()
	two := path.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(one, two))
	_, err := open(vfs.OS(), func(c *config.Server) { c.LogDirs = []string{one, two} })
	require.ErrorIs(t, err, vfs.ErrLocked)
	require.ErrorContains(t, err, "or is another of this node's by a second name")
}
