package record

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/model"
)

func TestValidateRefuses(t *testing.T) {
	good := batchOf(3, nil)
	flipped := slices.Clone(good)
	flipped[len(flipped)-1] ^= 1
	two := append(slices.Clone(good), good...)
	for name, c := range map[string]struct {
		b     Batch
		rules Rules
		err   error
	}{
		"good":            {good, Rules{}, nil},
		"empty":           {nil, Rules{}, ErrShort},
		"cut":             {good[:len(good)-1], Rules{}, ErrShort},
		"two batches":     {two, Rules{}, ErrInvalid},
		"flipped bit":     {flipped, Rules{}, ErrCRC},
		"as large as can": {good, Rules{MaxBytes: int32(len(good))}, nil},
		"too large":       {good, Rules{MaxBytes: int32(len(good)) - 1}, ErrTooLarge},
		"base offset":     {batchOf(3, func(w *Builder) { w.BaseOffset = 1 }), Rules{}, ErrInvalid},
		"base offset of the broker's own": {
			batchOf(3, func(w *Builder) { w.BaseOffset = 1 }), Rules{Internal: true}, nil},
		"magic 1":                             {func() Batch { b := slices.Clone(good); b[offMagic] = 1; return b }(), Rules{}, ErrMagic},
		"magic 9":                             {func() Batch { b := slices.Clone(good); b[offMagic] = 9; return b }(), Rules{}, ErrCorrupt},
		"negative length":                     {patched(good, func(h *Header) { h.Length = -1 }), Rules{}, ErrCorrupt},
		"negative offset":                     {patched(good, func(h *Header) { h.BaseOffset = -1 }), Rules{}, ErrInvalid},
		"negative offset of the broker's own": {patched(good, func(h *Header) { h.BaseOffset = -1 }), Rules{Internal: true}, ErrCorrupt},
		"negative count":                      {patched(good, func(h *Header) { h.Count = -1 }), Rules{}, ErrInvalid},
		"negative delta":                      {patched(good, func(h *Header) { h.LastOffsetDelta = -7 }), Rules{}, ErrInvalid},
		"flipped sign":                        {func() Batch { b := slices.Clone(good); b[offCount] ^= 0x80; return b }(), Rules{}, ErrCRC},
		"no records":                          {patched(good, func(h *Header) { h.Count, h.LastOffsetDelta = 0, 0 }), Rules{}, ErrInvalid},
		"count too small":                     {patched(good, func(h *Header) { h.Count, h.LastOffsetDelta = 2, 1 }), Rules{}, ErrInvalid},
		"count too large":                     {patched(good, func(h *Header) { h.Count, h.LastOffsetDelta = 4, 3 }), Rules{}, ErrInvalid},
		"huge count":                          {patched(good, func(h *Header) { h.Count, h.LastOffsetDelta = math.MaxInt32, math.MaxInt32-1 }), Rules{}, ErrInvalid},
		"count and delta":                     {patched(good, func(h *Header) { h.LastOffsetDelta = 3 }), Rules{}, ErrInvalid},
		"control":                             {batchOf(1, func(w *Builder) { w.Control = true }), Rules{}, ErrInvalid},
		"control, internal":                   {EndTxnMarker{}.Batch(1, 2, 3), Rules{Internal: true}, nil},
		"sequence": {batchOf(3, func(w *Builder) { w.Idempotent, w.ProducerID, w.BaseSequence = true, 5, -1 }),
			Rules{}, ErrInvalid},
		"idempotent":     {batchOf(3, func(w *Builder) { w.Idempotent, w.ProducerID = true, 5 }), Rules{}, nil},
		"unknown codec":  {patched(good, func(h *Header) { h.Attributes |= 5 }), Rules{}, ErrInvalid},
		"not compressed": {patched(good, func(h *Header) { h.Attributes |= Attributes(Zstd) }), Rules{}, ErrDecompress},
		"offset deltas": {Batch((&Header{Count: 2, LastOffsetDelta: 1}).encode(nil,
			AppendRecord(AppendRecord(nil, &Record{}), &Record{OffsetDelta: 2}))), Rules{}, ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			before := slices.Clone(c.b)
			var h Header
			_, err := Validate(c.b, c.rules, &h)
			require.ErrorIs(t, err, c.err)
			require.Equal(t, before, c.b, "Validate changes nothing")
		})
	}
}

