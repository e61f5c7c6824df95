package api_test

import (
	"encoding/binary"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"math/rand/v2"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/broker/api"
	"highwater.dev/broker/clock"
	"highwater.dev/broker/config"
	"highwater.dev/broker/controller"
	"highwater.dev/broker/logmgr"
	"highwater.dev/broker/metadata"
	"highwater.dev/broker/metrics"
	"highwater.dev/broker/model"
	"highwater.dev/broker/quorumdrv"
	"highwater.dev/broker/record"
	"highwater.dev/broker/replmgr"
	"highwater.dev/broker/vfs"
	"highwater.dev/broker/wire"
)

// server is everything below the network, with one session.
type server struct {
	t       testing.TB
	clock   *clock.Manual
	config  config.Server
	api     *api.API
	quorum  *quorumdrv.Driver
	parts   *replmgr.Manager
	session wire.Session
}

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func newServer(t testing.TB, fs vfs.FS, dir string, properties map[string]string) *server {
	t.Helper()
	p := &config.Properties{}
	p.Set("node.id", "1", "test")
	p.Set("listeners", "PLAINTEXT://127.0.0.1:9092,OTHER://127.0.0.1:9093", "test")
	p.Set("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,OTHER:PLAINTEXT", "test")
	p.Set("log.dirs", dir, "test")
	for k, v := range properties {
		p.Set(k, v, "test")
	}
	s := &server{t: t, clock: clock.NewManual(epoch)}
	var err error
	s.config, _, err = config.LoadServer(p)
	require.NoError(t, err)
	discard := slog.New(slog.DiscardHandler)
	logs, err := logmgr.Open(logmgr.Options{FS: fs, Config: &s.config, Seed: 1, Clock: s.clock, Logger: discard})
	require.NoError(t, err)
	s.quorum, err = quorumdrv.Open(quorumdrv.Options{FS: fs, Dir: dir, Config: &s.config, Clock: s.clock, Logger: discard,
		Machine: func() *controller.Machine {
			return controller.New(controller.Options{Config: &s.config, Rand: rand.New(rand.NewPCG(1, 1))})
		},
		Broker: metadata.BrokerRecord{Node: 1, Incarnation: model.TopicID{1}, Endpoints: []metadata.Endpoint{
			{Listener: "PLAINTEXT", Host: "127.0.0.1", Port: 9092}, {Listener: "OTHER", Host: "127.0.0.1", Port: 9093}}}})
	require.NoError(t, err)
	s.parts = replmgr.New(replmgr.Options{NodeID: 1, Logs: logs, Config: &s.config, Clock: s.clock, Logger: discard})
	s.quorum.View(func(image *metadata.Image) { err = s.parts.Apply(image, nil) })
	require.NoError(t, err)
	s.quorum.Subscribe(func(_ model.Offset, records []metadata.Record) {
		s.quorum.View(func(image *metadata.Image) { err = s.parts.Apply(image, records) })
	})
	s.quorum.Start()
	s.api = api.New(api.Deps{Config: &s.config, ClusterID: logs.ClusterID(), Replicas: s.parts, Quorum: s.quorum, Logs: logs,
		Clock: s.clock, Logger: discard, Metrics: &metrics.Registry{}, Rand: rand.New(rand.NewPCG(1, 2))})
	s.session = s.open("PLAINTEXT")
	t.Cleanup(func() {
		s.session.Close()
		require.NoError(t, s.quorum.Close())
		require.NoError(t, logs.Close())
	})
	return s
}

func memory(t testing.TB, properties ...string) *server {
	t.Helper()
	m := map[string]string{}
	for i := 0; i < len(properties); i += 2 {
		m[properties[i]] = properties[i+1]
	}
	return newServer(t, vfs.NewMem(), "data", m)
}

func (s *server) open(listener string) wire.Session {
	return s.api.Open(wire.Peer{Remote: netip.MustParseAddrPort("127.0.0.1:5555"), Listener: listener})
}

// request is a frame as network hands it over.
func request(t testing.TB, q kmsg.Request, version int16) *wire.Request {
	t.Helper()
	q.SetVersion(version)
	frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID("test")).AppendRequest(nil, q, 77)[4:]
	r := &wire.Request{}
	body, err := wire.ParseHeader(frame, &r.Header)
	require.NoError(t, err)
	r.Body = body
	return r
}

// call sends q at version and decodes the answer.
func call[A kmsg.Response](s *server, q kmsg.Request, version int16) A {
	s.t.Helper()
	return callOn[A](s, s.session, q, version)
}

