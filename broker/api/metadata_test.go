package api_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/broker/model"
)

func metadataRequest(names ...string) *kmsg.MetadataRequest {
	q := kmsg.NewPtrMetadataRequest()
	q.Topics = []kmsg.MetadataRequestTopic{}
	for i := range names {
		q.Topics = append(q.Topics, kmsg.MetadataRequestTopic{Topic: &names[i]})
	}
	return q
}

func TestMetadataEveryVersion(t *testing.T) {
	s := memory(t)
	id := s.create("a", 2)
	s.create("b", 1)
	for version := int16(0); version <= 13; version++ {
		a := call[*kmsg.MetadataResponse](s, metadataRequest("a"), version)
		require.Len(t, a.Brokers, 1)
		require.Equal(t, "127.0.0.1", a.Brokers[0].Host)
		require.Equal(t, int32(9092), a.Brokers[0].Port)
		require.Len(t, a.Topics, 1)
		topic := a.Topics[0]
		require.Zero(t, topic.ErrorCode)
		require.Equal(t, "a", *topic.Topic)
		require.Len(t, topic.Partitions, 2)
		p := topic.Partitions[1]
		require.Equal(t, int32(1), p.Partition)
		require.Equal(t, int32(1), p.Leader)
		require.Equal(t, []int32{1}, p.Replicas)
		require.Equal(t, []int32{1}, p.ISR)
		if version >= 1 {
			require.Equal(t, int32(1), a.ControllerID)
		}
		if version >= 2 {
			require.Equal(t, s.api.ClusterID, *a.ClusterID)
		}
		if version >= 7 {
			require.Zero(t, p.LeaderEpoch)
		}
		if version >= 8 {
			require.Equal(t, int32(math.MinInt32), topic.AuthorizedOperations)
		}
		if version >= 10 {
			require.Equal(t, [16]byte(id), topic.TopicID)
		}
	}
}

func TestMetadataAllOrNone(t *testing.T) {
	s := memory(t)
	s.create("a", 1)
	s.create("b", 1)
	count := func(topics []kmsg.MetadataRequestTopic, version int16) int {
		q := kmsg.NewPtrMetadataRequest()
		q.Topics = topics
		return len(call[*kmsg.MetadataResponse](s, q, version).Topics)
	}
	none := []kmsg.MetadataRequestTopic{}
	require.Equal(t, 2, count(none, 0), "version 0: empty is all")
	require.Equal(t, 0, count(none, 1))
	require.Equal(t, 2, count(nil, 1))
	require.Equal(t, 0, count(none, 13))
	require.Equal(t, 2, count(nil, 13))
}

func TestMetadataCreatesTopics(t *testing.T) {
	s := memory(t, "num.partitions", "3")
	q := metadataRequest("new", "not/a/name")
	q.AllowAutoTopicCreation = true
	a := call[*kmsg.MetadataResponse](s, q, 9)
	require.Zero(t, a.Topics[0].ErrorCode)
	require.Len(t, a.Topics[0].Partitions, 3)
	require.Equal(t, kerr.InvalidTopicException.Code, a.Topics[1].ErrorCode)

	q = metadataRequest("other")
	q.AllowAutoTopicCreation = false
	require.Equal(t, kerr.UnknownTopicOrPartition.Code, call[*kmsg.MetadataResponse](s, q, 9).Topics[0].ErrorCode)
	require.Zero(t, call[*kmsg.MetadataResponse](s, q, 3).Topics[0].ErrorCode, "before version 4 everybody may")

	off := memory(t, "auto.create.topics.enable", "false")
	q.AllowAutoTopicCreation = true
	require.Equal(t, kerr.UnknownTopicOrPartition.Code, call[*kmsg.MetadataResponse](off, q, 9).Topics[0].ErrorCode)
}

func TestMetadataByID(t *testing.T) {
	s := memory(t)
	id := s.create("a", 1)
	byID := func(ids ...model.TopicID) *kmsg.MetadataRequest {
		q := metadataRequest()
		for _, id := range ids {
			q.Topics = append(q.Topics, kmsg.MetadataRequestTopic{TopicID: id})
		}
		return q
	}
	a := call[*kmsg.MetadataResponse](s, byID(id, model.TopicID{5}, id), 12)
	require.Len(t, a.Topics, 2)
	require.Equal(t, "a", *a.Topics[0].Topic)
	require.Equal(t, kerr.UnknownTopicID.Code, a.Topics[1].ErrorCode)
	require.Nil(t, a.Topics[1].Topic)
	for version := int16(10); version <= 11; version++ {
		q := metadataRequest("a")
		q.Topics[0].TopicID = id
		refused := call[*kmsg.MetadataResponse](s, q, version).Topics[0]
		require.Equal(t, kerr.InvalidRequest.Code, refused.ErrorCode)
		require.Equal(t, [16]byte(id), refused.TopicID, "told back, as Kafka does")
	}
}

func TestMetadataKnowsTheListener(t *testing.T) {
	s := memory(t)
	other := s.open("OTHER")
	defer other.Close()
	a := callOn[*kmsg.MetadataResponse](s, other, metadataRequest(), 13)
	require.Equal(t, int32(9093), a.Brokers[0].Port)
	strange := s.open("STRANGE")
	defer strange.Close()
	s.create("a", 1)
	for version, want := range map[int16]*kerr.Error{5: kerr.LeaderNotAvailable, 6: kerr.ListenerNotFound} {
		a := callOn[*kmsg.MetadataResponse](s, strange, metadataRequest("a"), version)
		require.Equal(t, want.Code, a.Topics[0].Partitions[0].ErrorCode)
		require.Empty(t, a.Brokers)
	}
}

func TestMetadataAuthorizedOperations(t *testing.T) {
	s := memory(t)
	s.create("a", 1)
	q := metadataRequest("a")
	q.IncludeTopicAuthorizedOperations, q.IncludeClusterAuthorizedOperations = true, true
	a := call[*kmsg.MetadataResponse](s, q, 8)
	require.Equal(t, int32(3576), a.Topics[0].AuthorizedOperations, "as Apache Kafka 4.3 without an authorizer")
	require.Equal(t, int32(8096), a.AuthorizedOperations)
}
