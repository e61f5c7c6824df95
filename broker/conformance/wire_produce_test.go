package conformance

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// send produces records to partition 0 with acks=all and returns the partition's answer.
func send(t *testing.T, w *wire, topic string, version int16, records []byte) kmsg.ProduceResponseTopicPartition {
	t.Helper()
	req := produceRequest(topic, [16]byte{}, version, -1, records)
	resp := ask[*kmsg.ProduceResponse](w, version, req)
	require.Len(t, resp.Topics, 1)
	require.Len(t, resp.Topics[0].Partitions, 1)
	return resp.Topics[0].Partitions[0]
}

// sendOK is send that must be acknowledged at the given base offset.
func sendOK(t *testing.T, w *wire, topic string, base int64, b *batch) {
	t.Helper()
	p := send(t, w, topic, 9, b.bytes())
	requireCode(t, nil, p.ErrorCode, "produce")
	require.Equal(t, base, p.BaseOffset)
}

// TestWireRefusedBatches sends batches that must not be appended, and checks Kafka's error code for each and that the log did not grow.
func TestWireRefusedBatches(t *testing.T) {
	addr := bootstrap(t)
	limits := map[string]string{"max.message.bytes": "20000"}
	one, three := func() *batch { return simpleBatch("a") }, func() *batch { return simpleBatch("a", "b", "c") }
	lieRecordLength := func(b *batch) { b.records[0] += 20 }
	for what, c := range map[string]struct {
		records []byte
		want    *kerr.Error
	}{
		"bad CRC":                     {three().with(func(b *batch) { b.crcFlip = 1 }).bytes(), kerr.CorruptMessage},
		"flipped byte":                {flip(three().bytes(), -1), kerr.CorruptMessage},
		"magic 0":                     {three().with(func(b *batch) { b.magic = 0 }).bytes(), kerr.InvalidRecord},
		"magic 1":                     {three().with(func(b *batch) { b.magic = 1 }).bytes(), kerr.InvalidRecord},
		"magic 3":                     {three().with(func(b *batch) { b.magic = 3 }).bytes(), kerr.CorruptMessage},
		"magic -1":                    {three().with(func(b *batch) { b.magic = 0xff }).bytes(), kerr.CorruptMessage},
		"more counted":                {three().with(func(b *batch) { b.count, b.lastOffsetDelta = 4, 3 }).bytes(), kerr.InvalidRecord},
		"fewer counted":               {three().with(func(b *batch) { b.count, b.lastOffsetDelta = 2, 1 }).bytes(), kerr.InvalidRecord},
		"delta over count":            {three().with(func(b *batch) { b.lastOffsetDelta = 3 }).bytes(), kerr.InvalidRecord},
		"delta under count":           {three().with(func(b *batch) { b.lastOffsetDelta = 1 }).bytes(), kerr.InvalidRecord},
		"negative delta":              {three().with(func(b *batch) { b.lastOffsetDelta = -1 }).bytes(), kerr.InvalidRecord},
		"negative count":              {three().with(func(b *batch) { b.count = -3 }).bytes(), kerr.InvalidRecord},
		"enormous count":              {three().with(func(b *batch) { b.count, b.lastOffsetDelta = 0x7fffffff, 0x7ffffffe }).bytes(), kerr.InvalidRecord},
		"no records":                  {three().with(func(b *batch) { b.count, b.lastOffsetDelta, b.records = 0, -1, nil }).bytes(), kerr.InvalidRecord},
		"record length lies":          {three().with(lieRecordLength).bytes(), kerr.InvalidRecord},
		"two batches":                 {append(one().bytes(), one().bytes()...), kerr.InvalidRecord},
		"control batch":               {one().with(func(b *batch) { b.attributes = 0x20 }).bytes(), kerr.InvalidRecord},
		"control batch of a producer": {one().by(1, 0, 0).with(func(b *batch) { b.attributes = 0x20 }).bytes(), kerr.InvalidRecord},
		"transactional without a transactional id": {one().by(1, 0, 0).with(func(b *batch) { b.attributes = 0x10 }).bytes(), kerr.TransactionalIDAuthorizationFailed},
		"base offset of its own":                   {one().with(func(b *batch) { b.baseOffset = 4711 }).bytes(), kerr.InvalidRecord},
		"codec 5":                                  {one().with(func(b *batch) { b.attributes = 5 }).bytes(), nil},
		"gzip that is not":                         {one().with(func(b *batch) { b.attributes = 1 }).bytes(), nil},
		"producer without sequence":                {one().by(1, 0, -1).bytes(), kerr.InvalidRecord},
		"length too short":                         {one().with(func(b *batch) { b.lengthMore = -1 }).bytes(), nil},
		"length too long":                          {one().with(func(b *batch) { b.lengthMore = 1 }).bytes(), kerr.InvalidRecord},
		"tiny length":                              {one().with(func(b *batch) { b.lengthMore = -int32(len(b.records)) - 40 }).bytes(), kerr.CorruptMessage},
		"cut in the header":                        {one().bytes()[:40], kerr.InvalidRecord},
		"cut in the length":                        {one().bytes()[:10], kerr.InvalidRecord},
		"empty":                                    {[]byte{}, kerr.InvalidRecord},
		"too large":                                {simpleBatch(string(make([]byte, 21_000))).bytes(), kerr.MessageTooLarge},
		"a year ahead": {simpleBatch("late").with(func(b *batch) {
			b.firstTimestamp = time.Now().Add(365 * 24 * time.Hour).UnixMilli()
			b.maxTimestamp = b.firstTimestamp
		}).bytes(), kerr.InvalidTimestamp},
	} {
		t.Run(what, func(t *testing.T) {
			topic, w := createTopic(t, addr, 1, limits), dial(t, addr)
			p := send(t, w, topic, 9, c.records)
			if c.want != nil {
				requireCode(t, c.want, p.ErrorCode, what)
			}
			require.NotZero(t, p.ErrorCode, "refused, though Apache Kafka's own code is an accident (UNKNOWN_SERVER_ERROR) or a matter of order")
			require.EqualValues(t, -1, p.BaseOffset)
			require.Zero(t, offsetOf(t, addr, topic, -1), "nothing is appended")
			sendOK(t, w, topic, 0, three()) // on the same connection
		})
	}
}

