package controller

import (
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/broker/config"
	"highwater.dev/broker/metadata"
	"highwater.dev/broker/model"
)

// Options configure a Machine. Config and Rand are needed.
type Options struct {
	Config *config.Server // defaults and limits: num.partitions, default.replication.factor, delete.topic.enable
	Rand   *rand.Rand     // topic ids and replica placement; seeded by the driver
	// Policy may refuse a new topic (create.topic.policy.class.name): its error becomes POLICY_VIOLATION. nil allows all.
	Policy func(topic string, partitions int32, replication int16, configs map[string]string) error
}

// Machine is the controller: it decides what happens to topics, partitions, configs and producer ids.
type Machine struct {
	o     Options
	image *metadata.Image
}

// New makes a controller that has replayed nothing yet.
func New(o Options) *Machine { return &Machine{o: o, image: metadata.NewImage()} }

// Image is what the controller has replayed, committed or not. Read only.
func (m *Machine) Image() *metadata.Image { return m.image }

// Handle decides one request: CreateTopics, DeleteTopics, CreatePartitions, AlterConfigs, IncrementalAlterConfigs or
// AllocateProducerIDs. The caller appends the records, replays them at once, and sends the reply when they (and all
// records replayed before) are committed. A request of another kind gives a nil reply.
func (m *Machine) Handle(now time.Time, req kmsg.Request) ([]metadata.Record, kmsg.Response) {
	return nil, nil
}

// Replay applies a record of the metadata log.
func (m *Machine) Replay(offset model.Offset, r metadata.Record) error {
	return m.image.Replay(offset, r)
}
