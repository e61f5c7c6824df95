package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
)

// structCodec is the batch header as a struct that encoding/binary knows how to lay out.
type structCodec struct{}

type wireHeader struct {
	BaseOffset                  int64
	Length, LeaderEpoch         int32
	Magic                       int8
	CRC                         uint32
	Attributes                  int16
	LastOffsetDelta             int32
	BaseTimestamp, MaxTimestamp int64
	ProducerID                  int64
	ProducerEpoch               int16
	BaseSequence, Count         int32
}

// bitwise is CRC-32C without a table.
func bitwise(b []byte) uint32 {
	sum := ^uint32(0)
	for _, c := range b {
		sum ^= uint32(c)
		for range 8 {
			sum = sum>>1 ^ 0x82f63b78&-(sum&1)
		}
	}
	return ^sum
}

func (structCodec) Encode(h record.Header, records []record.Record) (record.Batch, error) {
	c := h.Attributes.Compression()
	if len(records) == 0 || c > record.Zstd {
		return nil, record.ErrInvalid
	}
	var block []byte
	latest := records[0].TimestampDelta
	for i := range records {
		block = record.AppendRecord(block, &records[i])
		latest = max(latest, records[i].TimestampDelta)
	}
	block = record.Compress(nil, block, c)
	if !h.Attributes.LogAppendTime() {
		h.MaxTimestamp = h.BaseTimestamp + model.TimestampMs(latest)
	}
	w := wireHeader{
		BaseOffset: int64(h.BaseOffset), Length: int32(49 + len(block)), LeaderEpoch: int32(h.LeaderEpoch), Magic: 2, Attributes: int16(h.Attributes),
		LastOffsetDelta: records[len(records)-1].OffsetDelta, BaseTimestamp: int64(h.BaseTimestamp), MaxTimestamp: int64(h.MaxTimestamp),
		ProducerID: int64(h.ProducerID), ProducerEpoch: int16(h.ProducerEpoch), BaseSequence: h.BaseSequence, Count: int32(len(records)),
	}
	b, err := binary.Append(nil, binary.BigEndian, w)
	if err != nil {
		return nil, err
	}
	w.CRC = bitwise(append(b[21:], block...))
	if b, err = binary.Append(nil, binary.BigEndian, w); err != nil {
		return nil, err
	}
	return append(b, block...), nil
}

func (structCodec) ReadHeader(b []byte, h *record.Header) error {
	var w wireHeader
	if _, err := binary.Decode(b, binary.BigEndian, &w); err != nil {
		return record.ErrShort
	}
	if w.Magic != 2 {
		return record.ErrMagic
	}
	if w.Length < 49 || min(w.BaseOffset, int64(w.LastOffsetDelta), int64(w.Count)) < 0 {
		return record.ErrCorrupt
	}
	*h = record.Header{
		BaseOffset: model.Offset(w.BaseOffset), Length: w.Length, LeaderEpoch: model.LeaderEpoch(w.LeaderEpoch), CRC: w.CRC,
		Attributes: record.Attributes(w.Attributes), LastOffsetDelta: w.LastOffsetDelta, BaseTimestamp: model.TimestampMs(w.BaseTimestamp),
		MaxTimestamp: model.TimestampMs(w.MaxTimestamp), ProducerID: model.ProducerID(w.ProducerID), ProducerEpoch: model.ProducerEpoch(w.ProducerEpoch),
		BaseSequence: w.BaseSequence, Count: w.Count,
	}
	return nil
}

func (structCodec) CheckCRC(b record.Batch) error {
	if len(b) < record.HeaderSize {
		return record.ErrShort
	}
	if binary.BigEndian.Uint32(b[17:]) != bitwise(b[21:]) {
		return record.ErrCRC
	}
	return nil
}

// Each parses the whole block before it yields anything.
func (c structCodec) Each(b record.Batch, yield func(*record.Record) bool) error {
	var h record.Header
	if err := c.ReadHeader(b, &h); err != nil {
		return err
	}
	if h.Size() > len(b) {
		return record.ErrShort
	}
	if h.Attributes.Compression() != record.None {
		return record.V2.Each(b, yield) // as the exercise leaves it to eachCompressed
	}
	block := bytes.NewReader(b[record.HeaderSize:h.Size()])
	var all []record.Record
	for range h.Count {
		r, err := parseRecord(block)
		if err != nil {
			return fmt.Errorf("%w: %w", record.ErrInvalid, err)
		}
		all = append(all, r)
	}
	if block.Len() > 0 {
		return record.ErrInvalid
	}
	for i := range all {
		if !yield(&all[i]) {
			return nil
		}
	}
	return nil
}

func parseRecord(block *bytes.Reader) (r record.Record, err error) {
	body, err := parseBytes(block)
	in := bytes.NewReader(body)
	if err == nil {
		_, err = in.ReadByte() // attributes
	}
	var numbers [2]int64
	for i := range numbers {
		if err == nil {
			numbers[i], err = binary.ReadVarint(in)
		}
	}
	r.TimestampDelta, r.OffsetDelta = numbers[0], int32(numbers[1])
	for _, at := range []*[]byte{&r.Key, &r.Value} {
		if err == nil {
			*at, err = parseBytes(in)
		}
	}
	count := int64(0)
	if err == nil {
		count, err = binary.ReadVarint(in)
	}
	for ; count > 0 && err == nil; count-- {
		var h record.RecordHeader
		if h.Key, err = parseBytes(in); err == nil {
			h.Value, err = parseBytes(in)
		}
		r.Headers = append(r.Headers, h)
	}
	if err == nil && in.Len() > 0 {
		err = record.ErrInvalid
	}
	return r, err
}

// parseBytes reads a length and as many bytes; -1 is null.
func parseBytes(in *bytes.Reader) ([]byte, error) {
	n, err := binary.ReadVarint(in)
	switch {
	case err != nil:
		return nil, err
	case n < -1 || n > int64(in.Len()):
		return nil, record.ErrInvalid
	case n == -1:
		return nil, nil
	}
	b := make([]byte, n)
	_, err = io.ReadFull(in, b)
	return b, err
}
