package controller_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"highwater.dev/broker/config"
	"highwater.dev/broker/controller"
	"highwater.dev/broker/metadata"
	"highwater.dev/broker/model"
)

// require1 is what both *testing.T and *rapid.T are.
type require1 interface {
	require.TestingT
	Helper()
}

// cluster is a machine and the log that a driver would keep for it.
type cluster struct {
	t       require1
	machine *controller.Machine
	cfg     config.Server
	log     []metadata.Record
}

// newCluster registers brokers 1 to n.
func newCluster(t require1, n int, change ...func(*controller.Options)) *cluster {
	t.Helper()
	c := &cluster{t: t, cfg: config.DefaultServer()}
	o := controller.Options{Config: &c.cfg, Rand: rand.New(rand.NewPCG(1, 2))}
	for _, f := range change {
		f(&o)
	}
	c.machine = controller.New(o)
	for i := 1; i <= n; i++ {
		c.replay(metadata.BrokerRecord{Node: model.NodeID(i), Incarnation: metadata.UUID{byte(i)}})
	}
	return c
}

func (c *cluster) replay(records ...metadata.Record) {
	c.t.Helper()
	for _, r := range records {
		require.NoError(c.t, c.machine.Replay(c.machine.Image().NextOffset(), r))
		c.log = append(c.log, r)
	}
}

// do is a driver's turn.
func (c *cluster) do(req kmsg.Request) kmsg.Response {
	c.t.Helper()
	records, resp := c.machine.Handle(time.Time{}, req)
	c.replay(records...)
	return resp
}

func topic(name string, partitions int32, replication int16, configs ...string) kmsg.CreateTopicsRequestTopic {
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, replication
	for i := 0; i < len(configs); i += 2 {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = configs[i], &configs[i+1]
		t.Configs = append(t.Configs, c)
	}
	return t
}

func nullConfig(t kmsg.CreateTopicsRequestTopic, name string) kmsg.CreateTopicsRequestTopic {
	t.Configs = append(t.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: name})
	return t
}

func assigned(t kmsg.CreateTopicsRequestTopic, replicas ...[]int32) kmsg.CreateTopicsRequestTopic {
	for i, r := range replicas {
		t.ReplicaAssignment = append(t.ReplicaAssignment, kmsg.CreateTopicsRequestTopicReplicaAssignment{Partition: int32(i), Replicas: r})
	}
	return t
}

// renumbered gives the last assignment another partition.
func renumbered(t kmsg.CreateTopicsRequestTopic, partition int32) kmsg.CreateTopicsRequestTopic {
	t.ReplicaAssignment[len(t.ReplicaAssignment)-1].Partition = partition
	return t
}

func create(topics ...kmsg.CreateTopicsRequestTopic) *kmsg.CreateTopicsRequest {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version, req.Topics = 7, topics
	return req
}

func validated(topics ...kmsg.CreateTopicsRequestTopic) *kmsg.CreateTopicsRequest {
	req := create(topics...)
	req.ValidateOnly = true
	return req
}

// grow asks without changing anything.
func grow(name string, count int32, replicas ...[]int32) *kmsg.CreatePartitionsRequest {
	req := kmsg.NewPtrCreatePartitionsRequest()
	req.Version, req.ValidateOnly = 3, true
	t := kmsg.CreatePartitionsRequestTopic{Topic: name, Count: count}
	for _, r := range replicas {
		t.Assignment = append(t.Assignment, kmsg.CreatePartitionsRequestTopicAssignment{Replicas: r})
	}
	req.Topics = append(req.Topics, t)
	return req
}

// alter takes key, operation and value in turn; the value NULL is null.
func alter(typ kmsg.ConfigResourceType, name string, changes ...string) *kmsg.IncrementalAlterConfigsRequest {
	ops := map[string]kmsg.IncrementalAlterConfigOp{"SET": 0, "DELETE": 1, "APPEND": 2, "SUBTRACT": 3, "?": 9}
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.Version = 1
	r := kmsg.IncrementalAlterConfigsRequestResource{ResourceType: typ, ResourceName: name}
	for i := 0; i < len(changes); i += 3 {
		c := kmsg.IncrementalAlterConfigsRequestResourceConfig{Name: changes[i], Op: ops[changes[i+1]]}
		if changes[i+2] != "NULL" {
			c.Value = &changes[i+2]
		}
		r.Configs = append(r.Configs, c)
	}
	req.Resources = append(req.Resources, r)
	return req
}