// flip turns one bit of the byte at i, counted from the end when negative.
func flip(b []byte, i int) []byte {
	b = slices.Clone(b)
	if i < 0 {
		i += len(b)
	}
	b[i] ^= 1
	return b
}

func TestWireRefusedRequests(t *testing.T) {
	addr := bootstrap(t)
	topic := createTopic(t, addr, 1, nil)
	id := topicID(t, addr, topic)
	ok := simpleBatch("a").bytes()
	w := dial(t, addr)
	ask1 := func(version int16, req *kmsg.ProduceRequest) kmsg.ProduceResponseTopicPartition {
		t.Helper()
		resp := ask[*kmsg.ProduceResponse](w, version, req)
		require.Len(t, resp.Topics, 1)
		require.Len(t, resp.Topics[0].Partitions, 1)
		require.Equal(t, req.Topics[0].Topic, resp.Topics[0].Topic)
		return resp.Topics[0].Partitions[0]
	}
	requireCode(t, kerr.InvalidRequiredAcks, ask1(9, produceRequest(topic, id, 9, 2, ok)).ErrorCode, "acks 2")
	requireCode(t, kerr.InvalidRequiredAcks, ask1(9, produceRequest(topic, id, 9, -2, ok)).ErrorCode, "acks -2")
	requireCode(t, kerr.UnknownTopicOrPartition, ask1(9, produceRequest(topicName(t), id, 9, -1, ok)).ErrorCode, "unknown topic")
	req := produceRequest(topic, id, 9, -1, ok)
	req.Topics[0].Partitions[0].Partition = 7
	requireCode(t, kerr.UnknownTopicOrPartition, ask1(9, req).ErrorCode, "unknown partition")
	req.Topics[0].Partitions[0].Partition = -1
	requireCode(t, kerr.UnknownTopicOrPartition, ask1(9, req).ErrorCode, "partition -1")

	byID := produceRequest("", [16]byte{1, 2, 3}, 13, -1, ok)
	resp := ask[*kmsg.ProduceResponse](w, 13, byID)
	requireCode(t, kerr.UnknownTopicID, resp.Topics[0].Partitions[0].ErrorCode, "unknown topic id")
	require.Equal(t, byID.Topics[0].TopicID, resp.Topics[0].TopicID)

	zstd := simpleBatch("a").with(func(b *batch) { b.attributes = 4 }).bytes()
	for version := int16(3); version < 7; version++ {
		requireCode(t, kerr.UnsupportedCompressionType, ask1(version, produceRequest(topic, id, version, -1, zstd)).ErrorCode, "zstd before Produce v7")
	}
	require.Zero(t, offsetOf(t, addr, topic, -1))
}

