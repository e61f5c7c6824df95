package config

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func load(t *testing.T, text string) (Server, []Warning) {
	t.Helper()
	s, warnings, err := LoadServer(parse(t, text))
	require.NoError(t, err)
	return s, warnings
}

func TestDefaultsAreKafkas(t *testing.T) {
	s := DefaultServer()
	s.set = nil
	require.Equal(t, Server{
		NodeID: 1, BrokerRole: true, ControllerRole: true,
		Listeners:           []Listener{{Name: "PLAINTEXT", Port: 9092, AdvertisedPort: 9092}},
		InterBrokerListener: "PLAINTEXT", AdminListener: "127.0.0.1:9644",
		SocketRequestMaxBytes: 100 << 20, SocketSendBufferBytes: -1, SocketReceiveBufferBytes: -1, SocketListenBacklog: 50,
		MaxConnections: maxInt, MaxConnectionsPerIP: maxInt, MaxConnectionsPerIPOverrides: map[string]int{}, ConnectionsMaxIdleMs: 600000,
		AutoCreateTopics: true, DeleteTopicEnable: true, NumPartitions: 1, DefaultReplicationFactor: 1,
		LogDirs: []string{"highwater-data"}, NumRecoveryThreadsPerDataDir: 2, LogRetentionCheckIntervalMs: 300000,
		LogFlushSchedulerIntervalMs: maxLong, LogFlushOffsetCheckpointIntervalMs: 60000, LogStartOffsetCheckpointIntervalMs: 60000,
		HighWatermarkCheckpointIntervalMs: 5000, LogInitialTaskDelayMs: 30000,
		FetchMaxBytes: 55 << 20, FetchSessionCacheSlots: 1000,
		ProducerIDExpirationMs: 86400000, ProducerIDExpirationCheckIntervalMs: 600000,
		TransactionalIDExpirationMs: 604800000, TransactionMaxTimeoutMs: 900000,
		TopicDefaults: Topic{
			CleanupDelete: true, RetentionMs: 604800000, RetentionBytes: -1,
			SegmentBytes: 1 << 30, SegmentMs: 604800000, SegmentIndexBytes: 10 << 20, IndexIntervalBytes: 4096,
			FileDeleteDelayMs: 60000, FlushMessages: maxLong, FlushMs: maxLong,
			MaxMessageBytes: 1048588, TimestampBeforeMaxMs: maxLong, TimestampAfterMaxMs: 3600000,
			CompressionType: "producer", CompressionGzipLevel: -1, CompressionLz4Level: 9, CompressionZstdLevel: 3,
			MinInsyncReplicas: 1, DeleteRetentionMs: 86400000, MaxCompactionLagMs: maxLong, MinCleanableDirtyRatio: 0.5,
		},
	}, s)
}

// TestAKRaftNodesFileLoads is a combined node's file, with the keys that Apache Kafka's own sample sets.
func TestAKRaftNodesFileLoads(t *testing.T) {
	s, warnings := load(t, `
process.roles=broker,controller
node.id=7
controller.quorum.voters=7@localhost:9093, 8@[::1]:9094
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093,INSIDE://[::1]:0
inter.broker.listener.name=INSIDE
advertised.listeners=PLAINTEXT://kafka.example.com:19092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL,INSIDE:PLAINTEXT
num.network.threads=3
log.dirs=/data/1, /data/2
num.recovery.threads.per.data.dir=1
log.retention.hours=168
max.connections.per.ip.overrides=127.0.0.1:100,::1:5
`)
	require.EqualValues(t, 7, s.NodeID)
	require.True(t, s.BrokerRole && s.ControllerRole)
	require.Equal(t, []Listener{
		{Name: "PLAINTEXT", Port: 9092, AdvertisedHost: "kafka.example.com", AdvertisedPort: 19092},
		{Name: "INSIDE", Host: "::1", AdvertisedHost: "::1"},
	}, s.Listeners)
	require.Equal(t, "[::1]:0", s.Listeners[1].Address())
	require.Equal(t, ":9092", s.Listeners[0].Address())
	require.Equal(t, []Listener{{Name: "CONTROLLER", Port: 9093, AdvertisedHost: "localhost", AdvertisedPort: 9093}}, s.ControllerListeners)
	require.Equal(t, "INSIDE", s.InterBrokerListener)
	require.Equal(t, []Voter{{7, "localhost", 9093}, {8, "::1", 9094}}, s.QuorumVoters)
	require.Equal(t, []string{"localhost:9093"}, s.QuorumBootstrap)
	require.Equal(t, []string{"/data/1", "/data/2"}, s.LogDirs)
	require.Equal(t, map[string]int{"127.0.0.1": 100, "::1": 5}, s.MaxConnectionsPerIPOverrides)
	require.Len(t, warnings, 1)
	require.Equal(t, "f:11: num.network.threads is a key of Apache Kafka's that has no effect in Highwater", warnings[0].String())
}

