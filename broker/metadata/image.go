package metadata

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"highwater.dev/broker/model"
)

// ErrReplay says that a record contradicts the image, so the log is damaged or was written by a faulty controller.
var ErrReplay = errors.New("metadata: record contradicts the image")

// Image is the cluster's metadata after a prefix of the metadata log. It is not safe for concurrent use: its
// owner locks. Pointers and slices it hands out are the image's own: read only, and only while the owner's
// lock is held.
type Image struct {
	next     model.Offset // offset after the last record replayed
	topics   map[string]*Topic
	byID     map[model.TopicID]*Topic
	ordered  []*Topic // by name
	configs  map[resource]map[string]string
	brokers  []*Broker // by node id
	features map[string]int16
	nextPID  model.ProducerID

	partitions int
}

type resource struct {
	typ  ResourceType
	name string
}

// Topic is a topic in the image.
type Topic struct {
	Name       string
	ID         model.TopicID
	Partitions []Partition // index = partition number
}

// Partition is a partition in the image.
type Partition struct {
	Replicas       []model.NodeID // the first is preferred as leader
	ISR            []model.NodeID
	Leader         model.NodeID // model.NoNode: none
	LeaderEpoch    model.LeaderEpoch
	PartitionEpoch int32
}

// Broker is a registered broker.
type Broker struct {
	BrokerRecord
	Epoch int64 // offset of the registration's record
}

// NewImage is the metadata of a cluster without any record.
func NewImage() *Image {
	return &Image{
		topics: map[string]*Topic{}, byID: map[model.TopicID]*Topic{},
		configs: map[resource]map[string]string{}, features: map[string]int16{},
	}
}

// NextOffset is the offset after the last record replayed.
func (im *Image) NextOffset() model.Offset { return im.next }

// Topic finds a topic by name; nil when there is none.
func (im *Image) Topic(name string) *Topic { return im.topics[name] }

// TopicByID finds a topic by id; nil when there is none.
func (im *Image) TopicByID(id model.TopicID) *Topic { return im.byID[id] }

// Topics are all topics, ordered by name.
func (im *Image) Topics() []*Topic { return im.ordered }

// PartitionCount counts the partitions of all topics.
func (im *Image) PartitionCount() int { return im.partitions }

// Config is a resource's dynamic configs; nil when it has none. name "" with BrokerResource: the cluster-wide default.
func (im *Image) Config(typ ResourceType, name string) map[string]string {
	return im.configs[resource{typ, name}]
}

// Brokers are all registered brokers, ordered by node id.
func (im *Image) Brokers() []*Broker { return im.brokers }

// Broker finds a broker; nil when it is not registered.
func (im *Image) Broker(id model.NodeID) *Broker {
	if i, ok := im.brokerIndex(id); ok {
		return im.brokers[i]
	}
	return nil
}

func (im *Image) brokerIndex(id model.NodeID) (int, bool) {
	return slices.BinarySearchFunc(im.brokers, id, func(b *Broker, id model.NodeID) int { return int(b.Node) - int(id) })
}

// Feature is the finalized level of a feature; 0 when it is not finalized.
func (im *Image) Feature(name string) int16 { return im.features[name] }