func TestWireNullRecords(t *testing.T) {
	addr := bootstrap(t)
	topic := createTopic(t, addr, 1, nil)
	req := produceRequest(topic, [16]byte{}, 9, -1, nil)
	if targetName() == "kafka" {
		return // Apache Kafka 4.3 fails inside and never answers
	}
	resp := ask[*kmsg.ProduceResponse](dial(t, addr), 9, req)
	requireCode(t, kerr.InvalidRecord, resp.Topics[0].Partitions[0].ErrorCode, "null records")
}

// TestWireAcksZero: no answer when it works, a closed connection when it does not, so that the client asks for metadata again.
func TestWireAcksZero(t *testing.T) {
	addr := bootstrap(t)
	topic := createTopic(t, addr, 1, nil)
	w := dial(t, addr)
	for range 3 {
		w.write(w.request(produceRequest(topic, [16]byte{}, 9, 0, simpleBatch("a").bytes())))
	}
	require.Zero(t, ask[*kmsg.ApiVersionsResponse](w, 0, kmsg.NewPtrApiVersionsRequest()).ErrorCode, "the next answer is the next request's")
	require.EqualValues(t, 3, offsetOf(t, addr, topic, -1))
	w.write(w.request(produceRequest(topicName(t), [16]byte{}, 9, 0, simpleBatch("a").bytes())))
	w.requireClosed("acks 0 to an unknown topic")
}

func TestWireKeysOfCompactedTopics(t *testing.T) {
	addr := bootstrap(t)
	topic := createTopic(t, addr, 1, map[string]string{"cleanup.policy": "compact"})
	b := simpleBatch("a", "b", "c")
	b.records = appendRecord(nil, 0, 0, []byte("k"), []byte("a"))
	b.records = appendRecord(b.records, 10, 1, nil, []byte("b"))
	b.records = appendRecord(b.records, 20, 2, []byte("k"), []byte("c"))
	p := send(t, dial(t, addr), topic, 9, b.bytes())
	requireCode(t, kerr.InvalidRecord, p.ErrorCode, "a record without a key")
	require.Len(t, p.ErrorRecords, 1, "which record it was (KIP-467)")
	require.EqualValues(t, 1, p.ErrorRecords[0].RelativeOffset)
	require.NotNil(t, p.ErrorRecords[0].ErrorMessage)
	require.NotNil(t, p.ErrorMessage)
	require.Zero(t, offsetOf(t, addr, topic, -1))
	sendOK(t, dial(t, addr), topic, 0, simpleBatch("a"))
}