func TestPrecedence(t *testing.T) {
	const minute, hour = 60 * 1000, 60 * 60 * 1000
	retention := func(s Server) int64 { return s.TopicDefaults.RetentionMs }
	roll := func(s Server) int64 { return s.TopicDefaults.SegmentMs }
	jitter := func(s Server) int64 { return s.TopicDefaults.SegmentJitterMs }
	flush := func(s Server) int64 { return s.TopicDefaults.FlushMs }
	for _, c := range []struct {
		text string
		of   func(Server) int64
		want int64
	}{
		{"log.retention.hours=2", retention, 2 * hour},
		{"log.retention.minutes=3\nlog.retention.hours=2", retention, 3 * minute},
		{"log.retention.hours=2\nlog.retention.ms=4\nlog.retention.minutes=3", retention, 4},
		{"log.retention.ms=-1\nlog.retention.minutes=3", retention, -1},
		{"log.retention.ms=-5", retention, -1},
		{"log.retention.hours=-5", retention, -1},
		{"log.retention.minutes=-5", retention, -1},
		{"log.roll.hours=2", roll, 2 * hour},
		{"log.roll.ms=5\nlog.roll.hours=2", roll, 5},
		{"log.roll.jitter.hours=1", jitter, hour},
		{"log.roll.jitter.ms=6\nlog.roll.jitter.hours=1", jitter, 6},
		{"log.flush.scheduler.interval.ms=100", flush, 100},
		{"log.flush.interval.ms=7\nlog.flush.scheduler.interval.ms=100", flush, 7},
		{"broker.id=9", func(s Server) int64 { return int64(s.NodeID) }, 9},
		{"broker.id=9\nnode.id=9", func(s Server) int64 { return int64(s.NodeID) }, 9},
	} {
		s, _ := load(t, c.text)
		require.Equal(t, c.want, c.of(s), c.text)
	}
	s, _ := load(t, "log.dir=a,b")
	require.Equal(t, []string{"a", "b"}, s.LogDirs)
	s, _ = load(t, "log.dirs=c\nlog.dir=a,b")
	require.Equal(t, []string{"c"}, s.LogDirs)
	s, _ = load(t, "listeners=B://:1,PLAINTEXT://:2\nlistener.security.protocol.map=B:PLAINTEXT,PLAINTEXT:PLAINTEXT")
	require.Equal(t, "PLAINTEXT", s.InterBrokerListener)
	s, _ = load(t, "highwater.admin.listener=")
	require.Empty(t, s.AdminListener)
}

