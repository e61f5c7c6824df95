package conformance

import (
	"errors"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var kafkaGoCodecs = map[string]kafka.Compression{
	"none": 0, "gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd,
}

func kafkaGoMessages(records []record) []kafka.Message {
	out := make([]kafka.Message, len(records))
	for i, r := range records {
		out[i] = kafka.Message{Key: r.key, Value: r.value, Time: time.UnixMilli(r.timestamp)}
		for _, h := range r.headers {
			out[i].Headers = append(out[i].Headers, kafka.Header{Key: h.key, Value: h.value})
		}
	}
	return out
}

// kafkaGoWriter sends to partition 0 of a topic of one partition; no test waits for its default of one second.
func kafkaGoWriter(t *testing.T, addr, topic string) *kafka.Writer {
	t.Helper()
	transport := &kafka.Transport{}
	w := &kafka.Writer{
		Addr: kafka.TCP(addr), Topic: topic, RequiredAcks: kafka.RequireAll, BatchTimeout: 5 * time.Millisecond,
		MaxAttempts: 3, Transport: transport,
	}
	t.Cleanup(func() {
		require.NoError(t, w.Close())
		transport.CloseIdleConnections()
	})
	return w
}

func kafkaGoRead(t *testing.T, addr, topic string, seek func(*kafka.Reader) error, n int) []kafka.Message {
	t.Helper()
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{addr}, Topic: topic, Partition: 0, MaxWait: 100 * time.Millisecond, MaxBytes: 1 << 20, MaxAttempts: 3,
	})
	defer func() { require.NoError(t, r.Close()) }()
	require.NoError(t, seek(r))
	ctx := testContext(t, 30*time.Second)
	out := make([]kafka.Message, 0, n)
	for len(out) < n {
		m, err := r.ReadMessage(ctx)
		require.NoErrorf(t, err, "after %d of %d records", len(out), n)
		out = append(out, m)
	}
	return out
}

// fromKafkaGo undoes what the client loses: it reads null and empty bytes alike, as nil or empty as it likes.
func fromKafkaGo(messages []kafka.Message, like []record) []record {
	same := func(got, want []byte) []byte {
		if len(got) == 0 && len(want) == 0 {
			return want
		}
		return got
	}
	out := make([]record, len(messages))
	for i, m := range messages {
		out[i] = record{key: same(m.Key, like[i].key), value: same(m.Value, like[i].value), timestamp: m.Time.UnixMilli()}
		for j, h := range m.Headers {
			value := h.Value
			if j < len(like[i].headers) {
				value = same(value, like[i].headers[j].value)
			}
			out[i].headers = append(out[i].headers, header{h.Key, value})
		}
	}
	return out
}

func TestKafkaGo(t *testing.T) {
	addr := bootstrap(t)
	for _, codec := range codecs {
		t.Run("round trip "+codec, func(t *testing.T) {
			topic := createTopic(t, addr, 1, nil)
			w := kafkaGoWriter(t, addr, topic)
			w.Compression = kafkaGoCodecs[codec]
			want := sampleRecords(200)
			ctx := testContext(t, 30*time.Second)
			require.NoError(t, w.WriteMessages(ctx, kafkaGoMessages(want)...))
			got := kafkaGoRead(t, addr, topic, func(r *kafka.Reader) error { return r.SetOffset(kafka.FirstOffset) }, len(want))
			requireSameRecords(t, want, fromKafkaGo(got, want))
			got = kafkaGoRead(t, addr, topic, func(r *kafka.Reader) error { return r.SetOffset(150) }, 50)
			requireSameRecords(t, want[150:], fromKafkaGo(got, want[150:]))
		})
	}
	for name, acks := range map[string]kafka.RequiredAcks{"0": kafka.RequireNone, "1": kafka.RequireOne} {
		t.Run("acks "+name, func(t *testing.T) {
			topic := createTopic(t, addr, 1, nil)
			w := kafkaGoWriter(t, addr, topic)
			w.RequiredAcks = acks
			want := sampleRecords(30)
			require.NoError(t, w.WriteMessages(testContext(t, 20*time.Second), kafkaGoMessages(want)...))
			got := kafkaGoRead(t, addr, topic, func(r *kafka.Reader) error { return r.SetOffset(kafka.FirstOffset) }, len(want))
			requireSameRecords(t, want, fromKafkaGo(got, want))
		})
	}
	t.Run("from a time", func(t *testing.T) {
		topic := createTopic(t, addr, 1, nil)
		records := sampleRecords(60)
		for i := range records {
			records[i].timestamp = firstTimestamp + int64(i)*10
		}
		require.NoError(t, kafkaGoWriter(t, addr, topic).WriteMessages(testContext(t, 20*time.Second), kafkaGoMessages(records)...))
		at := time.UnixMilli(firstTimestamp + 305)
		got := kafkaGoRead(t, addr, topic, func(r *kafka.Reader) error { return r.SetOffsetAt(t.Context(), at) }, 29)
		require.EqualValues(t, 31, got[0].Offset)
	})
	t.Run("connection", func(t *testing.T) { kafkaGoConn(t, addr) })
	t.Run("refusals", func(t *testing.T) { kafkaGoRefusals(t, addr) })
	t.Run("admin", func(t *testing.T) { kafkaGoAdmin(t, addr) })
}

