package conformance

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
)

// kgoVersions are version limits that pin the given keys and leave every other to the client.
func kgoVersions(pins map[int16]int16) *kversion.Versions {
	v := kversion.Stable()
	for key, maximum := range pins {
		v.SetMaxKeyVersion(key, maximum)
	}
	return v
}

func pointer[T any](v T) *T { return &v }

func TestFranzAdmin(t *testing.T) {
	addr := bootstrap(t)
	t.Run("create describe delete", func(t *testing.T) { kadmCreate(t, addr) })
	t.Run("refusals", func(t *testing.T) { kadmRefusals(t, addr) })
	t.Run("configs", func(t *testing.T) { kadmConfigs(t, addr) })
	t.Run("partitions", func(t *testing.T) { kadmPartitions(t, addr) })
	t.Run("delete records", func(t *testing.T) { kadmDeleteRecords(t, addr) })
	t.Run("cluster", func(t *testing.T) { kadmCluster(t, addr) })
	t.Run("recreated topic", func(t *testing.T) { kadmRecreate(t, addr) })
}

func kadmCreate(t *testing.T, addr string) {
	ctx, adm, topic := testContext(t, 30*time.Second), kadm.NewClient(franz(t, addr)), topicName(t)
	made, err := adm.CreateTopic(ctx, 3, 1, map[string]*string{"retention.ms": pointer("123456")}, topic)
	require.NoError(t, err)
	require.EqualValues(t, 3, made.NumPartitions)
	require.EqualValues(t, 1, made.ReplicationFactor)
	require.NotZero(t, made.ID)

	details, err := adm.ListTopics(ctx, topic)
	require.NoError(t, err)
	require.NoError(t, details[topic].Err)
	require.Equal(t, made.ID, details[topic].ID)
	require.Len(t, details[topic].Partitions, 3)
	for _, p := range details[topic].Partitions {
		require.NoError(t, p.Err)
		require.Equal(t, []int32{p.Leader}, p.Replicas)
		require.Equal(t, []int32{p.Leader}, p.ISR)
		require.Empty(t, p.OfflineReplicas)
	}
	deleted, err := adm.DeleteTopic(ctx, topic)
	require.NoError(t, err)
	require.Equal(t, topic, deleted.Topic)
	require.Eventually(t, func() bool {
		details, err := adm.ListTopics(ctx, topic)
		return err == nil && details[topic].Err != nil
	}, 10*time.Second, 20*time.Millisecond)
	_, err = adm.DeleteTopic(ctx, topic)
	require.ErrorIs(t, err, kerr.UnknownTopicOrPartition)
}

func kadmRefusals(t *testing.T, addr string) {
	ctx, adm := testContext(t, 30*time.Second), kadm.NewClient(franz(t, addr))
	topic := createTopic(t, addr, 1, nil)
	for name, c := range map[string]struct {
		topic      string
		partitions int32
		factor     int16
		configs    map[string]*string
		want       error
	}{
		"exists":              {topic, 1, 1, nil, kerr.TopicAlreadyExists},
		"bad name":            {"a b", 1, 1, nil, kerr.InvalidTopicException},
		"empty name":          {"", 1, 1, nil, kerr.InvalidTopicException},
		"dot dot":             {"..", 1, 1, nil, kerr.InvalidTopicException},
		"name of 250":         {string(make250()), 1, 1, nil, kerr.InvalidTopicException},
		"zero partitions":     {topicName(t), 0, 1, nil, kerr.InvalidPartitions},
		"too many replicas":   {topicName(t), 1, 2, nil, kerr.InvalidReplicationFactor},
		"zero replicas":       {topicName(t), 1, 0, nil, kerr.InvalidReplicationFactor},
		"unknown config":      {topicName(t), 1, 1, map[string]*string{"no.such.config": pointer("1")}, kerr.InvalidConfig},
		"bad config":          {topicName(t), 1, 1, map[string]*string{"segment.bytes": pointer("many")}, kerr.InvalidConfig},
		"config out of range": {topicName(t), 1, 1, map[string]*string{"segment.bytes": pointer("1")}, kerr.InvalidConfig},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := adm.CreateTopic(ctx, c.partitions, c.factor, c.configs, c.topic)
			require.ErrorIs(t, err, c.want)
		})
	}
	name := topicName(t)
	validated, err := adm.ValidateCreateTopics(ctx, 2, 1, nil, name)
	require.NoError(t, err)
	require.NoError(t, validated[name].Err)
	details, err := adm.ListTopics(ctx, name)
	require.NoError(t, err)
	require.ErrorIs(t, details[name].Err, kerr.UnknownTopicOrPartition, "validating makes nothing")
}

