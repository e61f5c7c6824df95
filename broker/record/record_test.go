package record

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"highwater.dev/broker/model"
)

var codecs = []Compression{None, Gzip, Snappy, LZ4, Zstd}

// one batch of n records like those that tests need most.
func batchOf(n int, change func(*Builder)) Batch {
	w := Builder{}
	if change != nil {
		change(&w)
	}
	for i := range n {
		w.Add(model.TimestampMs(1000+i), []byte("key"), []byte("value"))
	}
	return w.Batch()
}

// patched is b with its header changed and its CRC made right again.
func patched(b Batch, change func(h *Header)) Batch {
	b = slices.Clone(b)
	var h Header
	if err := ReadHeader(b, &h); err != nil {
		panic(err)
	}
	change(&h)
	h.write(b)
	return b
}

func drawRecords(t *rapid.T, sizes ...int) []Record {
	blob := func(label string, null bool) []byte {
		if null && rapid.Bool().Draw(t, label+" null") {
			return nil
		}
		b := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, label)
		if n := rapid.SampledFrom(sizes).Draw(t, label+" size"); n > 0 {
			b = append(b, make([]byte, n)...)
		}
		return b
	}
	records := make([]Record, rapid.IntRange(1, 40).Draw(t, "count"))
	for i := range records {
		r := &records[i]
		r.OffsetDelta = int32(i)
		r.TimestampDelta = int64(rapid.OneOf(rapid.IntRange(-100, 100), rapid.Just(9_000),
			rapid.IntRange(-1<<40, 1<<40)).Draw(t, "ts"))
		r.Key, r.Value = blob("key", true), blob("value", true)
		for range rapid.SampledFrom([]int{0, 0, 1, 3}).Draw(t, "headers") {
			r.Headers = append(r.Headers, RecordHeader{Key: blob("hkey", false), Value: blob("hvalue", true)})
		}
	}
	return records
}

// What the Codec encodes, it reads back, and Validate finds right, with every compression.
func TestRoundTrip(t *testing.T) {
	for _, c := range codecs {
		t.Run(c.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				records := drawRecords(t, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 70, 9_000, windowSize-30, windowSize, 3*windowSize)
				base := model.TimestampMs(rapid.Int64Range(1<<41, 1<<42).Draw(t, "base"))
				in := Header{
					BaseOffset: 0, LeaderEpoch: 7, BaseTimestamp: base, Attributes: Attributes(c) | TransactionalFlag,
					ProducerID: 9, ProducerEpoch: 2, BaseSequence: 5,
				}
				b, err := V2.Encode(in, records)
				require.NoError(t, err)
				require.NoError(t, V2.CheckCRC(b))

				var h Header
				require.NoError(t, V2.ReadHeader(b, &h))
				require.Equal(t, len(b), h.Size())
				require.EqualValues(t, len(records), h.Count)
				require.True(t, h.Attributes.Transactional())

				i, hi := 0, int64(math.MinInt64)
				require.NoError(t, V2.Each(b, func(r *Record) bool {
					require.True(t, equalRecords(&records[i], r), "record %d", i)
					hi = max(hi, r.TimestampDelta)
					i++
					return true
				}))
				require.Equal(t, len(records), i)
				require.Equal(t, base+model.TimestampMs(hi), h.MaxTimestamp)

				var vh Header
				found, err := Validate(b, Rules{}, &vh)
				require.NoError(t, err)
				require.Equal(t, h, vh)
				require.Equal(t, Found{MaxTimestamp: h.MaxTimestamp}, found)
			})
		})
	}
}

func equalRecords(a, b *Record) bool {
	same := func(x, y []byte) bool { return string(x) == string(y) && (x == nil) == (y == nil) }
	return a.OffsetDelta == b.OffsetDelta && a.TimestampDelta == b.TimestampDelta && same(a.Key, b.Key) &&
		same(a.Value, b.Value) && slices.EqualFunc(a.Headers, b.Headers, func(x, y RecordHeader) bool {
		return same(x.Key, y.Key) && same(x.Value, y.Value)
	})
}

// The loop that reads records by hand, and the code for the others, must find the same in every record: a batch cut
// or changed anywhere is either refused by Validate and by Iterator, or accepted by both.
func TestValidateAgreesWithIterator(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom(codecs).Draw(t, "codec")
		var plain []byte
		records := drawRecords(t, 0, 0, 0, 60, 9_000)
		for i := range records {
			plain = AppendRecord(plain, &records[i])
		}
		for range rapid.IntRange(0, 3).Draw(t, "changes") {
			plain[rapid.IntRange(0, len(plain)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		}
		h := Header{
			Attributes: Attributes(c), ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1,
			LastOffsetDelta: int32(len(records) - 1), Count: int32(len(records)),
		}
		b := Batch(h.encode(nil, plain))
		_, err := Validate(b, Rules{}, &h)
		ok := true
		hi := model.TimestampMs(math.MinInt64)
		var it Iterator
		require.NoError(t, it.Reset(b))
		for i := int32(0); it.Next(); i++ {
			ok = ok && it.Record.OffsetDelta == i
			hi = max(hi, it.Timestamp())
		}
		ok = ok && it.Err() == nil
		it.Close()
		if !ok {
			require.ErrorIs(t, err, ErrInvalid)
			return
		}
		require.NoError(t, err)
		found, err := Validate(b, Rules{}, &h)
		require.NoError(t, err)
		require.Equal(t, max(hi, -1), found.MaxTimestamp)
	})
}

