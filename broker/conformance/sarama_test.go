package conformance

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/stretchr/testify/require"
)

var saramaCodecs = map[string]sarama.CompressionCodec{
	"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
	"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
}

// saramaConfig is a configuration for the protocol of version, or of sarama's default when that is zero.
func saramaConfig(version sarama.KafkaVersion) *sarama.Config {
	c := sarama.NewConfig()
	if version != (sarama.KafkaVersion{}) {
		c.Version = version
	}
	c.Producer.Return.Successes = true
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Partitioner = sarama.NewManualPartitioner
	c.Producer.Retry.Max = 3
	c.Consumer.Return.Errors = true
	c.Metadata.AllowAutoTopicCreation = false
	c.Metadata.Retry.Max = 1
	c.Net.DialTimeout, c.Net.ReadTimeout, c.Net.WriteTimeout = 10*time.Second, 20*time.Second, 20*time.Second
	return c
}

func saramaMessages(topic string, records []record) []*sarama.ProducerMessage {
	out := make([]*sarama.ProducerMessage, len(records))
	for i, r := range records {
		m := &sarama.ProducerMessage{Topic: topic, Timestamp: time.UnixMilli(r.timestamp)}
		if r.key != nil {
			m.Key = sarama.ByteEncoder(r.key)
		}
		if r.value != nil {
			m.Value = sarama.ByteEncoder(r.value)
		}
		for _, h := range r.headers {
			m.Headers = append(m.Headers, sarama.RecordHeader{Key: []byte(h.key), Value: h.value})
		}
		out[i] = m
	}
	return out
}

func saramaProduce(t *testing.T, addr string, c *sarama.Config, messages ...*sarama.ProducerMessage) error {
	t.Helper()
	producer, err := sarama.NewSyncProducer([]string{addr}, c)
	require.NoError(t, err)
	defer func() { require.NoError(t, producer.Close()) }()
	err = producer.SendMessages(messages)
	var refused sarama.ProducerErrors
	if errors.As(err, &refused) {
		return fmt.Errorf("%w; the first: %w", err, refused[0].Err)
	}
	return err
}

func saramaConsume(t *testing.T, addr, topic string, c *sarama.Config, from int64, n int) []record {
	t.Helper()
	consumer, err := sarama.NewConsumer([]string{addr}, c)
	require.NoError(t, err)
	defer func() { require.NoError(t, consumer.Close()) }()
	partition, err := consumer.ConsumePartition(topic, 0, from)
	require.NoError(t, err)
	defer func() { require.NoError(t, partition.Close()) }()
	limit := time.After(30 * time.Second)
	var out []record
	for len(out) < n {
		select {
		case m := <-partition.Messages():
			r := record{key: m.Key, value: m.Value, timestamp: m.Timestamp.UnixMilli()}
			for _, h := range m.Headers {
				r.headers = append(r.headers, header{string(h.Key), h.Value})
			}
			out = append(out, r)
		case err := <-partition.Errors():
			require.NoError(t, err)
		case <-limit:
			require.Failf(t, "time-out", "after %d of %d records", len(out), n)
		}
	}
	return out
}

func TestSarama(t *testing.T) {
	addr := bootstrap(t)
	for name, version := range map[string]sarama.KafkaVersion{"default": {}, "newest": sarama.MaxVersion} {
		for _, codec := range codecs {
			t.Run(name+" round trip "+codec, func(t *testing.T) {
				topic := createTopic(t, addr, 1, nil)
				c := saramaConfig(version)
				c.Producer.Compression = saramaCodecs[codec]
				want := sampleRecords(200)
				require.NoError(t, saramaProduce(t, addr, c, saramaMessages(topic, want)...))
				requireSameRecords(t, want, saramaConsume(t, addr, topic, c, sarama.OffsetOldest, len(want)))
				requireSameRecords(t, want[120:], saramaConsume(t, addr, topic, c, 120, 80))
			})
		}
		t.Run(name+" idempotent", func(t *testing.T) {
			topic := createTopic(t, addr, 1, nil)
			c := saramaConfig(version)
			c.Producer.Idempotent, c.Net.MaxOpenRequests = true, 1
			want := sampleRecords(300)
			require.NoError(t, saramaProduce(t, addr, c, saramaMessages(topic, want)...))
			requireSameRecords(t, want, saramaConsume(t, addr, topic, c, sarama.OffsetOldest, len(want)))
		})
		t.Run(name+" admin", func(t *testing.T) { saramaAdmin(t, addr, version) })
	}
	for name, acks := range map[string]sarama.RequiredAcks{"0": sarama.NoResponse, "1": sarama.WaitForLocal} {
		t.Run("acks "+name, func(t *testing.T) {
			topic := createTopic(t, addr, 1, nil)
			c := saramaConfig(sarama.KafkaVersion{})
			c.Producer.RequiredAcks = acks
			want := sampleRecords(50)
			require.NoError(t, saramaProduce(t, addr, c, saramaMessages(topic, want)...))
			requireSameRecords(t, want, saramaConsume(t, addr, topic, c, sarama.OffsetOldest, len(want)))
		})
	}
	t.Run("offsets", func(t *testing.T) { saramaOffsets(t, addr) })
	t.Run("refusals", func(t *testing.T) { saramaRefusals(t, addr) })
}

