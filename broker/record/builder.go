package record

import (
	"encoding/binary"

	"highwater.dev/broker/model"
)

// Builder makes one batch out of records. The zero Builder makes an uncompressed batch of no producer at offset 0;
// set the fields, Add records, take the Batch. It is reusable through Reset and not safe for concurrent use.
type Builder struct {
	Compression   Compression
	BaseOffset    model.Offset
	LeaderEpoch   model.LeaderEpoch
	Transactional bool
	Control       bool
	// LogAppendTime gives the batch that timestamp type (KIP-32).
	LogAppendTime bool
	// Idempotent says that ProducerID, ProducerEpoch and BaseSequence count; otherwise all are -1.
	Idempotent    bool
	ProducerID    model.ProducerID
	ProducerEpoch model.ProducerEpoch
	BaseSequence  int32

	records  []byte
	count    int32
	base, hi model.TimestampMs
}

// Reset forgets the records, keeping fields and memory.
func (w *Builder) Reset() { w.records, w.count = w.records[:0], 0 }

// Count is the number of records added.
func (w *Builder) Count() int { return int(w.count) }

// Size is the size of the records added, in bytes, before compression.
func (w *Builder) Size() int { return len(w.records) }

// Add appends a record; nil key or value is null. The batch's base timestamp is the first record's.
func (w *Builder) Add(ts model.TimestampMs, key, value []byte, headers ...RecordHeader) {
	if w.count == 0 {
		w.base, w.hi = ts, ts
	}
	w.hi = max(w.hi, ts)
	w.records = AppendRecord(w.records, &Record{
		OffsetDelta: w.count, TimestampDelta: int64(ts - w.base), Key: key, Value: value, Headers: headers,
	})
	w.count++
}

// Batch returns the batch, in memory of its own. It panics when no record was added: such a batch exists only
// after compaction.
func (w *Builder) Batch() Batch { return w.AppendTo(nil) }

// AppendTo is Batch, appended to dst; the batch is the returned slice from len(dst) on.
func (w *Builder) AppendTo(dst []byte) []byte {
	if w.count == 0 {
		panic("record: batch without records")
	}
	h := Header{
		BaseOffset: w.BaseOffset, LeaderEpoch: w.LeaderEpoch, Attributes: Attributes(w.Compression),
		LastOffsetDelta: w.count - 1, BaseTimestamp: w.base, MaxTimestamp: w.hi,
		ProducerID: model.NoProducerID, ProducerEpoch: model.NoProducerEpoch, BaseSequence: -1, Count: w.count,
	}
	if w.Idempotent {
		h.ProducerID, h.ProducerEpoch, h.BaseSequence = w.ProducerID, w.ProducerEpoch, w.BaseSequence
	}
	if w.Transactional {
		h.Attributes |= TransactionalFlag
	}
	if w.Control {
		h.Attributes |= ControlFlag
	}
	if w.LogAppendTime {
		h.Attributes |= LogAppendTimeFlag
	}
	return h.encode(dst, w.records)
}

// encode appends a batch of records (encoded, not yet compressed) to dst, with h's fields and what follows from them.
func (h *Header) encode(dst, records []byte) []byte {
	start := len(dst)
	var room [HeaderSize]byte
	dst = Compress(append(dst, room[:]...), records, h.Attributes.Compression())
	h.Length = int32(len(dst) - start - LogOverhead)
	h.write(dst[start:])
	return dst
}

// write puts the header over the first bytes of the whole batch b and computes the CRC.
func (h *Header) write(b Batch) {
	be := binary.BigEndian
	be.PutUint64(b[offBaseOffset:], uint64(h.BaseOffset))
	be.PutUint32(b[offLength:], uint32(h.Length))
	be.PutUint32(b[offLeaderEpoch:], uint32(h.LeaderEpoch))
	b[offMagic] = 2
	be.PutUint16(b[offAttributes:], uint16(h.Attributes))
	be.PutUint32(b[offLastOffsetDelta:], uint32(h.LastOffsetDelta))
	be.PutUint64(b[offBaseTimestamp:], uint64(h.BaseTimestamp))
	be.PutUint64(b[offMaxTimestamp:], uint64(h.MaxTimestamp))
	be.PutUint64(b[offProducerID:], uint64(h.ProducerID))
	be.PutUint16(b[offProducerEpoch:], uint16(h.ProducerEpoch))
	be.PutUint32(b[offBaseSequence:], uint32(h.BaseSequence))
	be.PutUint32(b[offCount:], uint32(h.Count))
	h.CRC = b.CRC()
	be.PutUint32(b[offCRC:], h.CRC)
}

// AppendRecord adds r in its wire form, length first.
func AppendRecord(dst []byte, r *Record) []byte {
	size := 1 + varintSize(r.TimestampDelta) + varintSize(int64(r.OffsetDelta)) + bytesSize(r.Key) + bytesSize(r.Value) +
		varintSize(int64(len(r.Headers)))
	for i := range r.Headers {
		size += varintSize(int64(len(r.Headers[i].Key))) + len(r.Headers[i].Key) + bytesSize(r.Headers[i].Value)
	}
	dst = appendVarint(dst, int64(size))
	dst = append(dst, 0) // attributes
	dst = appendVarint(dst, r.TimestampDelta)
	dst = appendVarint(dst, int64(r.OffsetDelta))
	dst = appendBytes(dst, r.Key)
	dst = appendBytes(dst, r.Value)
	dst = appendVarint(dst, int64(len(r.Headers)))
	for i := range r.Headers {
		dst = appendVarint(dst, int64(len(r.Headers[i].Key)))
		dst = append(dst, r.Headers[i].Key...)
		dst = appendBytes(dst, r.Headers[i].Value)
	}
	return dst
}

func bytesSize(b []byte) int {
	if b == nil {
		return 1
	}
	return varintSize(int64(len(b))) + len(b)
}

func appendBytes(dst, b []byte) []byte {
	if b == nil {
		return appendVarint(dst, -1)
	}
	return append(appendVarint(dst, int64(len(b))), b...)
}
