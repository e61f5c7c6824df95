package load

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Shape is the short form of Options for a comparison of brokers: one topic, written by one producer, then read.
type Shape struct {
	Addr        string // bootstrap address
	Topic       string
	Partitions  int32
	RecordBytes int
	TotalBytes  int64 // of record values
}

// Records is how many records TotalBytes makes.
func (s Shape) Records() int64 { return s.TotalBytes / int64(s.RecordBytes) }

// options send the shape with acks=all, idempotent, uncompressed, round the partitions.
func (s Shape) options() Options {
	o := Defaults()
	o.Bootstrap, o.Topic, o.Partitions, o.RecordBytes = s.Addr, s.Topic, s.Partitions, s.RecordBytes
	o.Payload = Payload{RandomRatio: 1, Pool: 1} // one value, which stays in the processor's cache: the load costs the machine little
	o.WarmUp, o.Duration = 0, 0
	return o
}

// CreateTopic makes the topic with replication factor 1.
func CreateTopic(ctx context.Context, s Shape) error {
	return withClient(s, func(cl *kgo.Client) error { return createTopic(ctx, cl, s.Topic, s.Partitions, 1) })
}

// DeleteTopic removes the topic again.
func DeleteTopic(ctx context.Context, s Shape) error {
	return withClient(s, func(cl *kgo.Client) error { return deleteTopic(ctx, cl, s.Topic) })
}

func withClient(s Shape, f func(*kgo.Client) error) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.Addr))
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	defer cl.Close()
	return f(cl)
}

// Produce sends all records as fast as the client can and returns the time to the last acknowledgement.
func Produce(ctx context.Context, s Shape) (time.Duration, error) {
	o := s.options()
	o.Bytes, o.Linger = s.TotalBytes, 10*time.Millisecond
	result, err := runWhole(ctx, o)
	if err != nil {
		return 0, err
	}
	return result.Elapsed, nil
}

// Latency sends perSecond records a second for the given time and returns how long each took from when it was due to its
// acknowledgement.
func Latency(ctx context.Context, s Shape, perSecond int, lasting time.Duration) (*Histogram, error) {
	o := s.options()
	o.Rate, o.Duration, o.Linger = float64(perSecond), lasting, 0
	result, err := runWhole(ctx, o)
	if err != nil {
		return nil, err
	}
	return result.Ack, nil
}

// runWhole is Run where a record that failed is an error.
func runWhole(ctx context.Context, o Options) (*Result, error) {
	result, err := Run(ctx, o)
	if err != nil {
		return nil, err
	}
	return result, result.Err()
}

// Consume reads all records of the topic from the start, by assigned partitions, and returns when it has
// TotalBytes of values.
func Consume(ctx context.Context, s Shape) (time.Duration, error) {
	t := topic{name: s.Topic, partitions: s.Partitions, from: make([]int64, s.Partitions)}
	cl, err := kgo.NewClient(s.options().consumerOptions(t, t.share(0, 1))...)
	if err != nil {
		return 0, fmt.Errorf("load: %w", err)
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
