package peers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	serveTimeout = 5 * time.Minute       // bounds the wait for partitions to be served
	askAgain     = 10 * time.Millisecond // between two questions
)

// awaitRecords returns when the topic's partitions are all served and hold so many records together. More is an error at once.
func awaitRecords(ctx context.Context, addr, topic string, partitions int32, want int64) error {
	return awaitEnds(ctx, addr, map[string]int32{topic: partitions}, func(sum int64) (bool, error) {
		if sum > want {
			return false, fmt.Errorf("%s holds %d records, %d were acknowledged", topic, sum, want)
		}
		return sum == want, nil
	})
}

// awaitServed returns when all partitions of the topics are served.
func awaitServed(ctx context.Context, addr string, topics map[string]int32) error {
	return awaitEnds(ctx, addr, topics, func(int64) (bool, error) { return true, nil })
}

// awaitEnds asks for the ends of all partitions until each has one and enough says that their sum will do.
func awaitEnds(ctx context.Context, addr string, topics map[string]int32, enough func(sum int64) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, serveTimeout)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		return err
	}
	defer cl.Close()
	for {
		sum, err := ends(ctx, cl, topics)
		if err == nil {
			if ok, err := enough(sum); ok || err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(askAgain):
		}
	}
}

// ends is the sum of all end offsets. The request goes to the one broker there is: a client that looks up leaders first would
// measure itself.
func ends(ctx context.Context, cl *kgo.Client, topics map[string]int32) (sum int64, err error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	for name, n := range topics {
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic = name
		for i := range n {
			p := kmsg.NewListOffsetsRequestTopicPartition()
			p.Partition, p.Timestamp = i, -1
			t.Partitions = append(t.Partitions, p)
		}
		req.Topics = append(req.Topics, t)
	}
	answer, err := cl.SeedBrokers()[0].Request(ctx, req)
	if err != nil {
		return 0, err
	}
	for _, t := range answer.(*kmsg.ListOffsetsResponse).Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return 0, fmt.Errorf("%s-%d: %w", t.Topic, p.Partition, err)
			}
			sum += p.Offset
		}
	}
	return sum, nil
}