func replace(typ kmsg.ConfigResourceType, name string, configs ...string) *kmsg.AlterConfigsRequest {
	req := kmsg.NewPtrAlterConfigsRequest()
	req.Version = 2
	r := kmsg.AlterConfigsRequestResource{ResourceType: typ, ResourceName: name}
	for i := 0; i < len(configs); i += 2 {
		c := kmsg.AlterConfigsRequestResourceConfig{Name: configs[i]}
		if configs[i+1] != "NULL" {
			c.Value = &configs[i+1]
		}
		r.Configs = append(r.Configs, c)
	}
	req.Resources = append(req.Resources, r)
	return req
}

func remove(topics ...kmsg.DeleteTopicsRequestTopic) *kmsg.DeleteTopicsRequest {
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.Version, req.Topics = 6, topics
	return req
}

func created(t require1, resp kmsg.Response) kmsg.CreateTopicsResponseTopic {
	t.Helper()
	topics := resp.(*kmsg.CreateTopicsResponse).Topics
	require.Len(t, topics, 1)
	require.NoError(t, kerr.ErrorForCode(topics[0].ErrorCode))
	return topics[0]
}

func TestDefaults(t *testing.T) {
	c := newCluster(t, 3)
	c.cfg.NumPartitions, c.cfg.DefaultReplicationFactor = 4, 3
	made := created(t, c.do(create(topic("a", -1, -1))))
	require.Equal(t, int32(4), made.NumPartitions)
	require.Equal(t, int16(3), made.ReplicationFactor)
	im := c.machine.Image().Topic("a")
	require.Equal(t, made.TopicID, [16]byte(im.ID))
	require.Len(t, im.Partitions, 4)
	for _, p := range im.Partitions {
		require.ElementsMatch(t, []model.NodeID{1, 2, 3}, p.Replicas)
		require.Equal(t, p.Replicas, p.ISR)
		require.Equal(t, p.Replicas[0], p.Leader)
		require.Equal(t, model.LeaderEpoch(0), p.LeaderEpoch)
	}
}

func TestValidateOnlyChangesNothing(t *testing.T) {
	c := newCluster(t, 1)
	c.do(create(topic("a", 1, 1)))
	before := len(c.log)
	altered, replaced := alter(topicType, "a", "retention.ms", "SET", "1"), replace(topicType, "a", "retention.ms", "1")
	altered.ValidateOnly, replaced.ValidateOnly = true, true
	for _, req := range []kmsg.Request{validated(topic("b", 1, 1)), grow("a", 5), altered, replaced} {
		c.do(req)
		require.Len(t, c.log, before, "%T", req)
	}
}

func TestConfigsOfANewTopic(t *testing.T) {
	c := newCluster(t, 1)
	c.do(alter(brokerType, "", "log.retention.ms", "SET", "77", "message.max.bytes", "SET", "5000"))
	made := created(t, c.do(create(topic("a", 1, 1, "max.message.bytes", "6000"))))
	got := map[string]string{}
	for i, conf := range made.Configs {
		if conf.Source != int8(kmsg.ConfigSourceDefaultConfig) {
			got[conf.Name] = fmt.Sprintf("%s from %d", *conf.Value, conf.Source)
		}
		require.True(t, i == 0 || made.Configs[i-1].Name < conf.Name, "in the order of their names")
	}
	require.Equal(t, map[string]string{"max.message.bytes": "6000 from 1", "retention.ms": "77 from 3"}, got)
	require.Equal(t, map[string]string{"max.message.bytes": "6000"}, c.machine.Image().Config(metadata.TopicResource, "a"))
}

