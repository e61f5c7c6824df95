package controller

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/broker/config"
	"highwater.dev/broker/metadata"
	"highwater.dev/broker/model"
)

// maxRecords is how many records one request may cause, as in Kafka: a bigger one is refused as a whole.
const maxRecords = 10_000

// Options configure a Machine. Config and Rand are needed.
type Options struct {
	// Config has the defaults and limits: node.id, num.partitions, default.replication.factor, delete.topic.enable, and
	// what the log.* keys make of a topic without configs of its own.
	Config *config.Server
	// Rand gives topic ids and replica placement. The driver seeds it; equal seeds and requests give equal records.
	Rand *rand.Rand
	// Policy may refuse a new topic (create.topic.policy.class.name): its error becomes POLICY_VIOLATION. nil allows all.
	Policy func(topic string, partitions int32, replication int16, configs map[string]string) error
}

// Machine is the controller: it decides what happens to topics, partitions, configs and producer ids. It is
// not safe for concurrent use.
type Machine struct {
	o     Options
	image *metadata.Image
	// colliding holds the names that have '.' or '_', by their form with '_' only: Kafka's metrics cannot tell
	// such names apart. Derived from the image.
	colliding map[string][]string
}

// New makes a controller that has replayed nothing yet.
func New(o Options) *Machine {
	return &Machine{o: o, image: metadata.NewImage(), colliding: map[string][]string{}}
}

// Image is what the controller has replayed, committed or not. Read only.
func (m *Machine) Image() *metadata.Image { return m.image }

// Handle decides one request: CreateTopics, DeleteTopics, CreatePartitions, AlterConfigs, IncrementalAlterConfigs or
// AllocateProducerIDs. The caller appends the records, replays them at once, and sends the reply when they (and all
// records replayed before) are committed. A request of another kind gives a nil reply. Nothing changes in Handle
// but the state of Options.Rand.
func (m *Machine) Handle(_ time.Time, req kmsg.Request) ([]metadata.Record, kmsg.Response) {
	switch r := req.(type) {
	case *kmsg.CreateTopicsRequest:
		return m.createTopics(r)
	case *kmsg.DeleteTopicsRequest:
		return m.deleteTopics(r)
	case *kmsg.CreatePartitionsRequest:
		return m.createPartitions(r)
	case *kmsg.AlterConfigsRequest:
		return m.alterConfigs(r)
	case *kmsg.IncrementalAlterConfigsRequest:
		return m.incrementalAlterConfigs(r)
	case *kmsg.AllocateProducerIDsRequest:
		return m.allocateProducerIDs(r)
	default:
		return nil, nil
	}
}

// Replay applies a record of the metadata log. metadata.ErrReplay: it does not fit; nothing changed.
func (m *Machine) Replay(offset model.Offset, r metadata.Record) error {
	var removed string
	if rm, ok := r.(metadata.RemoveTopicRecord); ok {
		if t := m.image.TopicByID(rm.ID); t != nil {
			removed = t.Name
		}
	}
	if err := m.image.Replay(offset, r); err != nil {
		return err
	}
	if removed != "" {
		m.forgetName(removed)
	}
	if t, ok := r.(metadata.TopicRecord); ok {
		m.rememberName(t.Name)
	}
	return nil
}

// apiError is an answer's error code and message. nil is no error.
type apiError struct {
	err     *kerr.Error
	message string // "": none is sent
}

func refuse(err *kerr.Error, format string, args ...any) *apiError {
	return &apiError{err: err, message: fmt.Sprintf(format, args...)}
}

func (e *apiError) code() int16 {
	if e == nil {
		return 0
	}
	return e.err.Code
}

func (e *apiError) text() *string {
	if e == nil || e.message == "" {
		return nil
	}
	return &e.message
}
