// This file is yours to edit. It was made from solutions/02-wire-protocol/produce.go by: go run . generate
// made: e4103332cc5ed3fd8b17a72b3464be832b32271768ae68f6233ce79b01574221

package wireprotocol

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/workbook/lab"
)

// metadata answers a client's first question: which brokers are there, and who leads what? Here it is always this one,
// node 1, also the controller, the one replica and the one in-sync replica; leader epochs are 0.
//
// A null list of topics (nil) asks for all of them, an empty one for none. A topic that is named and does not exist is made when
// the request allows it, which versions below 4 always do. A name that is not legal (validName) is INVALID_TOPIC_EXCEPTION,
// a topic that is not there and not to be made UNKNOWN_TOPIC_OR_PARTITION. Topics come in the order of the request, whose
// names are never nil before version 10.
func (b *Broker) metadata(q *kmsg.MetadataRequest) *kmsg.MetadataResponse {
	answer := kmsg.NewPtrMetadataResponse()
	answer.ControllerID, answer.ClusterID = nodeID, kmsg.StringPtr(clusterID)
	broker := kmsg.NewMetadataResponseBroker()
	broker.NodeID, broker.Host, broker.Port = nodeID, b.host, b.port
	answer.Brokers = append(answer.Brokers, broker)
	// TODO 2.3: append what is asked for to answer.Topics; describe makes one topic's entry
	// Text: chapters/02-wire-protocol/README.md#exercise-2-3
	// Test: go run . test 2.3
	panic(lab.NotStarted("2.3"))
}

// describe is a topic's entry in an answer.
func describe(name string, partitions []*partition, err error) kmsg.MetadataResponseTopic {
	t := kmsg.NewMetadataResponseTopic()
	t.Topic, t.ErrorCode = kmsg.StringPtr(name), codeOf(err)
	for i := range partitions {
		p := kmsg.NewMetadataResponseTopicPartition()
		p.Partition, p.Leader, p.LeaderEpoch = int32(i), nodeID, 0
		p.Replicas, p.ISR = []int32{nodeID}, []int32{nodeID}
		t.Partitions = append(t.Partitions, p)
	}
	return t
}

// validName: 1 to 249 letters, digits, dots, underscores and hyphens, not "." or "..", which would be folders elsewhere.
func validName(name string) bool {
	for _, c := range []byte(name) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
			return false
		}
	}
	return name != "" && name != "." && name != ".." && len(name) <= 249
}

// codeOf is the code that an answer carries for err.
func codeOf(err error) int16 {
	var coded *kerr.Error
	switch {
	case err == nil:
		return 0
	case errors.As(err, &coded):
		return coded.Code
	case errors.Is(err, record.ErrCRC), errors.Is(err, record.ErrCorrupt):
		return kerr.CorruptMessage.Code
	case errors.Is(err, record.ErrShort), errors.Is(err, record.ErrMagic), errors.Is(err, record.ErrInvalid):
		return kerr.InvalidRecord.Code
	default:
		return kerr.UnknownServerError.Code
	}
}

// produce appends a batch to each partition named, each for itself. The answer has the request's topics and partitions in
// their order. Nobody reads it with acks=0: the caller drops it.
func (b *Broker) produce(q *kmsg.ProduceRequest) *kmsg.ProduceResponse {
	answer := kmsg.NewPtrProduceResponse()
	for _, t := range q.Topics {
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic = t.Topic
		for _, p := range t.Partitions {
			topic.Partitions = append(topic.Partitions, b.produceOne(q.Acks, t.Topic, p))
		}
		answer.Topics = append(answer.Topics, topic)
	}
	return answer
}

// produceOne appends p's batch and says where it went: ErrorCode 0, its base offset, and the log's start offset; or else an
// error code and offsets of -1. A partition that does not exist is UNKNOWN_TOPIC_OR_PARTITION; acks other than 0, 1 and -1
// (all) are INVALID_REQUIRED_ACKS, and the log is left alone.
func (b *Broker) produceOne(acks int16, topic string, p kmsg.ProduceRequestTopicPartition) kmsg.ProduceResponseTopicPartition {
	// TODO 2.3: find the partition, append to it, and fill the result
	// Text: chapters/02-wire-protocol/README.md#exercise-2-3
	// Test: go run . test 2.3
	panic(lab.NotStarted("2.3"))
}

// write gives a client's batch its place in the log and returns its first offset. It is called with the lock held, as nobody else
// may take the same offsets. The client's batch says base offset 0; nothing of it is believed before record.Validate has seen
// it (the zero record.Rules ask for what every topic asks for). The CRC does not cover base offset and leader epoch: they are written into the batch as it came.
func (p *partition) write(batch record.Batch) (base model.Offset, err error) {
	// TODO 2.3: validate the batch, set its base offset and leader epoch 0, and append it
	// Text: chapters/02-wire-protocol/README.md#exercise-2-3
	// Test: go run . test 2.3
	panic(lab.NotStarted("2.3"))
}