func TestRefusals(t *testing.T) {
	for text, want := range map[string]string{
		"num.partitions=0":                  "f:1: num.partitions=0: allowed is a whole number from 1 to 2147483647",
		"num.partitions=x":                  "f:1: num.partitions=x: allowed is a whole number from 1 to 2147483647",
		"node.id=2147483648":                "f:1: node.id=2147483648: allowed is a whole number from 0 to 2147483647",
		"default.replication.factor=40000":  "allowed is a whole number from 1 to 32767",
		"auto.create.topics.enable=yes":     "f:1: auto.create.topics.enable=yes: allowed is true or false",
		"log.cleaner.min.cleanable.ratio=2": "allowed is a number from 0 to 1",
		"log.cleanup.policy=shred":          "allowed is a comma-separated list of compact, delete",
		"process.roles=":                    "allowed is a comma-separated list of broker, controller",
		"compression.type=brotli":           "allowed is one of uncompressed, zstd, lz4, snappy, gzip, producer",
		"log.retention.ms=0":                "f:1: log.retention.ms=0: allowed is a time above 0, or -1 for unlimited",
		"log.retention.hours=0":             "f:1: log.retention.hours=0: allowed is a time above 0",
		"node.id=1\nbroker.id=2":            "f:2: broker.id=2: allowed is the value of node.id",
		"log.dirs=":                         "f:1: log.dirs=: allowed is a comma-separated list of at least one folder",
		"log.dirs=a,b,a":                    "allowed is a comma-separated list of different folders",
		"log.dirs=a,b,./a/":                 "allowed is a comma-separated list of different folders",
		"log.dirs=a,,b":                     "allowed is a comma-separated list of different folders",
		"log.cleaner.min.compaction.lag.ms=9\nlog.cleaner.max.compaction.lag.ms=8": "f:1: log.cleaner.min.compaction.lag.ms=9: allowed is at most",
		"listeners=":                                           "f:1: listeners=: at least one listener is needed, as name://host:port",
		"listeners=localhost:9092":                             `f:1: listeners=localhost:9092: "localhost:9092" is not of the form name://host:port`,
		"listeners=PLAINTEXT://:65536":                         "a port from 0 to 65535",
		"listeners=PLAINTEXT://:1,plaintext://:2":              "PLAINTEXT is there twice",
		"listeners=PLAINTEXT://:1,B://:1":                      "1 is there twice",
		"listeners=SSL://:9092":                                "f:1: listeners=SSL://:9092: the listener SSL uses SSL, and Highwater supports only PLAINTEXT so far",
		"listeners=EXTERNAL://:9092":                           "default: listener.security.protocol.map=SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT: the listener EXTERNAL has no security protocol; add EXTERNAL:PLAINTEXT",
		"listeners=CONTROLLER://:9092":                         "a broker needs a listener that is not among controller.listener.names",
		"listeners=PLAINTEXT://0.0.0.0:9092":                   "0.0.0.0 cannot be told to clients; set advertised.listeners",
		"advertised.listeners=PLAINTEXT://0.0.0.0:9092":        "f:1: advertised.listeners=PLAINTEXT://0.0.0.0:9092: 0.0.0.0 cannot",
		"advertised.listeners=OTHER://a:1":                     "OTHER is not among listeners",
		"advertised.listeners=a:1":                             `"a:1" is not of the form`,
		"advertised.listeners=PLAINTEXT://a:1,PLAINTEXT://b:1": "PLAINTEXT is there twice",
		"listener.security.protocol.map=PLAINTEXT":             "allowed is name:protocol",
		"listener.security.protocol.map=PLAINTEXT:TLS":         "with a protocol of PLAINTEXT, SSL",
		"listener.security.protocol.map=PLAINTEXT:SASL_SSL":    "the listener PLAINTEXT uses SASL_SSL",
		"inter.broker.listener.name=INSIDE":                    "allowed is the name of one of listeners",
		"controller.quorum.voters=localhost:9093":              "allowed is id@host:port",
		"controller.quorum.voters=1@localhost:99999":           "allowed is id@host:port",
		"authorizer.class.name=org.example.Mine":               "f:1: authorizer.class.name=org.example.Mine: allowed is nothing: Highwater has no authorizer so far",
		"highwater.admin.listener=9644":                        "allowed is host:port, or nothing for no admin server",
		"max.connections.per.ip.overrides=localhost":           "allowed is host:number",
		"fetch.max.bytes=1023":                                 "allowed is a whole number from 1024",
		"log.segment.bytes=1000":                               "allowed is a whole number from 1048576",
	} {
		s, _, err := LoadServer(parse(t, text))
		require.ErrorIs(t, err, ErrInvalid, text)
		require.ErrorContains(t, err, want)
		require.Zero(t, s, "no half-valid server")
		require.Equal(t, 1, strings.Count(err.Error(), "\n")+1, "one problem: %v", err)
	}
}

