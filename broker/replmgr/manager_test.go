package replmgr_test

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/goleak"

	"highwater.dev/broker/clock"
	"highwater.dev/broker/config"
	"highwater.dev/broker/logmgr"
	"highwater.dev/broker/metadata"
	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/replmgr"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/vfs"
	"highwater.dev/broker/vfs/errorfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node is a broker's metadata, logs and replicas, without the rest.
type node struct {
	t     testing.TB
	image *metadata.Image
	clock *clock.Manual
	logs  *logmgr.Manager
	repl  *replmgr.Manager
	cfg   config.Server
}

// start opens a node 1 on fs with image.
func start(t testing.TB, fs vfs.FS, image *metadata.Image) *node {
	t.Helper()
	n := &node{t: t, image: image, clock: clock.NewManual(time.UnixMilli(1_700_000_000_000)), cfg: config.DefaultServer()}
	n.cfg.LogDirs = []string{"data"}
	var err error
	n.logs, err = logmgr.Open(logmgr.Options{FS: fs, Config: &n.cfg, Clock: n.clock, Seed: 1})
	require.NoError(t, err)
	n.repl = replmgr.New(replmgr.Options{NodeID: 1, Logs: n.logs, Config: &n.cfg, Clock: n.clock})
	require.NoError(t, n.repl.Apply(image, nil))
	return n
}

// apply replays records into the image and applies them.
func (n *node) apply(records ...metadata.Record) {
	n.t.Helper()
	for _, r := range records {
		require.NoError(n.t, n.image.Replay(n.image.NextOffset(), r))
	}
	require.NoError(n.t, n.repl.Apply(n.image, records))
}

// topicRecords makes a topic whose partitions node 1 leads.
func topicRecords(name string, id byte, partitions int) []metadata.Record {
	records := []metadata.Record{metadata.TopicRecord{Name: name, ID: model.TopicID{id}}}
	for p := range partitions {
		records = append(records, metadata.PartitionRecord{TopicID: model.TopicID{id}, Partition: int32(p),
			Replicas: []model.NodeID{1}, ISR: []model.NodeID{1}, Leader: 1})
	}
	return records
}

func set(topic, key, value string) metadata.Record {
	return metadata.ConfigRecord{Resource: metadata.TopicResource, Name: topic, Key: key, Value: &value}
}

func (n *node) partition(topic string, index int32) *replmgr.Partition {
	n.t.Helper()
	p, err := n.repl.Partition(topic, index)
	require.NoError(n.t, err)
	return p
}

// batch has a record for each timestamp.
func batch(timestamps ...model.TimestampMs) record.Batch {
	var b record.Builder
	for i, ts := range timestamps {
		b.Add(ts, nil, fmt.Appendf(nil, "value %d", i))
	}
	return b.Batch()
}

const now = 1_700_000_000_000

func appendOne(t testing.TB, p *replmgr.Partition) model.Offset {
	t.Helper()
	a, err := p.Append(batch(now), -1, model.NoLeaderEpoch)
	require.NoError(t, err)
	return a.Base
}

func read(p *replmgr.Partition, q replmgr.ReadRequest) (replmgr.ReadResult, error) {
	var res replmgr.ReadResult
	err := p.Read(&q, &res)
	return res, err
}

// consumer asks as a consumer that knows no epoch.
func consumer(from model.Offset) replmgr.ReadRequest {
	return replmgr.ReadRequest{From: from, MaxBytes: 1 << 20, MinOne: true, Current: model.NoLeaderEpoch,
		LastFetched: model.NoLeaderEpoch, Replica: -1}
}

// woken says whether w was woken, and resets it.
func woken(w *replmgr.Waiter) bool {
	select {
	case <-w.C():
		return true
	default:
		return false
	}
}

