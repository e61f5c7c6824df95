package api

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/broker/model"
)

// ListOffsets, versions 1 to 11 (KIP-79, KIP-207, KIP-734, KIP-405, KIP-1005).
//
// A timestamp finds the first record, in offset order, that is as new or newer, up to the high watermark, or the last
// stable offset for read_committed; none is offset -1, timestamp -1, without an error. Special timestamps: -1 latest, -2 earliest,
// -3 largest timestamp (from version 7 on), -4 earliest local (8), -5 latest tiered (9), -6 earliest pending upload (11). There
// is no tiered storage here: -4 is the earliest offset, -5 and -6 find nothing. A special timestamp that is newer
// than the request's version is UNSUPPORTED_VERSION, as is any other negative one. The same partition twice is INVALID_REQUEST.
//
// Left out: requests of followers and debuggers (replica id -2 or >= 0) see what a consumer sees; there are no followers yet.

func (s *session) listOffsets(q *kmsg.ListOffsetsRequest) *kmsg.ListOffsetsResponse {
	answer := kmsg.NewPtrListOffsetsResponse()
	answer.Topics = make([]kmsg.ListOffsetsResponseTopic, 0, len(q.Topics))
	twice := duplicates(q)
	for i := range q.Topics {
		t := kmsg.NewListOffsetsResponseTopic()
		t.Topic = q.Topics[i].Topic
		for j := range q.Topics[i].Partitions {
			asked := &q.Topics[i].Partitions[j]
			p := kmsg.NewListOffsetsResponseTopicPartition()
			p.Partition = asked.Partition
			p.Timestamp, p.Offset, p.LeaderEpoch = -1, -1, -1
			if twice[model.TopicPartition{Topic: t.Topic, Partition: p.Partition}] {
				p.ErrorCode = kerr.InvalidRequest.Code
			} else {
				s.listOffset(q, t.Topic, asked, &p)
			}
			t.Partitions = append(t.Partitions, p)
		}
		answer.Topics = append(answer.Topics, t)
	}
	return answer
}

func duplicates(q *kmsg.ListOffsetsRequest) map[model.TopicPartition]bool {
	seen, twice := map[model.TopicPartition]bool{}, map[model.TopicPartition]bool{}
	for i := range q.Topics {
		for j := range q.Topics[i].Partitions {
			tp := model.TopicPartition{Topic: q.Topics[i].Topic, Partition: q.Topics[i].Partitions[j].Partition}
			if seen[tp] {
				twice[tp] = true
			}
			seen[tp] = true
		}
	}
	return twice
}

func (s *session) listOffset(q *kmsg.ListOffsetsRequest, topic string, asked *kmsg.ListOffsetsRequestTopicPartition,
	p *kmsg.ListOffsetsResponseTopicPartition) {
	if !timestampKnown(q.Version, asked.Timestamp) {
		p.ErrorCode = kerr.UnsupportedVersion.Code
		return
	}
	current := model.NoLeaderEpoch
	if q.Version >= 4 {
		current = model.LeaderEpoch(asked.CurrentLeaderEpoch)
	}
	partition, err := s.api.Replicas.Partition(topic, asked.Partition)
	if err != nil {
		p.ErrorCode, _ = s.failure("ListOffsets", err)
		return
	}
	const pendingUpload = -6
	if asked.Timestamp == pendingUpload {
		return
	}
	found, err := partition.ListOffset(model.TimestampMs(asked.Timestamp), q.IsolationLevel == readCommitted, current)
	if err != nil {
		p.ErrorCode, _ = s.failure("ListOffsets", err)
		return
	}
	p.Timestamp, p.Offset, p.LeaderEpoch = int64(found.Timestamp), int64(found.Offset), int32(found.LeaderEpoch)
}

// readCommitted is the isolation level of a consumer that must not see open or aborted transactions (KIP-98).
const readCommitted = 1

// timestampKnown reports whether version has this timestamp: any time, or a special one.
func timestampKnown(version int16, ts int64) bool {
	switch ts {
	case -1, -2:
		return true
	case -3:
		return version >= 7
	case -4:
		return version >= 8
	case -5:
		return version >= 9
	case -6:
		return version >= 11
	default:
		return ts >= 0
	}
}