func TestDynamicConfigsAreRefusedByTheirName(t *testing.T) {
	c := newCluster(t, 1)
	for _, change := range []struct{ key, value, want string }{
		{"message.max.bytes", "abc", "message.max.bytes=abc: allowed is a whole number from 0 to 2147483647"},
		{"log.retention.ms", " 0", "log.retention.ms= 0: allowed is a time above 0, or -1 for unlimited"},
	} {
		answer := c.do(alter(brokerType, "1", change.key, "SET", change.value)).(*kmsg.IncrementalAlterConfigsResponse)
		require.Equal(t, kerr.InvalidRequest.Code, answer.Resources[0].ErrorCode)
		require.Equal(t, change.want, *answer.Resources[0].ErrorMessage)
	}
}

func TestAlterConfigsRecords(t *testing.T) {
	c := newCluster(t, 1)
	c.do(create(topic("a", 1, 1, "retention.ms", "1", "segment.ms", "2")))
	now := func() map[string]string { return c.machine.Image().Config(metadata.TopicResource, "a") }
	before := len(c.log)
	c.do(alter(topicType, "a", "retention.ms", "SET", "1"))
	require.Len(t, c.log, before, "no change, no record")
	c.do(alter(topicType, "a", "cleanup.policy", "APPEND", "compact,delete,compact"))
	require.Equal(t, map[string]string{"retention.ms": "1", "segment.ms": "2", "cleanup.policy": "delete,compact"}, now())
	c.do(alter(topicType, "a", "cleanup.policy", "SUBTRACT", "delete,other"))
	require.Equal(t, "compact", now()["cleanup.policy"])
	c.do(alter(topicType, "a", "segment.ms", "SET", "9", "segment.bytes", "SET", "wrong"))
	require.Equal(t, "2", now()["segment.ms"], "a resource changes as a whole or not at all")
	c.do(replace(topicType, "a", "flush.ms", "3"))
	require.Equal(t, map[string]string{"flush.ms": "3"}, now(), "AlterConfigs resets what it does not mention")
	c.do(alter(topicType, "a", "flush.ms", "DELETE", "NULL"))
	require.Nil(t, now())
	for _, r := range c.log {
		require.NotContains(t, metadata.Text(r), "wrong")
	}
}

func TestDeleteByIDAndDisabled(t *testing.T) {
	c := newCluster(t, 1)
	made := created(t, c.do(create(topic("a", 1, 1))))
	c.cfg.DeleteTopicEnable = false
	old := kmsg.NewPtrDeleteTopicsRequest()
	for version, want := range map[int16]int16{1: kerr.InvalidRequest.Code, 3: kerr.TopicDeletionDisabled.Code} {
		old.Version, old.TopicNames = version, []string{"a"}
		require.Equal(t, want, c.do(old).(*kmsg.DeleteTopicsResponse).Topics[0].ErrorCode)
	}
	c.cfg.DeleteTopicEnable = true
	resp := c.do(remove(kmsg.DeleteTopicsRequestTopic{TopicID: made.TopicID})).(*kmsg.DeleteTopicsResponse).Topics[0]
	require.Zero(t, resp.ErrorCode)
	require.Equal(t, "a", *resp.Topic)
	require.Nil(t, c.machine.Image().Topic("a"))
}

