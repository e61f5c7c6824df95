package suite

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/rand/v2"

	"pgregory.net/rapid"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/workbook/lab"
)

// Exercise 1.1: the batch codec.
var codec = []lab.Test[Impl]{
	{
		Exercise: "1.1", Name: "encode-as-kafka", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-1", Sentence: "a batch has Kafka's bytes, each field at its place, big-endian"},
		Run:       encodeAsKafka,
	},
	{
		Exercise: "1.1", Name: "header-fields", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-1", Sentence: "a batch has Kafka's bytes, each field at its place, big-endian"},
		Run:       headerFieldsRead,
	},
	{
		Exercise: "1.1", Name: "header-refused", Kind: lab.Public,
		Invariant: lab.Invariant{ID: "LOG-2", Sentence: "bytes that end early, have another magic or contradict themselves are no header, and are named so"},
		Run:       headerRefused,
	},
	{
		Exercise: "1.1", Name: "crc-covers", Kind: lab.Fault,
		Invariant: lab.Invariant{ID: "LOG-3", Sentence: "the CRC-32C covers everything from the attributes on, and nothing before them"},
		Run:       crcCovers,
	},
	{
		Exercise: "1.1", Name: "encode-decode", Kind: lab.Property,
		Invariant: lab.Invariant{ID: "LOG-4", Sentence: "what is decoded is what was encoded, and the header describes it"},
		Run:       encodeDecode,
	},
	{
		Exercise: "1.1", Name: "broken-records", Kind: lab.Fault,
		Invariant: lab.Invariant{ID: "LOG-5", Sentence: "a block of records that does not hold what the header counts is an error, never a panic"},
		Run:       brokenRecords,
	},
}

// kafkaBatch is what Apache Kafka 4.3's Java classes wrote for kafkaHeader and kafkaRecords, up to 300 times an x and a 0.
const kafkaBatch = "000000000000002a000001a1000000090222a3dd550010000000030000018bcfe568000000018bcfe5687b00000000000004" +
	"d200050000004d00000004240000000a6b657920300e76616c75652030002e00f60102010c6e6f206b657904046831047631" +
	"046832011e00010412746f6d6273746f6e650100e60400020600d804"

var kafkaHeader = record.Header{
	BaseOffset: 42, LeaderEpoch: 9, Attributes: record.TransactionalFlag, BaseTimestamp: 1700000000000,
	ProducerID: 1234, ProducerEpoch: 5, BaseSequence: 77,
}

func kafkaRecords() []record.Record {
	return []record.Record{
		{Key: []byte("key 0"), Value: []byte("value 0")},
		{OffsetDelta: 1, TimestampDelta: 123, Value: []byte("no key"), Headers: []record.RecordHeader{
			{Key: []byte("h1"), Value: []byte("v1")}, {Key: []byte("h2")},
		}},
		{OffsetDelta: 2, TimestampDelta: -1, Key: []byte("tombstone")},
		{OffsetDelta: 3, TimestampDelta: 1, Key: []byte{}, Value: bytes.Repeat([]byte("x"), 300)},
	}
}

func golden(t TB) record.Batch {
	b, err := hex.DecodeString(kafkaBatch)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return append(append(b, bytes.Repeat([]byte("x"), 300)...), 0)
}

func encodeAsKafka(t *lab.T, impl Impl) {
	want := golden(t)
	got, err := impl.Codec.Encode(kafkaHeader, kafkaRecords())
	if err != nil {
		t.Fatalf("Encode: %v", err)
	}
	if p := picture(got, want); p != "" {
		t.Fatalf("Encode(%+v, 4 records): other bytes than Apache Kafka's; %s", kafkaHeader, p)
	}
	h := kafkaHeader
	h.Attributes, h.MaxTimestamp = record.LogAppendTimeFlag, 1800000000000
	h.Count, h.LastOffsetDelta, h.Length = 99, 99, 99 // computed, whatever stands there
	if got, err = impl.Codec.Encode(h, kafkaRecords()[:1]); err != nil {
		t.Fatalf("Encode with LogAppendTime: %v", err)
	}
	if want, err = record.V2.Encode(h, kafkaRecords()[:1]); err != nil {
		t.Fatalf("%v", err)
	}
	if p := picture(got, want); p != "" {
		t.Fatalf("Encode(%+v, one record), LogAppendTime: %s", h, p)
	}
	if _, err := impl.Codec.Encode(kafkaHeader, nil); !errors.Is(err, record.ErrInvalid) {
		t.Fatalf("Encode without records: expected ErrInvalid, got %v", err)
	}
	h.Attributes = 5
	if _, err := impl.Codec.Encode(h, kafkaRecords()); !errors.Is(err, record.ErrInvalid) {
		t.Fatalf("Encode with compression 5, which there is not: expected ErrInvalid, got %v", err)
	}
}