func TestValidateRequiresKeys(t *testing.T) {
	for _, c := range codecs {
		w := Builder{Compression: c}
		w.Add(1, []byte{}, nil)
		w.Add(2, nil, []byte("v"))
		w.Add(3, []byte("k"), make([]byte, windowSize), RecordHeader{Key: []byte("h")})
		w.Add(4, nil, make([]byte, 2*windowSize))
		var h Header
		_, err := Validate(w.Batch(), Rules{}, &h)
		require.NoError(t, err)
		found, err := Validate(w.Batch(), Rules{KeysRequired: true}, &h)
		require.ErrorIs(t, err, ErrInvalid, c.String())
		message := "Compacted topic cannot accept message without key"
		require.Equal(t, []RecordError{{1, message}, {3, message}}, found.Errors, c.String())
	}
}

// A record without key among such that the fast loop reads.
func TestValidateCountsNullKeys(t *testing.T) {
	var w Builder
	w.Add(1, []byte("key"), []byte("value"))
	w.Add(2, nil, []byte("value"))
	w.Add(3, []byte{}, []byte("value"))
	var h Header
	found, err := Validate(w.Batch(), Rules{KeysRequired: true}, &h)
	require.ErrorIs(t, err, ErrInvalid)
	require.Len(t, found.Errors, 1)
	require.EqualValues(t, 1, found.Errors[0].Index)
}

func TestValidateTimestamps(t *testing.T) {
	rules := Rules{CheckTimestamps: true, Now: 10_000, BeforeMaxMs: 1000, AfterMaxMs: 500}
	forever := Rules{CheckTimestamps: true, Now: 10_000, BeforeMaxMs: math.MaxInt64, AfterMaxMs: math.MaxInt64}
	for name, c := range map[string]struct {
		ts    []model.TimestampMs
		rules Rules
		bad   []int32
	}{
		"at the limits":         {[]model.TimestampMs{9000, 10_500}, rules, nil},
		"too old":               {[]model.TimestampMs{9000, 8999, 9500}, rules, []int32{1}},
		"too new":               {[]model.TimestampMs{10_501, 9500, 10_501}, rules, []int32{0, 2}},
		"none":                  {[]model.TimestampMs{-1, -1}, rules, nil},
		"none and old":          {[]model.TimestampMs{-1, 0}, rules, []int32{1}},
		"not asked":             {[]model.TimestampMs{1, 1 << 50}, Rules{Now: 10_000}, nil},
		"no limits":             {[]model.TimestampMs{0, 1 << 50}, forever, nil},
		"LogAppendTime ignores": {[]model.TimestampMs{1}, Rules{CheckTimestamps: true, Now: 10_000, LogAppendTime: true}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var w Builder
			for _, ts := range c.ts {
				w.Add(ts, []byte("k"), nil)
			}
			var h Header
			found, err := Validate(w.Batch(), c.rules, &h)
			if c.bad == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, ErrTimestamp)
			var bad []int32
			for _, e := range found.Errors {
				bad = append(bad, e.Index)
				require.Contains(t, e.Message, "is out of range. The timestamp should be within [9000, 10500]")
			}
			require.Equal(t, c.bad, bad)
		})
	}
}