func callOn[A kmsg.Response](s *server, session wire.Session, q kmsg.Request, version int16) A {
	s.t.Helper()
	r := request(s.t, q, version)
	var resp wire.Response
	require.NoError(s.t, session.Serve(r, &resp))
	defer resp.Reset()
	return decode[A](s.t, r, &resp)
}

func decode[A kmsg.Response](t testing.TB, r *wire.Request, resp *wire.Response) A {
	t.Helper()
	require.False(t, resp.None)
	b := flat(t, resp)
	require.Equal(t, uint32(77), binary.BigEndian.Uint32(b))
	b = b[4:]
	a := kmsg.ResponseForKey(r.Header.Key)
	a.SetVersion(r.Header.Version)
	if a.IsFlexible() && r.Header.Key != wire.ApiVersions {
		require.Zero(t, b[0], "tagged fields of the response header")
		b = b[1:]
	}
	require.NoError(t, a.ReadFrom(b))
	require.Equal(t, b, a.AppendTo(nil), "the answer is not what kmsg would write")
	return a.(A)
}

// flat is the response's bytes, regions read.
func flat(t testing.TB, resp *wire.Response) []byte {
	t.Helper()
	var b []byte
	at := 0
	for _, r := range resp.Regions {
		b = append(b, resp.Buf[at:r.After]...)
		at = r.After
		part := make([]byte, r.Region.Len)
		n, err := r.Region.File.ReadAt(part, r.Region.Pos)
		require.Equal(t, len(part), n, err)
		b = append(b, part...)
	}
	return append(b, resp.Buf[at:]...)
}

// create makes a topic and returns its id.
func (s *server) create(name string, partitions int32, configs ...string) model.TopicID {
	s.t.Helper()
	q := kmsg.NewPtrCreateTopicsRequest()
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, 1
	for i := 0; i < len(configs); i += 2 {
		t.Configs = append(t.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: configs[i], Value: &configs[i+1]})
	}
	q.Topics = append(q.Topics, t)
	a := call[*kmsg.CreateTopicsResponse](s, q, 7)
	require.Zero(s.t, a.Topics[0].ErrorCode, "%v", a.Topics[0].ErrorMessage)
	return a.Topics[0].TopicID
}

// batch has the values as records, all at the harness's time.
func batch(values ...string) record.Batch {
	b := record.Builder{}
	for _, v := range values {
		b.Add(model.TimestampMs(epoch.UnixMilli()), nil, []byte(v))
	}
	return b.Batch()
}

func produceRequest(topic string, id model.TopicID, acks int16, partition int32, records []byte) *kmsg.ProduceRequest {
	q := kmsg.NewPtrProduceRequest()
	q.Acks, q.TimeoutMillis = acks, 1000
	t := kmsg.NewProduceRequestTopic()
	t.Topic, t.TopicID = topic, id
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = partition, records
	t.Partitions = append(t.Partitions, p)
	q.Topics = append(q.Topics, t)
	return q
}

// produce appends values to partition 0.
func (s *server) produce(topic string, values ...string) int64 {
	s.t.Helper()
	a := call[*kmsg.ProduceResponse](s, produceRequest(topic, model.TopicID{}, -1, 0, batch(values...)), 9)
	require.Zero(s.t, a.Topics[0].Partitions[0].ErrorCode)
	return a.Topics[0].Partitions[0].BaseOffset
}

func fetchRequest(topic string, id model.TopicID, offset int64) *kmsg.FetchRequest {
	q := kmsg.NewPtrFetchRequest()
	q.MaxWaitMillis, q.MinBytes, q.MaxBytes, q.SessionEpoch = 0, 1, 1<<20, -1
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = topic, id
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes, p.CurrentLeaderEpoch, p.LastFetchedEpoch = 0, offset, 1<<20, -1, -1
	t.Partitions = append(t.Partitions, p)
	q.Topics = append(q.Topics, t)
	return q
}

// values are the records of batches, and the offset after the last.
func values(t testing.TB, batches []byte) (list []string, next model.Offset) {
	t.Helper()
	var it record.Iterator
	defer it.Close()
	for len(batches) > 0 {
		var h record.Header
		require.NoError(t, record.ReadHeader(batches, &h))
		require.NoError(t, it.Reset(batches[:h.Size()]))
		for it.Next() {
			list = append(list, string(it.Record.Value))
		}
		require.NoError(t, it.Err())
		next = h.NextOffset()
		batches = batches[h.Size():]
	}
	return list, next
}