func TestAppendAndRead(t *testing.T) {
	n := start(t, vfs.NewMem(), metadata.NewImage())
	n.apply(topicRecords("a", 7, 2)...)
	p := n.partition("a", 1)
	byID, err := n.repl.PartitionByID(model.TopicID{7}, 1)
	require.NoError(t, err)
	require.Same(t, p, byID)
	require.Equal(t, "a", p.Topic())
	require.Equal(t, int32(1), p.Index())
	require.Equal(t, model.TopicID{7}, p.TopicID())

	require.Equal(t, model.Offset(0), p.HighWatermark())
	b := batch(now, now, now)
	a, err := p.Append(b, 1, 0)
	require.NoError(t, err)
	require.Equal(t, model.Offset(2), a.Last)
	require.Equal(t, model.Offset(3), p.HighWatermark(), "one replica: what is in the log is committed")

	res, err := read(p, consumer(0))
	require.NoError(t, err)
	require.Equal(t, int64(len(b)), res.Region.Len)
	require.Equal(t, model.Offset(3), res.HighWatermark)
	require.Equal(t, model.Offset(3), res.LastStable)
	require.Equal(t, model.Offset(0), res.LogStart)
	require.Equal(t, model.NoLeaderEpoch, res.DivergingEpoch)
	res.Region.Release()

	res, err = read(p, consumer(3))
	require.NoError(t, err, "at the end there is nothing, yet")
	require.Zero(t, res.Region)
	for _, from := range []model.Offset{-1, 4} {
		res, err = read(p, consumer(from))
		require.ErrorIs(t, err, kerr.OffsetOutOfRange)
		require.Equal(t, model.Offset(3), res.HighWatermark, "clients reset by it")
	}

	small := consumer(0)
	small.MaxBytes = 10
	res, err = read(p, small)
	require.NoError(t, err)
	require.Equal(t, int64(len(b)), res.Region.Len, "a first batch comes whole")
	res.Region.Release()
	small.MinOne = false
	res, err = read(p, small)
	require.NoError(t, err)
	require.Zero(t, res.Region, "unless another partition has given something")
	require.NoError(t, n.logs.Close())
}

func TestUnknownPartitions(t *testing.T) {
	n := start(t, vfs.NewMem(), metadata.NewImage())
	n.apply(topicRecords("a", 7, 1)...)
	_, err := n.repl.Partition("b", 0)
	require.Equal(t, kerr.UnknownTopicOrPartition, err)
	for _, index := range []int32{-1, 1, math.MaxInt32} {
		_, err = n.repl.Partition("a", index)
		require.Equal(t, kerr.UnknownTopicOrPartition, err)
		_, err = n.repl.PartitionByID(model.TopicID{7}, index)
		require.Equal(t, kerr.UnknownTopicOrPartition, err)
	}
	_, err = n.repl.PartitionByID(model.TopicID{8}, 0)
	require.Equal(t, kerr.UnknownTopicID, err)
	require.NoError(t, n.logs.Close())
}

func TestFencing(t *testing.T) {
	n := start(t, vfs.NewMem(), metadata.NewImage())
	n.apply(topicRecords("a", 7, 1)...)
	n.apply(metadata.PartitionChangeRecord{TopicID: model.TopicID{7}, Leader: 1})
	p := n.partition("a", 0)
	require.Equal(t, model.LeaderEpoch(1), p.LeaderEpoch())
	for current, want := range map[model.LeaderEpoch]error{0: kerr.FencedLeaderEpoch, 2: kerr.UnknownLeaderEpoch, 1: nil, -1: nil} {
		_, err := p.Append(batch(now), 1, current)
		require.ErrorIs(t, err, want)
		q := consumer(0)
		q.Current = current
		res, err := read(p, q)
		require.ErrorIs(t, err, want)
		res.Region.Release()
		_, err = p.ListOffset(replmgr.Latest, false, current)
		require.ErrorIs(t, err, want)
		_, _, err = p.EpochEnd(current, 0)
		require.ErrorIs(t, err, want)
	}
	require.Equal(t, model.Offset(2), p.HighWatermark())

	n.apply(metadata.PartitionChangeRecord{TopicID: model.TopicID{7}, Leader: model.NoNode})
	_, err := p.Append(batch(now), 1, model.NoLeaderEpoch)
	require.Equal(t, kerr.NotLeaderForPartition, err)
	require.NoError(t, n.logs.Close())
}

