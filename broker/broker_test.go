package broker_test

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"highwater.dev/broker"
	"highwater.dev/broker/config"
	"highwater.dev/broker/vfs"
)

// node is a broker that a test starts, stops and starts again over the same files.
type node struct {
	t      *testing.T
	fs     vfs.FS
	dir    string
	extra  map[string]string
	broker *broker.Broker
	served chan error
}

func newNode(t *testing.T, fs vfs.FS, dir string, extra map[string]string) *node {
	t.Helper()
	n := &node{t: t, fs: fs, dir: dir, extra: extra}
	n.start()
	t.Cleanup(n.stop)
	return n
}

func properties(dir string, extra map[string]string) *config.Properties {
	p := &config.Properties{}
	for k, v := range map[string]string{"node.id": "1", "listeners": "PLAINTEXT://127.0.0.1:0", "log.dirs": dir,
		"highwater.admin.listener": ""} {
		p.Set(k, v, "test")
	}
	for k, v := range extra {
		p.Set(k, v, "test")
	}
	return p
}

func open(t *testing.T, fs vfs.FS, dir string, extra map[string]string) (*broker.Broker, error) {
	t.Helper()
	server, _, err := config.LoadServer(properties(dir, extra))
	require.NoError(t, err)
	return broker.Open(broker.Config{Server: server, FS: fs, Logger: slog.New(slog.DiscardHandler)}, broker.Components{})
}

func (n *node) start() {
	n.t.Helper()
	b, err := open(n.t, n.fs, n.dir, n.extra)
	require.NoError(n.t, err)
	served := make(chan error, 1)
	n.broker, n.served = b, served
	go func() { served <- b.Serve() }()
}

func (n *node) stop() {
	n.t.Helper()
	if n.broker == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	require.NoError(n.t, n.broker.Close(ctx))
	require.NoError(n.t, <-n.served)
	n.broker = nil
}

func (n *node) addr() string { return n.broker.Addr("PLAINTEXT").String() }

func (n *node) client(opts ...kgo.Opt) *kgo.Client {
	n.t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(n.addr()), kgo.AllowAutoTopicCreation(),
		kgo.FetchMaxWait(100 * time.Millisecond)}, opts...)...)
	require.NoError(n.t, err)
	return c
}

// produce writes the values from..to-1 to partition 0 of topic, and waits for the acks.
func (n *node) produce(topic string, from, to int, opts ...kgo.Opt) {
	n.t.Helper()
	c := n.client(append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	defer c.Close()
	var records []*kgo.Record
	for i := from; i < to; i++ {
		records = append(records, &kgo.Record{Topic: topic, Key: []byte("k" + strconv.Itoa(i)), Value: []byte(strconv.Itoa(i)),
			Headers: []kgo.RecordHeader{{Key: "n", Value: []byte(strconv.Itoa(i))}}})
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	require.NoError(n.t, c.ProduceSync(ctx, records...).FirstErr())
}

// expect reads partition 0 of topic from the start and requires the values 0..count-1, each at its own offset.
func (n *node) expect(topic string, count int) {
	n.t.Helper()
	c := n.client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for next := 0; next < count; {
		fetches := c.PollFetches(ctx)
		require.NoError(n.t, fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			require.Equal(n.t, strconv.Itoa(next), string(r.Value))
			require.Equal(n.t, int64(next), r.Offset)
			require.Equal(n.t, "k"+strconv.Itoa(next), string(r.Key))
			require.Len(n.t, r.Headers, 1)
			next++
		})
	}
}

// fileSystems runs a test over memory and over the operating system's files.
func fileSystems(t *testing.T, test func(t *testing.T, fs vfs.FS, dir string)) {
	t.Run("memory", func(t *testing.T) { test(t, vfs.NewMem(), "data") })
	t.Run("disk", func(t *testing.T) { test(t, vfs.OS(), t.TempDir()) })
}

func TestProduceConsumeRestart(t *testing.T) {
	defer goleak.VerifyNone(t)
	fileSystems(t, func(t *testing.T, fs vfs.FS, dir string) {
		n := newNode(t, fs, dir, nil)
		n.produce("orders", 0, 500)
		n.expect("orders", 500)
		n.stop()
		n.start()
		n.expect("orders", 500)
		n.produce("orders", 500, 700, kgo.DisableIdempotentWrite(), kgo.RequiredAcks(kgo.LeaderAck()))
		n.expect("orders", 700)
		n.stop()
	})
}

func TestMetadataInAFolderOfItsOwn(t *testing.T) {
	fs := vfs.NewMem()
	n := newNode(t, fs, "data", map[string]string{"metadata.log.dir": "meta"})
	n.produce("hello", 0, 3)
	n.stop()
	_, err := fs.Stat("data/__cluster_metadata-0")
	require.True(t, vfs.IsNotExist(err))
	info, err := fs.Stat("meta/__cluster_metadata-0")
	require.NoError(t, err)
	require.True(t, info.Dir)
	n.start()
	n.expect("hello", 3)
}

func TestEveryCompressionComesBack(t *testing.T) {
	defer goleak.VerifyNone(t)
	n := newNode(t, vfs.NewMem(), "data", nil)
	for i, codec := range []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()} {
		topic := fmt.Sprint("codec-", i)
		n.produce(topic, 0, 200, kgo.ProducerBatchCompression(codec))
		n.expect(topic, 200)
	}
	n.stop()
}