func TestAllProblemsAtOnceInTheFilesOrder(t *testing.T) {
	p := parse(t, "num.partitions=0\nlog.retention.ms=0\nsome.key=1\nlisteners=SSL://:1\nnode.id=a")
	p.Set("num.partitions", "-1", "--override")
	_, warnings, err := LoadServer(p)
	require.EqualError(t, err, strings.Join([]string{
		"--override: num.partitions=-1: allowed is a whole number from 1 to 2147483647",
		"f:2: log.retention.ms=0: allowed is a time above 0, or -1 for unlimited",
		"f:4: listeners=SSL://:1: the listener SSL uses SSL, and Highwater supports only PLAINTEXT so far",
		"f:5: node.id=a: allowed is a whole number from 0 to 2147483647",
	}, "\n"))
	require.Len(t, warnings, 1)
}

func TestWarnings(t *testing.T) {
	_, warnings := load(t, "nonsense=1\nssl.keystore.location=/k\nlistener.name.inside.ssl.key.password=s\nretention.ms=5\nnum.partitions=2")
	texts := make([]string, len(warnings))
	for i, w := range warnings {
		texts[i] = w.String()
	}
	require.Equal(t, []string{
		"f:1: nonsense is not a known key; it has no effect",
		"f:2: ssl.keystore.location is a key of Apache Kafka's that has no effect in Highwater",
		"f:3: listener.name.inside.ssl.key.password is a key of Apache Kafka's that has no effect in Highwater",
		"f:4: retention.ms is a topic's key and has no effect here; the server's default for it is log.retention.ms",
	}, texts)
}

func TestTopicOverrides(t *testing.T) {
	s, _ := load(t, "log.retention.hours=1\nmin.insync.replicas=2\nlog.message.timestamp.type=LogAppendTime")
	topic, err := s.Topic(nil)
	require.NoError(t, err)
	require.Equal(t, s.TopicDefaults, topic)
	require.Equal(t, LogAppendTime, topic.TimestampType)

	overrides := map[string]string{
		"cleanup.policy": "compact", "retention.ms": " 5 ", "retention.bytes": "6", "segment.bytes": "1048577", "segment.ms": "7",
		"segment.jitter.ms": "8", "segment.index.bytes": "9", "index.interval.bytes": "10", "preallocate": "True",
		"file.delete.delay.ms": "11", "flush.messages": "12", "flush.ms": "13", "max.message.bytes": "14",
		"message.timestamp.type": "CreateTime", "message.timestamp.before.max.ms": "15", "message.timestamp.after.max.ms": "16",
		"compression.type": "zstd", "compression.gzip.level": "1", "compression.lz4.level": "2", "compression.zstd.level": "4",
		"min.insync.replicas": "3", "unclean.leader.election.enable": "true", "delete.retention.ms": "17",
		"min.compaction.lag.ms": "18", "max.compaction.lag.ms": "19", "min.cleanable.dirty.ratio": "0.25",
		"remote.storage.enable": "false", "leader.replication.throttled.replicas": "*",
	}
	topic, err = s.Topic(overrides)
	require.NoError(t, err)
	require.Equal(t, Topic{
		CleanupCompact: true, RetentionMs: 5, RetentionBytes: 6, SegmentBytes: 1048577, SegmentMs: 7, SegmentJitterMs: 8,
		SegmentIndexBytes: 9, IndexIntervalBytes: 10, Preallocate: true, FileDeleteDelayMs: 11, FlushMessages: 12, FlushMs: 13,
		MaxMessageBytes: 14, TimestampType: CreateTime, TimestampBeforeMaxMs: 15, TimestampAfterMaxMs: 16,
		CompressionType: "zstd", CompressionGzipLevel: 1, CompressionLz4Level: 2, CompressionZstdLevel: 4,
		MinInsyncReplicas: 3, UncleanLeaderElection: true, DeleteRetentionMs: 17, MinCompactionLagMs: 18, MaxCompactionLagMs: 19,
		MinCleanableDirtyRatio: 0.25,
	}, topic)

	topic, err = s.Topic(map[string]string{"internal.segment.bytes": "100", "segment.bytes": "2097152", "cleanup.policy": ""})
	require.NoError(t, err)
	require.Equal(t, 100, topic.SegmentBytes)
	require.False(t, topic.CleanupCompact || topic.CleanupDelete)

	_, err = s.Topic(map[string]string{"retention.ms": "x", "nope": "1", "internal.segment.bytes": "0"})
	require.ErrorIs(t, err, ErrInvalid)
	require.EqualError(t, err, "internal.segment.bytes=0: allowed is a whole number from 1 to 2147483647\n"+
		"nope=1: unknown topic config name\n"+
		"retention.ms=x: allowed is a whole number from -1 to 9223372036854775807")
	_, err = s.Topic(map[string]string{"min.compaction.lag.ms": "10", "max.compaction.lag.ms": "5"})
	require.EqualError(t, err, "min.compaction.lag.ms=10: allowed is at most max.compaction.lag.ms (5)")
	_, err = s.Topic(map[string]string{"min.compaction.lag.ms": "x", "max.compaction.lag.ms": "5"})
	require.Equal(t, 1, strings.Count(err.Error(), "\n")+1)
}