// kafkaGoConn uses the low-level connection, whose protocol versions are hard-coded and old.
func kafkaGoConn(t *testing.T, addr string) {
	topic := createTopic(t, addr, 1, nil)
	conn, err := kafka.DialLeader(testContext(t, 20*time.Second), "tcp", addr, topic, 0)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	versions, err := conn.ApiVersions()
	require.NoError(t, err)
	require.NotEmpty(t, versions)
	w := kafkaGoWriter(t, addr, topic)
	require.NoError(t, w.WriteMessages(testContext(t, 20*time.Second), kafka.Message{Value: []byte("one")}, kafka.Message{Value: []byte("two")}))
	first, last, err := conn.ReadOffsets()
	require.NoError(t, err)
	require.Equal(t, []int64{0, 2}, []int64{first, last})
	_, err = conn.Seek(1, kafka.SeekAbsolute)
	require.NoError(t, err)
	m, err := conn.ReadMessage(1 << 20)
	require.NoError(t, err)
	require.Equal(t, "two", string(m.Value))
	partitions, err := conn.ReadPartitions(topic)
	require.NoError(t, err)
	require.Len(t, partitions, 1)
	brokers, err := conn.Brokers()
	require.NoError(t, err)
	require.Len(t, brokers, 1)
}

func kafkaGoRefusals(t *testing.T, addr string) {
	ctx := testContext(t, 30*time.Second)
	topic := createTopic(t, addr, 1, map[string]string{"max.message.bytes": "5000"})
	err := kafkaGoWriter(t, addr, topic).WriteMessages(ctx, kafka.Message{Value: make([]byte, 6000)})
	require.ErrorIs(t, kafkaGoFirst(err), kafka.MessageSizeTooLarge)
	err = kafkaGoWriter(t, addr, topicName(t)).WriteMessages(ctx, kafka.Message{Value: []byte("x")})
	require.ErrorIs(t, kafkaGoFirst(err), kafka.UnknownTopicOrPartition)

	r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{addr}, Topic: topic, MaxWait: 100 * time.Millisecond, OffsetOutOfRangeError: true, MaxAttempts: 2})
	defer func() { require.NoError(t, r.Close()) }()
	require.NoError(t, r.SetOffset(1234))
	_, err = r.ReadMessage(ctx)
	require.ErrorIs(t, err, kafka.OffsetOutOfRange)
}

// kafkaGoFirst is the first error of a failed write: the client answers with one for each message.
func kafkaGoFirst(err error) error {
	var errs kafka.WriteErrors
	if errors.As(err, &errs) {
		return errs[0]
	}
	return err
}