// FeatureNames are the finalized features' names, ordered.
func (im *Image) FeatureNames() []string {
	names := make([]string, 0, len(im.features))
	for n := range im.features {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// NextProducerID is the first producer id that no block was made of yet.
func (im *Image) NextProducerID() model.ProducerID { return im.nextPID }

// Replay applies the record at offset. ErrReplay: the record does not fit; the image is then as before.
func (im *Image) Replay(offset model.Offset, r Record) error {
	if offset < im.next {
		return fmt.Errorf("%w: offset %d again, next is %d", ErrReplay, offset, im.next)
	}
	if err := im.replay(offset, r); err != nil {
		return fmt.Errorf("%w: offset %d: %s: %w", ErrReplay, offset, Text(r), err)
	}
	im.next = offset + 1
	return nil
}

var (
	errUnknownTopic = errors.New("no such topic")
	errTopicExists  = errors.New("topic name or id exists already")
	errPartition    = errors.New("not the partition that can come here")
	errProducerIDs  = errors.New("producer ids would be handed out twice")
)

func (im *Image) replay(offset model.Offset, r Record) error {
	switch r := r.(type) {
	case NoOpRecord:
	case TopicRecord:
		return im.addTopic(r)
	case PartitionRecord:
		return im.addPartition(r)
	case PartitionChangeRecord:
		return im.changePartition(r)
	case ConfigRecord:
		im.setConfig(r)
	case RemoveTopicRecord:
		return im.removeTopic(r.ID)
	case ProducerIDsRecord:
		if r.Next < im.nextPID {
			return errProducerIDs
		}
		im.nextPID = r.Next
	case BrokerRecord:
		im.registerBroker(offset, r)
	case FeatureRecord:
		im.features[r.Name] = r.Level
		if r.Level == 0 {
			delete(im.features, r.Name)
		}
	default:
		panic(fmt.Sprintf("metadata: no replay for %T", r))
	}
	return nil
}

func (im *Image) orderedIndex(name string) int {
	i, _ := slices.BinarySearchFunc(im.ordered, name, func(t *Topic, n string) int { return strings.Compare(t.Name, n) })
	return i
}

func (im *Image) addTopic(r TopicRecord) error {
	if im.topics[r.Name] != nil || im.byID[r.ID] != nil {
		return errTopicExists
	}
	t := &Topic{Name: r.Name, ID: r.ID}
	im.topics[r.Name], im.byID[r.ID] = t, t
	im.ordered = slices.Insert(im.ordered, im.orderedIndex(r.Name), t)
	return nil
}

func (im *Image) removeTopic(id model.TopicID) error {
	t := im.byID[id]
	if t == nil {
		return errUnknownTopic
	}
	delete(im.topics, t.Name)
	delete(im.byID, id)
	i := im.orderedIndex(t.Name)
	im.ordered = slices.Delete(im.ordered, i, i+1)
	im.partitions -= len(t.Partitions)
	delete(im.configs, resource{TopicResource, t.Name})
	return nil
}

func (im *Image) addPartition(r PartitionRecord) error {
	t := im.byID[r.TopicID]
	if t == nil {
		return errUnknownTopic
	}
	if int(r.Partition) != len(t.Partitions) {
		return errPartition
	}
	t.Partitions = append(t.Partitions, Partition{Replicas: r.Replicas, ISR: r.ISR, Leader: r.Leader,
		LeaderEpoch: r.LeaderEpoch, PartitionEpoch: r.PartitionEpoch})
	im.partitions++
	return nil
}

func (im *Image) changePartition(r PartitionChangeRecord) error {
	t := im.byID[r.TopicID]
	if t == nil {
		return errUnknownTopic
	}
	if r.Partition < 0 || int(r.Partition) >= len(t.Partitions) {
		return errPartition
	}
	p := &t.Partitions[r.Partition]
	if r.Leader != NoLeaderChange {
		p.Leader = r.Leader
		p.LeaderEpoch++
	}
	if r.ISR != nil {
		p.ISR = r.ISR
	}
	if r.Replicas != nil {
		p.Replicas = r.Replicas
	}
	p.PartitionEpoch++
	return nil
}

func (im *Image) setConfig(r ConfigRecord) {
	key := resource{r.Resource, r.Name}
	m := im.configs[key]
	if r.Value == nil {
		delete(m, r.Key)
		if len(m) == 0 {
			delete(im.configs, key)
		}
		return
	}
	if m == nil {
		m = map[string]string{}
		im.configs[key] = m
	}
	m[r.Key] = *r.Value
}

func (im *Image) registerBroker(offset model.Offset, r BrokerRecord) {
	b := &Broker{BrokerRecord: r, Epoch: int64(offset)}
	i, known := im.brokerIndex(r.Node)
	if !known {
		im.brokers = slices.Insert(im.brokers, i, b)
		return
	}
	restarted := im.brokers[i].Incarnation != r.Incarnation
	im.brokers[i] = b
	if !restarted {
		return
	}
	for _, t := range im.ordered {
		for p := range t.Partitions {
			if t.Partitions[p].Leader == r.Node {
				t.Partitions[p].LeaderEpoch++
				t.Partitions[p].PartitionEpoch++
			}
		}
	}
}
