// Package load drives a broker, ours or Apache Kafka, through franz-go: an unmodified client that is cheap
// enough to leave most of a small machine to the server.
package load

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Shape says what is sent and where.
type Shape struct {
	Addr        string // bootstrap address
	Topic       string
	Partitions  int32
	RecordBytes int
	TotalBytes  int64 // of record values
}

// Records is how many records TotalBytes makes.
func (s Shape) Records() int64 { return s.TotalBytes / int64(s.RecordBytes) }

// CreateTopic makes the topic with replication factor 1.
func CreateTopic(ctx context.Context, s Shape) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.Addr))
	if err != nil {
		return err
	}
	defer cl.Close()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = s.Topic, s.Partitions, 1
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics, req.TimeoutMillis = append(req.Topics, topic), 10_000
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return fmt.Errorf("load: create topic %s: %w", s.Topic, err)
	}
	return kerr.ErrorForCode(resp.Topics[0].ErrorCode)
}

// DeleteTopic removes the topic again.
func DeleteTopic(ctx context.Context, s Shape) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.Addr))
	if err != nil {
		return err
	}
	defer cl.Close()
	topic := kmsg.NewDeleteTopicsRequestTopic()
	topic.Topic = &s.Topic
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.Topics, req.TopicNames, req.TimeoutMillis = append(req.Topics, topic), append(req.TopicNames, s.Topic), 10_000
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return fmt.Errorf("load: delete topic %s: %w", s.Topic, err)
	}
	return kerr.ErrorForCode(resp.Topics[0].ErrorCode)
}

// Produce sends all records with acks=all, idempotent (franz-go's default), uncompressed, as fast as the
// client can, round the partitions, and returns when the last one was acknowledged.
func Produce(ctx context.Context, s Shape) (time.Duration, error) {
	cl, err := kgo.NewClient(
		kgo.SeedBrokers(s.Addr),
		kgo.DefaultProduceTopic(s.Topic),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.MaxBufferedRecords(int(max(10_000, (32<<20)/int64(s.RecordBytes)))),
	)
	if err != nil {
		return 0, err
	}
	defer cl.Close()
	value := payload(s.RecordBytes)
	var failed atomic.Pointer[error]
	promise := func(_ *kgo.Record, err error) {
		if err != nil {
			failed.CompareAndSwap(nil, &err)
		}
	}
	start := time.Now()
	for i := range s.Records() {
		if i%1024 == 0 && failed.Load() != nil {
			break
		}
		cl.Produce(ctx, &kgo.Record{Value: value, Partition: int32(i % int64(s.Partitions))}, promise)
	}
	if err := cl.Flush(ctx); err != nil {
		return 0, fmt.Errorf("load: flush: %w", err)
	}
	took := time.Since(start)
	if err := failed.Load(); err != nil {
		return 0, fmt.Errorf("load: produce: %w", *err)
	}
	return took, nil
}

// Consume reads all records of the topic from the start, by assigned partitions, and returns when it has
// TotalBytes of values.
func Consume(ctx context.Context, s Shape) (time.Duration, error) {
	from := map[int32]kgo.Offset{}
	for p := range s.Partitions {
		from[p] = kgo.NewOffset().At(0)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.Addr), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{s.Topic: from}))
	if err != nil {
		return 0, err
	}
	defer cl.Close()
	want := s.Records()
	start := time.Now()
	for got := int64(0); got < want; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return 0, fmt.Errorf("load: %d of %d records consumed: %w", got, want, err)
		}
		for _, e := range fetches.Errors() {
			return 0, fmt.Errorf("load: consume %s-%d: %w", e.Topic, e.Partition, e.Err)
		}
		got += int64(fetches.NumRecords())
	}
	return time.Since(start), nil
}

// Latency sends perSecond records a second for the given time, each on its own tick, and returns the times from
// when each record was due to its acknowledgement, sorted. A record that is late because the one before was slow
// counts its lateness: no coordinated omission.
func Latency(ctx context.Context, s Shape, perSecond int, lasting time.Duration) ([]time.Duration, error) {
	cl, err := kgo.NewClient(
		kgo.SeedBrokers(s.Addr),
		kgo.DefaultProduceTopic(s.Topic),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(0),
	)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	value := payload(s.RecordBytes)
	total := int(float64(perSecond) * lasting.Seconds())
	took := make([]time.Duration, total)
	var failed atomic.Pointer[error]
	var done sync.WaitGroup
	start := time.Now()
	for i := range total {
		due := start.Add(time.Duration(i) * time.Second / time.Duration(perSecond))
		if wait := time.Until(due); wait > 0 {
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		done.Add(1)
		cl.Produce(ctx, &kgo.Record{Value: value, Partition: int32(i % int(s.Partitions))}, func(_ *kgo.Record, err error) {
			took[i] = time.Since(due)
			if err != nil {
				failed.CompareAndSwap(nil, &err)
			}
			done.Done()
		})
	}
	done.Wait()
	if err := failed.Load(); err != nil {
		return nil, fmt.Errorf("load: latency: %w", *err)
	}
	slices.Sort(took)
	return took, nil
}

// Percentile picks the p-th percentile, 0 < p <= 100, of sorted values.
func Percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	i := int(float64(len(sorted))*p/100+0.5) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

// payload is not all zeros, so that nothing on the way is cheaper than it would be for real records.
func payload(n int) []byte {
	b := make([]byte, n)
	state := uint32(2463534242)
	for i := range b {
		state ^= state << 13
		state ^= state >> 17
		state ^= state << 5
		b[i] = byte(state)
	}
	return b
}