func find(t *testing.T, all []Described, name string) (d Described) {
	t.Helper()
	i := slices.IndexFunc(all, func(d Described) bool { return d.Def.Name == name })
	require.GreaterOrEqual(t, i, 0, name)
	d = all[i]
	d.Def = Def{}
	return d
}

// TestDescribe holds what Apache Kafka 4.3 answers to kafka-configs --describe --all with the same file and overrides.
func TestDescribe(t *testing.T) {
	s, _ := load(t, "node.id=3\nlog.retention.hours=1\nlog.roll.hours=2\nlog.flush.scheduler.interval.ms=100000\nlog.retention.bytes= 77 ")
	all := s.Describe()
	require.Equal(t, Described{Value: "1", Source: SourceFile, Synonyms: []Setting{
		{"log.retention.hours", "1", SourceFile}, {"log.retention.hours", "168", SourceDefault}}}, find(t, all, "log.retention.hours"))
	require.Equal(t, Described{Null: true, Source: SourceDefault}, find(t, all, "log.retention.ms"))
	require.Equal(t, "3", find(t, all, "node.id").Value)
	require.Equal(t, "3", find(t, all, "broker.id").Value)
	require.False(t, slices.ContainsFunc(all, func(d Described) bool { return d.Def.Name == "log.initial.task.delay.ms" }))

	all = s.DescribeTopic(map[string]string{"max.message.bytes": "5"})
	require.Len(t, all, len(topicDefs)-1, "all but internal.segment.bytes")
	for name, want := range map[string]Described{
		"max.message.bytes": {Value: "5", Source: SourceTopic, Synonyms: []Setting{
			{"max.message.bytes", "5", SourceTopic}, {"message.max.bytes", "1048588", SourceDefault}}},
		"retention.bytes": {Value: "77", Source: SourceFile, Synonyms: []Setting{
			{"log.retention.bytes", "77", SourceFile}, {"log.retention.bytes", "-1", SourceDefault}}},
		"retention.ms":          {Value: "3600000", Source: SourceDefault},
		"segment.ms":            {Value: "7200000", Source: SourceDefault},
		"segment.jitter.ms":     {Value: "0", Source: SourceDefault},
		"flush.ms":              {Value: "100000", Source: SourceDefault},
		"remote.storage.enable": {Value: "false", Source: SourceDefault},
		"follower.replication.throttled.replicas": {Value: "", Source: SourceDefault},
	} {
		require.Equal(t, want, find(t, all, name), name)
	}
	all = s.DescribeTopic(map[string]string{"internal.segment.bytes": "1000", "retention.ms": "5"})
	require.Equal(t, Described{Value: "5", Source: SourceTopic, Synonyms: []Setting{{"retention.ms", "5", SourceTopic}}}, find(t, all, "retention.ms"))
	require.Equal(t, Described{Value: "1000", Source: SourceTopic, Synonyms: []Setting{
		{"internal.segment.bytes", "1000", SourceTopic}}}, find(t, all, "internal.segment.bytes"))
}