// TestDeleteTwiceNamed: what is named twice is answered once and stays, as Apache Kafka 4.3 does it; only a name that came twice
// takes nothing from the same topic's id.
func TestDeleteTwiceNamed(t *testing.T) {
	c := newCluster(t, 1)
	a, b := created(t, c.do(create(topic("a", 1, 1)))), created(t, c.do(create(topic("b", 1, 1))))
	byName := func(name string) kmsg.DeleteTopicsRequestTopic { return kmsg.DeleteTopicsRequestTopic{Topic: &name} }
	byID := func(id [16]byte) kmsg.DeleteTopicsRequestTopic { return kmsg.DeleteTopicsRequestTopic{TopicID: id} }
	const mapped = "a INVALID_REQUEST The provided topic name maps to an ID that was already supplied."
	for _, step := range []struct {
		name string
		req  *kmsg.DeleteTopicsRequest
		want []string
		left []string
	}{
		{"name and id", remove(byName("a"), byID(a.TopicID)), []string{mapped}, []string{"a", "b"}},
		{"id and name", remove(byID(a.TopicID), byName("a")), []string{mapped}, []string{"a", "b"}},
		{"id twice and name", remove(byID(a.TopicID), byName("a"), byID(a.TopicID)), []string{"- INVALID_REQUEST Duplicate topic id.", mapped},
			[]string{"a", "b"}},
		{"name twice", remove(byName("a"), byName("a")), []string{"a INVALID_REQUEST Duplicate topic name."}, []string{"a", "b"}},
		{"id twice", remove(byID(a.TopicID), byID(a.TopicID)), []string{"- INVALID_REQUEST Duplicate topic id."}, []string{"a", "b"}},
		{"name and id, and another", remove(byID(a.TopicID), byName("b"), byName("a")), []string{"b", mapped}, []string{"a"}},
		{"name twice and id", remove(byName("a"), byName("a"), byID(a.TopicID)), []string{"a INVALID_REQUEST Duplicate topic name.", "a"}, nil},
		{"gone", remove(byID(b.TopicID)), []string{"- UNKNOWN_TOPIC_ID This server does not host this topic ID."}, nil},
	} {
		var got []string
		for _, r := range c.do(step.req).(*kmsg.DeleteTopicsResponse).Topics {
			said := "-"
			if r.Topic != nil {
				said = *r.Topic
			}
			if e := kerr.TypedErrorForCode(r.ErrorCode); e != nil {
				said += " " + e.Message + " " + *r.ErrorMessage
			}
			got = append(got, said)
		}
		require.Equal(t, step.want, got, step.name)
		for _, name := range []string{"a", "b"} {
			require.Equal(t, slices.Contains(step.left, name), c.machine.Image().Topic(name) != nil, "%s: %s", step.name, name)
		}
	}
}