func TestMinInsyncReplicas(t *testing.T) {
	n := start(t, vfs.NewMem(), metadata.NewImage())
	n.apply(topicRecords("alone", 7, 1)...)
	n.apply(set("alone", "min.insync.replicas", "2"))
	_, err := n.partition("alone", 0).Append(batch(now), -1, model.NoLeaderEpoch)
	require.NoError(t, err, "there is but one replica: as in Kafka 4.3, more cannot be asked for")

	n.apply(metadata.TopicRecord{Name: "two", ID: model.TopicID{8}},
		metadata.PartitionRecord{TopicID: model.TopicID{8}, Replicas: []model.NodeID{1, 2}, ISR: []model.NodeID{1}, Leader: 1},
		set("two", "min.insync.replicas", "2"))
	p := n.partition("two", 0)
	_, err = p.Append(batch(now), -1, model.NoLeaderEpoch)
	require.Equal(t, kerr.NotEnoughReplicas, err)
	_, err = p.Append(batch(now), 1, model.NoLeaderEpoch)
	require.NoError(t, err)
	require.Equal(t, model.Offset(0), p.HighWatermark(), "below min.insync.replicas nothing is committed (KIP-966)")
	for _, ts := range []model.TimestampMs{replmgr.MaxTimestamp, now} {
		at, err := p.ListOffset(ts, false, model.NoLeaderEpoch)
		require.NoError(t, err)
		require.Equal(t, model.NoOffset, at.Offset, "and not found by its time either")
	}
	w := replmgr.NewWaiter()
	p.Watch(w)
	n.apply(metadata.PartitionChangeRecord{TopicID: model.TopicID{8}, Leader: metadata.NoLeaderChange, ISR: []model.NodeID{1, 2}})
	require.Equal(t, model.Offset(1), p.HighWatermark())
	require.True(t, woken(w))
	require.NoError(t, n.logs.Close())
}

func TestWaiters(t *testing.T) {
	n := start(t, vfs.NewMem(), metadata.NewImage())
	n.apply(append(topicRecords("a", 7, 1), topicRecords("b", 8, 1)...)...)
	p, other := n.partition("a", 0), n.partition("b", 0)
	w, idle := replmgr.NewWaiter(), replmgr.NewWaiter()
	p.Watch(w)
	p.Watch(idle)
	other.Watch(w)
	require.False(t, woken(w))
	appendOne(t, p)
	appendOne(t, p)
	require.True(t, woken(w))
	require.False(t, woken(w), "several changes before one look count as one")
	require.True(t, woken(idle))
	appendOne(t, other)
	require.True(t, woken(w))
	require.False(t, woken(idle))
	p.Unwatch(w)
	p.Unwatch(w)
	appendOne(t, p)
	require.False(t, woken(w))
	require.True(t, woken(idle))
	appendOne(t, other)
	require.True(t, woken(w))
	require.NoError(t, n.logs.Close())
}

func TestDeleteWakesAndAnswers(t *testing.T) {
	fs := vfs.NewMem()
	n := start(t, fs, metadata.NewImage())
	n.apply(topicRecords("a", 7, 1)...)
	p := n.partition("a", 0)
	appendOne(t, p)
	res, err := read(p, consumer(0))
	require.NoError(t, err)
	w := replmgr.NewWaiter()
	p.Watch(w)
	n.apply(metadata.RemoveTopicRecord{ID: model.TopicID{7}})
	require.True(t, woken(w))
	_, err = n.repl.Partition("a", 0)
	require.Equal(t, kerr.UnknownTopicOrPartition, err)
	_, err = n.repl.PartitionByID(model.TopicID{7}, 0)
	require.Equal(t, kerr.UnknownTopicID, err)
	_, err = read(p, consumer(0))
	require.Equal(t, kerr.UnknownTopicOrPartition, err)
	_, err = p.Append(batch(now), 1, model.NoLeaderEpoch)
	require.Equal(t, kerr.UnknownTopicOrPartition, err)
	require.Equal(t, kerr.UnknownTopicOrPartition, p.Err())
	first := make([]byte, 8)
	_, err = res.Region.File.ReadAt(first, res.Region.Pos)
	require.NoError(t, err, "a response that is being sent is finished")
	res.Region.Release()

	// The same name again is another topic, and empty.
	n.apply(topicRecords("a", 9, 1)...)
	require.Equal(t, model.Offset(0), n.partition("a", 0).HighWatermark())
	require.NoError(t, n.logs.Close())
}

