package api_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
)

func initProducerID(transactional *string) *kmsg.InitProducerIDRequest {
	q := kmsg.NewPtrInitProducerIDRequest()
	q.TransactionalID = transactional
	return q
}

func TestInitProducerID(t *testing.T) {
	s := memory(t)
	seen := map[int64]bool{}
	for range 300 {
		for version := int16(0); version <= 5; version++ {
			a := call[*kmsg.InitProducerIDResponse](s, initProducerID(nil), version)
			require.Zero(t, a.ErrorCode)
			require.Zero(t, a.ProducerEpoch)
			require.False(t, seen[a.ProducerID], "id %d was given twice", a.ProducerID)
			seen[a.ProducerID] = true
		}
	}
	require.Greater(t, len(seen), 1000, "more than one block")
	id := "tx"
	require.Equal(t, kerr.UnsupportedVersion.Code, call[*kmsg.InitProducerIDResponse](s, initProducerID(&id), 5).ErrorCode)
	empty := ""
	require.Equal(t, kerr.InvalidRequest.Code, call[*kmsg.InitProducerIDResponse](s, initProducerID(&empty), 5).ErrorCode)
	half := initProducerID(nil)
	half.ProducerID = 4
	require.Equal(t, kerr.InvalidRequest.Code, call[*kmsg.InitProducerIDResponse](s, half, 3).ErrorCode)
}

func listOffsets(topic string, partition int32, ts int64) *kmsg.ListOffsetsRequest {
	q := kmsg.NewPtrListOffsetsRequest()
	q.ReplicaID = -1
	q.Topics = append(q.Topics, kmsg.ListOffsetsRequestTopic{Topic: topic, Partitions: []kmsg.ListOffsetsRequestTopicPartition{
		{Partition: partition, Timestamp: ts, CurrentLeaderEpoch: -1}}})
	return q
}

func TestListOffsets(t *testing.T) {
	s := memory(t)
	id := s.create("t", 1)
	base := epoch.UnixMilli()
	// Offsets 0, 1, 2 with times 10, 30, 20 in one batch: CreateTime needs no order.
	b := record.Builder{}
	for _, ms := range []int64{10, 30, 20} {
		b.Add(model.TimestampMs(base+ms), nil, []byte("x"))
	}
	require.Zero(t, call[*kmsg.ProduceResponse](s, produceRequest("t", id, -1, 0, b.Batch()), 9).Topics[0].Partitions[0].ErrorCode)
	for version := int16(1); version <= 11; version++ {
		at := func(ts int64) kmsg.ListOffsetsResponseTopicPartition {
			return call[*kmsg.ListOffsetsResponse](s, listOffsets("t", 0, ts), version).Topics[0].Partitions[0]
		}
		for _, c := range []struct {
			since, ts, offset, timestamp int64
		}{
			{1, -1, 3, -1}, {1, -2, 0, -1}, {1, base, 0, base + 10}, {1, base + 11, 1, base + 30}, {1, base + 30, 1, base + 30},
			{1, base + 31, -1, -1}, {7, -3, 1, base + 30}, {8, -4, 0, -1}, {9, -5, -1, -1}, {11, -6, -1, -1},
		} {
			p := at(c.ts)
			if version < int16(c.since) {
				require.Equal(t, kerr.UnsupportedVersion.Code, p.ErrorCode, "version %d, timestamp %d", version, c.ts)
				continue
			}
			require.Zero(t, p.ErrorCode, "version %d, timestamp %d", version, c.ts)
			require.Equal(t, c.offset, p.Offset, "version %d, timestamp %d", version, c.ts)
			require.Equal(t, c.timestamp, p.Timestamp, "version %d, timestamp %d", version, c.ts)
			if version >= 4 && c.offset >= 0 {
				require.Zero(t, p.LeaderEpoch)
			}
		}
		require.Equal(t, kerr.UnsupportedVersion.Code, at(-7).ErrorCode)
	}
	p := call[*kmsg.ListOffsetsResponse](s, listOffsets("t", 7, -1), 11).Topics[0].Partitions[0]
	require.Equal(t, kerr.UnknownTopicOrPartition.Code, p.ErrorCode)
	twice := listOffsets("t", 0, -1)
	twice.Topics = append(twice.Topics, twice.Topics[0])
	for _, topic := range call[*kmsg.ListOffsetsResponse](s, twice, 11).Topics {
		require.Equal(t, kerr.InvalidRequest.Code, topic.Partitions[0].ErrorCode)
	}
	fenced := listOffsets("t", 0, -1)
	fenced.Topics[0].Partitions[0].CurrentLeaderEpoch = 5
	require.Equal(t, kerr.UnknownLeaderEpoch.Code, call[*kmsg.ListOffsetsResponse](s, fenced, 4).Topics[0].Partitions[0].ErrorCode)
}

func TestOffsetForLeaderEpoch(t *testing.T) {
	s := memory(t)
	s.create("t", 1)
	s.produce("t", "a", "b")
	for version := int16(2); version <= 4; version++ {
		ask := func(partition, current, leader int32) kmsg.OffsetForLeaderEpochResponseTopicPartition {
			q := kmsg.NewPtrOffsetForLeaderEpochRequest()
			q.ReplicaID = -1
			q.Topics = append(q.Topics, kmsg.OffsetForLeaderEpochRequestTopic{Topic: "t", Partitions: []kmsg.OffsetForLeaderEpochRequestTopicPartition{
				{Partition: partition, CurrentLeaderEpoch: current, LeaderEpoch: leader}}})
			return call[*kmsg.OffsetForLeaderEpochResponse](s, q, version).Topics[0].Partitions[0]
		}
		p := ask(0, -1, 0)
		require.Zero(t, p.ErrorCode)
		require.Zero(t, p.LeaderEpoch)
		require.Equal(t, int64(2), p.EndOffset)
		require.Equal(t, int64(-1), ask(0, 0, 9).EndOffset, "an epoch that the log does not know yet")
		require.Equal(t, kerr.UnknownLeaderEpoch.Code, ask(0, 3, 0).ErrorCode)
		require.Equal(t, kerr.UnknownTopicOrPartition.Code, ask(4, -1, 0).ErrorCode)
	}
}

func TestDeleteRecords(t *testing.T) {
	s := memory(t)
	s.create("t", 1)
	s.produce("t", "a", "b")
	s.produce("t", "c")
	del := func(version int16, topic string, before int64) kmsg.DeleteRecordsResponseTopicPartition {
		q := kmsg.NewPtrDeleteRecordsRequest()
		q.Topics = append(q.Topics, kmsg.DeleteRecordsRequestTopic{Topic: topic, Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Partition: 0, Offset: before}}})
		return call[*kmsg.DeleteRecordsResponse](s, q, version).Topics[0].Partitions[0]
	}
	for version := int16(0); version <= 2; version++ {
		p := del(version, "t", int64(version))
		require.Zero(t, p.ErrorCode)
		require.Equal(t, int64(version), p.LowWatermark)
	}
	require.Equal(t, kerr.OffsetOutOfRange.Code, del(2, "t", 4).ErrorCode)
	require.Equal(t, int64(3), del(2, "t", -1).LowWatermark)
	require.Equal(t, kerr.UnknownTopicOrPartition.Code, del(2, "nope", 0).ErrorCode)
	p := only(t, call[*kmsg.FetchResponse](s, fetchRequest("t", model.TopicID{}, 2), 12))
	require.Equal(t, kerr.OffsetOutOfRange.Code, p.ErrorCode)
}