func make250() []byte {
	b := make([]byte, 250)
	for i := range b {
		b[i] = 'a'
	}
	return b
}

// topicConfig is the value and source of one config of a topic, as DescribeConfigs answers.
func topicConfig(t *testing.T, adm *kadm.Client, topic, key string) (string, string) {
	t.Helper()
	configs, err := adm.DescribeTopicConfigs(testContext(t, 20*time.Second), topic)
	require.NoError(t, err)
	rc, err := configs.On(topic, nil)
	require.NoError(t, err)
	require.NoError(t, rc.Err)
	for _, c := range rc.Configs {
		if c.Key == key {
			return c.MaybeValue(), c.Source.String()
		}
	}
	require.Failf(t, "missing config", "%s of %s", key, topic)
	return "", ""
}

func kadmConfigs(t *testing.T, addr string) {
	ctx, adm := testContext(t, 30*time.Second), kadm.NewClient(franz(t, addr))
	topic := createTopic(t, addr, 1, map[string]string{"retention.ms": "100000"})
	expect := func(key, value, source string) {
		t.Helper()
		gotValue, gotSource := topicConfig(t, adm, topic, key)
		require.Equal(t, []string{value, source}, []string{gotValue, gotSource}, key)
	}
	expect("retention.ms", "100000", "DYNAMIC_TOPIC_CONFIG")
	expect("cleanup.policy", "delete", "DEFAULT_CONFIG")
	expect("max.message.bytes", "1048588", "DEFAULT_CONFIG")

	alter := func(want error, cs ...kadm.AlterConfig) {
		t.Helper()
		responses, err := adm.AlterTopicConfigs(ctx, cs, topic)
		require.NoError(t, err)
		rc, err := responses.On(topic, nil)
		require.NoError(t, err)
		if want == nil {
			require.NoError(t, rc.Err)
			return
		}
		require.ErrorIs(t, rc.Err, want)
	}
	alter(nil, kadm.AlterConfig{Op: kadm.SetConfig, Name: "segment.bytes", Value: pointer("1048576")},
		kadm.AlterConfig{Op: kadm.DeleteConfig, Name: "retention.ms"})
	expect("segment.bytes", "1048576", "DYNAMIC_TOPIC_CONFIG")
	expect("retention.ms", "604800000", "DEFAULT_CONFIG")
	alter(nil, kadm.AlterConfig{Op: kadm.AppendConfig, Name: "cleanup.policy", Value: pointer("compact")})
	expect("cleanup.policy", "delete,compact", "DYNAMIC_TOPIC_CONFIG")
	alter(nil, kadm.AlterConfig{Op: kadm.SubtractConfig, Name: "cleanup.policy", Value: pointer("compact")})
	expect("cleanup.policy", "delete", "DYNAMIC_TOPIC_CONFIG")
	alter(kerr.InvalidConfig, kadm.AlterConfig{Op: kadm.SetConfig, Name: "no.such", Value: pointer("1")})
	alter(kerr.InvalidConfig, kadm.AlterConfig{Op: kadm.SetConfig, Name: "segment.bytes", Value: pointer("-5")})
	expect("segment.bytes", "1048576", "DYNAMIC_TOPIC_CONFIG")

	whole, err := adm.AlterTopicConfigsState(ctx, []kadm.AlterConfig{{Name: "retention.bytes", Value: pointer("1000000")}}, topic)
	require.NoError(t, err)
	rc, err := whole.On(topic, nil)
	require.NoError(t, err)
	require.NoError(t, rc.Err)
	expect("retention.bytes", "1000000", "DYNAMIC_TOPIC_CONFIG")
	expect("segment.bytes", "1073741824", "DEFAULT_CONFIG")

	missing := topicName(t)
	configs, err := adm.DescribeTopicConfigs(ctx, missing)
	require.NoError(t, err)
	unknown, err := configs.On(missing, nil)
	require.NoError(t, err)
	require.ErrorIs(t, unknown.Err, kerr.UnknownTopicOrPartition)

	broker, err := adm.DescribeBrokerConfigs(ctx, 1)
	require.NoError(t, err)
	found := map[string]string{}
	for _, c := range broker[0].Configs {
		found[c.Key] = c.MaybeValue()
	}
	require.Equal(t, "1048588", found["message.max.bytes"])
	require.Equal(t, "true", found["auto.create.topics.enable"])
	require.Equal(t, "1", found["node.id"])
}

