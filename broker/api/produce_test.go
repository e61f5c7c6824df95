package api_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/wire"
)

func TestProduceEveryVersion(t *testing.T) {
	s := memory(t)
	id := s.create("t", 2)
	for version := int16(3); version <= 13; version++ {
		before := int64(version-3) * 2
		for _, acks := range []int16{1, -1} {
			a := call[*kmsg.ProduceResponse](s, produceRequest("t", id, acks, 1, batch("a")), version)
			require.Len(t, a.Topics, 1)
			if version >= 13 {
				require.Equal(t, [16]byte(id), a.Topics[0].TopicID)
			} else {
				require.Equal(t, "t", a.Topics[0].Topic)
			}
			p := a.Topics[0].Partitions[0]
			require.Zero(t, p.ErrorCode)
			require.Equal(t, int32(1), p.Partition)
			require.Equal(t, before, p.BaseOffset)
			require.Equal(t, int64(-1), p.LogAppendTime)
			if version >= 5 {
				require.Zero(t, p.LogStartOffset)
			}
			require.Zero(t, a.ThrottleMillis)
			before++
		}
	}
}

func TestProduceLogAppendTime(t *testing.T) {
	s := memory(t)
	s.create("t", 1, "message.timestamp.type", "LogAppendTime")
	s.clock.Advance(1234)
	a := call[*kmsg.ProduceResponse](s, produceRequest("t", model.TopicID{}, 1, 0, batch("a")), 9)
	require.Equal(t, s.clock.Now().UnixMilli(), a.Topics[0].Partitions[0].LogAppendTime)
}

// refusals are what a partition may answer, by what was sent.
func TestProduceRefusals(t *testing.T) {
	s := memory(t)
	id := s.create("t", 1, "max.message.bytes", "1000")
	s.create("compacted", 1, "cleanup.policy", "compact")
	damaged := batch("x")
	damaged[len(damaged)-1] ^= 1
	transactional := record.Builder{Transactional: true, Idempotent: true, ProducerID: 9}
	transactional.Add(model.TimestampMs(epoch.UnixMilli()), nil, []byte("x"))
	zstd := record.Builder{Compression: record.Zstd}
	zstd.Add(model.TimestampMs(epoch.UnixMilli()), nil, []byte("x"))
	late := record.Builder{}
	late.Add(model.TimestampMs(epoch.UnixMilli()+7_200_000), nil, []byte("x"))
	control := record.Builder{Control: true}
	control.Add(model.TimestampMs(epoch.UnixMilli()), []byte{0, 0, 0, 1}, []byte{0, 0, 0, 0, 0, 0})
	magic := batch("x")
	magic[16] = 1

	for _, c := range []struct {
		name      string
		topic     string
		id        model.TopicID
		acks      int16
		partition int32
		records   []byte
		version   int16
		want      *kerr.Error
	}{
		{"acks 2", "t", id, 2, 0, batch("x"), 9, kerr.InvalidRequiredAcks},
		{"acks -2", "t", id, -2, 0, batch("x"), 13, kerr.InvalidRequiredAcks},
		{"acks 2 for no such partition", "t", id, 2, 1, batch("x"), 9, kerr.UnknownTopicOrPartition},
		{"acks 2 without records", "t", id, 2, 0, nil, 9, kerr.InvalidRecord},
		{"no such topic", "nope", id, 1, 0, batch("x"), 9, kerr.UnknownTopicOrPartition},
		{"no such partition", "t", id, 1, 1, batch("x"), 9, kerr.UnknownTopicOrPartition},
		{"negative partition", "t", id, 1, -1, batch("x"), 9, kerr.UnknownTopicOrPartition},
		{"no such id", "", model.TopicID{9}, 1, 0, batch("x"), 13, kerr.UnknownTopicID},
		{"null records", "t", id, 1, 0, nil, 9, kerr.InvalidRecord},
		{"empty records", "t", id, 1, 0, []byte{}, 9, kerr.InvalidRecord},
		{"damaged", "t", id, 1, 0, damaged, 9, kerr.CorruptMessage},
		{"cut", "t", id, 1, 0, batch("x")[:30], 9, kerr.InvalidRecord},
		{"magic 1", "t", id, 1, 0, magic, 9, kerr.InvalidRecord},
		{"two batches", "t", id, 1, 0, append(batch("x"), batch("y")...), 9, kerr.InvalidRecord},
		{"transactional without an id", "t", id, -1, 0, transactional.Batch(), 9, kerr.TransactionalIDAuthorizationFailed},
		{"control", "t", id, -1, 0, control.Batch(), 9, kerr.InvalidRecord},
		{"zstd before its version", "t", id, 1, 0, zstd.Batch(), 6, kerr.UnsupportedCompressionType},
		{"too late", "t", id, 1, 0, late.Batch(), 9, kerr.InvalidTimestamp},
		{"too large", "t", id, 1, 0, batch(string(make([]byte, 1000))), 9, kerr.MessageTooLarge},
		{"no key", "compacted", id, 1, 0, batch("x", "y"), 9, kerr.InvalidRecord},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := call[*kmsg.ProduceResponse](s, produceRequest(c.topic, c.id, c.acks, c.partition, c.records), c.version)
			p := a.Topics[0].Partitions[0]
			require.Equal(t, c.want.Code, p.ErrorCode, "%v", p.ErrorMessage)
			require.Equal(t, int64(-1), p.BaseOffset)
			if len(p.ErrorRecords) == 0 {
				require.Equal(t, int64(-1), p.LogStartOffset)
			} else {
				require.Zero(t, p.LogStartOffset, "Kafka tells the log start offset beside refused records")
			}
			if c.version >= 8 {
				require.NotEmpty(t, *p.ErrorMessage)
			}
			if c.name == "no key" {
				require.Len(t, p.ErrorRecords, 2)
				require.Equal(t, int32(1), p.ErrorRecords[1].RelativeOffset)
			}
		})
	}
	require.Zero(t, s.produce("t", "first"), "a refusal appended something")
	ok := call[*kmsg.ProduceResponse](s, produceRequest("t", id, 1, 0, zstd.Batch()), 7)
	require.Zero(t, ok.Topics[0].Partitions[0].ErrorCode)
}

