package conformance

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// franz is a franz-go client that ends with the test.
func franz(t *testing.T, addr string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	// A refusal that would be retried for ever must show as a failure of its own, not as a time-out of the run.
	opts = append([]kgo.Opt{kgo.SeedBrokers(addr), kgo.RetryTimeout(20 * time.Second),
		kgo.MetadataMinAge(10 * time.Millisecond)}, opts...)
	cl, err := kgo.NewClient(opts...)
	require.NoError(t, err)
	t.Cleanup(cl.Close)
	return cl
}

// createTopic makes a topic through franz-go's admin client and returns its name.
func createTopic(t *testing.T, addr string, partitions int32, configs map[string]string) string {
	t.Helper()
	name := topicName(t)
	createNamed(t, addr, name, partitions, configs)
	return name
}

func createNamed(t *testing.T, addr, name string, partitions int32, configs map[string]string) {
	t.Helper()
	values := map[string]*string{}
	for k, v := range configs {
		values[k] = &v
	}
	ctx, adm := testContext(t, 20*time.Second), kadm.NewClient(franz(t, addr))
	_, err := adm.CreateTopic(ctx, partitions, 1, values, name)
	require.NoErrorf(t, err, "creating %s", name)
	// Apache Kafka answers before the partitions are made; not every client retries an unknown one in order.
	require.Eventually(t, func() bool {
		listed, err := adm.ListEndOffsets(ctx, name)
		return err == nil && listed.Error() == nil && len(listed[name]) == int(partitions)
	}, 10*time.Second, 5*time.Millisecond, name)
}

var franzCodecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

// franzRecords turns records into franz-go's, for partition 0 of topic.
func franzRecords(topic string, records []record) []*kgo.Record {
	out := make([]*kgo.Record, len(records))
	for i, r := range records {
		k := &kgo.Record{Topic: topic, Key: r.key, Value: r.value, Timestamp: time.UnixMilli(r.timestamp)}
		for _, h := range r.headers {
			k.Headers = append(k.Headers, kgo.RecordHeader{Key: h.key, Value: h.value})
		}
		out[i] = k
	}
	return out
}

func fromFranz(r *kgo.Record) record {
	out := record{key: r.Key, value: r.Value, timestamp: r.Timestamp.UnixMilli()}
	for _, h := range r.Headers {
		out.headers = append(out.headers, header{h.Key, h.Value})
	}
	return out
}

// franzRead reads n records of one partition from an offset on, and checks that offsets are dense from the first one.
func franzRead(t *testing.T, addr, topic string, partition int32, from kgo.Offset, n int) []*kgo.Record {
	t.Helper()
	cl := franz(t, addr, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: from}}))
	ctx := testContext(t, 20*time.Second)
	var out []*kgo.Record
	for len(out) < n {
		fetches := cl.PollFetches(ctx)
		require.NoError(t, errors.Join(fetchErrors(fetches)...), "after %d of %d records", len(out), n)
		out = append(out, fetches.Records()...)
	}
	require.Len(t, out, n, "no more than what was written")
	for i, r := range out {
		require.Equal(t, out[0].Offset+int64(i), r.Offset, "offsets are dense")
	}
	return out
}

func fetchErrors(f kgo.Fetches) (errs []error) {
	f.EachError(func(_ string, _ int32, err error) { errs = append(errs, err) })
	return errs
}

func TestFranz(t *testing.T) {
	addr := bootstrap(t)
	for _, codec := range codecs {
		t.Run("round trip "+codec, func(t *testing.T) {
			topic := createTopic(t, addr, 1, nil)
			want := sampleRecords(300)
			cl := franz(t, addr, kgo.ProducerBatchCompression(franzCodecs[codec]), kgo.RecordPartitioner(kgo.ManualPartitioner()))
			results := cl.ProduceSync(testContext(t, 30*time.Second), franzRecords(topic, want)...)
			require.NoError(t, results.FirstErr())
			for i, r := range results {
				require.EqualValues(t, i, r.Record.Offset)
			}
			var got []record
			for _, r := range franzRead(t, addr, topic, 0, kgo.NewOffset().AtStart(), len(want)) {
				got = append(got, fromFranz(r))
			}
			requireSameRecords(t, want, got)
		})
	}
	for name, acks := range map[string]kgo.Acks{"0": kgo.NoAck(), "1": kgo.LeaderAck(), "all": kgo.AllISRAcks()} {
		t.Run("acks "+name, func(t *testing.T) { franzAcks(t, addr, acks) })
	}
	t.Run("many partitions keep order", func(t *testing.T) { franzPartitions(t, addr) })
	t.Run("from an offset and from a time", func(t *testing.T) { franzSeek(t, addr) })
	t.Run("out of range", func(t *testing.T) { franzOutOfRange(t, addr) })
	t.Run("unknown topic", func(t *testing.T) { franzUnknown(t, addr) })
	t.Run("too large", func(t *testing.T) { franzTooLarge(t, addr) })
	t.Run("auto creation", func(t *testing.T) { franzAutoCreate(t, addr) })
	t.Run("log append time", func(t *testing.T) { franzLogAppendTime(t, addr) })
	t.Run("old clients", func(t *testing.T) { franzOldest(t, addr) })
}