// TestWireMinInsyncReplicasIsBoundByTheReplicas: a topic of one replica takes acks=all whatever min.insync.replicas says.
func TestWireMinInsyncReplicasIsBoundByTheReplicas(t *testing.T) {
	addr := bootstrap(t)
	topic := createTopic(t, addr, 1, map[string]string{"min.insync.replicas": "2"})
	w := dial(t, addr)
	sendOK(t, w, topic, 0, simpleBatch("a"))
	resp := ask[*kmsg.ProduceResponse](w, 9, produceRequest(topic, [16]byte{}, 9, 1, simpleBatch("a").bytes()))
	requireCode(t, nil, resp.Topics[0].Partitions[0].ErrorCode, "acks=1")
}

func TestWireLogAppendTimeIsAnswered(t *testing.T) {
	addr := bootstrap(t)
	topic := createTopic(t, addr, 1, map[string]string{"message.timestamp.type": "LogAppendTime"})
	p := send(t, dial(t, addr), topic, 9, simpleBatch("a", "b").bytes())
	requireCode(t, nil, p.ErrorCode, "produce")
	require.WithinDuration(t, time.Now(), time.UnixMilli(p.LogAppendTime), time.Minute)
	listed := listOffset(t, addr, 7, topic, 0, p.LogAppendTime, -1)
	require.Equal(t, p.LogAppendTime, listed.Timestamp)
	require.Zero(t, listed.Offset)

	topic = createTopic(t, addr, 1, nil)
	p = send(t, dial(t, addr), topic, 9, simpleBatch("a").bytes())
	require.EqualValues(t, -1, p.LogAppendTime, "with CreateTime there is none")
	require.Zero(t, p.LogStartOffset)
}

// TestWireMaxTimestampIsFoundNotBelieved: the header's greatest timestamp lies; lookups by time are right all the same.
func TestWireMaxTimestampIsFoundNotBelieved(t *testing.T) {
	addr := bootstrap(t)
	topic := createTopic(t, addr, 1, nil)
	sendOK(t, dial(t, addr), topic, 0, simpleBatch("a", "b", "c").with(func(b *batch) { b.maxTimestamp = firstTimestamp + 1_000_000 }))
	require.EqualValues(t, -1, offsetOf(t, addr, topic, firstTimestamp+21))
	require.EqualValues(t, 2, offsetOf(t, addr, topic, firstTimestamp+20))
}

// TestWireBatchesAreStoredAsSent reads raw bytes back: but for the base offset and the leader epoch they are the producer's.
func TestWireBatchesAreStoredAsSent(t *testing.T) {
	addr := bootstrap(t)
	topic := createTopic(t, addr, 1, nil)
	w := dial(t, addr)
	var want []byte
	next := int64(0)
	for i, b := range []*batch{
		simpleBatch("plain", "and", "simple"),
		simpleBatch("x").with(func(b *batch) { b.attributes, b.records = 1, gzipped(b.records) }),
		simpleBatch("leader", "epoch", "of its own").with(func(b *batch) { b.leaderEpoch = 17 }),
	} {
		sendOK(t, w, topic, next, b)
		b.baseOffset, b.leaderEpoch = next, 0
		next += int64(b.count)
		want = append(want, b.bytes()...)
		resp := ask[*kmsg.FetchResponse](w, 11, fetchRequest(topic, 0, 0))
		require.Equalf(t, want, resp.Topics[0].Partitions[0].RecordBatches, "after batch %d", i)
	}
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(b) // a bytes.Buffer takes everything
	_ = z.Close()
	return out.Bytes()
}

// initProducer asks for a new producer id.
func initProducer(t *testing.T, addr string) (int64, int16) {
	t.Helper()
	w := dial(t, addr)
	for deadline := time.Now().Add(wireTimeout); ; {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.TransactionTimeoutMillis = 1000
		resp := ask[*kmsg.InitProducerIDResponse](w, 4, req)
		if resp.ErrorCode == kerr.CoordinatorLoadInProgress.Code && time.Now().Before(deadline) {
			continue // a broker's first answer, until it has a block of ids
		}
		requireCode(t, nil, resp.ErrorCode, "InitProducerId")
		return resp.ProducerID, resp.ProducerEpoch
	}
}

