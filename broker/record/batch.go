package record

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"highwater.dev/broker/model"
)

// Sizes and places in a v2 batch, in bytes from its first byte. See doc.go for the picture.
const (
	HeaderSize = 61 // a batch without records
	// LogOverhead is what Length does not count: the base offset and the length field itself.
	LogOverhead = 12

	offBaseOffset      = 0
	offLength          = 8
	offLeaderEpoch     = 12
	offMagic           = 16
	offCRC             = 17
	offAttributes      = 21
	offLastOffsetDelta = 23
	offBaseTimestamp   = 27
	offMaxTimestamp    = 35
	offProducerID      = 43
	offProducerEpoch   = 51
	offBaseSequence    = 53
	offCount           = 57
)

// Errors that callers branch on. Each is wrapped with what was found and where.
var (
	// ErrShort: the bytes end before the batch does. At the end of a file it is a torn tail.
	ErrShort = errors.New("record: batch is cut short")
	// ErrMagic: not a v2 batch (magic 0 and 1 went with Kafka 4.0, KIP-724).
	ErrMagic = errors.New("record: batch is not of magic 2")
	// ErrCRC: the CRC-32C does not match the bytes it covers.
	ErrCRC = errors.New("record: CRC-32C mismatch")
	// ErrCorrupt: a length, count or field contradicts another.
	ErrCorrupt = errors.New("record: batch contradicts itself")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Attributes are a batch's flags.
type Attributes int16

// The bits of Attributes (KIP-98, KIP-32, KIP-534).
const (
	CompressionMask   Attributes = 0x07
	LogAppendTimeFlag Attributes = 0x08
	TransactionalFlag Attributes = 0x10
	ControlFlag       Attributes = 0x20
	DeleteHorizonFlag Attributes = 0x40
)

// Compression of the batch's records.
func (a Attributes) Compression() Compression { return Compression(a & CompressionMask) }

// LogAppendTime says that MaxTimestamp is the time of the append and stands for every record's.
func (a Attributes) LogAppendTime() bool { return a&LogAppendTimeFlag != 0 }

// Transactional says that the batch belongs to a transaction.
func (a Attributes) Transactional() bool { return a&TransactionalFlag != 0 }

// Control says that the batch holds one control record, a transaction marker, for brokers and not for consumers.
func (a Attributes) Control() bool { return a&ControlFlag != 0 }

// Header is a batch's header, decoded.
type Header struct {
	BaseOffset      model.Offset
	Length          int32 // bytes after the length field; the whole batch is Length + LogOverhead
	LeaderEpoch     model.LeaderEpoch
	CRC             uint32 // CRC-32C of everything from the attributes to the end
	Attributes      Attributes
	LastOffsetDelta int32
	BaseTimestamp   model.TimestampMs
	MaxTimestamp    model.TimestampMs
	ProducerID      model.ProducerID
	ProducerEpoch   model.ProducerEpoch
	BaseSequence    int32
	Count           int32 // records; 0 in a batch that compaction emptied
}

// Size is the whole batch's length in bytes.
func (h *Header) Size() int { return int(h.Length) + LogOverhead }

// LastOffset is the offset of the batch's last record (kept when compaction removed that record).
func (h *Header) LastOffset() model.Offset { return h.BaseOffset + model.Offset(h.LastOffsetDelta) }

// NextOffset is the first offset after the batch.
func (h *Header) NextOffset() model.Offset { return h.LastOffset() + 1 }

// LastSequence is the sequence number of the last record; sequences wrap to 0 after 2^31 - 1.
func (h *Header) LastSequence() int32 {
	return int32((int64(h.BaseSequence) + int64(h.LastOffsetDelta)) & 0x7fffffff)
}

// Batch is a whole v2 batch in Kafka's bytes: header and records.
type Batch []byte

// ReadHeader decodes the header at the start of b, which may be cut after it or go on beyond the batch.
// It checks magic and that the lengths make sense, not the CRC. Errors: ErrShort, ErrMagic, ErrCorrupt.
func ReadHeader(b []byte, h *Header) error {
	if len(b) < HeaderSize {
		return ErrShort
	}
	if b[offMagic] != 2 {
		return ErrMagic
	}
	*h = Header{
		BaseOffset:      model.Offset(binary.BigEndian.Uint64(b[offBaseOffset:])),
		Length:          int32(binary.BigEndian.Uint32(b[offLength:])),
		LeaderEpoch:     model.LeaderEpoch(binary.BigEndian.Uint32(b[offLeaderEpoch:])),
		CRC:             binary.BigEndian.Uint32(b[offCRC:]),
		Attributes:      Attributes(binary.BigEndian.Uint16(b[offAttributes:])),
		LastOffsetDelta: int32(binary.BigEndian.Uint32(b[offLastOffsetDelta:])),
		BaseTimestamp:   model.TimestampMs(binary.BigEndian.Uint64(b[offBaseTimestamp:])),
		MaxTimestamp:    model.TimestampMs(binary.BigEndian.Uint64(b[offMaxTimestamp:])),
		ProducerID:      model.ProducerID(binary.BigEndian.Uint64(b[offProducerID:])),
		ProducerEpoch:   model.ProducerEpoch(binary.BigEndian.Uint16(b[offProducerEpoch:])),
		BaseSequence:    int32(binary.BigEndian.Uint32(b[offBaseSequence:])),
		Count:           int32(binary.BigEndian.Uint32(b[offCount:])),
	}
	if h.Length < HeaderSize-LogOverhead || h.LastOffsetDelta < 0 || h.Count < 0 || h.BaseOffset < 0 {
		return ErrCorrupt
	}
	return nil
}

// CRC computes the CRC-32C that belongs into the header of the whole batch b.
func (b Batch) CRC() uint32 { return crc32.Checksum(b[offAttributes:], castagnoli) }

func (b Batch) storedCRC() uint32 { return binary.BigEndian.Uint32(b[offCRC:]) }

// SetBaseOffset and SetLeaderEpoch write fields that the CRC does not cover: the broker assigns them in
// the buffer that came from the socket.
func (b Batch) SetBaseOffset(o model.Offset) {
	binary.BigEndian.PutUint64(b[offBaseOffset:], uint64(o))
}

// SetLeaderEpoch is described with SetBaseOffset.
func (b Batch) SetLeaderEpoch(e model.LeaderEpoch) {
	binary.BigEndian.PutUint32(b[offLeaderEpoch:], uint32(e))
}

// SetMaxTimestamp writes the batch's largest timestamp and its type (KIP-32) and computes the CRC again.
func (b Batch) SetMaxTimestamp(ts model.TimestampMs, logAppendTime bool) {
	a := Attributes(binary.BigEndian.Uint16(b[offAttributes:])) &^ LogAppendTimeFlag
	if logAppendTime {
		a |= LogAppendTimeFlag
	}
	binary.BigEndian.PutUint16(b[offAttributes:], uint16(a))
	binary.BigEndian.PutUint64(b[offMaxTimestamp:], uint64(ts))
	binary.BigEndian.PutUint32(b[offCRC:], b.CRC())
}
