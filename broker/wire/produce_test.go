package wire

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"highwater.dev/broker/model"
)

func drawString(t *rapid.T, label string) string { return rapid.StringN(0, 5, 200).Draw(t, label) }

func drawStringPtr(t *rapid.T, label string) *string {
	if rapid.Bool().Draw(t, label+" null") {
		return nil
	}
	s := drawString(t, label)
	return &s
}

func drawProduceRequest(t *rapid.T, version int16) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Version = version
	req.TransactionID = drawStringPtr(t, "txn")
	req.Acks = rapid.Int16().Draw(t, "acks")
	req.TimeoutMillis = rapid.Int32().Draw(t, "timeout")
	for range rapid.IntRange(0, 4).Draw(t, "topics") {
		topic := kmsg.NewProduceRequestTopic()
		if version >= 13 {
			topic.TopicID = topicID(rapid.Byte().Draw(t, "id"))
		} else {
			topic.Topic = drawString(t, "topic")
		}
		for range rapid.IntRange(0, 4).Draw(t, "partitions") {
			p := kmsg.NewProduceRequestTopicPartition()
			p.Partition = rapid.Int32().Draw(t, "partition")
			if !rapid.Bool().Draw(t, "null records") {
				p.Records = rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "records")
			}
			topic.Partitions = append(topic.Partitions, p)
		}
		req.Topics = append(req.Topics, topic)
	}
	return req
}

// toKmsg turns what was decoded into kmsg's form, to encode and compare it.
func (q *ProduceRequest) toKmsg() *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Version = q.Version
	if q.Transactional {
		req.TransactionID = &q.TransactionalID
	}
	req.Acks, req.TimeoutMillis = q.Acks, q.TimeoutMs
	for i := range q.Topics() {
		t := q.Topic(i)
		topic := kmsg.NewProduceRequestTopic()
		topic.Topic, topic.TopicID = t.Name, t.ID
		for j := range t.Count {
			in := q.Partition(t.First + j)
			p := kmsg.NewProduceRequestTopicPartition()
			p.Partition, p.Records = in.Index, in.Records
			topic.Partitions = append(topic.Partitions, p)
		}
		req.Topics = append(req.Topics, topic)
	}
	return req
}

func TestProduceRequestAgreesWithKmsg(t *testing.T) {
	eachVersion(t, Produce, func(t *testing.T, version int16) {
		var q ProduceRequest
		rapid.Check(t, func(t *rapid.T) {
			body := drawProduceRequest(t, version).AppendTo(nil)
			require.NoError(t, q.Decode(version, body))
			require.Equal(t, body, q.toKmsg().AppendTo(nil))
			// Bytes after the body are ignored; a body cut short is refused.
			require.NoError(t, q.Decode(version, append(body[:len(body):len(body)], "more"...)))
			require.Equal(t, body, q.toKmsg().AppendTo(nil))
			cut := rapid.IntRange(0, len(body)-1).Draw(t, "cut")
			require.ErrorIs(t, q.Decode(version, body[:cut]), ErrMalformed)
			require.Zero(t, q.Topics()+q.Partitions())
		})
	})
}

func TestProduceRequestRecordsAreInTheFrame(t *testing.T) {
	req := kmsg.NewPtrProduceRequest()
	req.Version = 9
	req.Topics = []kmsg.ProduceRequestTopic{{Topic: "t", Partitions: []kmsg.ProduceRequestTopicPartition{{Records: []byte("abc")}}}}
	body := req.AppendTo(nil)
	var q ProduceRequest
	require.NoError(t, q.Decode(9, body))
	q.Partition(0).Records[0] = 'X'
	require.Contains(t, string(body), "Xbc")
	require.Equal(t, 3, cap(q.Partition(0).Records), "an append must not run into what follows")
}

func TestProduceRequestSkipsUnknownTags(t *testing.T) {
	req := drawFixedProduce(9)
	var tags kmsg.Tags
	tags.Set(7, []byte("future"))
	req.UnknownTags, req.Topics[0].UnknownTags, req.Topics[0].Partitions[0].UnknownTags = tags, tags, tags
	var q ProduceRequest
	require.NoError(t, q.Decode(9, req.AppendTo(nil)))
	require.Equal(t, drawFixedProduce(9).AppendTo(nil), q.toKmsg().AppendTo(nil))
}

func drawFixedProduce(version int16) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Version = version
	req.Topics = []kmsg.ProduceRequestTopic{
		{Topic: "t", Partitions: []kmsg.ProduceRequestTopicPartition{{Partition: 1, Records: []byte("abc")}}},
	}
	return req
}