func TestWireProducerIDs(t *testing.T) {
	addr := bootstrap(t)
	seen := map[int64]bool{}
	for range 20 {
		id, epoch := initProducer(t, addr)
		require.GreaterOrEqual(t, id, int64(0))
		require.Zero(t, epoch)
		require.False(t, seen[id], "an id is given once")
		seen[id] = true
	}
}

func TestWireIdempotence(t *testing.T) {
	addr := bootstrap(t)
	newTopic := func(t *testing.T) (string, int64, *wire) {
		id, _ := initProducer(t, addr)
		return createTopic(t, addr, 1, nil), id, dial(t, addr)
	}
	t.Run("duplicates within five batches", func(t *testing.T) {
		topic, id, w := newTopic(t)
		var sent []*batch
		for i := range int32(6) {
			b := simpleBatch("a", "b").by(id, 0, 2*i)
			sent = append(sent, b)
			sendOK(t, w, topic, int64(2*i), b)
		}
		for i := 1; i < 6; i++ {
			sendOK(t, dial(t, addr), topic, int64(2*i), sent[i]) // the first offset again, and nothing appended
		}
		require.EqualValues(t, 12, offsetOf(t, addr, topic, -1))
		requireCode(t, kerr.OutOfOrderSequenceNumber, send(t, w, topic, 9, sent[0].bytes()).ErrorCode, "older than five batches")
		requireCode(t, kerr.OutOfOrderSequenceNumber, send(t, w, topic, 9, simpleBatch("a").by(id, 0, 10).bytes()).ErrorCode, "half a duplicate")
		require.EqualValues(t, 12, offsetOf(t, addr, topic, -1))
		sendOK(t, w, topic, 12, simpleBatch("next").by(id, 0, 12))
	})
	t.Run("a gap", func(t *testing.T) {
		topic, id, w := newTopic(t)
		sendOK(t, w, topic, 0, simpleBatch("a").by(id, 0, 0))
		requireCode(t, kerr.OutOfOrderSequenceNumber, send(t, w, topic, 9, simpleBatch("c").by(id, 0, 2).bytes()).ErrorCode, "a gap")
		sendOK(t, w, topic, 1, simpleBatch("b").by(id, 0, 1))
	})
	t.Run("epochs", func(t *testing.T) {
		topic, id, w := newTopic(t)
		sendOK(t, w, topic, 0, simpleBatch("a").by(id, 1, 0))
		requireCode(t, kerr.InvalidProducerEpoch, send(t, w, topic, 9, simpleBatch("b").by(id, 0, 1).bytes()).ErrorCode, "an older epoch")
		requireCode(t, kerr.OutOfOrderSequenceNumber, send(t, w, topic, 9, simpleBatch("b").by(id, 2, 1).bytes()).ErrorCode, "a new epoch not from 0")
		sendOK(t, w, topic, 1, simpleBatch("b").by(id, 2, 0))
		requireCode(t, kerr.InvalidProducerEpoch, send(t, w, topic, 9, simpleBatch("c").by(id, 1, 1).bytes()).ErrorCode, "the epoch before")
	})
	t.Run("an unknown producer begins anywhere", func(t *testing.T) {
		topic, id, w := newTopic(t)
		sendOK(t, w, topic, 0, simpleBatch("a").by(id, 3, 41))
		sendOK(t, w, topic, 1, simpleBatch("b").by(id, 3, 42))
		requireCode(t, kerr.OutOfOrderSequenceNumber, send(t, w, topic, 9, simpleBatch("c").by(id, 3, 50).bytes()).ErrorCode, "a gap")
	})
	t.Run("sequences wrap", func(t *testing.T) {
		topic, id, w := newTopic(t)
		const last = 0x7fffffff
		sendOK(t, w, topic, 0, simpleBatch("a").by(id, 0, last-2))
		across := simpleBatch("b", "c", "d", "e").by(id, 0, last-1) // last-1, last, 0, 1
		sendOK(t, w, topic, 1, across)
		sendOK(t, w, topic, 1, across)
		sendOK(t, w, topic, 5, simpleBatch("f").by(id, 0, 2))
	})
	t.Run("many producers", func(t *testing.T) {
		topic, _, w := newTopic(t)
		for i := range int64(50) {
			id, _ := initProducer(t, addr)
			sendOK(t, w, topic, i, simpleBatch(fmt.Sprint(i)).by(id, 0, 0))
		}
	})
}