func kafkaGoAdmin(t *testing.T, addr string) {
	ctx := testContext(t, 30*time.Second)
	transport := &kafka.Transport{MetadataTTL: 10 * time.Millisecond}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(addr), Timeout: 20 * time.Second, Transport: transport}
	topic := topicName(t)
	create := &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: 2, ReplicationFactor: 1,
		ConfigEntries: []kafka.ConfigEntry{{ConfigName: "retention.ms", ConfigValue: "77777"}}}}}
	made, err := client.CreateTopics(ctx, create)
	require.NoError(t, err)
	require.NoError(t, made.Errors[topic])
	made, err = client.CreateTopics(ctx, create)
	require.NoError(t, err)
	require.ErrorIs(t, made.Errors[topic], kafka.TopicAlreadyExists)

	grown, err := client.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{{Name: topic, Count: 3}}})
	require.NoError(t, err)
	require.NoError(t, grown.Errors[topic])

	value := func(key string) string {
		described, err := client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{
			{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ConfigNames: []string{key}}}})
		require.NoError(t, err)
		require.NoError(t, described.Resources[0].Error)
		require.Len(t, described.Resources[0].ConfigEntries, 1)
		return described.Resources[0].ConfigEntries[0].ConfigValue
	}
	seen := func(key, want string) { // a broker may learn of a change after the controller has answered
		t.Helper()
		require.Eventually(t, func() bool { return value(key) == want }, 10*time.Second, 10*time.Millisecond, "%s becomes %s", key, want)
	}
	seen("retention.ms", "77777")
	altered, err := client.IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{Resources: []kafka.IncrementalAlterConfigsRequestResource{
		{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, Configs: []kafka.IncrementalAlterConfigsRequestConfig{
			{Name: "segment.ms", Value: "60000", ConfigOperation: kafka.ConfigOperationSet}}}}})
	require.NoError(t, err)
	require.NoError(t, altered.Resources[0].Error)
	seen("segment.ms", "60000")
	replaced, err := client.AlterConfigs(ctx, &kafka.AlterConfigsRequest{Resources: []kafka.AlterConfigRequestResource{
		{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, Configs: []kafka.AlterConfigRequestConfig{{Name: "retention.ms", Value: "66666"}}}}})
	require.NoError(t, err)
	for _, err := range replaced.Errors {
		require.NoError(t, err)
	}
	seen("segment.ms", "604800000")

	if _, ok := advertised(t, addr)[kmsg.FindCoordinator.Int16()]; ok { // this client asks the transaction coordinator even without transactions
		kafkaGoInitProducerID(t, client)
	}
	require.Eventually(t, func() bool {
		meta, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
		return err == nil && meta.Topics[0].Error == nil && len(meta.Topics[0].Partitions) == 3
	}, 10*time.Second, 20*time.Millisecond, "the third partition is seen")
	meta, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic + "-missing"}})
	require.NoError(t, err)
	require.ErrorIs(t, meta.Topics[0].Error, kafka.UnknownTopicOrPartition)
	listed, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: {kafka.FirstOffsetOf(0), kafka.LastOffsetOf(0)}}})
	require.NoError(t, err)
	require.NoError(t, listed.Topics[topic][0].Error)
	require.Zero(t, listed.Topics[topic][0].LastOffset)
	deleted, err := client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic, topic + "-missing"}})
	require.NoError(t, err)
	require.NoError(t, deleted.Errors[topic])
	require.ErrorIs(t, deleted.Errors[topic+"-missing"], kafka.UnknownTopicOrPartition)
}

func kafkaGoInitProducerID(t *testing.T, client *kafka.Client) {
	var producer *kafka.InitProducerIDResponse
	for producer == nil || errors.Is(producer.Error, kafka.GroupLoadInProgress) { // a broker's first answer, until it has a block of ids
		var err error
		producer, err = client.InitProducerID(testContext(t, 20*time.Second), &kafka.InitProducerIDRequest{TransactionTimeoutMs: 1000})
		require.NoError(t, err)
	}
	require.NoError(t, producer.Error)
	require.Zero(t, producer.Producer.ProducerEpoch)
}
