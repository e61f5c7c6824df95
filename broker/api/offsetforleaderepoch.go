package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/broker/model"
)

// OffsetForLeaderEpoch, versions 2 to 4 (KIP-320): the end offset of the largest leader epoch that is not above the one asked for, by
// which a consumer finds out that the log it read was truncated. Undefined is -1, -1. The client's current leader epoch fences
// with FENCED_LEADER_EPOCH and UNKNOWN_LEADER_EPOCH.

func (s *session) offsetForLeaderEpoch(q *kmsg.OffsetForLeaderEpochRequest) *kmsg.OffsetForLeaderEpochResponse {
	answer := kmsg.NewPtrOffsetForLeaderEpochResponse()
	for i := range q.Topics {
		t := kmsg.NewOffsetForLeaderEpochResponseTopic()
		t.Topic = q.Topics[i].Topic
		for _, asked := range q.Topics[i].Partitions {
			p := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			p.Partition, p.LeaderEpoch, p.EndOffset = asked.Partition, -1, -1
			epoch, end, err := s.epochEnd(t.Topic, &asked)
			if err != nil {
				p.ErrorCode, _ = s.failure("OffsetForLeaderEpoch", err)
			} else {
				p.LeaderEpoch, p.EndOffset = int32(epoch), int64(end)
			}
			t.Partitions = append(t.Partitions, p)
		}
		answer.Topics = append(answer.Topics, t)
	}
	return answer
}

func (s *session) epochEnd(topic string, asked *kmsg.OffsetForLeaderEpochRequestTopicPartition) (model.LeaderEpoch, model.Offset, error) {
	p, err := s.api.Replicas.Partition(topic, asked.Partition)
	if err != nil {
		return 0, 0, err
	}
	return p.EpochEnd(model.LeaderEpoch(asked.CurrentLeaderEpoch), model.LeaderEpoch(asked.LeaderEpoch))
}