func TestValidateFindsMaxTimestamp(t *testing.T) {
	truth := batchOf(3, nil) // 1000 to 1002
	lie := patched(truth, func(h *Header) { h.MaxTimestamp = 5000 })
	var h Header
	for name, c := range map[string]struct {
		b     Batch
		rules Rules
		want  Found
	}{
		"truth":          {truth, Rules{}, Found{MaxTimestamp: 1002}},
		"lie":            {lie, Rules{}, Found{MaxTimestamp: 1002, Rewrite: true}},
		"LogAppendTime":  {truth, Rules{LogAppendTime: true, Now: 7}, Found{MaxTimestamp: 7, LogAppendTime: true, Rewrite: true}},
		"no timestamps":  {Batch((&Header{Count: 1, BaseTimestamp: -1, MaxTimestamp: -1}).encode(nil, AppendRecord(nil, &Record{}))), Rules{}, Found{MaxTimestamp: -1}},
		"before the era": {Batch((&Header{Count: 1, BaseTimestamp: -9, MaxTimestamp: -9}).encode(nil, AppendRecord(nil, &Record{}))), Rules{}, Found{MaxTimestamp: -1, Rewrite: true}},
		// Kafka takes such a batch for one of the header's time, and clears the flag.
		"a client's LogAppendTime": {patched(truth, func(h *Header) { h.Attributes |= LogAppendTimeFlag; h.MaxTimestamp = 5000 }), Rules{},
			Found{MaxTimestamp: 5000, Rewrite: true}},
	} {
		found, err := Validate(c.b, c.rules, &h)
		require.NoError(t, err, name)
		require.Equal(t, c.want, found, name)
		if found.Rewrite {
			b := slices.Clone(c.b)
			b.SetMaxTimestamp(found.MaxTimestamp, found.LogAppendTime)
			require.NoError(t, b.CheckCRC(), name)
			require.NoError(t, ReadHeader(b, &h), name)
			require.Equal(t, found.MaxTimestamp, h.MaxTimestamp, name)
			require.Equal(t, found.LogAppendTime, h.Attributes.LogAppendTime(), name)
		}
	}
	_, err := Validate(patched(truth, func(h *Header) { h.Attributes |= LogAppendTimeFlag }), Rules{LogAppendTime: true}, &h)
	require.ErrorIs(t, err, ErrTimestamp)
}

func TestValidateBoundsErrors(t *testing.T) {
	var w Builder
	for range maxRecordErrors + 50 {
		w.Add(1, nil, nil)
	}
	var h Header
	found, err := Validate(w.Batch(), Rules{KeysRequired: true}, &h)
	require.ErrorIs(t, err, ErrInvalid)
	require.Len(t, found.Errors, maxRecordErrors)
}

// An uncompressed batch costs no allocation. (Compressed ones take pooled decoders, which the race detector throws
// away at random; the benchmark shows those.)
func TestValidateDoesNotAllocate(t *testing.T) {
	b := benchBatch(None, 100, 16<<10)
	var h Header
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = Validate(b, Rules{}, &h) }))
}

func TestEndTxnMarker(t *testing.T) {
	for _, m := range []EndTxnMarker{{Commit: true, CoordinatorEpoch: 7}, {CoordinatorEpoch: -1}} {
		b := m.Batch(1000, 3, 99)
		var it Iterator
		require.NoError(t, it.Reset(b))
		require.True(t, it.Header().Attributes.Control() && it.Header().Attributes.Transactional())
		require.EqualValues(t, 1000, it.Header().ProducerID)
		require.EqualValues(t, 3, it.Header().ProducerEpoch)
		require.EqualValues(t, -1, it.Header().BaseSequence)
		require.True(t, it.Next())
		got, ok, err := ParseEndTxnMarker(it.Record.Key, it.Record.Value)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, m, got)
	}
	// The bytes of Kafka's schema: version 0, type (0 abort, 1 commit); version 0, coordinator epoch.
	m := EndTxnMarker{Commit: true, CoordinatorEpoch: 0x01020304}
	require.Equal(t, "\x00\x00\x00\x01", string(m.Key()))
	require.Equal(t, "\x00\x00\x01\x02\x03\x04", string(m.Value()))

	for name, c := range map[string]struct {
		key, value string
		ok         bool
		err        error
	}{
		"later versions, more fields": {"\x00\x01\x00\x00more", "\x00\x01\x00\x00\x00\x05more", true, nil},
		"leader change":               {"\x00\x00\x00\x02", "", false, nil},
		"key cut":                     {"\x00\x00\x00", "\x00\x00\x00\x00\x00\x05", false, ErrCorrupt},
		"key version":                 {"\xff\xff\x00\x00", "\x00\x00\x00\x00\x00\x05", false, ErrCorrupt},
		"value cut":                   {"\x00\x00\x00\x00", "\x00\x00\x00\x00\x00", false, ErrCorrupt},
		"value version":               {"\x00\x00\x00\x00", "\xff\xff\x00\x00\x00\x05", false, ErrCorrupt},
	} {
		_, ok, err := ParseEndTxnMarker([]byte(c.key), []byte(c.value))
		require.Equal(t, c.ok, ok, name)
		require.ErrorIs(t, err, c.err, name)
	}
}
