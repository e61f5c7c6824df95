package conformance

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestWireMetadata(t *testing.T) {
	addr := bootstrap(t)
	topic := createTopic(t, addr, 2, nil)
	id := topicID(t, addr, topic)
	w := dial(t, addr)
	get := func(version int16, topics []kmsg.MetadataRequestTopic) *kmsg.MetadataResponse {
		t.Helper()
		req := kmsg.NewPtrMetadataRequest()
		req.Topics, req.AllowAutoTopicCreation = topics, false
		return ask[*kmsg.MetadataResponse](w, version, req)
	}
	names := func(resp *kmsg.MetadataResponse) (out []string) {
		for _, rt := range resp.Topics {
			out = append(out, *rt.Topic)
		}
		return out
	}
	require.Contains(t, names(get(0, []kmsg.MetadataRequestTopic{})), topic, "version 0: none named means all")
	require.Contains(t, names(get(1, nil)), topic, "from version 1 on null means all")
	require.Empty(t, names(get(1, []kmsg.MetadataRequestTopic{})), "and none named means none")

	resp := get(12, []kmsg.MetadataRequestTopic{{TopicID: id}})
	require.Equal(t, []string{topic}, names(resp), "by topic id")
	require.Len(t, resp.Topics[0].Partitions, 2)
	for _, p := range resp.Topics[0].Partitions {
		require.Zero(t, p.LeaderEpoch)
		require.Equal(t, resp.ControllerID, p.Leader)
	}
	resp = get(12, []kmsg.MetadataRequestTopic{{TopicID: [16]byte{7}}})
	require.Len(t, resp.Topics, 1)
	requireCode(t, kerr.UnknownTopicID, resp.Topics[0].ErrorCode, "unknown id")
	require.Equal(t, [16]byte{7}, resp.Topics[0].TopicID)

	missing := topicName(t)
	resp = get(9, []kmsg.MetadataRequestTopic{{Topic: &missing}, {Topic: &topic}})
	codes := map[string]int16{}
	for _, rt := range resp.Topics {
		codes[*rt.Topic] = rt.ErrorCode
	}
	require.Equal(t, map[string]int16{missing: kerr.UnknownTopicOrPartition.Code, topic: 0}, codes)
	require.Len(t, *resp.ClusterID, 22)
	for _, bad := range []string{"", ".", "..", "a/b", "ü", string(make250())} {
		resp = get(9, []kmsg.MetadataRequestTopic{{Topic: &bad}})
		requireCode(t, kerr.InvalidTopicException, resp.Topics[0].ErrorCode, "name "+bad)
	}
}

// TestWireAutoCreation: asking for a topic may make it, as auto.create.topics.enable and the request say.
func TestWireAutoCreation(t *testing.T) {
	addr := bootstrap(t)
	topic := topicName(t)
	code := func(create bool) int16 {
		req := kmsg.NewPtrMetadataRequest()
		req.Topics, req.AllowAutoTopicCreation = []kmsg.MetadataRequestTopic{{Topic: &topic}}, create
		return ask[*kmsg.MetadataResponse](dial(t, addr), 9, req).Topics[0].ErrorCode
	}
	requireCode(t, kerr.UnknownTopicOrPartition, code(false), "asked not to create")
	require.Eventually(t, func() bool { return code(true) == 0 }, 10*time.Second, 10*time.Millisecond)
	requireCode(t, nil, code(false), "made")
}

// createCode sends one CreateTopics topic and returns its answer.
func createCode(t *testing.T, addr string, version int16, validate bool, change func(*kmsg.CreateTopicsRequestTopic)) kmsg.CreateTopicsResponseTopic {
	t.Helper()
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = topicName(t), 1, 1
	change(&rt)
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics, req.TimeoutMillis, req.ValidateOnly = []kmsg.CreateTopicsRequestTopic{rt}, 10_000, validate
	resp := ask[*kmsg.CreateTopicsResponse](dial(t, addr), version, req)
	require.Len(t, resp.Topics, 1)
	require.Equal(t, rt.Topic, resp.Topics[0].Topic)
	return resp.Topics[0]
}