// A batch of more records than a two- and a three-byte varint counts.
func TestManyRecords(t *testing.T) {
	var w Builder
	for i := range 1<<20 + 70_000 {
		w.Add(model.TimestampMs(i), nil, nil)
	}
	var h Header
	found, err := Validate(w.Batch(), Rules{}, &h)
	require.NoError(t, err)
	require.EqualValues(t, 1<<20+70_000-1, found.MaxTimestamp)
	for i := int32(0); i < 1<<21; i += 111 {
		want := make([]byte, 4)
		n := copy(want, appendVarint(nil, int64(i)))
		size, mask, number := deltaForm(i)
		if i < 1<<20 {
			require.Equal(t, n, size)
			require.Equal(t, binary.LittleEndian.Uint32(want), number)
			require.Equal(t, uint32(1)<<(8*n)-1, mask)
		} else {
			require.Zero(t, mask&number)
			require.NotZero(t, number)
		}
	}
}

func TestReadHeaderRefuses(t *testing.T) {
	good := batchOf(3, nil)
	for name, c := range map[string]struct {
		b   []byte
		err error
	}{
		"empty":              {nil, ErrShort},
		"cut in the header":  {good[:HeaderSize-1], ErrShort},
		"magic 1":            {func() []byte { b := slices.Clone(good); b[offMagic] = 1; return b }(), ErrMagic},
		"length too small":   {patched(good, func(h *Header) { h.Length = HeaderSize - LogOverhead - 1 }), ErrCorrupt},
		"negative length":    {patched(good, func(h *Header) { h.Length = -1 }), ErrCorrupt},
		"negative count":     {patched(good, func(h *Header) { h.Count = -1 }), ErrCorrupt},
		"negative delta":     {patched(good, func(h *Header) { h.LastOffsetDelta = -1 }), ErrCorrupt},
		"negative offset":    {patched(good, func(h *Header) { h.BaseOffset = -1 }), ErrCorrupt},
		"nothing of records": {good[:HeaderSize], nil},
		"more than a batch":  {append(slices.Clone(good), "next"...), nil},
	} {
		var h Header
		require.ErrorIs(t, ReadHeader(c.b, &h), c.err, name)
	}
}

func TestBatchFieldsOutsideCRC(t *testing.T) {
	b := batchOf(3, nil)
	b.SetBaseOffset(77)
	b.SetLeaderEpoch(5)
	require.NoError(t, b.CheckCRC())
	b.SetMaxTimestamp(99, true)
	require.NoError(t, b.CheckCRC())
	var h Header
	require.NoError(t, ReadHeader(b, &h))
	require.EqualValues(t, 77, h.BaseOffset)
	require.EqualValues(t, 79, h.LastOffset())
	require.EqualValues(t, 80, h.NextOffset())
	require.EqualValues(t, 5, h.LeaderEpoch)
	require.EqualValues(t, 99, h.MaxTimestamp)
	require.True(t, h.Attributes.LogAppendTime())
	b.SetMaxTimestamp(98, false)
	require.NoError(t, ReadHeader(b, &h))
	require.False(t, h.Attributes.LogAppendTime())
	b[len(b)-1] ^= 1
	require.ErrorIs(t, b.CheckCRC(), ErrCRC)
}

func TestLastSequenceWraps(t *testing.T) {
	h := Header{BaseSequence: math.MaxInt32 - 1, LastOffsetDelta: 3}
	require.EqualValues(t, 1, h.LastSequence())
}

func TestIteratorReads(t *testing.T) {
	b := batchOf(3, func(w *Builder) { w.BaseOffset = 100 })
	var it Iterator
	require.NoError(t, it.Reset(append(b, "next batch"...)))
	var got []string
	for it.Next() {
		got = append(got, fmt.Sprint(it.Offset(), it.Timestamp(), string(it.Record.Key)))
	}
	require.NoError(t, it.Err())
	require.False(t, it.Next())
	require.Equal(t, []string{"100 1000key", "101 1001key", "102 1002key"}, got)

	b.SetMaxTimestamp(5, true)
	require.NoError(t, it.Reset(b))
	require.True(t, it.Next())
	require.EqualValues(t, 5, it.Timestamp(), "LogAppendTime stands for every record's")
	it.Close()
	require.ErrorIs(t, it.Reset(b[:len(b)-1]), ErrShort)
}

// A batch that compaction emptied has a header only.
func TestIteratorOfEmptyBatch(t *testing.T) {
	b := patched(batchOf(1, nil)[:HeaderSize], func(h *Header) { h.Count, h.Length, h.LastOffsetDelta = 0, HeaderSize-LogOverhead, 5 })
	var it Iterator
	require.NoError(t, it.Reset(b))
	require.False(t, it.Next())
	require.NoError(t, it.Err())
}
