package metadata

import (
	"encoding/binary"
	"errors"
	"fmt"

	"highwater.dev/broker/model"
)

const (
	frameVersion  = 1
	recordVersion = 0
)

// ErrFormat says that the bytes are not a metadata record of a version that this program knows.
var ErrFormat = errors.New("metadata: not a record that this version understands")

// AppendRecord appends r's bytes to dst. See doc.go for the picture.
func AppendRecord(dst []byte, r Record) []byte {
	dst = append(dst, frameVersion)
	dst = binary.AppendUvarint(dst, uint64(r.Type()))
	dst = binary.AppendUvarint(dst, recordVersion)
	return r.appendFields(dst)
}

// ParseRecord reads what AppendRecord wrote. It keeps nothing of b. Unknown types and versions, bytes missing
// and bytes left over are ErrFormat. Memory is bounded by a small multiple of len(b).
func ParseRecord(b []byte) (Record, error) {
	d := decoder{b: b}
	if v := d.byte(); v != frameVersion && d.err == nil {
		return nil, fmt.Errorf("%w: frame version %d, not %d", ErrFormat, v, frameVersion)
	}
	typ, version := d.uvarint(), d.uvarint()
	if d.err != nil {
		return nil, d.err
	}
	if version != recordVersion {
		return nil, fmt.Errorf("%w: %v version %d", ErrFormat, Type(typ), version)
	}
	r := d.fields(typ)
	if d.err != nil {
		return nil, d.err
	}
	if len(d.b) != 0 {
		return nil, fmt.Errorf("%w: %d bytes after %v", ErrFormat, len(d.b), Type(typ))
	}
	return r, nil
}

func (d *decoder) fields(typ uint64) Record {
	switch typ {
	case uint64(TypeNoOp):
		return NoOpRecord{}
	case uint64(TypeTopic):
		return TopicRecord{Name: d.string(), ID: d.uuid()}
	case uint64(TypePartition):
		return PartitionRecord{TopicID: d.uuid(), Partition: d.int32(), Replicas: d.nodes(), ISR: d.nodes(),
			Leader: model.NodeID(d.int32()), LeaderEpoch: model.LeaderEpoch(d.int32()), PartitionEpoch: d.int32()}
	case uint64(TypePartitionChange):
		return PartitionChangeRecord{TopicID: d.uuid(), Partition: d.int32(), Leader: model.NodeID(d.int32()),
			ISR: d.nodes(), Replicas: d.nodes()}
	case uint64(TypeConfig):
		return ConfigRecord{Resource: ResourceType(d.byte()), Name: d.string(), Key: d.string(), Value: d.nullable()}
	case uint64(TypeRemoveTopic):
		return RemoveTopicRecord{ID: d.uuid()}
	case uint64(TypeProducerIDs):
		return ProducerIDsRecord{Broker: model.NodeID(d.int32()), BrokerEpoch: d.int64(), Next: model.ProducerID(d.int64())}
	case uint64(TypeBroker):
		return BrokerRecord{Node: model.NodeID(d.int32()), Incarnation: d.uuid(), Endpoints: d.endpoints(),
			Rack: d.nullable(), Fenced: d.bool()}
	case uint64(TypeFeature):
		return FeatureRecord{Name: d.string(), Level: int16(d.uint16())}
	default:
		d.fail("type %d", typ)
		return nil
	}
}

func (NoOpRecord) appendFields(dst []byte) []byte { return dst }

func (r TopicRecord) appendFields(dst []byte) []byte {
	return append(appendString(dst, r.Name), r.ID[:]...)
}

func (r PartitionRecord) appendFields(dst []byte) []byte {
	dst = append(dst, r.TopicID[:]...)
	dst = appendInt32(dst, r.Partition)
	dst = appendNodes(dst, r.Replicas)
	dst = appendNodes(dst, r.ISR)
	dst = appendInt32(dst, int32(r.Leader))
	dst = appendInt32(dst, int32(r.LeaderEpoch))
	return appendInt32(dst, r.PartitionEpoch)
}

func (r PartitionChangeRecord) appendFields(dst []byte) []byte {
	dst = append(dst, r.TopicID[:]...)
	dst = appendInt32(dst, r.Partition)
	dst = appendInt32(dst, int32(r.Leader))
	dst = appendNodes(dst, r.ISR)
	return appendNodes(dst, r.Replicas)
}

func (r ConfigRecord) appendFields(dst []byte) []byte {
	dst = append(dst, byte(r.Resource))
	dst = appendString(dst, r.Name)
	dst = appendString(dst, r.Key)
	return appendNullable(dst, r.Value)
}