func assignment(partition int32, replicas ...int32) kmsg.CreateTopicsRequestTopicReplicaAssignment {
	return kmsg.CreateTopicsRequestTopicReplicaAssignment{Partition: partition, Replicas: replicas}
}

func TestWireCreateTopics(t *testing.T) {
	addr := bootstrap(t)
	exists := createTopic(t, addr, 1, nil)
	for what, c := range map[string]struct {
		change func(*kmsg.CreateTopicsRequestTopic)
		want   *kerr.Error
	}{
		"defaults": {func(rt *kmsg.CreateTopicsRequestTopic) { rt.NumPartitions, rt.ReplicationFactor = -1, -1 }, nil},
		"assigned": {func(rt *kmsg.CreateTopicsRequestTopic) {
			rt.NumPartitions, rt.ReplicationFactor = -1, -1
			rt.ReplicaAssignment = append(rt.ReplicaAssignment, assignment(0, 1), assignment(1, 1))
		}, nil},
		"assigned to an unknown broker": {func(rt *kmsg.CreateTopicsRequestTopic) {
			rt.NumPartitions, rt.ReplicationFactor = -1, -1
			rt.ReplicaAssignment = append(rt.ReplicaAssignment, assignment(0, 77))
		}, kerr.InvalidReplicaAssignment},
		"assigned with a gap": {func(rt *kmsg.CreateTopicsRequestTopic) {
			rt.NumPartitions, rt.ReplicationFactor = -1, -1
			rt.ReplicaAssignment = append(rt.ReplicaAssignment, assignment(1, 1))
		}, kerr.InvalidReplicaAssignment},
		"assigned twice to a broker": {func(rt *kmsg.CreateTopicsRequestTopic) {
			rt.NumPartitions, rt.ReplicationFactor = -1, -1
			rt.ReplicaAssignment = append(rt.ReplicaAssignment, assignment(0, 1, 1))
		}, kerr.InvalidReplicaAssignment},
		"assigned and counted": {func(rt *kmsg.CreateTopicsRequestTopic) {
			rt.ReplicaAssignment = append(rt.ReplicaAssignment, assignment(0, 1))
		}, kerr.InvalidRequest},
		"exists":          {func(rt *kmsg.CreateTopicsRequestTopic) { rt.Topic = exists }, kerr.TopicAlreadyExists},
		"negative count":  {func(rt *kmsg.CreateTopicsRequestTopic) { rt.NumPartitions = -2 }, kerr.InvalidPartitions},
		"negative factor": {func(rt *kmsg.CreateTopicsRequestTopic) { rt.ReplicationFactor = -2 }, kerr.InvalidReplicationFactor},
		"config without end": {func(rt *kmsg.CreateTopicsRequestTopic) {
			rt.Configs = append(rt.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: "retention.ms"})
		}, kerr.InvalidConfig},
	} {
		t.Run(what, func(t *testing.T) {
			for _, version := range []int16{4, 7} {
				if what == "exists" || version == 7 || c.want != nil {
					requireCode(t, c.want, createCode(t, addr, version, true, c.change).ErrorCode, "validated only")
				}
			}
			got := createCode(t, addr, 7, false, c.change)
			requireCode(t, c.want, got.ErrorCode, what)
			if c.want == nil {
				require.NotZero(t, got.TopicID)
				require.Positive(t, got.NumPartitions)
				require.EqualValues(t, 1, got.ReplicationFactor)
				require.NotEmpty(t, got.Configs, "from version 5 on with its configs")
			} else {
				require.NotNil(t, got.ErrorMessage)
			}
		})
	}
	twice := topicName(t)
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = twice, 1, 1
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics, req.TimeoutMillis = []kmsg.CreateTopicsRequestTopic{rt, rt}, 10_000
	for _, answer := range ask[*kmsg.CreateTopicsResponse](dial(t, addr), 7, req).Topics {
		requireCode(t, kerr.InvalidRequest, answer.ErrorCode, "named twice")
	}
}

