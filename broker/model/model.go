// Package model holds the vocabulary that every other package of the broker speaks:
// offsets, epochs, identifiers and Kafka's error codes. It has no behaviour, does no I/O
// and imports nothing of Highwater.
package model

import (
	"encoding/base64"
	"fmt"
	"strconv"
)

// Offset is the position of a record in a partition's log. The first record has offset 0.
type Offset int64

// NoOffset marks an unknown offset in Kafka's protocol.
const NoOffset Offset = -1

// LeaderEpoch counts a partition's leaders; it grows by one with each new leader (KIP-101).
type LeaderEpoch int32

// NoLeaderEpoch marks an unknown leader epoch; clients that do not know it send it.
const NoLeaderEpoch LeaderEpoch = -1

// ProducerID names an idempotent or transactional producer (KIP-98).
type ProducerID int64

// NoProducerID marks a batch written without idempotence.
const NoProducerID ProducerID = -1

// ProducerEpoch fences earlier incarnations of a producer (KIP-98).
type ProducerEpoch int16

// NoProducerEpoch goes with NoProducerID.
const NoProducerEpoch ProducerEpoch = -1

// NodeID names a broker (node.id).
type NodeID int32

// NoNode marks a partition without a leader.
const NoNode NodeID = -1

// TimestampMs is milliseconds since the Unix epoch, the unit of every timestamp in Kafka's formats.
type TimestampMs int64

// NoTimestamp marks a record or batch without a timestamp.
const NoTimestamp TimestampMs = -1

// TopicID is a topic's identity for life: a recreated topic of the same name has another (KIP-516).
type TopicID [16]byte

// String is Kafka's text form of a Uuid: base64, URL alphabet, no padding.
func (id TopicID) String() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// ParseTopicID reads the text form that String writes.
func ParseTopicID(s string) (TopicID, error) {
	var id TopicID
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != len(id) {
		return id, fmt.Errorf("model: topic id %q is not 22 characters of URL-safe base64", s)
	}
	copy(id[:], b)
	return id, nil
}

// TopicPartition names one partition of one topic.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// String is the name of the partition's folder in a log directory.
func (tp TopicPartition) String() string {
	return tp.Topic + "-" + strconv.Itoa(int(tp.Partition))
}

// MarshalText and UnmarshalText make JSON and other text forms use String's form.
func (id TopicID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText is described with MarshalText.
func (id *TopicID) UnmarshalText(b []byte) error {
	v, err := ParseTopicID(string(b))
	if err == nil {
		*id = v
	}
	return err
}