func franzAcks(t *testing.T, addr string, acks kgo.Acks) {
	topic := createTopic(t, addr, 1, nil)
	want := sampleRecords(100)
	cl := franz(t, addr, kgo.RequiredAcks(acks), kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(1))
	require.NoError(t, cl.ProduceSync(testContext(t, 30*time.Second), franzRecords(topic, want)...).FirstErr())
	var got []record
	for _, r := range franzRead(t, addr, topic, 0, kgo.NewOffset().AtStart(), len(want)) {
		got = append(got, fromFranz(r))
	}
	requireSameRecords(t, want, got)
}

// franzPartitions writes from eight goroutines to five partitions; each writer's records keep their order.
func franzPartitions(t *testing.T, addr string) {
	const partitions, writers, each = 5, 8, 500
	topic := createTopic(t, addr, partitions, nil)
	cl := franz(t, addr, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(time.Millisecond))
	failed := make(chan error, writers)
	for w := range writers {
		go func() {
			var err error
			for i := range each {
				r := &kgo.Record{Topic: topic, Partition: int32(w % partitions), Key: []byte(strconv.Itoa(w)), Value: []byte(strconv.Itoa(i))}
				cl.Produce(context.Background(), r, func(_ *kgo.Record, e error) {
					if e != nil {
						failed <- e
					}
				})
			}
			if err = cl.Flush(context.Background()); err != nil {
				failed <- err
			}
			failed <- nil
		}()
	}
	for range writers {
		require.NoError(t, <-failed)
	}
	next := make([]int, writers)
	for p := range int32(partitions) {
		n := 0
		for w := range writers {
			if int32(w%partitions) == p {
				n += each
			}
		}
		for _, r := range franzRead(t, addr, topic, p, kgo.NewOffset().AtStart(), n) {
			w, err := strconv.Atoi(string(r.Key))
			require.NoError(t, err)
			require.Equal(t, strconv.Itoa(next[w]), string(r.Value))
			next[w]++
		}
	}
}

func franzSeek(t *testing.T, addr string) {
	topic := createTopic(t, addr, 1, nil)
	records := sampleRecords(200)
	for i := range records {
		records[i].timestamp = firstTimestamp + int64(i)*10 // in order, so that a time names one record
	}
	cl := franz(t, addr, kgo.ProducerBatchMaxBytes(4000)) // several batches
	require.NoError(t, cl.ProduceSync(testContext(t, 30*time.Second), franzRecords(topic, records)...).FirstErr())

	got := franzRead(t, addr, topic, 0, kgo.NewOffset().At(77), 123)
	require.EqualValues(t, 77, got[0].Offset)
	got = franzRead(t, addr, topic, 0, kgo.NewOffset().AfterMilli(firstTimestamp+1001), 99)
	require.EqualValues(t, 101, got[0].Offset, "the first record at or after the time, inside its batch")

	adm := kadm.NewClient(cl)
	ctx := testContext(t, 20*time.Second)
	for name, list := range map[string]func() (kadm.ListedOffsets, error){
		"start": func() (kadm.ListedOffsets, error) { return adm.ListStartOffsets(ctx, topic) },
		"end":   func() (kadm.ListedOffsets, error) { return adm.ListEndOffsets(ctx, topic) },
		"time":  func() (kadm.ListedOffsets, error) { return adm.ListOffsetsAfterMilli(ctx, firstTimestamp+500, topic) },
		"max":   func() (kadm.ListedOffsets, error) { return adm.ListMaxTimestampOffsets(ctx, topic) },
	} {
		listed, err := list()
		require.NoError(t, errors.Join(err, listed.Error()), name)
		o, ok := listed.Lookup(topic, 0)
		require.True(t, ok, name)
		want := map[string]int64{"start": 0, "end": 200, "time": 50, "max": 199}[name]
		require.Equal(t, want, o.Offset, name)
	}
}