func headerFieldsRead(t *lab.T, impl Impl) {
	b := golden(t)
	// Every byte of the header differs from its neighbours, so that no field can be read from another's place.
	for i := range record.HeaderSize {
		if i != 16 {
			b[i] = byte(0x11 + 3*i)
		}
	}
	for _, first := range []int{0, 8, 23, 57} { // numbers that must not be negative
		b[first] &= 0x7f
	}
	b[21] |= 0x80 // attributes, timestamps and epochs may be
	var got, want record.Header
	if err := record.V2.ReadHeader(b, &want); err != nil {
		t.Fatalf("%v", err)
	}
	for _, n := range []int{record.HeaderSize, record.HeaderSize + 1, len(b)} {
		got = record.Header{}
		if err := impl.Codec.ReadHeader(b[:n], &got); err != nil || got != want {
			t.Fatalf("ReadHeader of %d bytes: expected\n%+v\ngot (error %v)\n%+v\nfrom\n%s", n, want, err, got, lab.Picture(b[:record.HeaderSize], headerFields, differs(got, want)))
		}
	}
}

// differs is the place of the first field in which two headers differ.
func differs(a, b record.Header) int {
	at := -1
	for _, f := range []struct {
		place  int
		differ bool
	}{
		{57, a.Count != b.Count}, {53, a.BaseSequence != b.BaseSequence}, {51, a.ProducerEpoch != b.ProducerEpoch},
		{43, a.ProducerID != b.ProducerID}, {35, a.MaxTimestamp != b.MaxTimestamp}, {27, a.BaseTimestamp != b.BaseTimestamp},
		{23, a.LastOffsetDelta != b.LastOffsetDelta}, {21, a.Attributes != b.Attributes}, {17, a.CRC != b.CRC},
		{12, a.LeaderEpoch != b.LeaderEpoch}, {8, a.Length != b.Length}, {0, a.BaseOffset != b.BaseOffset},
	} {
		if f.differ {
			at = f.place
		}
	}
	return at
}

func headerRefused(t *lab.T, impl Impl) {
	var h record.Header
	for n := range record.HeaderSize {
		if err := impl.Codec.ReadHeader(golden(t)[:n], &h); !errors.Is(err, record.ErrShort) {
			t.Fatalf("ReadHeader of the first %d bytes: expected ErrShort, got %v", n, err)
		}
	}
	for _, c := range []struct {
		what  string
		at    int
		bytes []byte
		want  error
	}{
		{"magic 1", 16, []byte{1}, record.ErrMagic},
		{"magic 3", 16, []byte{3}, record.ErrMagic},
		{"length 48, one less than the rest of a header", 8, []byte{0, 0, 0, 48}, record.ErrCorrupt},
		{"length -1", 8, []byte{255, 255, 255, 255}, record.ErrCorrupt},
		{"base offset -1", 0, bytes.Repeat([]byte{255}, 8), record.ErrCorrupt},
		{"last offset delta -1", 23, []byte{255, 255, 255, 255}, record.ErrCorrupt},
		{"count -1", 57, []byte{255, 255, 255, 255}, record.ErrCorrupt},
		{"length 49: a batch that compaction has emptied", 8, []byte{0, 0, 0, 49}, nil},
	} {
		b := golden(t)
		copy(b[c.at:], c.bytes)
		if err := impl.Codec.ReadHeader(b, &h); !errors.Is(err, c.want) {
			t.Fatalf("ReadHeader, %s: expected error %v, got %v\n%s", c.what, c.want, err, lab.Picture(b[:record.HeaderSize], headerFields, c.at))
		}
	}
}

func crcCovers(t *lab.T, impl Impl) {
	rng := rand.New(rand.NewPCG(t.Seed(), 0))
	whole := golden(t)
	if err := impl.Codec.CheckCRC(whole); err != nil {
		t.Fatalf("CheckCRC of a batch that Apache Kafka wrote: %v", err)
	}
	if err := impl.Codec.CheckCRC(whole[:record.HeaderSize-1]); !errors.Is(err, record.ErrShort) {
		t.Fatalf("CheckCRC of %d bytes: expected ErrShort, got %v", record.HeaderSize-1, err)
	}
	for at := range whole {
		b := bytes.Clone(whole)
		b[at] ^= 1 << rng.IntN(8)
		var want error
		if at >= 17 { // the sum itself, and what it covers
			want = record.ErrCRC
		}
		if err := impl.Codec.CheckCRC(b); !errors.Is(err, want) {
			t.Fatalf("CheckCRC with a bit of byte %d flipped: expected error %v, got %v\n%s", at, want, err, lab.Picture(b[:max(at+1, record.HeaderSize)], headerFields, at))
		}
	}
}