// TestWireNamesThatCollide: a dot and an underscore are one in the names of metrics, so Kafka refuses the second.
func TestWireNamesThatCollide(t *testing.T) {
	addr := bootstrap(t)
	first := topicName(t) + ".x_y"
	createNamed(t, addr, first, 1, nil)
	second := topicNameLike(first, '.', '_')
	got := createCode(t, addr, 7, false, func(rt *kmsg.CreateTopicsRequestTopic) { rt.Topic = second })
	requireCode(t, kerr.InvalidTopicException, got.ErrorCode, second)
}

func topicNameLike(name string, from, to byte) string {
	b := []byte(name)
	for i := range b {
		if b[i] == from {
			b[i] = to
		}
	}
	return string(b)
}

func TestWireDeleteTopics(t *testing.T) {
	addr := bootstrap(t)
	topic := createTopic(t, addr, 1, nil)
	id := topicID(t, addr, topic)
	remove := func(topics ...kmsg.DeleteTopicsRequestTopic) []kmsg.DeleteTopicsResponseTopic {
		req := kmsg.NewPtrDeleteTopicsRequest()
		req.Topics, req.TimeoutMillis = topics, 10_000
		return ask[*kmsg.DeleteTopicsResponse](dial(t, addr), 6, req).Topics
	}
	requireCode(t, kerr.UnknownTopicID, remove(kmsg.DeleteTopicsRequestTopic{TopicID: [16]byte{5}})[0].ErrorCode, "unknown id")
	both := remove(kmsg.DeleteTopicsRequestTopic{Topic: &topic, TopicID: id})
	requireCode(t, kerr.InvalidRequest, both[0].ErrorCode, "name and id")
	gone := remove(kmsg.DeleteTopicsRequestTopic{TopicID: id})
	requireCode(t, nil, gone[0].ErrorCode, "by id")
	require.Equal(t, topic, *gone[0].Topic)
	require.Eventually(t, func() bool {
		w := dial(t, addr)
		return send(t, w, topic, 9, simpleBatch("a").bytes()).ErrorCode == kerr.UnknownTopicOrPartition.Code
	}, 10*time.Second, 20*time.Millisecond, "a deleted topic takes no records")
	byID := fetchRequest("", 0, 0)
	byID.Topics[0].TopicID = id
	requireCode(t, kerr.UnknownTopicID, fetch1(t, dial(t, addr), 13, byID).ErrorCode, "its id is unknown")
}

func TestWireCreatePartitions(t *testing.T) {
	addr := bootstrap(t)
	topic := createTopic(t, addr, 2, nil)
	grow := func(count int32, validate bool, assigned ...[]int32) int16 {
		t.Helper()
		rt := kmsg.CreatePartitionsRequestTopic{Topic: topic, Count: count}
		for _, replicas := range assigned {
			rt.Assignment = append(rt.Assignment, kmsg.CreatePartitionsRequestTopicAssignment{Replicas: replicas})
		}
		req := kmsg.NewPtrCreatePartitionsRequest()
		req.Topics, req.TimeoutMillis, req.ValidateOnly = []kmsg.CreatePartitionsRequestTopic{rt}, 10_000, validate
		return ask[*kmsg.CreatePartitionsResponse](dial(t, addr), 3, req).Topics[0].ErrorCode
	}
	requireCode(t, nil, grow(3, true), "validated only")
	requireCode(t, kerr.InvalidPartitions, grow(2, false), "as many as there are")
	requireCode(t, kerr.InvalidPartitions, grow(1, false), "fewer")
	requireCode(t, kerr.InvalidPartitions, grow(0, false), "none")
	requireCode(t, kerr.InvalidReplicaAssignment, grow(3, false, []int32{55}), "an unknown broker")
	requireCode(t, kerr.InvalidReplicaAssignment, grow(4, false, []int32{1}), "too few assignments")
	requireCode(t, nil, grow(3, false, []int32{1}), "assigned")
	requireCode(t, nil, grow(5, false), "grown")
}