func saramaOffsets(t *testing.T, addr string) {
	topic := createTopic(t, addr, 1, nil)
	records := sampleRecords(40)
	for i := range records {
		records[i].timestamp = firstTimestamp + int64(i)*10
	}
	c := saramaConfig(sarama.KafkaVersion{})
	require.NoError(t, saramaProduce(t, addr, c, saramaMessages(topic, records)...))
	client, err := sarama.NewClient([]string{addr}, c)
	require.NoError(t, err)
	defer func() { require.NoError(t, client.Close()) }()
	for at, want := range map[int64]int64{
		sarama.OffsetOldest: 0, sarama.OffsetNewest: 40, firstTimestamp + 95: 10, firstTimestamp + 100: 10, firstTimestamp + 10_000: -1,
	} {
		got, err := client.GetOffset(topic, 0, at)
		require.NoError(t, err)
		require.Equalf(t, want, got, "offset for time %d", at)
	}
}

func saramaRefusals(t *testing.T, addr string) {
	topic := createTopic(t, addr, 1, map[string]string{"max.message.bytes": "5000"})
	c := saramaConfig(sarama.KafkaVersion{})
	big := &sarama.ProducerMessage{Topic: topic, Value: sarama.ByteEncoder(make([]byte, 6000))}
	require.ErrorIs(t, saramaProduce(t, addr, c, big), sarama.ErrMessageSizeTooLarge)

	missing := topicName(t)
	err := saramaProduce(t, addr, c, &sarama.ProducerMessage{Topic: missing, Value: sarama.StringEncoder("x")})
	require.ErrorIs(t, err, sarama.ErrUnknownTopicOrPartition)

	consumer, err := sarama.NewConsumer([]string{addr}, c)
	require.NoError(t, err)
	defer func() { require.NoError(t, consumer.Close()) }()
	_, err = consumer.ConsumePartition(topic, 0, 77)
	require.ErrorIs(t, err, sarama.ErrOffsetOutOfRange)
}

func saramaAdmin(t *testing.T, addr string, version sarama.KafkaVersion) {
	admin, err := sarama.NewClusterAdmin([]string{addr}, saramaConfig(version))
	require.NoError(t, err)
	defer func() { require.NoError(t, admin.Close()) }()
	topic := topicName(t)
	detail := &sarama.TopicDetail{NumPartitions: 2, ReplicationFactor: 1, ConfigEntries: map[string]*string{"retention.ms": pointer("99999")}}
	require.NoError(t, admin.CreateTopic(topic, detail, false))
	var refused *sarama.TopicError
	require.ErrorAs(t, admin.CreateTopic(topic, detail, false), &refused)
	require.Equal(t, sarama.ErrTopicAlreadyExists, refused.Err)

	described, err := admin.DescribeTopics([]string{topic})
	require.NoError(t, err)
	require.Len(t, described[0].Partitions, 2)
	require.NoError(t, admin.CreatePartitions(topic, 3, nil, false))

	resources := []*sarama.ConfigResource{{Type: sarama.TopicResource, Name: topic}}
	value := func(key string) string {
		results, err := admin.DescribeConfigs(resources, sarama.DescribeConfigsOptions{IncludeSynonyms: true})
		require.NoError(t, err)
		require.Equal(t, sarama.ErrNoError, results[0].ErrorCode)
		for _, e := range results[0].Configs {
			if e.Name == key {
				return e.Value
			}
		}
		return "missing"
	}
	require.Eventually(t, func() bool { return value("retention.ms") == "99999" }, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, admin.IncrementalAlterConfig(sarama.TopicResource, topic, map[string]sarama.IncrementalAlterConfigsEntry{
		"segment.ms": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: pointer("60000")}}, false))
	require.Eventually(t, func() bool { return value("segment.ms") == "60000" }, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, admin.AlterConfig(sarama.TopicResource, topic, map[string]*string{"retention.ms": pointer("88888")}, false))
	require.Eventually(t, func() bool { return value("retention.ms") == "88888" }, 10*time.Second, 10*time.Millisecond)
	require.Eventually(t, func() bool { return value("segment.ms") == "604800000" }, 10*time.Second, 10*time.Millisecond, "AlterConfigs replaces the whole set")

	require.NoError(t, saramaProduce(t, addr, saramaConfig(version), saramaMessages(topic, sampleRecords(10))...))
	require.NoError(t, admin.DeleteRecords(topic, map[int32]int64{0: 4}))
	client, err := sarama.NewClient([]string{addr}, saramaConfig(version))
	require.NoError(t, err)
	defer func() { require.NoError(t, client.Close()) }()
	oldest, err := client.GetOffset(topic, 0, sarama.OffsetOldest)
	require.NoError(t, err)
	require.EqualValues(t, 4, oldest)

	brokers, controller, err := admin.DescribeCluster()
	require.NoError(t, err)
	require.Len(t, brokers, 1)
	require.Equal(t, brokers[0].ID(), controller)
	dirs, err := admin.DescribeLogDirs([]int32{controller})
	require.NoError(t, err)
	require.NotEmpty(t, dirs[controller])
	require.NoError(t, admin.DeleteTopic(topic))
	err = admin.DeleteTopic(topic)
	require.Truef(t, errors.Is(err, sarama.ErrUnknownTopicOrPartition), "deleting again: %v", err)
}