func TestCollidingNamesAreForgotten(t *testing.T) {
	c := newCluster(t, 1)
	c.do(create(topic("q.d", 1, 1), topic("q_d", 1, 1)))
	for _, name := range []string{"q.d", "q_d"} {
		require.NotZero(t, c.do(validated(topic("q.d", 1, 1))).(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode)
		c.do(remove(kmsg.DeleteTopicsRequestTopic{Topic: &name}))
	}
	created(t, c.do(create(topic("q.d", 1, 1))))
}

func TestPolicy(t *testing.T) {
	c := newCluster(t, 1, func(o *controller.Options) {
		o.Policy = func(_ string, partitions int32, _ int16, _ map[string]string) error {
			if partitions > 2 {
				return errors.New("at most two")
			}
			return nil
		}
	})
	created(t, c.do(create(topic("a", 2, 1))))
	got := c.do(create(topic("b", 3, 1))).(*kmsg.CreateTopicsResponse).Topics[0]
	require.Equal(t, kerr.PolicyViolation.Code, got.ErrorCode)
	require.Equal(t, "at most two", *got.ErrorMessage)
}

func TestGrow(t *testing.T) {
	c := newCluster(t, 2)
	c.do(create(topic("a", 1, 2)))
	req := grow("a", 4)
	req.ValidateOnly = false
	require.Zero(t, c.do(req).(*kmsg.CreatePartitionsResponse).Topics[0].ErrorCode)
	for _, p := range c.machine.Image().Topic("a").Partitions {
		require.Len(t, p.Replicas, 2, "as many as the topic's first partition has")
	}
	require.Len(t, c.machine.Image().Topic("a").Partitions, 4)
}

func TestFencedBrokersComeLast(t *testing.T) {
	c := newCluster(t, 3)
	c.replay(metadata.BrokerRecord{Node: 2, Incarnation: metadata.UUID{9}, Fenced: true})
	c.do(create(topic("a", 4, 2), topic("b", 1, 3), assigned(topic("c", -1, -1), []int32{2, 1})))
	for _, p := range c.machine.Image().Topic("a").Partitions {
		require.NotContains(t, p.Replicas, model.NodeID(2))
	}
	b := c.machine.Image().Topic("b").Partitions[0]
	require.Equal(t, model.NodeID(2), b.Replicas[2])
	require.NotContains(t, b.ISR, model.NodeID(2))
	require.Equal(t, model.NodeID(1), c.machine.Image().Topic("c").Partitions[0].Leader, "a fenced broker does not lead")
	c.replay(metadata.BrokerRecord{Node: 1, Incarnation: metadata.UUID{9}, Fenced: true}, metadata.BrokerRecord{Node: 3, Incarnation: metadata.UUID{9}, Fenced: true})
	resp := c.do(create(topic("d", 1, 1), assigned(topic("e", -1, -1), []int32{2}))).(*kmsg.CreateTopicsResponse)
	require.Equal(t, kerr.InvalidReplicationFactor.Code, resp.Topics[0].ErrorCode)
	require.Equal(t, kerr.InvalidReplicaAssignment.Code, resp.Topics[1].ErrorCode)
}

func TestProducerIDs(t *testing.T) {
	c := newCluster(t, 1)
	ask := func(node int32, epoch int64) *kmsg.AllocateProducerIDsResponse {
		req := kmsg.NewPtrAllocateProducerIDsRequest()
		req.BrokerID, req.BrokerEpoch = node, epoch
		return c.do(req).(*kmsg.AllocateProducerIDsResponse)
	}
	for i := range int64(3) {
		got := ask(1, 0)
		require.Equal(t, []int64{i * 1000, 1000}, []int64{got.ProducerIDStart, int64(got.ProducerIDLen)})
	}
	require.Equal(t, kerr.StaleBrokerEpoch.Code, ask(1, 5).ErrorCode)
	require.Equal(t, kerr.BrokerIDNotRegistered.Code, ask(2, 0).ErrorCode)
	c.replay(metadata.ProducerIDsRecord{Next: math.MaxInt64 - 10})
	require.Equal(t, kerr.UnknownServerError.Code, ask(1, 0).ErrorCode, "used up: never the same id twice")
}

func TestOtherRequestsAreNotAnswered(t *testing.T) {
	records, resp := newCluster(t, 1).machine.Handle(time.Time{}, kmsg.NewPtrFetchRequest())
	require.Nil(t, records)
	require.Nil(t, resp)
}

// TestDeterminismAndReplay: equal seeds and requests give equal records; the log alone gives the same image; and every
// record that a request causes fits.
func TestDeterminismAndReplay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		brokers := rapid.IntRange(1, 4).Draw(t, "brokers")
		a, b := newCluster(t, brokers), newCluster(t, brokers)
		names := rapid.SampledFrom([]string{"a", "b.c", "b_c", "", "d"})
		for range rapid.IntRange(1, 15).Draw(t, "requests") {
			req := draw(t, names)
			a.do(req)
			b.do(req)
		}
		require.Equal(t, a.log, b.log)
		again := newCluster(t, 0)
		again.replay(a.log...)
		require.Equal(t, a.machine.Image(), again.machine.Image())
		for _, topic := range a.machine.Image().Topics() {
			for _, p := range topic.Partitions {
				seen := map[model.NodeID]bool{}
				for _, r := range p.Replicas {
					require.False(t, seen[r], "a broker holds a partition once")
					seen[r] = true
				}
				require.Contains(t, p.ISR, p.Leader)
			}
		}
	})
}

func draw(t *rapid.T, names *rapid.Generator[string]) kmsg.Request {
	name := names.Draw(t, "name")
	switch rapid.IntRange(0, 4).Draw(t, "kind") {
	case 0:
		return create(topic(name, rapid.Int32Range(-2, 5).Draw(t, "partitions"), rapid.Int16Range(-2, 5).Draw(t, "replicas"),
			"retention.ms", rapid.SampledFrom([]string{"1", "x"}).Draw(t, "config")), topic(names.Draw(t, "other"), 1, 1))
	case 1:
		return remove(kmsg.DeleteTopicsRequestTopic{Topic: &name})
	case 2:
		req := grow(name, rapid.Int32Range(-1, 9).Draw(t, "count"))
		req.ValidateOnly = false
		return req
	case 3:
		return alter(topicType, name, "cleanup.policy", rapid.SampledFrom([]string{"SET", "DELETE", "APPEND", "SUBTRACT", "?"}).Draw(t, "op"), "compact")
	default:
		return replace(topicType, name, "segment.ms", "5", "retention.ms", "3")
	}
}