func TestWireDescribeConfigs(t *testing.T) {
	addr := bootstrap(t)
	topic := createTopic(t, addr, 1, map[string]string{"max.message.bytes": "777777"})
	describe := func(kind kmsg.ConfigResourceType, name string, keys []string) kmsg.DescribeConfigsResponseResource {
		t.Helper()
		req := kmsg.NewPtrDescribeConfigsRequest()
		req.IncludeSynonyms, req.IncludeDocumentation = true, true
		req.Resources = []kmsg.DescribeConfigsRequestResource{{ResourceType: kind, ResourceName: name, ConfigNames: keys}}
		resp := ask[*kmsg.DescribeConfigsResponse](dial(t, addr), 4, req)
		require.Len(t, resp.Resources, 1)
		return resp.Resources[0]
	}
	r := describe(kmsg.ConfigResourceTypeTopic, topic, []string{"max.message.bytes", "no.such"})
	requireCode(t, nil, r.ErrorCode, "topic")
	require.Len(t, r.Configs, 1, "only what was asked for and exists")
	c := r.Configs[0]
	require.Equal(t, "777777", *c.Value)
	require.Equal(t, kmsg.ConfigTypeInt, c.ConfigType)
	require.Equal(t, kmsg.ConfigSourceDynamicTopicConfig, c.Source)
	require.NotNil(t, c.Documentation)
	require.False(t, c.ReadOnly)
	var synonyms []string
	for _, s := range c.ConfigSynonyms {
		synonyms = append(synonyms, fmt.Sprintf("%s=%s %d", s.Name, *s.Value, s.Source))
	}
	require.Equal(t, []string{"max.message.bytes=777777 1", "message.max.bytes=1048588 5"}, synonyms)

	all := describe(kmsg.ConfigResourceTypeTopic, topic, nil)
	var names []string
	for _, c := range all.Configs {
		names = append(names, c.Name)
	}
	for _, want := range []string{"cleanup.policy", "compression.type", "delete.retention.ms", "file.delete.delay.ms", "flush.messages", "flush.ms",
		"index.interval.bytes", "max.compaction.lag.ms", "max.message.bytes", "message.timestamp.after.max.ms", "message.timestamp.before.max.ms",
		"message.timestamp.type", "min.cleanable.dirty.ratio", "min.compaction.lag.ms", "min.insync.replicas", "preallocate", "retention.bytes",
		"retention.ms", "segment.bytes", "segment.index.bytes", "segment.jitter.ms", "segment.ms", "unclean.leader.election.enable"} {
		require.True(t, slices.Contains(names, want), want)
	}
	requireCode(t, kerr.UnknownTopicOrPartition, describe(kmsg.ConfigResourceTypeTopic, topicName(t), nil).ErrorCode, "unknown topic")
	requireCode(t, kerr.InvalidTopicException, describe(kmsg.ConfigResourceTypeTopic, "a b", nil).ErrorCode, "no name of a topic")
	requireCode(t, nil, describe(kmsg.ConfigResourceTypeBroker, "1", nil).ErrorCode, "broker")
	requireCode(t, kerr.InvalidRequest, describe(kmsg.ConfigResourceTypeBroker, "99", nil).ErrorCode, "another broker's")
	requireCode(t, kerr.InvalidRequest, describe(kmsg.ConfigResourceTypeBroker, "one", nil).ErrorCode, "no broker's id")
	requireCode(t, kerr.InvalidRequest, describe(77, "x", nil).ErrorCode, "unknown kind")
	broker := describe(kmsg.ConfigResourceTypeBroker, "1", []string{"log.dirs", "log.segment.bytes"})
	require.Len(t, broker.Configs, 2)
	for _, c := range broker.Configs {
		if c.Name == "log.dirs" {
			require.True(t, c.ReadOnly)
			require.Equal(t, kmsg.ConfigSourceStaticBrokerConfig, c.Source)
		}
	}
}

