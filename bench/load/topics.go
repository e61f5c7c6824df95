package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// adminTimeout bounds what is asked before and after a run.
const adminTimeout = time.Minute

// askAgain is the time between two questions about something that is coming.
const askAgain = 10 * time.Millisecond

// topic is one that a run writes to.
type topic struct {
	name       string
	partitions int32
	from       []int64 // each partition's end when the run began
	made       bool    // by this run, which removes it
}

func createTopic(ctx context.Context, cl *kgo.Client, name string, partitions int32, replication int16) error {
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, replication
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics, req.TimeoutMillis = append(req.Topics, t), int32(adminTimeout.Milliseconds())
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return fmt.Errorf("load: create topic %s: %w", name, err)
	}
	if err := topicError("create", name, resp.Topics[0].ErrorCode, resp.Topics[0].ErrorMessage); err != nil {
		return err
	}
	return awaitLeaders(ctx, cl, name, partitions)
}

// awaitLeaders returns when the broker has learnt of the new topic's partitions and who leads them: Apache Kafka's controller answers
// before its brokers know.
func awaitLeaders(ctx context.Context, cl *kgo.Client, name string, partitions int32) error {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	for {
		meta := kmsg.NewPtrMetadataRequest()
		meta.Topics = append(meta.Topics, kmsg.MetadataRequestTopic{Topic: &name})
		have, err := meta.RequestWith(ctx, cl)
		if err != nil {
			return fmt.Errorf("load: the broker does not learn of the new topic %s: %w", name, err)
		}
		led := int32(0)
		for _, p := range have.Topics[0].Partitions {
			if p.ErrorCode == 0 && p.Leader >= 0 {
				led++
			}
		}
		if led == partitions {
			return nil
		}
		select {
		case <-time.After(askAgain):
		case <-ctx.Done():
			return fmt.Errorf("load: %d of the %d partitions of the new topic %s have a leader: %w", led, partitions, name, ctx.Err())
		}
	}
}

func deleteTopic(ctx context.Context, cl *kgo.Client, name string) error {
	t := kmsg.NewDeleteTopicsRequestTopic()
	t.Topic = &name
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.Topics, req.TopicNames, req.TimeoutMillis = append(req.Topics, t), append(req.TopicNames, name), int32(adminTimeout.Milliseconds())
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return fmt.Errorf("load: delete topic %s: %w", name, err)
	}
	return topicError("delete", name, resp.Topics[0].ErrorCode, resp.Topics[0].ErrorMessage)
}

func topicError(what, name string, code int16, message *string) error {
	err := kerr.ErrorForCode(code)
	if err != nil && message != nil {
		err = fmt.Errorf("%w: %s", err, *message)
	}
	if err != nil {
		err = fmt.Errorf("load: %s topic %s: %w", what, name, err)
	}
	return err
}

// prepareTopics makes the topics of a run, or takes those of that name that exist, and looks up where they end.
func prepareTopics(ctx context.Context, cl *kgo.Client, o Options) ([]topic, error) {
	base, temporary := o.Topic, o.Topic == ""
	if temporary {
		base = fmt.Sprintf("highwater-load-%08x", rand.Uint32())
	}
	var topics []topic
	for i := range o.Topics {
		name := base
		if o.Topics > 1 {
			name = fmt.Sprintf("%s-%d", base, i)
		}
		err := createTopic(ctx, cl, name, max(o.Partitions, 1), o.ReplicationFactor)
		if err != nil && (temporary || !errors.Is(err, kerr.TopicAlreadyExists)) {
			return topics, err
		}
		topics = append(topics, topic{name: name, made: temporary})
		if err := topics[i].look(ctx, cl, o); err != nil {
			return topics, err
		}
	}
	return topics, nil
}

// look asks for the number of partitions and their ends.
func (t *topic) look(ctx context.Context, cl *kgo.Client, o Options) error {
	meta := kmsg.NewPtrMetadataRequest()
	meta.Topics = append(meta.Topics, kmsg.MetadataRequestTopic{Topic: &t.name})
	have, err := meta.RequestWith(ctx, cl)
	if err != nil {
		return fmt.Errorf("load: metadata of topic %s: %w", t.name, err)
	}
	if err := kerr.ErrorForCode(have.Topics[0].ErrorCode); err != nil {
		return fmt.Errorf("load: metadata of topic %s: %w", t.name, err)
	}
	t.partitions = int32(len(have.Topics[0].Partitions))
	if o.Partitions != 0 && o.Partitions != t.partitions {
		return fmt.Errorf("load: topic %s exists and has %d partitions, not %d", t.name, t.partitions, o.Partitions)
	}
	if o.Consumers > int(t.partitions) {
		return fmt.Errorf("load: %d consumers share the %d partitions of topic %s: some would have none", o.Consumers, t.partitions, t.name)
	}
	t.from = make([]int64, t.partitions)
	ask := kmsg.NewListOffsetsRequestTopic()
	ask.Topic = t.name
	for p := range t.partitions {
		partition := kmsg.NewListOffsetsRequestTopicPartition()
		partition.Partition, partition.Timestamp = p, -1 // the end
		ask.Partitions = append(ask.Partitions, partition)
	}
	req := kmsg.NewPtrListOffsetsRequest()
	req.Topics = append(req.Topics, ask)
	ends, err := req.RequestWith(ctx, cl)
	if err != nil {
		return fmt.Errorf("load: ends of topic %s: %w", t.name, err)
	}
	for _, p := range ends.Topics[0].Partitions {
		if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
			return fmt.Errorf("load: end of %s-%d: %w", t.name, p.Partition, err)
		}
		t.from[p.Partition] = p.Offset
	}
	return nil
}

// removeTopics removes what the run made.
func removeTopics(ctx context.Context, cl *kgo.Client, topics []topic) error {
	var errs []error
	for _, t := range topics {
		if t.made {
			errs = append(errs, deleteTopic(ctx, cl, t.name))
		}
	}
	return errors.Join(errs...)
}