func TestLongPollWakesOnProduce(t *testing.T) {
	defer goleak.VerifyNone(t)
	n := newNode(t, vfs.NewMem(), "data", nil)
	n.produce("wake", 0, 1)
	c := n.client(kgo.FetchMaxWait(30*time.Second), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"wake": {0: kgo.NewOffset().At(1)}}))
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	got := make(chan string, 1)
	go func() {
		var value string
		c.PollFetches(ctx).EachRecord(func(r *kgo.Record) { value = string(r.Value) })
		got <- value
	}()
	n.produce("wake", 1, 2)
	require.Equal(t, "1", <-got) // far below the 30 s of the poll: ctx would have ended it
	require.NoError(t, ctx.Err())
	c.Close()
	n.stop()
}

func TestCloseEndsLongPolls(t *testing.T) {
	defer goleak.VerifyNone(t)
	n := newNode(t, vfs.NewMem(), "data", nil)
	n.produce("idle", 0, 1)
	c := n.client(kgo.FetchMaxWait(60*time.Second), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"idle": {0: kgo.NewOffset().AtEnd()}}))
	ctx, cancel := context.WithCancel(context.Background())
	polled := make(chan struct{})
	go func() { c.PollFetches(ctx); close(polled) }()
	n.stop() // within its 5 s, or the test fails
	cancel()
	<-polled
	c.Close()
}

func TestAutoCreationCanBeTurnedOff(t *testing.T) {
	n := newNode(t, vfs.NewMem(), "data", map[string]string{"auto.create.topics.enable": "false"})
	c := n.client(kgo.UnknownTopicRetries(0))
	defer c.Close()
	err := c.ProduceSync(t.Context(), &kgo.Record{Topic: "nowhere", Value: []byte("x")}).FirstErr()
	require.ErrorContains(t, err, "UNKNOWN_TOPIC_OR_PARTITION")
}

func TestRefusesAFolderInUse(t *testing.T) {
	fileSystems(t, func(t *testing.T, fs vfs.FS, dir string) {
		newNode(t, fs, dir, nil)
		_, err := open(t, fs, dir, nil)
		require.ErrorIs(t, err, vfs.ErrLocked)
		require.ErrorContains(t, err, dir)
	})
}

func TestRefusesAnotherNodesFolder(t *testing.T) {
	fs := vfs.NewMem()
	newNode(t, fs, "data", nil).stop()
	_, err := open(t, fs, "data", map[string]string{"node.id": "2"})
	require.ErrorContains(t, err, "node")
	newNode(t, fs, "data", nil) // the refusal has taken nothing
}

// TestFailedStartForgetsNothing: a start that fails after a power cut, with the log dirs open and no partition loaded (here: the metadata log
// was moved away), must leave the recovery to the next start.
func TestFailedStartForgetsNothing(t *testing.T) {
	fs := vfs.NewMem()
	n := newNode(t, fs, "data", nil)
	n.produce("kept", 0, 50)
	crashed := fs.CrashClone(1, 100)
	require.NoError(t, crashed.Rename("data/__cluster_metadata-0", "away"))
	_, err := open(t, crashed, "data", nil)
	require.ErrorContains(t, err, "no log dir has the metadata log")
	_, err = crashed.Stat("data/.kafka_cleanshutdown")
	require.True(t, vfs.IsNotExist(err), "the folder was marked as shut down cleanly by a broker that never opened it")
}