func franzOutOfRange(t *testing.T, addr string) {
	topic := createTopic(t, addr, 1, nil)
	require.NoError(t, franz(t, addr).ProduceSync(testContext(t, 20*time.Second), franzRecords(topic, sampleRecords(10))...).FirstErr())
	cl := franz(t, addr, kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(500)}}))
	fetches := cl.PollFetches(testContext(t, 20*time.Second))
	require.ErrorIs(t, errors.Join(fetchErrors(fetches)...), kerr.OffsetOutOfRange)
}

func franzUnknown(t *testing.T, addr string) {
	cl := franz(t, addr, kgo.UnknownTopicRetries(0))
	topic := topicName(t)
	err := cl.ProduceSync(testContext(t, 20*time.Second), &kgo.Record{Topic: topic, Value: []byte("x")}).FirstErr()
	require.ErrorIs(t, err, kerr.UnknownTopicOrPartition)
	details, err := kadm.NewClient(cl).ListTopics(testContext(t, 20*time.Second), topic)
	require.NoError(t, err)
	require.ErrorIs(t, details[topic].Err, kerr.UnknownTopicOrPartition)

	req := kmsg.NewPtrMetadataRequest()
	bad := "not/a topic"
	req.Topics = []kmsg.MetadataRequestTopic{{Topic: &bad}}
	resp, err := req.RequestWith(testContext(t, 20*time.Second), cl)
	require.NoError(t, err)
	require.Equal(t, kerr.InvalidTopicException.Code, resp.Topics[0].ErrorCode)
}

func franzTooLarge(t *testing.T, addr string) {
	topic := createTopic(t, addr, 1, map[string]string{"max.message.bytes": "10000"})
	cl := franz(t, addr, kgo.ProducerBatchCompression(kgo.NoCompression()))
	ctx := testContext(t, 20*time.Second)
	err := cl.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: make([]byte, 10_001)}).FirstErr()
	require.ErrorIs(t, err, kerr.MessageTooLarge)
	// An idempotent producer that was refused is a new one's business: sequences may have moved on.
	require.NoError(t, franz(t, addr).ProduceSync(ctx, &kgo.Record{Topic: topic, Value: make([]byte, 9_000)}).FirstErr())
	require.Len(t, franzRead(t, addr, topic, 0, kgo.NewOffset().AtStart(), 1), 1)
}

func franzAutoCreate(t *testing.T, addr string) {
	topic := topicName(t)
	cl := franz(t, addr, kgo.AllowAutoTopicCreation())
	require.NoError(t, cl.ProduceSync(testContext(t, 20*time.Second), &kgo.Record{Topic: topic, Value: []byte("made")}).FirstErr())
	got := franzRead(t, addr, topic, 0, kgo.NewOffset().AtStart(), 1)
	require.Equal(t, "made", string(got[0].Value))
}

func franzLogAppendTime(t *testing.T, addr string) {
	topic := createTopic(t, addr, 1, map[string]string{"message.timestamp.type": "LogAppendTime"})
	before := time.Now().Add(-time.Second)
	require.NoError(t, franz(t, addr).ProduceSync(testContext(t, 20*time.Second), franzRecords(topic, sampleRecords(10))...).FirstErr())
	for _, r := range franzRead(t, addr, topic, 0, kgo.NewOffset().AtStart(), 10) {
		require.WithinRange(t, r.Timestamp, before, time.Now().Add(time.Second))
		require.EqualValues(t, 1, r.Attrs.TimestampType(), "the batch says that the broker set the time")
	}
}

// franzOldest speaks the oldest versions that Apache Kafka 4.3 still serves.
func franzOldest(t *testing.T, addr string) {
	topic := createTopic(t, addr, 1, nil)
	versions := kgoVersions(map[int16]int16{0: 3, 1: 4, 2: 1, 3: 1, 18: 0, 22: 0})
	cl := franz(t, addr, kgo.MaxVersions(versions), kgo.ProducerBatchCompression(kgo.SnappyCompression()))
	want := sampleRecords(50)
	require.NoError(t, cl.ProduceSync(testContext(t, 20*time.Second), franzRecords(topic, want)...).FirstErr())
	reader := franz(t, addr, kgo.MaxVersions(versions), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	var got []record
	for len(got) < len(want) {
		fetches := reader.PollFetches(testContext(t, 20*time.Second))
		require.NoError(t, errors.Join(fetchErrors(fetches)...))
		for _, r := range fetches.Records() {
			got = append(got, fromFranz(r))
		}
	}
	requireSameRecords(t, want, got)
}
