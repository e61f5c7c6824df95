package segmentlog

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
)

// Codec is a record.Codec: the batch of Kafka's format version ("magic") 2. layout.go has the picture and the fields' places,
// records.go what goes into a batch. Everything else in this package reads batches through it.
type Codec struct{}

var codec Codec

// Encode makes a batch of records under h.
//
// The batch tells how to read itself, so its length, CRC, last offset delta and count are computed, whatever h has in them; so is
// the largest timestamp (base timestamp plus a record's delta, and not always the last record's), unless the attributes say
// LogAppendTime: then h's stands. Records come in offset order, but deltas may have gaps: compaction leaves them. The block of
// records goes through record.Compress(nil, block, compression); compression None leaves it as it is. No records, or a
// compression above record.Zstd, is record.ErrInvalid.
//
// The CRC comes last and covers everything from the attributes on. Base offset and leader epoch stand before it: a broker
// writes them into the batch that a producer sent, and need not compute a sum over megabytes again.
func (Codec) Encode(h record.Header, records []record.Record) (record.Batch, error) {
	// BEGIN SOLUTION 1.1 write the records, the header's fields around them, and last the CRC
	compression := h.Attributes.Compression()
	if len(records) == 0 || compression > record.Zstd {
		return nil, fmt.Errorf("%w: %d records, compression %d", record.ErrInvalid, len(records), compression)
	}
	var block []byte
	latest := records[0].TimestampDelta
	for i := range records {
		block = appendRecord(block, &records[i])
		latest = max(latest, records[i].TimestampDelta)
	}
	if !h.Attributes.LogAppendTime() {
		h.MaxTimestamp = h.BaseTimestamp + model.TimestampMs(latest)
	}
	b := record.Batch(record.Compress(make([]byte, record.HeaderSize), block, compression))
	be := binary.BigEndian
	be.PutUint64(b[offBaseOffset:], uint64(h.BaseOffset))
	be.PutUint32(b[offLength:], uint32(len(b)-record.LogOverhead))
	be.PutUint32(b[offLeaderEpoch:], uint32(h.LeaderEpoch))
	b[offMagic] = 2
	be.PutUint16(b[offAttributes:], uint16(h.Attributes))
	be.PutUint32(b[offLastOffsetDelta:], uint32(records[len(records)-1].OffsetDelta))
	be.PutUint64(b[offBaseTimestamp:], uint64(h.BaseTimestamp))
	be.PutUint64(b[offMaxTimestamp:], uint64(h.MaxTimestamp))
	be.PutUint64(b[offProducerID:], uint64(h.ProducerID))
	be.PutUint16(b[offProducerEpoch:], uint16(h.ProducerEpoch))
	be.PutUint32(b[offBaseSequence:], uint32(h.BaseSequence))
	be.PutUint32(b[offCount:], uint32(len(records)))
	be.PutUint32(b[offCRC:], crc32.Checksum(b[offAttributes:], castagnoli))
	return b, nil
	// END SOLUTION
}

// ReadHeader decodes the header at the start of b. b may end anywhere and may go on behind the batch. In this order: fewer than
// record.HeaderSize bytes are record.ErrShort; a magic other than 2 is record.ErrMagic; what cannot be true is record.ErrCorrupt: a
// length that is less than a header's rest (49 bytes), a negative base offset, last offset delta or count. With an error, nobody
// looks at h. It cannot check the CRC: the records may not be there.
func (Codec) ReadHeader(b []byte, h *record.Header) error {
	// BEGIN SOLUTION 1.1 decode the fields, and refuse what cannot be a header
	if len(b) < record.HeaderSize {
		return record.ErrShort
	}
	if b[offMagic] != 2 {
		return record.ErrMagic
	}
	be := binary.BigEndian
	*h = record.Header{
		BaseOffset:      model.Offset(be.Uint64(b[offBaseOffset:])),
		Length:          int32(be.Uint32(b[offLength:])),
		LeaderEpoch:     model.LeaderEpoch(be.Uint32(b[offLeaderEpoch:])),
		CRC:             be.Uint32(b[offCRC:]),
		Attributes:      record.Attributes(be.Uint16(b[offAttributes:])),
		LastOffsetDelta: int32(be.Uint32(b[offLastOffsetDelta:])),
		BaseTimestamp:   model.TimestampMs(be.Uint64(b[offBaseTimestamp:])),
		MaxTimestamp:    model.TimestampMs(be.Uint64(b[offMaxTimestamp:])),
		ProducerID:      model.ProducerID(be.Uint64(b[offProducerID:])),
		ProducerEpoch:   model.ProducerEpoch(be.Uint16(b[offProducerEpoch:])),
		BaseSequence:    int32(be.Uint32(b[offBaseSequence:])),
		Count:           int32(be.Uint32(b[offCount:])),
	}
	if h.Length < record.HeaderSize-record.LogOverhead || h.BaseOffset < 0 || h.LastOffsetDelta < 0 || h.Count < 0 {
		return record.ErrCorrupt
	}
	return nil
	// END SOLUTION
}

// CheckCRC compares the CRC in b's header with the one of b's bytes, from the attributes to the end of b: record.ErrCRC when they
// differ, record.ErrShort when b is no whole header. b is one batch, from its first byte to its last, and nothing else of the header
// is looked at: magic and length are ReadHeader's, and records that are missing show in the sum.
func (Codec) CheckCRC(b record.Batch) error {
	// BEGIN SOLUTION 1.1 compute the sum that Encode wrote, and compare
	if len(b) < record.HeaderSize {
		return record.ErrShort
	}
	if said, is := binary.BigEndian.Uint32(b[offCRC:]), crc32.Checksum(b[offAttributes:], castagnoli); said != is {
		return fmt.Errorf("%w: header says %#08x, bytes say %#08x", record.ErrCRC, said, is)
	}
	return nil
	// END SOLUTION
}

// Each calls yield with the records of the batch at the start of b in order, until yield returns false: that is no error, whatever
// follows. b may go on behind the batch, and what is there does not count. Errors: those of ReadHeader;
// record.ErrShort when b ends before the batch; record.ErrInvalid when the block holds more or fewer records than the header says.
// Compressed batches are eachCompressed's.
func (c Codec) Each(b record.Batch, yield func(*record.Record) bool) error {
	// BEGIN SOLUTION 1.1 read as many records as the header counts, and no byte behind the batch
	var h record.Header
	if err := c.ReadHeader(b, &h); err != nil {
		return err
	}
	if h.Size() > len(b) {
		return record.ErrShort
	}
	if h.Attributes.Compression() != record.None {
		return eachCompressed(b, yield)
	}
	rest := b[record.HeaderSize:h.Size()]
	for range h.Count {
		r, behind, err := readRecord(rest)
		if err != nil {
			return err
		}
		if !yield(&r) {
			return nil
		}
		rest = behind
	}
	if len(rest) > 0 {
		return fmt.Errorf("%w: %d bytes behind the last record", record.ErrInvalid, len(rest))
	}
	return nil
	// END SOLUTION
}