func TestProduceWithoutAcks(t *testing.T) {
	s := memory(t)
	id := s.create("t", 1)
	var resp wire.Response
	require.NoError(t, s.session.Serve(request(t, produceRequest("t", id, 0, 0, batch("a")), 9), &resp))
	require.True(t, resp.None)
	require.Empty(t, resp.Buf)
	resp.Reset()
	err := s.session.Serve(request(t, produceRequest("t", id, 0, 3, batch("a")), 9), &resp)
	require.ErrorIs(t, err, kerr.UnknownTopicOrPartition, "an error has to close the connection")
	require.Equal(t, int64(1), s.produce("t", "b"))
}

func TestProduceManyPartitionsInOrder(t *testing.T) {
	s := memory(t)
	s.create("a", 2)
	s.create("b", 1)
	q := produceRequest("a", model.TopicID{}, -1, 1, batch("1"))
	q.Topics[0].Partitions = append(q.Topics[0].Partitions, kmsg.ProduceRequestTopicPartition{Partition: 5, Records: batch("x")},
		kmsg.ProduceRequestTopicPartition{Partition: 0, Records: batch("2", "3")})
	q.Topics = append(q.Topics, produceRequest("b", model.TopicID{}, -1, 0, batch("4")).Topics...)
	a := call[*kmsg.ProduceResponse](s, q, 11)
	require.Len(t, a.Topics, 2)
	require.Len(t, a.Topics[0].Partitions, 3)
	for i, want := range []struct {
		partition int32
		code      int16
	}{{1, 0}, {5, kerr.UnknownTopicOrPartition.Code}, {0, 0}} {
		require.Equal(t, want.partition, a.Topics[0].Partitions[i].Partition)
		require.Equal(t, want.code, a.Topics[0].Partitions[i].ErrorCode)
	}
	require.Zero(t, a.Topics[1].Partitions[0].ErrorCode)
}

func TestIdempotentProducer(t *testing.T) {
	s := memory(t)
	id := s.create("t", 1)
	init := call[*kmsg.InitProducerIDResponse](s, initProducerID(nil), 5)
	require.Zero(t, init.ErrorCode)
	send := func(sequence int32) kmsg.ProduceResponseTopicPartition {
		b := record.Builder{Idempotent: true, ProducerID: model.ProducerID(init.ProducerID), ProducerEpoch: model.ProducerEpoch(init.ProducerEpoch), BaseSequence: sequence}
		b.Add(model.TimestampMs(epoch.UnixMilli()), nil, []byte("x"))
		return call[*kmsg.ProduceResponse](s, produceRequest("t", id, -1, 0, b.Batch()), 12).Topics[0].Partitions[0]
	}
	for i := range int32(7) {
		require.Equal(t, int64(i), send(i).BaseOffset)
	}
	again := send(3)
	require.Zero(t, again.ErrorCode, "a retry among the last five batches succeeds")
	require.Equal(t, int64(3), again.BaseOffset)
	require.Equal(t, kerr.OutOfOrderSequenceNumber.Code, send(9).ErrorCode)
	require.Equal(t, int64(7), send(7).BaseOffset)
}