func kadmPartitions(t *testing.T, addr string) {
	ctx, adm := testContext(t, 30*time.Second), kadm.NewClient(franz(t, addr))
	topic := createTopic(t, addr, 2, nil)
	responses, err := adm.UpdatePartitions(ctx, 4, topic)
	require.NoError(t, err)
	require.NoError(t, responses.Error())
	require.Eventually(t, func() bool {
		details, err := adm.ListTopics(ctx, topic)
		return err == nil && len(details[topic].Partitions) == 4
	}, 10*time.Second, 20*time.Millisecond)
	cl := franz(t, addr, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	require.NoError(t, cl.ProduceSync(ctx, &kgo.Record{Topic: topic, Partition: 3, Value: []byte("new")}).FirstErr())

	responses, err = adm.UpdatePartitions(ctx, 3, topic)
	require.NoError(t, err)
	require.ErrorIs(t, responses.Error(), kerr.InvalidPartitions, "partitions are never taken away")
	missing := topicName(t)
	responses, err = adm.UpdatePartitions(ctx, 3, missing)
	require.NoError(t, err)
	require.ErrorIs(t, responses.Error(), kerr.UnknownTopicOrPartition)
}

func kadmDeleteRecords(t *testing.T, addr string) {
	ctx := testContext(t, 30*time.Second)
	topic := createTopic(t, addr, 1, nil)
	cl := franz(t, addr)
	adm := kadm.NewClient(cl)
	require.NoError(t, cl.ProduceSync(ctx, franzRecords(topic, sampleRecords(100))...).FirstErr())
	remove := func(at int64) kadm.DeleteRecordsResponse {
		t.Helper()
		responses, err := adm.DeleteRecords(ctx, kadm.Offsets{topic: {0: {Topic: topic, At: at}}})
		require.NoError(t, err)
		response, ok := responses.Lookup(topic, 0)
		require.True(t, ok)
		return response
	}
	response := remove(40)
	require.NoError(t, response.Err)
	require.EqualValues(t, 40, response.LowWatermark)
	listed, err := adm.ListStartOffsets(ctx, topic)
	require.NoError(t, err)
	o, _ := listed.Lookup(topic, 0)
	require.EqualValues(t, 40, o.Offset)
	got := franzRead(t, addr, topic, 0, kgo.NewOffset().AtStart(), 60)
	require.EqualValues(t, 40, got[0].Offset)
	require.ErrorIs(t, remove(101).Err, kerr.OffsetOutOfRange)
	response = remove(-1) // up to the high watermark
	require.NoError(t, response.Err)
	require.EqualValues(t, 100, response.LowWatermark)
}

func kadmCluster(t *testing.T, addr string) {
	ctx, adm := testContext(t, 30*time.Second), kadm.NewClient(franz(t, addr))
	meta, err := adm.BrokerMetadata(ctx)
	require.NoError(t, err)
	require.Len(t, meta.Brokers, 1)
	require.Len(t, meta.Cluster, 22, "base64 of 16 bytes without padding")
	require.Equal(t, meta.Brokers[0].NodeID, meta.Controller)
	topic := createTopic(t, addr, 1, nil)
	require.NoError(t, franz(t, addr).ProduceSync(ctx, franzRecords(topic, sampleRecords(50))...).FirstErr())
	dirs, err := adm.DescribeAllLogDirs(ctx, kadm.TopicsSet{topic: {0: {}}})
	require.NoError(t, err)
	found := 0
	for _, broker := range dirs {
		require.NoError(t, broker.Error())
		for _, dir := range broker {
			if p, ok := dir.Topics.Lookup(topic, 0); ok {
				require.Positive(t, p.Size)
				found++
			}
		}
	}
	require.Equal(t, 1, found)
}

// kadmRecreate deletes and makes a topic again: another id, empty, and writable at once.
func kadmRecreate(t *testing.T, addr string) {
	ctx, adm := testContext(t, 40*time.Second), kadm.NewClient(franz(t, addr))
	topic := createTopic(t, addr, 1, nil)
	first, err := adm.ListTopics(ctx, topic)
	require.NoError(t, err)
	require.NoError(t, franz(t, addr).ProduceSync(ctx, franzRecords(topic, sampleRecords(10))...).FirstErr())
	_, err = adm.DeleteTopic(ctx, topic)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err := adm.CreateTopic(ctx, 1, 1, nil, topic)
		return err == nil
	}, 10*time.Second, 50*time.Millisecond)
	second, err := adm.ListTopics(ctx, topic)
	require.NoError(t, err)
	require.NotEqual(t, first[topic].ID, second[topic].ID)
	require.NoError(t, franz(t, addr).ProduceSync(ctx, franzRecords(topic, sampleRecords(3))...).FirstErr())
	require.EqualValues(t, 0, franzRead(t, addr, topic, 0, kgo.NewOffset().AtStart(), 3)[0].Offset)
}
