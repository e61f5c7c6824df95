// This file is yours to edit. It was made from solutions/01-segment-log/codec.go by: go run . generate
// made: 8d4333b69a1a6106c59d55f2172a42db097aca17b2eb7f36d04a46b78eb99900

package segmentlog

import (
	"highwater.dev/broker/record"
	"highwater.dev/workbook/lab"
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
	// TODO 1.1: write the records, the header's fields around them, and last the CRC
	// Text: chapters/01-segment-log/README.md#exercise-1-1
	// Test: go run . test 1.1
	panic(lab.NotStarted("1.1"))
}

// ReadHeader decodes the header at the start of b. b may end anywhere and may go on behind the batch. In this order: fewer than
// record.HeaderSize bytes are record.ErrShort; a magic other than 2 is record.ErrMagic; what cannot be true is record.ErrCorrupt: a
// length that is less than a header's rest (49 bytes), a negative base offset, last offset delta or count. With an error, nobody
// looks at h. It cannot check the CRC: the records may not be there.
func (Codec) ReadHeader(b []byte, h *record.Header) error {
	// TODO 1.1: decode the fields, and refuse what cannot be a header
	// Text: chapters/01-segment-log/README.md#exercise-1-1
	// Test: go run . test 1.1
	panic(lab.NotStarted("1.1"))
}

// CheckCRC compares the CRC in b's header with the one of b's bytes, from the attributes to the end of b: record.ErrCRC when they
// differ, record.ErrShort when b is no whole header. b is one batch, from its first byte to its last, and nothing else of the header
// is looked at: magic and length are ReadHeader's, and records that are missing show in the sum.
func (Codec) CheckCRC(b record.Batch) error {
	// TODO 1.1: compute the sum that Encode wrote, and compare
	// Text: chapters/01-segment-log/README.md#exercise-1-1
	// Test: go run . test 1.1
	panic(lab.NotStarted("1.1"))
}

// Each calls yield with the records of the batch at the start of b in order, until yield returns false: that is no error, whatever
// follows. b may go on behind the batch, and what is there does not count. Errors: those of ReadHeader;
// record.ErrShort when b ends before the batch; record.ErrInvalid when the block holds more or fewer records than the header says.
// Compressed batches are eachCompressed's.
func (c Codec) Each(b record.Batch, yield func(*record.Record) bool) error {
	// TODO 1.1: read as many records as the header counts, and no byte behind the batch
	// Text: chapters/01-segment-log/README.md#exercise-1-1
	// Test: go run . test 1.1
	panic(lab.NotStarted("1.1"))
}