// TestProduceTransactional: without a transactional.id nobody can authorize the producer, and the whole request is refused; with
// one, the partition of a transaction that nobody began.
func TestProduceTransactional(t *testing.T) {
	s := memory(t)
	s.create("t", 2)
	b := record.Builder{Transactional: true, Idempotent: true, ProducerID: 9}
	b.Add(model.TimestampMs(epoch.UnixMilli()), nil, []byte("x"))
	ask := func(transactionalID *string) (codes []int16) {
		q := produceRequest("t", model.TopicID{}, -1, 1, batch("plain"))
		q.TransactionID = transactionalID
		p := kmsg.NewProduceRequestTopicPartition()
		p.Records = b.Batch()
		q.Topics[0].Partitions = append(q.Topics[0].Partitions, p)
		for _, p := range call[*kmsg.ProduceResponse](s, q, 9).Topics[0].Partitions {
			codes = append(codes, p.ErrorCode)
		}
		return codes
	}
	code := kerr.TransactionalIDAuthorizationFailed.Code
	require.Equal(t, []int16{code, code}, ask(nil))
	require.Equal(t, []int16{0, kerr.InvalidTxnState.Code}, ask(kmsg.StringPtr("id")))
}

// TestProduceToAPartitionTwice: what the request says last is appended, and answered, once.
func TestProduceToAPartitionTwice(t *testing.T) {
	s := memory(t)
	id := s.create("t", 40)
	entry := func(partition int32, values ...string) kmsg.ProduceRequestTopicPartition {
		p := kmsg.NewProduceRequestTopicPartition()
		p.Partition, p.Records = partition, batch(values...)
		return p
	}
	topic := func(entries ...kmsg.ProduceRequestTopicPartition) kmsg.ProduceRequestTopic {
		n := kmsg.NewProduceRequestTopic()
		n.Topic, n.TopicID, n.Partitions = "t", id, entries
		return n
	}
	var many []kmsg.ProduceRequestTopicPartition
	for i := range int32(40) {
		many = append(many, entry(i, "first"))
	}
	next := map[int32]int64{}
	for _, c := range []struct {
		name   string
		topics []kmsg.ProduceRequestTopic
		want   []int32 // partitions in the answer
		last   string
	}{
		{"in a topic", []kmsg.ProduceRequestTopic{topic(entry(0, "a", "b"), entry(1, "z"), entry(0, "c"))}, []int32{1, 0}, "c"},
		{"three times", []kmsg.ProduceRequestTopic{topic(entry(0, "d"), entry(0, "e"), entry(0, "f"))}, []int32{0}, "f"},
		{"in two topics", []kmsg.ProduceRequestTopic{topic(entry(0, "g")), topic(entry(0, "h"))}, []int32{0}, "h"},
		{"among many", []kmsg.ProduceRequestTopic{topic(append(many, entry(0, "i"), entry(39, "k"), entry(0, "l"))...)}, nil, "l"},
	} {
		for _, version := range []int16{9, 13} {
			q := kmsg.NewPtrProduceRequest()
			q.Acks, q.TimeoutMillis, q.Topics = -1, 1000, c.topics
			var got []int32
			for _, topic := range call[*kmsg.ProduceResponse](s, q, version).Topics {
				for _, p := range topic.Partitions {
					require.Zero(t, p.ErrorCode, c.name)
					require.Equal(t, next[p.Partition], p.BaseOffset, c.name)
					next[p.Partition]++
					got = append(got, p.Partition)
				}
			}
			if c.want == nil {
				require.Len(t, got, 40)
			} else {
				require.Equal(t, c.want, got, c.name)
			}
			f := call[*kmsg.FetchResponse](s, fetchRequest("t", id, next[0]-1), 12)
			kept, _ := values(t, f.Topics[0].Partitions[0].RecordBatches)
			require.Equal(t, []string{c.last}, kept, c.name)
		}
	}
}