func TestWireAlterConfigs(t *testing.T) {
	addr := bootstrap(t)
	topic := createTopic(t, addr, 1, nil)
	alter := func(validate bool, name string, configs ...kmsg.IncrementalAlterConfigsRequestResourceConfig) kmsg.IncrementalAlterConfigsResponseResource {
		t.Helper()
		req := kmsg.NewPtrIncrementalAlterConfigsRequest()
		req.ValidateOnly = validate
		req.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: name, Configs: configs}}
		return ask[*kmsg.IncrementalAlterConfigsResponse](dial(t, addr), 1, req).Resources[0]
	}
	op := func(kind kmsg.IncrementalAlterConfigOp, name string, value *string) kmsg.IncrementalAlterConfigsRequestResourceConfig {
		return kmsg.IncrementalAlterConfigsRequestResourceConfig{Name: name, Op: kind, Value: value}
	}
	set := func(name, value string) kmsg.IncrementalAlterConfigsRequestResourceConfig { return op(0, name, &value) }
	value := func(key string) string {
		req := kmsg.NewPtrDescribeConfigsRequest()
		req.Resources = []kmsg.DescribeConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: topic, ConfigNames: []string{key}}}
		return *ask[*kmsg.DescribeConfigsResponse](dial(t, addr), 4, req).Resources[0].Configs[0].Value
	}
	requireCode(t, nil, alter(true, topic, set("segment.ms", "60000")).ErrorCode, "validated only")
	require.Equal(t, "604800000", value("segment.ms"))
	requireCode(t, nil, alter(false, topic, set("segment.ms", "60000")).ErrorCode, "set")
	require.Eventually(t, func() bool { return value("segment.ms") == "60000" }, 10*time.Second, 10*time.Millisecond)
	for what, c := range map[string]struct {
		change []kmsg.IncrementalAlterConfigsRequestResourceConfig
		want   *kerr.Error
	}{
		"not a number":        {[]kmsg.IncrementalAlterConfigsRequestResourceConfig{set("segment.ms", "a minute")}, kerr.InvalidConfig},
		"unknown":             {[]kmsg.IncrementalAlterConfigsRequestResourceConfig{set("no.such", "1")}, kerr.InvalidConfig},
		"null":                {[]kmsg.IncrementalAlterConfigsRequestResourceConfig{op(0, "segment.ms", nil)}, kerr.InvalidRequest},
		"twice":               {[]kmsg.IncrementalAlterConfigsRequestResourceConfig{set("segment.ms", "1"), set("segment.ms", "2")}, kerr.InvalidRequest},
		"append to a number":  {[]kmsg.IncrementalAlterConfigsRequestResourceConfig{op(2, "segment.ms", pointer("1"))}, kerr.InvalidConfig},
		"one good, one wrong": {[]kmsg.IncrementalAlterConfigsRequestResourceConfig{set("retention.ms", "5"), set("flush.ms", "x")}, kerr.InvalidConfig},
	} {
		t.Run(what, func(t *testing.T) {
			requireCode(t, c.want, alter(false, topic, c.change...).ErrorCode, what)
			require.Equal(t, "60000", value("segment.ms"))
			require.NotEqual(t, "5", value("retention.ms"), "all or nothing")
		})
	}
	requireCode(t, kerr.UnknownTopicOrPartition, alter(false, topicName(t), set("segment.ms", "60000")).ErrorCode, "unknown topic")
	requireCode(t, nil, alter(false, topic, op(1, "segment.ms", nil)).ErrorCode, "delete")
	require.Eventually(t, func() bool { return value("segment.ms") == "604800000" }, 10*time.Second, 10*time.Millisecond)
	requireCode(t, nil, alter(false, topic, op(1, "segment.ms", nil)).ErrorCode, "delete again")
}