func TestConfigsAreEffectiveAtOnce(t *testing.T) {
	n := start(t, vfs.NewMem(), metadata.NewImage())
	n.apply(topicRecords("a", 7, 1)...)
	p := n.partition("a", 0)
	n.apply(set("a", "max.message.bytes", "70"))
	_, err := p.Append(batch(now), 1, model.NoLeaderEpoch)
	require.ErrorIs(t, err, kerr.MessageTooLarge)
	n.apply(metadata.ConfigRecord{Resource: metadata.TopicResource, Name: "a", Key: "max.message.bytes"})
	appendOne(t, p)

	value := "70"
	n.apply(metadata.ConfigRecord{Resource: metadata.BrokerResource, Key: "message.max.bytes", Value: &value})
	_, err = p.Append(batch(now), 1, model.NoLeaderEpoch)
	require.ErrorIs(t, err, kerr.MessageTooLarge, "a dynamic broker config gives topics their default")
	n.apply(set("a", "max.message.bytes", "1000"))
	appendOne(t, p)
	require.NoError(t, n.logs.Close())
}

// A topic's compaction lag that is above a dynamic default for all does not cost the topic its other configs.
func TestConfigsThatDoNotFitTogether(t *testing.T) {
	n := start(t, vfs.NewMem(), metadata.NewImage())
	n.apply(topicRecords("a", 7, 1)...)
	n.apply(set("a", "max.message.bytes", "70"), set("a", "min.compaction.lag.ms", "10"))
	value := "5"
	n.apply(metadata.ConfigRecord{Resource: metadata.BrokerResource, Key: "log.cleaner.max.compaction.lag.ms", Value: &value})
	_, err := n.partition("a", 0).Append(batch(now), 1, model.NoLeaderEpoch)
	require.ErrorIs(t, err, kerr.MessageTooLarge)
	require.NoError(t, n.logs.Close())
}

func TestListOffset(t *testing.T) {
	n := start(t, vfs.NewMem(), metadata.NewImage())
	n.apply(topicRecords("a", 7, 1)...)
	p := n.partition("a", 0)
	none := segment.TimestampOffset{Offset: -1, Timestamp: -1, LeaderEpoch: -1}
	at := func(o model.Offset, ts model.TimestampMs) segment.TimestampOffset {
		return segment.TimestampOffset{Offset: o, Timestamp: ts, LeaderEpoch: 0}
	}
	check := func(want map[model.TimestampMs]segment.TimestampOffset) {
		t.Helper()
		for ts, w := range want {
			for _, committed := range []bool{false, true} {
				got, err := p.ListOffset(ts, committed, model.NoLeaderEpoch)
				require.NoError(t, err)
				require.Equal(t, w, got, "time %d", ts)
			}
		}
	}
	// As Kafka 4.3 answers for an empty partition.
	check(map[model.TimestampMs]segment.TimestampOffset{
		replmgr.Latest: at(0, -1), replmgr.Earliest: at(0, -1), replmgr.EarliestLocal: at(0, -1),
		replmgr.MaxTimestamp: none, replmgr.LatestTiered: none, replmgr.EarliestPendingCopy: none, 0: none, now: none,
	})
	_, err := p.Append(batch(now, now+30, now+10), 1, model.NoLeaderEpoch)
	require.NoError(t, err)
	_, err = p.Append(batch(now+20, now+5), 1, model.NoLeaderEpoch)
	require.NoError(t, err)
	check(map[model.TimestampMs]segment.TimestampOffset{
		replmgr.Latest: at(5, -1), replmgr.Earliest: at(0, -1), replmgr.MaxTimestamp: at(1, now+30),
		0: at(0, now), now + 1: at(1, now+30), now + 31: none,
	})
	start, err := p.DeleteRecords(3)
	require.NoError(t, err)
	require.Equal(t, model.Offset(3), start)
	check(map[model.TimestampMs]segment.TimestampOffset{
		replmgr.Latest: at(5, -1), replmgr.Earliest: at(3, -1), replmgr.MaxTimestamp: at(3, now+20), 0: at(3, now+20),
	})
	require.NoError(t, n.logs.Close())
}

