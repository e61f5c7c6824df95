package metadata

import (
	"encoding/json"
	"fmt"

	"highwater.dev/broker/model"
)

// Type says which record a frame holds. Numbers are on disk: never reuse one.
type Type uint16

// The record types.
const (
	TypeNoOp            Type = 0
	TypeTopic           Type = 1
	TypePartition       Type = 2
	TypePartitionChange Type = 3
	TypeConfig          Type = 4
	TypeRemoveTopic     Type = 5
	TypeProducerIDs     Type = 6
	TypeBroker          Type = 7
	TypeFeature         Type = 8
)

// String is the type's name in dump-log's output.
func (t Type) String() string {
	switch t {
	case TypeNoOp:
		return "NO_OP"
	case TypeTopic:
		return "TOPIC"
	case TypePartition:
		return "PARTITION"
	case TypePartitionChange:
		return "PARTITION_CHANGE"
	case TypeConfig:
		return "CONFIG"
	case TypeRemoveTopic:
		return "REMOVE_TOPIC"
	case TypeProducerIDs:
		return "PRODUCER_IDS"
	case TypeBroker:
		return "BROKER"
	case TypeFeature:
		return "FEATURE"
	default:
		return fmt.Sprintf("TYPE_%d", uint16(t))
	}
}

// Record is one change of the cluster's metadata: one of the record structs of this package. Records are values;
// nobody changes the slices inside one after it was proposed or parsed.
type Record interface {
	// Type names the record's kind on disk.
	Type() Type
	appendFields(dst []byte) []byte
}

// NoOpRecord changes nothing. A new leader writes one to learn that it can commit.
type NoOpRecord struct{}

// TopicRecord makes a topic. Its partitions follow as PartitionRecords.
type TopicRecord struct {
	Name string        `json:"name"`
	ID   model.TopicID `json:"topicId"`
}

// PartitionRecord makes the next partition of a topic: numbers count up from 0 without a gap.
type PartitionRecord struct {
	TopicID        model.TopicID     `json:"topicId"`
	Partition      int32             `json:"partitionId"`
	Replicas       []model.NodeID    `json:"replicas"` // the first is preferred as leader
	ISR            []model.NodeID    `json:"isr"`
	Leader         model.NodeID      `json:"leader"` // model.NoNode: none
	LeaderEpoch    model.LeaderEpoch `json:"leaderEpoch"`
	PartitionEpoch int32             `json:"partitionEpoch"`
}

// NoLeaderChange in PartitionChangeRecord.Leader keeps the leader and its epoch.
const NoLeaderChange model.NodeID = -2

// PartitionChangeRecord changes one partition. It raises the partition epoch by one, and the leader epoch by one
// when Leader is not NoLeaderChange (also when it names the present leader again).
type PartitionChangeRecord struct {
	TopicID   model.TopicID  `json:"topicId"`
	Partition int32          `json:"partitionId"`
	Leader    model.NodeID   `json:"leader"`
	ISR       []model.NodeID `json:"isr,omitempty"`      // nil: unchanged
	Replicas  []model.NodeID `json:"replicas,omitempty"` // nil: unchanged
}

// ResourceType says what a config belongs to, with the numbers of Kafka's protocol.
type ResourceType int8

// The resources that have configs here.
const (
	TopicResource  ResourceType = 2
	BrokerResource ResourceType = 4
)

// ConfigRecord sets or, with a nil Value, deletes one dynamic config.
type ConfigRecord struct {
	Resource ResourceType `json:"resourceType"`
	Name     string       `json:"resourceName"` // topic name or node id; "" with BrokerResource: every broker's default
	Key      string       `json:"name"`
	Value    *string      `json:"value"`
}

// RemoveTopicRecord deletes a topic, its partitions and its configs.
type RemoveTopicRecord struct {
	ID model.TopicID `json:"topicId"`
}

// ProducerIDsRecord hands every producer id below Next to somebody: the next block starts at Next (KIP-730).
type ProducerIDsRecord struct {
	Broker      model.NodeID     `json:"brokerId"`
	BrokerEpoch int64            `json:"brokerEpoch"`
	Next        model.ProducerID `json:"nextProducerId"`
}

// Endpoint is where a broker's listener is reached by clients (advertised.listeners).
type Endpoint struct {
	Listener string `json:"name"`
	Host     string `json:"host"`
	Port     uint16 `json:"port"`
}

// BrokerRecord registers a broker's incarnation (one run of its process). Its broker epoch is the record's offset
// (KIP-500). A new incarnation of a known broker begins a new leader epoch on every partition which that broker
// leads: it may have lost what was not yet flushed, and clients and followers must be able to see it (KIP-320).
type BrokerRecord struct {
	Node        model.NodeID `json:"brokerId"`
	Incarnation UUID         `json:"incarnationId"`
	Endpoints   []Endpoint   `json:"endPoints"`
	Rack        *string      `json:"rack"`
	Fenced      bool         `json:"fenced"`
}

// FeatureRecord sets the finalized level of a feature such as metadata.version (KIP-584). Level 0 removes it.
type FeatureRecord struct {
	Name  string `json:"name"`
	Level int16  `json:"featureLevel"`
}

// UUID is an identity with the text form of Kafka's Uuid.
type UUID = model.TopicID

// Type implements Record.
func (NoOpRecord) Type() Type { return TypeNoOp }

// Type implements Record.
func (TopicRecord) Type() Type { return TypeTopic }

// Type implements Record.
func (PartitionRecord) Type() Type { return TypePartition }

// Type implements Record.
func (PartitionChangeRecord) Type() Type { return TypePartitionChange }

// Type implements Record.
func (ConfigRecord) Type() Type { return TypeConfig }

// Type implements Record.
func (RemoveTopicRecord) Type() Type { return TypeRemoveTopic }

// Type implements Record.
func (ProducerIDsRecord) Type() Type { return TypeProducerIDs }

// Type implements Record.
func (BrokerRecord) Type() Type { return TypeBroker }

// Type implements Record.
func (FeatureRecord) Type() Type { return TypeFeature }

// Text is the record in one readable line: {"type":"TOPIC","version":0,"data":{"name":"orders", ...}}.
func Text(r Record) string {
	b, err := json.Marshal(struct {
		Type    string `json:"type"`
		Version int    `json:"version"`
		Data    Record `json:"data"`
	}{r.Type().String(), recordVersion, r})
	if err != nil {
		panic(fmt.Sprintf("metadata: a record of strings and numbers has no text form: %v", err))
	}
	return string(b)
}
