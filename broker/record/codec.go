package record

import (
	"fmt"

	"highwater.dev/broker/model"
)

// Codec is the seam that a reader's own batch codec plugs into (chapter 01). V2 is the broker's. Implementations
// hold no state and are safe for concurrent use.
type Codec interface {
	// Encode makes a batch of records under h. Of h it takes base offset, leader epoch, attributes (compression,
	// transactional, control, timestamp type), base timestamp, producer id, epoch and sequence; it computes length,
	// CRC, last offset delta, count and, unless the type is LogAppendTime, the largest timestamp. Offset deltas are
	// the records' own, in increasing order. Error: ErrInvalid for no records or an unknown compression.
	Encode(h Header, records []Record) (Batch, error)
	// ReadHeader decodes the header at the start of b, which may end anywhere. Errors: ErrShort, ErrMagic, ErrCorrupt.
	ReadHeader(b []byte, h *Header) error
	// CheckCRC compares the CRC-32C of the whole batch b with its header's. Errors: ErrShort, ErrCRC.
	CheckCRC(b Batch) error
	// Each calls yield with the records of the whole batch b in order, until one returns false. The record is
	// valid until yield returns. Errors: those of ReadHeader, ErrInvalid, ErrDecompress.
	Each(b Batch, yield func(*Record) bool) error
}

// V2 is the broker's Codec.
var V2 Codec = v2{}

type v2 struct{}

func (v2) Encode(h Header, records []Record) (Batch, error) {
	if c := h.Attributes.Compression(); c < None || c > Zstd {
		return nil, fmt.Errorf("%w: %v", ErrInvalid, c)
	}
	if len(records) == 0 {
		return nil, fmt.Errorf("%w: no records", ErrInvalid)
	}
	var plain []byte
	hi := records[0].TimestampDelta
	for i := range records {
		plain = AppendRecord(plain, &records[i])
		hi = max(hi, records[i].TimestampDelta)
	}
	h.Count = int32(len(records))
	h.LastOffsetDelta = records[len(records)-1].OffsetDelta
	if !h.Attributes.LogAppendTime() {
		h.MaxTimestamp = h.BaseTimestamp + model.TimestampMs(hi)
	}
	return h.encode(nil, plain), nil
}

func (v2) ReadHeader(b []byte, h *Header) error { return ReadHeader(b, h) }

func (v2) CheckCRC(b Batch) error { return b.CheckCRC() }

func (v2) Each(b Batch, yield func(*Record) bool) error {
	var it Iterator
	defer it.Close()
	if err := it.Reset(b); err != nil {
		return err
	}
	for it.Next() {
		if !yield(&it.Record) {
			return nil
		}
	}
	return it.Err()
}

// CheckCRC compares the CRC-32C of the whole batch b with its header's. Errors: ErrShort, ErrCRC.
func (b Batch) CheckCRC() error {
	if len(b) < HeaderSize {
		return ErrShort
	}
	if said, is := b.storedCRC(), b.CRC(); said != is {
		return fmt.Errorf("%w: header says %#08x, bytes say %#08x", ErrCRC, said, is)
	}
	return nil
}