func TestDeleteRecords(t *testing.T) {
	n := start(t, vfs.NewMem(), metadata.NewImage())
	n.apply(topicRecords("a", 7, 1)...)
	p := n.partition("a", 0)
	for range 4 {
		appendOne(t, p)
	}
	for _, before := range []model.Offset{5, -2} {
		_, err := p.DeleteRecords(before)
		require.ErrorIs(t, err, kerr.OffsetOutOfRange)
	}
	for before, want := range map[model.Offset]model.Offset{2: 2} {
		start, err := p.DeleteRecords(before)
		require.NoError(t, err)
		require.Equal(t, want, start)
	}
	start, err := p.DeleteRecords(1)
	require.NoError(t, err)
	require.Equal(t, model.Offset(2), start, "never backwards")
	_, err = read(p, consumer(1))
	require.ErrorIs(t, err, kerr.OffsetOutOfRange)
	start, err = p.DeleteRecords(-1)
	require.NoError(t, err)
	require.Equal(t, model.Offset(4), start, "-1 is the high watermark")
	n.apply(set("a", "cleanup.policy", "compact"))
	_, err = p.DeleteRecords(4)
	require.ErrorIs(t, err, kerr.PolicyViolation)
	require.NoError(t, n.logs.Close())
}

func TestEpochsAndDivergence(t *testing.T) {
	n := start(t, vfs.NewMem(), metadata.NewImage())
	n.apply(topicRecords("a", 7, 1)...)
	p := n.partition("a", 0)
	appendOne(t, p)
	appendOne(t, p)
	bump := metadata.PartitionChangeRecord{TopicID: model.TopicID{7}, Leader: 1}
	n.apply(bump, bump, bump)
	appendOne(t, p) // offset 2 in epoch 3
	for asked, want := range map[model.LeaderEpoch][2]int64{0: {0, 2}, 2: {0, 2}, 3: {3, 3}} {
		e, end, err := p.EpochEnd(model.NoLeaderEpoch, asked)
		require.NoError(t, err)
		require.Equal(t, want, [2]int64{int64(e), int64(end)}, "epoch %d", asked)
	}
	// A fetcher that says it has offset 2 from epoch 0 left this history at offset 2; and one that says it has
	// anything from epoch 2, which wrote nothing here.
	for from, last := range map[model.Offset]model.LeaderEpoch{3: 0, 1: 2} {
		q := consumer(from)
		q.LastFetched = last
		res, err := read(p, q)
		require.NoError(t, err)
		require.Equal(t, model.LeaderEpoch(0), res.DivergingEpoch)
		require.Equal(t, model.Offset(2), res.DivergingEnd)
		require.Zero(t, res.Region)
	}
	q := consumer(2)
	q.LastFetched = 0
	res, err := read(p, q)
	require.NoError(t, err)
	require.Equal(t, model.NoLeaderEpoch, res.DivergingEpoch)
	require.NotZero(t, res.Region.Len)
	res.Region.Release()
	require.NoError(t, n.logs.Close())
}

// TestFlushBeforeAck: with flush.messages=1 what was acknowledged survives a power cut, and so does everything below
// the high watermark that a consumer saw.
func TestFlushBeforeAck(t *testing.T) {
	fs := vfs.NewMem()
	image := metadata.NewImage()
	n := start(t, fs, image)
	n.apply(topicRecords("a", 7, 1)...)
	n.apply(set("a", "flush.messages", "1"))
	p := n.partition("a", 0)
	for range 5 {
		appendOne(t, p)
	}
	hw := p.HighWatermark()
	require.Equal(t, model.Offset(5), hw)
	after := start(t, fs.CrashClone(3, 0), image)
	require.Equal(t, hw, after.partition("a", 0).HighWatermark())
	require.NoError(t, after.logs.Close())
	require.NoError(t, n.logs.Close())
}