func encodeDecode(t *lab.T, impl Impl) {
	t.Check(func(rt *rapid.T) {
		h := kafkaHeader
		h.BaseOffset = model.Offset(rapid.Int64Range(0, 1<<40).Draw(rt, "base offset"))
		h.Attributes = record.Attributes(rapid.SampledFrom([]int16{0, 0, 0, 1, 2, 3, 4, 8, 16, 40}).Draw(rt, "attributes"))
		h.MaxTimestamp = 5
		records := drawRecords(rt)
		b, err := impl.Codec.Encode(h, records)
		if err != nil {
			rt.Fatalf("Encode: %v", err)
		}
		want, err := record.V2.Encode(h, records)
		if err != nil {
			rt.Fatalf("%v", err)
		}
		if p := picture(b, want); h.Attributes.Compression() == record.None && p != "" {
			rt.Fatalf("Encode: %s", p)
		}
		if err := record.Batch(b).CheckCRC(); err != nil {
			rt.Fatalf("Encode: %v", err)
		}
		for stop := 1; stop <= len(records)+1; stop++ {
			readRecords(rt, impl.Codec, b, records, stop)
		}
	})
}

func drawRecords(rt *rapid.T) (records []record.Record) {
	bytesOrNil := rapid.OneOf(rapid.Just([]byte(nil)), rapid.SliceOfN(rapid.Byte(), 0, 80))
	delta := int32(-1)
	for range rapid.IntRange(1, 6).Draw(rt, "records") {
		delta += rapid.Int32Range(1, 3).Draw(rt, "offset delta")
		r := record.Record{
			OffsetDelta: delta, TimestampDelta: rapid.Int64Range(-1000, 1000).Draw(rt, "timestamp delta"),
			Key: bytesOrNil.Draw(rt, "key"), Value: bytesOrNil.Draw(rt, "value"),
		}
		for range rapid.IntRange(0, 2).Draw(rt, "headers") {
			r.Headers = append(r.Headers, record.RecordHeader{Key: []byte("h"), Value: bytesOrNil.Draw(rt, "header")})
		}
		records = append(records, r)
	}
	return records
}

// readRecords reads records until there were stop of them, or all, and compares.
func readRecords(t TB, c record.Codec, b record.Batch, want []record.Record, stop int) {
	n := 0
	// Bytes behind the batch belong to the next one.
	err := c.Each(append(bytes.Clone(b), b[:20]...), func(r *record.Record) bool {
		if n == stop {
			t.Fatalf("Each went on after yield returned false, at record %d", n-1)
		}
		w := &want[n]
		same := r.OffsetDelta == w.OffsetDelta && r.TimestampDelta == w.TimestampDelta && equal(r.Key, w.Key) && equal(r.Value, w.Value) && len(r.Headers) == len(w.Headers)
		for i := 0; same && i < len(w.Headers); i++ {
			same = equal(r.Headers[i].Key, w.Headers[i].Key) && equal(r.Headers[i].Value, w.Headers[i].Value)
		}
		if !same {
			t.Fatalf("Each: record %d: expected %+v, got %+v\n%s", n, *w, *r, lab.Picture(b, headerFields, -1))
		}
		n++
		return n < stop
	})
	if err != nil || n != min(stop, len(want)) {
		t.Fatalf("Each, with bytes of another batch behind this one: expected %d records, got %d, error %v\n%s", min(stop, len(want)), n, err, lab.Picture(b, headerFields, -1))
	}
}

// equal tells null from empty.
func equal(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }

func brokenRecords(t *lab.T, impl Impl) {
	rng := rand.New(rand.NewPCG(t.Seed(), 0))
	all := func(*record.Record) bool { return true }
	for _, count := range []byte{0, 3, 5, 200} {
		b := golden(t)
		b[60] = count
		if err := impl.Codec.Each(b, all); !errors.Is(err, record.ErrInvalid) {
			t.Fatalf("Each of 4 records, and a count of %d: expected ErrInvalid, got %v\n%s", count, err, lab.Picture(b, headerFields, 60))
		}
	}
	whole := golden(t)
	for _, n := range []int{61, 100, len(whole) - 1} {
		if err := impl.Codec.Each(whole[:n], all); !errors.Is(err, record.ErrShort) {
			t.Fatalf("Each of %d of the batch's %d bytes: expected ErrShort, got %v", n, len(whole), err)
		}
	}
	for range 2000 { // whatever stands in them: an end, and no panic
		b := golden(t)
		for range 1 + rng.IntN(4) {
			b[record.HeaderSize+rng.IntN(len(b)-record.HeaderSize)] = byte(rng.Uint32())
		}
		n := 0
		if err := impl.Codec.Each(b, func(*record.Record) bool { n++; return true }); err == nil && n != 4 {
			t.Fatalf("Each: %d records, no error, and the header counts 4\n%s", n, lab.Picture(b, headerFields, -1))
		}
	}
}
