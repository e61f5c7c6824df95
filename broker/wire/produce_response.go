package wire

import "highwater.dev/broker/model"

// Leader is a partition's current leader, told to a client that asked the wrong broker (KIP-951).
type Leader struct {
	ID    model.NodeID
	Epoch model.LeaderEpoch
}

// NoLeader is left out of a response.
var NoLeader = Leader{ID: model.NoNode, Epoch: model.NoLeaderEpoch}

// Endpoint says where a current leader listens (KIP-951).
type Endpoint struct {
	ID   model.NodeID
	Host string
	Port int32
	Rack *string
}

// RecordError names a record that made the broker refuse its batch (KIP-467).
type RecordError struct {
	Index   int32   // of the record in its batch
	Message *string // nil is null
}

// ProducePartitionResult is one partition's answer.
type ProducePartitionResult struct {
	Index      int32
	ErrorCode  int16
	BaseOffset model.Offset // -1 with an error
	// AppendTime is the broker's time with LogAppendTime, otherwise model.NoTimestamp.
	AppendTime   model.TimestampMs
	LogStart     model.Offset
	RecordErrors []RecordError // from version 8
	ErrorMessage *string       // from version 8; nil is null
	Leader       Leader        // from version 10; NoLeader leaves it out
}

// ProduceResponse writes a Produce response piece by piece: Begin, then for each topic Topic and its partitions,
// then End. The counts are those of the request and are told in advance.
type ProduceResponse struct {
	resp     *Response
	version  int16
	flexible bool
	inTopic  bool
}

// Begin starts the body of a response with that many topics, after BeginResponse.
func (e *ProduceResponse) Begin(resp *Response, version int16, topics int) {
	*e = ProduceResponse{resp: resp, version: version, flexible: version >= 9}
	resp.Buf = AppendArray(resp.Buf, topics, e.flexible)
}

// Topic starts a topic of that many partitions. From version 13 it is named by id, before that by name.
func (e *ProduceResponse) Topic(name string, id model.TopicID, partitions int) {
	e.endTopic()
	e.inTopic = true
	e.resp.Buf = appendTopicName(e.resp.Buf, name, id, e.version >= firstIDVersion, e.flexible)
	e.resp.Buf = AppendArray(e.resp.Buf, partitions, e.flexible)
}

// Partition adds a partition to the topic.
func (e *ProduceResponse) Partition(p *ProducePartitionResult) {
	b := AppendInt32(e.resp.Buf, p.Index)
	b = AppendInt16(b, p.ErrorCode)
	b = AppendInt64(b, int64(p.BaseOffset))
	b = AppendInt64(b, int64(p.AppendTime))
	if e.version >= 5 {
		b = AppendInt64(b, int64(p.LogStart))
	}
	if e.version >= 8 {
		b = AppendArray(b, len(p.RecordErrors), e.flexible)
		for i := range p.RecordErrors {
			b = AppendInt32(b, p.RecordErrors[i].Index)
			b = AppendNullableString(b, p.RecordErrors[i].Message, e.flexible)
			if e.flexible {
				b = AppendNoTags(b)
			}
		}
		b = AppendNullableString(b, p.ErrorMessage, e.flexible)
	}
	if e.flexible {
		if e.version >= 10 && p.Leader != NoLeader {
			b = append(b, 1) // one tagged field
			b = appendLeaderTag(b, 0, p.Leader)
		} else {
			b = AppendNoTags(b)
		}
	}
	e.resp.Buf = b
}

// End finishes the body. endpoints (from version 10) may be empty.
func (e *ProduceResponse) End(throttleMs int32, endpoints []Endpoint) {
	e.endTopic()
	e.resp.Buf = AppendInt32(e.resp.Buf, throttleMs)
	if e.flexible {
		if e.version < 10 {
			endpoints = nil
		}
		e.resp.Buf = appendEndpointsTag(e.resp.Buf, endpoints)
	}
}

func (e *ProduceResponse) endTopic() {
	if e.inTopic && e.flexible {
		e.resp.Buf = AppendNoTags(e.resp.Buf)
	}
}

func appendTopicName(dst []byte, name string, id model.TopicID, byID, flexible bool) []byte {
	if byID {
		return AppendUUID(dst, id)
	}
	return AppendString(dst, name, flexible)
}

// appendLeaderTag adds the tagged field of a current leader: number, size 9, id, epoch, no tags.
func appendLeaderTag(dst []byte, tag byte, l Leader) []byte {
	dst = append(dst, tag, 9)
	dst = AppendInt32(dst, int32(l.ID))
	dst = AppendInt32(dst, int32(l.Epoch))
	return AppendNoTags(dst)
}

// appendEndpointsTag adds a response's section of tagged fields: field 0 with the endpoints, or none.
func appendEndpointsTag(dst []byte, endpoints []Endpoint) []byte {
	if len(endpoints) == 0 {
		return AppendNoTags(dst)
	}
	size := UvarintSize(uint32(len(endpoints) + 1))
	for i := range endpoints {
		size += endpoints[i].size()
	}
	dst = append(dst, 1, 0) // one field, number 0
	dst = AppendUvarint(dst, uint32(size))
	dst = AppendArray(dst, len(endpoints), true)
	for i := range endpoints {
		p := &endpoints[i]
		dst = AppendInt32(dst, int32(p.ID))
		dst = AppendString(dst, p.Host, true)
		dst = AppendInt32(dst, p.Port)
		dst = AppendNullableString(dst, p.Rack, true)
		dst = AppendNoTags(dst)
	}
	return dst
}

// size is what appendEndpointsTag adds for p, in bytes.
func (p *Endpoint) size() int {
	n := 4 + UvarintSize(uint32(len(p.Host)+1)) + len(p.Host) + 4 + 1 + 1
	if p.Rack != nil {
		n += UvarintSize(uint32(len(*p.Rack)+1)) - 1 + len(*p.Rack)
	}
	return n
}