func TestFlushEveryFewMessages(t *testing.T) {
	n := start(t, vfs.NewMem(), metadata.NewImage())
	n.apply(topicRecords("a", 7, 1)...)
	n.apply(set("a", "flush.messages", "3"))
	p := n.partition("a", 0)
	for _, want := range []model.Offset{0, 0, 3, 3, 3, 6} {
		appendOne(t, p)
		require.Equal(t, want, p.Log().RecoveryPoint())
	}
	require.NoError(t, n.logs.Close())
}

func TestFailedFsyncTakesTheDirOffline(t *testing.T) {
	fs := errorfs.New(vfs.NewMem())
	n := start(t, fs, metadata.NewImage())
	n.apply(append(topicRecords("a", 7, 1), topicRecords("b", 8, 1)...)...)
	n.apply(set("a", "flush.messages", "1"))
	p, other := n.partition("a", 0), n.partition("b", 0)
	appendOne(t, p)
	appendOne(t, other)
	w := replmgr.NewWaiter()
	p.Watch(w)
	fs.SetRules(errorfs.Fail(errors.New("I/O error"), errorfs.Kinds(errorfs.Sync), errorfs.Base("*.log")))
	_, err := p.Append(batch(now), -1, model.NoLeaderEpoch)
	require.ErrorIs(t, err, kerr.KafkaStorageError)
	require.True(t, woken(w))
	require.Equal(t, model.Offset(1), p.HighWatermark(), "not acknowledged, not seen")
	fs.SetRules()
	for _, x := range []*replmgr.Partition{p, other} {
		_, err = x.Append(batch(now), 1, model.NoLeaderEpoch)
		require.ErrorIs(t, err, kerr.KafkaStorageError, "the whole dir is in doubt")
		res, err := read(x, consumer(0))
		require.NoError(t, err, "reads go on")
		res.Region.Release()
	}
	require.Error(t, n.logs.Dirs()[0].Err)
	require.Error(t, n.logs.Close())
	_, err = fs.Stat("data/.kafka_cleanshutdown")
	require.True(t, vfs.IsNotExist(err), "a dir that failed was not shut down cleanly")
}

func TestRestart(t *testing.T) {
	fs := vfs.NewMem()
	image := metadata.NewImage()
	n := start(t, fs, image)
	n.apply(topicRecords("a", 7, 3)...)
	for range 3 {
		appendOne(t, n.partition("a", 2))
	}
	require.NoError(t, n.logs.Close())
	n = start(t, fs, image)
	require.Equal(t, model.Offset(3), n.partition("a", 2).HighWatermark(), "the log end")
	require.Equal(t, model.Offset(0), n.partition("a", 0).HighWatermark())
	count := 0
	n.repl.Each(func(*replmgr.Partition) { count++ })
	require.Equal(t, 3, count)
	require.NoError(t, n.logs.Close())
}

// TestConcurrentUse lets producers, consumers and changes of epoch meet; the race detector watches.
func TestConcurrentUse(t *testing.T) {
	n := start(t, vfs.NewMem(), metadata.NewImage())
	n.apply(topicRecords("a", 7, 1)...)
	p := n.partition("a", 0)
	const producers, each = 4, 50
	var wg sync.WaitGroup
	for range producers {
		wg.Go(func() {
			for range each {
				a, err := p.Append(batch(now), -1, model.NoLeaderEpoch)
				if err != nil || p.HighWatermark() <= a.Last {
					t.Errorf("offset %d acknowledged, high watermark %d, error %v", a.Last, p.HighWatermark(), err)
				}
			}
		})
	}
	wg.Go(func() {
		w := replmgr.NewWaiter()
		p.Watch(w)
		defer p.Unwatch(w)
		for at := model.Offset(0); at < producers*each; {
			res, err := read(p, consumer(at))
			if err != nil {
				t.Errorf("read at %d: %v", at, err)
				return
			}
			res.Region.Release()
			if at = res.HighWatermark; at < producers*each {
				<-w.C()
			}
		}
	})
	for range 10 {
		n.apply(metadata.PartitionChangeRecord{TopicID: model.TopicID{7}, Leader: 1})
	}
	wg.Wait()
	require.Equal(t, model.Offset(producers*each), p.HighWatermark())
	require.NoError(t, n.logs.Close())
}
