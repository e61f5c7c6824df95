package api

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/broker/model"
)

// DeleteRecords, versions 0 to 2 (KIP-107): raises a partition's log start offset; -1 means to the high watermark. The answer has
// the new start, the low watermark of the one replica. The same partition asked twice takes effect twice.

func (s *session) deleteRecords(q *kmsg.DeleteRecordsRequest) *kmsg.DeleteRecordsResponse {
	answer := kmsg.NewPtrDeleteRecordsResponse()
	for i := range q.Topics {
		t := kmsg.NewDeleteRecordsResponseTopic()
		t.Topic = q.Topics[i].Topic
		for _, asked := range q.Topics[i].Partitions {
			p := kmsg.NewDeleteRecordsResponseTopicPartition()
			p.Partition, p.LowWatermark = asked.Partition, -1
			low, err := s.deleteBefore(t.Topic, asked.Partition, model.Offset(asked.Offset))
			if err != nil {
				p.ErrorCode, _ = s.failure("DeleteRecords", err)
			} else {
				p.LowWatermark = int64(low)
			}
			t.Partitions = append(t.Partitions, p)
		}
		answer.Topics = append(answer.Topics, t)
	}
	return answer
}

func (s *session) deleteBefore(topic string, index int32, before model.Offset) (model.Offset, error) {
	if internalTopic(topic) {
		return 0, kerr.InvalidTopicException
	}
	p, err := s.api.Replicas.Partition(topic, index)
	if err != nil {
		return 0, err
	}
	return p.DeleteRecords(before)
}
