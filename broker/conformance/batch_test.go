package conformance

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// batch is a record batch of magic 2 under construction, every field free to lie.
type batch struct {
	baseOffset      int64
	leaderEpoch     int32
	magic           byte
	attributes      uint16
	lastOffsetDelta int32
	firstTimestamp  int64
	maxTimestamp    int64
	producerID      int64
	producerEpoch   int16
	sequence        int32
	count           int32
	records         []byte // as they follow the header, compressed or not

	crcFlip    uint32 // xor-ed into the right CRC
	lengthMore int32  // added to the right length
}

// simpleBatch holds one record for each value: uncompressed, key "k", without a producer.
func simpleBatch(values ...string) *batch {
	b := &batch{
		leaderEpoch: -1, magic: 2, lastOffsetDelta: int32(len(values) - 1), firstTimestamp: firstTimestamp,
		maxTimestamp: firstTimestamp + int64(len(values)-1)*10, producerID: -1, producerEpoch: -1, sequence: -1, count: int32(len(values)),
	}
	for i, v := range values {
		b.records = appendRecord(b.records, int64(i)*10, int64(i), []byte("k"), []byte(v))
	}
	return b
}

// by makes the batch an idempotent producer's.
func (b *batch) by(producerID int64, epoch int16, sequence int32) *batch {
	b.producerID, b.producerEpoch, b.sequence = producerID, epoch, sequence
	return b
}

// with changes the batch in place.
func (b *batch) with(change func(*batch)) *batch {
	change(b)
	return b
}

// appendRecord appends one record of magic 2, timestamp and offset as deltas from the batch's first.
func appendRecord(dst []byte, timestampDelta, offsetDelta int64, key, value []byte) []byte {
	body := []byte{0}
	body = binary.AppendVarint(body, timestampDelta)
	body = binary.AppendVarint(body, offsetDelta)
	for _, field := range [][]byte{key, value} {
		if field == nil {
			body = binary.AppendVarint(body, -1)
			continue
		}
		body = append(binary.AppendVarint(body, int64(len(field))), field...)
	}
	body = binary.AppendVarint(body, 0) // no headers
	return append(binary.AppendVarint(dst, int64(len(body))), body...)
}

// bytes is the batch as it goes over the wire.
func (b *batch) bytes() []byte {
	tail := binary.BigEndian.AppendUint16(nil, b.attributes)
	tail = binary.BigEndian.AppendUint32(tail, uint32(b.lastOffsetDelta))
	tail = binary.BigEndian.AppendUint64(tail, uint64(b.firstTimestamp))
	tail = binary.BigEndian.AppendUint64(tail, uint64(b.maxTimestamp))
	tail = binary.BigEndian.AppendUint64(tail, uint64(b.producerID))
	tail = binary.BigEndian.AppendUint16(tail, uint16(b.producerEpoch))
	tail = binary.BigEndian.AppendUint32(tail, uint32(b.sequence))
	tail = binary.BigEndian.AppendUint32(tail, uint32(b.count))
	tail = append(tail, b.records...)

	out := binary.BigEndian.AppendUint64(nil, uint64(b.baseOffset))
	out = binary.BigEndian.AppendUint32(out, uint32(int32(len(tail))+9+b.lengthMore))
	out = binary.BigEndian.AppendUint32(out, uint32(b.leaderEpoch))
	out = append(out, b.magic)
	crc := crc32.Checksum(tail, crc32.MakeTable(crc32.Castagnoli))
	out = binary.BigEndian.AppendUint32(out, crc^b.crcFlip)
	return append(out, tail...)
}

// produceRequest sends records, one or several batches, to partition 0.
func produceRequest(topic string, id [16]byte, version, acks int16, records []byte) *kmsg.ProduceRequest {
	p := kmsg.NewProduceRequestTopicPartition()
	p.Records = records
	t := kmsg.NewProduceRequestTopic()
	t.Topic, t.TopicID, t.Partitions = topic, id, []kmsg.ProduceRequestTopicPartition{p}
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(version)
	req.Acks, req.TimeoutMillis, req.Topics = acks, 10_000, []kmsg.ProduceRequestTopic{t}
	return req
}

// fetchRequest reads one partition from an offset on, without a session, and waits for nothing.
func fetchRequest(topic string, partition int32, offset int64) *kmsg.FetchRequest {
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = partition, offset, 1<<20
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.Partitions = topic, []kmsg.FetchRequestTopicPartition{p}
	req := kmsg.NewPtrFetchRequest()
	req.MinBytes, req.MaxBytes, req.SessionEpoch = 0, 50<<20, -1
	req.Topics = []kmsg.FetchRequestTopic{t}
	return req
}