func (r RemoveTopicRecord) appendFields(dst []byte) []byte { return append(dst, r.ID[:]...) }

func (r ProducerIDsRecord) appendFields(dst []byte) []byte {
	dst = appendInt32(dst, int32(r.Broker))
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.BrokerEpoch))
	return binary.BigEndian.AppendUint64(dst, uint64(r.Next))
}

func (r BrokerRecord) appendFields(dst []byte) []byte {
	dst = appendInt32(dst, int32(r.Node))
	dst = append(dst, r.Incarnation[:]...)
	dst = binary.AppendUvarint(dst, uint64(len(r.Endpoints)))
	for _, e := range r.Endpoints {
		dst = appendString(dst, e.Listener)
		dst = appendString(dst, e.Host)
		dst = binary.BigEndian.AppendUint16(dst, e.Port)
	}
	dst = appendNullable(dst, r.Rack)
	if r.Fenced {
		return append(dst, 1)
	}
	return append(dst, 0)
}

func (r FeatureRecord) appendFields(dst []byte) []byte {
	return binary.BigEndian.AppendUint16(appendString(dst, r.Name), uint16(r.Level))
}

func appendInt32(dst []byte, v int32) []byte { return binary.BigEndian.AppendUint32(dst, uint32(v)) }

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// appendNullable writes length + 1, as Kafka's compact strings do: 0 is null.
func appendNullable(dst []byte, s *string) []byte {
	if s == nil {
		return append(dst, 0)
	}
	return append(binary.AppendUvarint(dst, uint64(len(*s))+1), *s...)
}

func appendNodes(dst []byte, nodes []model.NodeID) []byte {
	if nodes == nil {
		return append(dst, 0)
	}
	dst = binary.AppendUvarint(dst, uint64(len(nodes))+1)
	for _, n := range nodes {
		dst = appendInt32(dst, int32(n))
	}
	return dst
}

// decoder reads fields off b. After the first error every read gives zero values.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: "+format, append([]any{ErrFormat}, args...)...)
	}
	d.b = nil
}

// take returns the next n bytes, or zeros (at most 16) after an error.
func (d *decoder) take(n uint64) []byte {
	if uint64(len(d.b)) < n {
		d.fail("%d bytes missing", n-uint64(len(d.b)))
		if n > uint64(len(zeros)) {
			return nil
		}
		return zeros[:n]
	}
	out := d.b[:n]
	d.b = d.b[n:]
	return out
}

var zeros [16]byte

func (d *decoder) byte() byte     { return d.take(1)[0] }
func (d *decoder) uint16() uint16 { return binary.BigEndian.Uint16(d.take(2)) }
func (d *decoder) int32() int32   { return int32(binary.BigEndian.Uint32(d.take(4))) }
func (d *decoder) int64() int64   { return int64(binary.BigEndian.Uint64(d.take(8))) }

// bool accepts 0 and 1 only, so that every record has one encoding.
func (d *decoder) bool() bool {
	v := d.byte()
	if v > 1 {
		d.fail("bool is %d", v)
	}
	return v == 1
}

func (d *decoder) uuid() (id UUID) {
	copy(id[:], d.take(uint64(len(id))))
	return id
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 || n != uvarintLen(v) {
		d.fail("bad varint")
		return 0
	}
	d.b = d.b[n:]
	return v
}

func uvarintLen(v uint64) int {
	n := 1
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}

func (d *decoder) string() string { return string(d.take(d.uvarint())) }

func (d *decoder) nullable() *string {
	n := d.uvarint()
	if n == 0 || d.err != nil {
		return nil
	}
	s := string(d.take(n - 1))
	return &s
}

func (d *decoder) nodes() []model.NodeID {
	n := d.uvarint()
	if n == 0 || d.err != nil {
		return nil
	}
	if n-1 > uint64(len(d.b))/4 {
		d.fail("%d nodes in %d bytes", n-1, len(d.b))
		return nil
	}
	nodes := make([]model.NodeID, n-1)
	for i := range nodes {
		nodes[i] = model.NodeID(d.int32())
	}
	return nodes
}

func (d *decoder) endpoints() []Endpoint {
	n := d.uvarint()
	if n > uint64(len(d.b))/4 { // two lengths and a port at least
		d.fail("%d endpoints in %d bytes", n, len(d.b))
	}
	if n == 0 || d.err != nil {
		return nil
	}
	eps := make([]Endpoint, n)
	for i := range eps {
		eps[i] = Endpoint{Listener: d.string(), Host: d.string(), Port: d.uint16()}
	}
	return eps
}