func TestDescribeTopicAfterRestart(t *testing.T) {
	fs := vfs.NewMem()
	n := newNode(t, fs, "data", nil)
	create := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = "wide", 7, 1
	create.Topics = append(create.Topics, topic)
	c := n.client()
	created, err := create.RequestWith(t.Context(), c)
	require.NoError(t, err)
	require.Zero(t, created.Topics[0].ErrorCode)
	c.Close()
	n.stop()
	n.start()
	c = n.client()
	defer c.Close()
	ask := kmsg.NewPtrMetadataRequest()
	name := kmsg.NewMetadataRequestTopic()
	name.TopicID = created.Topics[0].TopicID
	ask.Topics = append(ask.Topics, name)
	described, err := ask.RequestWith(t.Context(), c)
	require.NoError(t, err)
	require.Len(t, described.Topics, 1)
	require.Equal(t, "wide", *described.Topics[0].Topic)
	require.Len(t, described.Topics[0].Partitions, 7)
	for _, p := range described.Topics[0].Partitions {
		require.Equal(t, int32(1), p.Leader)
		require.Equal(t, int32(1), p.LeaderEpoch, "a restart begins a new leader epoch")
	}
}

// A key that is gone from the properties would begin a new metadata log, for which every partition is a stray.
func TestMetadataFolderForgotten(t *testing.T) {
	fs := vfs.NewMem()
	n := newNode(t, fs, "data", map[string]string{"metadata.log.dir": "meta"})
	n.produce("hello", 0, 3)
	n.stop()
	for _, properties := range []map[string]string{{}, {"metadata.log.dir": "mata"}} {
		_, err := open(t, fs, "data", properties)
		require.ErrorContains(t, err, "no log dir has the metadata log __cluster_metadata-0")
		_, err = fs.Stat("data/hello-0")
		require.NoError(t, err, "it was not set aside")
	}
	n.start()
	n.expect("hello", 3)
}

func TestRefusesToBeOneOfSeveral(t *testing.T) {
	for key, c := range map[string]struct{ value, want string }{
		"controller.quorum.voters":            {"1@localhost:9093,2@localhost:9094", "controller.quorum.voters names node 2, and this is node 1"},
		"controller.quorum.bootstrap.servers": {"a:9093,b:9093", "controller.quorum.bootstrap.servers names 2 controllers"},
		"process.roles":                       {"broker", "set process.roles=broker,controller"},
	} {
		fs := vfs.NewMem()
		_, err := open(t, fs, "data", map[string]string{key: c.value})
		require.ErrorContains(t, err, c.want)
		require.ErrorContains(t, err, "Highwater runs as one node so far")
		_, err = fs.Stat("data")
		require.True(t, vfs.IsNotExist(err), "nothing was formatted")
	}
	newNode(t, vfs.NewMem(), "data", map[string]string{"controller.quorum.voters": "1@localhost:9093",
		"controller.quorum.bootstrap.servers": "localhost:9093", "process.roles": "controller,broker"})
}

func TestAnAddressInUseIsNamedByItsKey(t *testing.T) {
	taken := newNode(t, vfs.NewMem(), "data", nil).addr()
	fs := vfs.NewMem()
	_, err := open(t, fs, "data", map[string]string{"listeners": "PLAINTEXT://" + taken})
	require.ErrorContains(t, err, "broker: listeners: network: listener PLAINTEXT: listen tcp "+taken)
	_, err = fs.Stat("data")
	require.True(t, vfs.IsNotExist(err), "it was not formatted for this node.id")
	_, err = open(t, vfs.NewMem(), "data", map[string]string{"highwater.admin.listener": taken})
	require.ErrorContains(t, err, "broker: highwater.admin.listener: observe: listen tcp "+taken)
	require.ErrorContains(t, err, "give this node another host:port")
}

// A disk that is not mounted leaves an empty folder: to format it would begin its partitions anew.
func TestALogDirThatLostItsDisk(t *testing.T) {
	fs := vfs.NewMem()
	n := newNode(t, fs, "data", nil)
	n.produce("hello", 0, 3)
	n.stop()
	n.dir = "data,more" // a dir that is new, with every partition in the others, is welcome
	n.start()
	n.produce("second", 0, 5) // goes to the emptier dir
	n.stop()
	_, err := fs.Stat("more/second-0")
	require.NoError(t, err)

	require.NoError(t, fs.Rename("more", "away"))
	for range 2 { // a restart does not make it less true
		_, err = open(t, fs, "data,more", nil)
		require.ErrorContains(t, err, "log dir more has no meta.properties, and no log dir has second-0 (partitions missing: 1)")
		_, err = fs.Stat("more/second-0")
		require.True(t, vfs.IsNotExist(err))
	}
	require.NoError(t, fs.RemoveAll("more"))
	require.NoError(t, fs.Rename("away", "more"))
	n.start()
	n.expect("hello", 3)
	n.expect("second", 5)
	n.stop()

	require.NoError(t, fs.RemoveAll("more"))
	n.dir = "data"
	n.start() // given up: it begins anew
	n.produce("second", 0, 1)
	n.expect("second", 1)
}