func TestWireDeleteRecords(t *testing.T) {
	addr := bootstrap(t)
	topic := filled(t, addr, 3)
	remove := func(partition int32, offset int64) kmsg.DeleteRecordsResponseTopicPartition {
		t.Helper()
		req := kmsg.NewPtrDeleteRecordsRequest()
		req.TimeoutMillis = 10_000
		req.Topics = []kmsg.DeleteRecordsRequestTopic{{Topic: topic, Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Partition: partition, Offset: offset}}}}
		return ask[*kmsg.DeleteRecordsResponse](dial(t, addr), 2, req).Topics[0].Partitions[0]
	}
	p := remove(0, 3)
	requireCode(t, nil, p.ErrorCode, "delete")
	require.EqualValues(t, 3, p.LowWatermark)
	requireCode(t, nil, remove(0, 1).ErrorCode, "already gone")
	require.EqualValues(t, 3, remove(0, 1).LowWatermark)
	requireCode(t, kerr.OffsetOutOfRange, remove(0, 7).ErrorCode, "past the end")
	requireCode(t, kerr.OffsetOutOfRange, remove(0, -2).ErrorCode, "below -1")
	requireCode(t, kerr.UnknownTopicOrPartition, remove(4, 1).ErrorCode, "unknown partition")
	w := dial(t, addr)
	requireCode(t, kerr.OffsetOutOfRange, fetch1(t, w, 11, fetchRequest(topic, 0, 2)).ErrorCode, "below the start")
	got := fetch1(t, w, 11, fetchRequest(topic, 0, 3))
	requireCode(t, nil, got.ErrorCode, "at the start")
	require.EqualValues(t, 3, got.LogStartOffset)
	require.EqualValues(t, 3, offsetOf(t, addr, topic, -2))
	require.EqualValues(t, 3, offsetOf(t, addr, topic, 0), "a time finds no record below the start")
	require.EqualValues(t, 6, remove(0, -1).LowWatermark, "-1: all")
	sendOK(t, w, topic, 6, simpleBatch("next"))
	require.EqualValues(t, 6, send(t, w, topic, 9, simpleBatch("again").bytes()).LogStartOffset)
}

func TestWireDescribeClusterAndLogDirs(t *testing.T) {
	addr := bootstrap(t)
	cluster := ask[*kmsg.DescribeClusterResponse](dial(t, addr), 1, &kmsg.DescribeClusterRequest{EndpointType: 1})
	requireCode(t, nil, cluster.ErrorCode, "brokers")
	require.Len(t, cluster.Brokers, 1)
	require.Equal(t, addr, fmt.Sprintf("%s:%d", cluster.Brokers[0].Host, cluster.Brokers[0].Port))

	topic := filled(t, addr, 5)
	all := ask[*kmsg.DescribeLogDirsResponse](dial(t, addr), 4, kmsg.NewPtrDescribeLogDirsRequest())
	require.Len(t, all.Dirs, 1)
	require.Positive(t, all.Dirs[0].TotalBytes)
	require.Positive(t, all.Dirs[0].UsableBytes)
	req := kmsg.NewPtrDescribeLogDirsRequest()
	req.Topics = []kmsg.DescribeLogDirsRequestTopic{{Topic: topic, Partitions: []int32{0}}}
	one := ask[*kmsg.DescribeLogDirsResponse](dial(t, addr), 4, req)
	require.Len(t, one.Dirs[0].Topics, 1)
	require.EqualValues(t, 5*len(simpleBatch("0", "1").bytes()), one.Dirs[0].Topics[0].Partitions[0].Size)
	require.False(t, one.Dirs[0].Topics[0].Partitions[0].IsFuture)
}