// TestWireSeveralPartitionsInOneRequest: each has an answer of its own, and one's error is not another's.
func TestWireSeveralPartitionsInOneRequest(t *testing.T) {
	addr := bootstrap(t)
	topic, other := createTopic(t, addr, 3, nil), createTopic(t, addr, 1, nil)
	req := produceRequest(topic, [16]byte{}, 9, -1, simpleBatch("a").bytes())
	for partition, records := range map[int32][]byte{
		1: simpleBatch("bad").with(func(b *batch) { b.crcFlip = 1 }).bytes(), 2: simpleBatch("c", "d").bytes(), 9: simpleBatch("nowhere").bytes(),
	} {
		p := kmsg.NewProduceRequestTopicPartition()
		p.Partition, p.Records = partition, records
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, p)
	}
	req.Topics = append(req.Topics, produceRequest(other, [16]byte{}, 9, -1, simpleBatch("e").bytes()).Topics...)
	codes := map[string]int16{}
	for _, rt := range ask[*kmsg.ProduceResponse](dial(t, addr), 9, req).Topics {
		for _, p := range rt.Partitions {
			codes[fmt.Sprintf("%v/%d", rt.Topic == topic, p.Partition)] = p.ErrorCode
		}
	}
	require.Equal(t, map[string]int16{
		"true/0": 0, "true/1": kerr.CorruptMessage.Code, "true/2": 0, "true/9": kerr.UnknownTopicOrPartition.Code, "false/0": 0,
	}, codes)
}

// TestWireProduceVersionsSayWhatTheyMay: each version's answer has its fields; see also the test of every version.
func TestWireProduceVersionsSayWhatTheyMay(t *testing.T) {
	addr := bootstrap(t)
	topic := createTopic(t, addr, 1, nil)
	for version := int16(3); version <= 12; version++ {
		p := send(t, dial(t, addr), topic, version, simpleBatch("a").bytes())
		requireCode(t, nil, p.ErrorCode, "produce")
		require.EqualValues(t, version-3, p.BaseOffset)
		require.EqualValues(t, -1, p.LogAppendTime)
		if version >= 5 {
			require.Zero(t, p.LogStartOffset)
		}
	}
}

func TestWireInitProducerIDRefusals(t *testing.T) {
	addr := bootstrap(t)
	initProducer(t, addr) // by now the broker has ids to give
	for what, change := range map[string]func(*kmsg.InitProducerIDRequest){
		"empty transactional id":         func(r *kmsg.InitProducerIDRequest) { r.TransactionalID = pointer("") },
		"a producer id without an epoch": func(r *kmsg.InitProducerIDRequest) { r.ProducerID, r.ProducerEpoch = 5, -1 },
		"an epoch without a producer id": func(r *kmsg.InitProducerIDRequest) { r.ProducerID, r.ProducerEpoch = -1, 5 },
	} {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.TransactionTimeoutMillis = 1000
		change(req)
		resp := ask[*kmsg.InitProducerIDResponse](dial(t, addr), 4, req)
		requireCode(t, kerr.InvalidRequest, resp.ErrorCode, what)
		require.EqualValues(t, -1, resp.ProducerID)
		require.EqualValues(t, -1, resp.ProducerEpoch)
	}
}