func TestProduceRequestWithLyingCounts(t *testing.T) {
	for name, c := range map[string]struct {
		version int16
		body    string
	}{
		"topics":             {3, "\xff\xff\x00\x01\x00\x00\x00\x00" + "\x7f\xff\xff\xff"},
		"partitions":         {3, "\xff\xff\x00\x01\x00\x00\x00\x00" + "\x00\x00\x00\x01\x00\x01t\x7f\xff\xff\xff"},
		"records":            {3, "\xff\xff\x00\x01\x00\x00\x00\x00" + "\x00\x00\x00\x01\x00\x01t\x00\x00\x00\x01\x00\x00\x00\x00\x7f\xff\xff\xff"},
		"compact topics":     {9, "\x00\x00\x01\x00\x00\x00\x00" + "\xff\xff\xff\xff\x0f"},
		"compact partitions": {9, "\x00\x00\x01\x00\x00\x00\x00" + "\x02\x02t\xff\xff\xff\xff\x0f"},
		"null topic name":    {9, "\x00\x00\x01\x00\x00\x00\x00" + "\x02\x00\x01\x00\x00"},
	} {
		t.Run(name, func(t *testing.T) {
			var q ProduceRequest
			require.ErrorIs(t, q.Decode(c.version, []byte(c.body)), ErrMalformed)
			require.Zero(t, cap(q.topics)+cap(q.partitions), "nothing is allocated for a lie")
		})
	}
}

func TestProduceResponseAgreesWithKmsg(t *testing.T) {
	eachVersion(t, Produce, func(t *testing.T, version int16) {
		rapid.Check(t, func(t *rapid.T) {
			want := kmsg.NewPtrProduceResponse()
			want.Version = version
			want.ThrottleMillis = rapid.Int32().Draw(t, "throttle")
			var resp Response
			var e ProduceResponse
			topics := rapid.IntRange(0, 3).Draw(t, "topics")
			e.Begin(&resp, version, topics)
			for range topics {
				topic := kmsg.NewProduceResponseTopic()
				topic.Topic, topic.TopicID = drawString(t, "topic"), topicID(rapid.Byte().Draw(t, "id"))
				n := rapid.IntRange(0, 3).Draw(t, "partitions")
				e.Topic(topic.Topic, topic.TopicID, n)
				for range n {
					p := drawProduceResult(t)
					e.Partition(&p)
					topic.Partitions = append(topic.Partitions, p.toKmsg(version))
				}
				want.Topics = append(want.Topics, topic)
			}
			endpoints := drawEndpoints(t)
			e.End(want.ThrottleMillis, endpoints)
			if version >= 10 {
				for _, p := range endpoints {
					b := kmsg.NewProduceResponseBroker()
					b.NodeID, b.Host, b.Port, b.Rack = int32(p.ID), p.Host, p.Port, p.Rack
					want.Brokers = append(want.Brokers, b)
				}
			}
			require.Equal(t, want.AppendTo(nil), resp.Buf)
		})
	})
}

func drawProduceResult(t *rapid.T) ProducePartitionResult {
	p := ProducePartitionResult{
		Index:        rapid.Int32().Draw(t, "index"),
		ErrorCode:    rapid.Int16().Draw(t, "error"),
		BaseOffset:   model.Offset(rapid.Int64().Draw(t, "base")),
		AppendTime:   model.TimestampMs(rapid.Int64().Draw(t, "time")),
		LogStart:     model.Offset(rapid.Int64().Draw(t, "start")),
		ErrorMessage: drawStringPtr(t, "message"),
		Leader:       NoLeader,
	}
	for range rapid.IntRange(0, 2).Draw(t, "record errors") {
		p.RecordErrors = append(p.RecordErrors, RecordError{rapid.Int32().Draw(t, "record"), drawStringPtr(t, "why")})
	}
	if rapid.Bool().Draw(t, "leader") {
		p.Leader = Leader{model.NodeID(rapid.Int32().Draw(t, "leader id")), model.LeaderEpoch(rapid.Int32().Draw(t, "epoch"))}
	}
	return p
}

func (p *ProducePartitionResult) toKmsg(version int16) kmsg.ProduceResponseTopicPartition {
	out := kmsg.NewProduceResponseTopicPartition()
	out.Partition, out.ErrorCode, out.BaseOffset = p.Index, p.ErrorCode, int64(p.BaseOffset)
	out.LogAppendTime, out.LogStartOffset = int64(p.AppendTime), int64(p.LogStart)
	out.ErrorMessage = p.ErrorMessage
	for _, e := range p.RecordErrors {
		r := kmsg.NewProduceResponseTopicPartitionErrorRecord()
		r.RelativeOffset, r.ErrorMessage = e.Index, e.Message
		out.ErrorRecords = append(out.ErrorRecords, r)
	}
	if version >= 10 {
		out.CurrentLeader.LeaderID, out.CurrentLeader.LeaderEpoch = int32(p.Leader.ID), int32(p.Leader.Epoch)
	}
	return out
}

func drawEndpoints(t *rapid.T) (out []Endpoint) {
	for range rapid.IntRange(0, 2).Draw(t, "endpoints") {
		out = append(out, Endpoint{
			ID: model.NodeID(rapid.Int32().Draw(t, "node")), Host: drawString(t, "host"),
			Port: rapid.Int32().Draw(t, "port"), Rack: drawStringPtr(t, "rack"),
		})
	}
	return out
}
