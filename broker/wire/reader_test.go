package wire

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// What the Append functions write, the Reader reads, and a source cut anywhere fails.
func TestPrimitivesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		compact := rapid.Bool().Draw(t, "compact")
		i8, i16 := rapid.Int8().Draw(t, "i8"), rapid.Int16().Draw(t, "i16")
		i32, i64 := rapid.Int32().Draw(t, "i32"), rapid.Int64().Draw(t, "i64")
		u32 := rapid.Uint32().Draw(t, "u32")
		s := rapid.StringN(-1, -1, 300).Draw(t, "s")
		raw := rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "raw")
		flag := rapid.Bool().Draw(t, "flag")

		b := AppendInt8(nil, i8)
		b = AppendInt16(b, i16)
		b = AppendInt32(b, i32)
		b = AppendInt64(b, i64)
		b = AppendBool(b, flag)
		b = AppendUUID(b, topicID(9))
		before := len(b)
		b = AppendUvarint(b, u32)
		require.Equal(t, UvarintSize(u32), len(b)-before)
		b = AppendVarint(b, i32)
		b = AppendVarlong(b, i64)
		b = AppendString(b, s, compact)
		b = AppendNull(b, compact)
		b = AppendNullableString(b, &s, compact)
		b = AppendNullableString(b, nil, compact)
		b = AppendBytes(b, nil, compact)
		b = AppendBytes(b, raw, compact)
		b = AppendArray(b, -1, compact)
		b = AppendArray(b, 1, compact)
		b = AppendNoTags(b)

		read := func(r *Reader) {
			require.Equal(t, i8, r.Int8())
			require.Equal(t, i16, r.Int16())
			require.Equal(t, i32, r.Int32())
			require.Equal(t, i64, r.Int64())
			require.Equal(t, flag, r.Bool())
			require.Equal(t, topicID(9), r.UUID())
			require.Equal(t, u32, r.Uvarint())
			require.Equal(t, i32, r.Varint())
			require.Equal(t, i64, r.Varlong())
			require.Equal(t, s, r.String(compact))
			_, ok := r.NullableString(compact)
			require.False(t, ok)
			got, ok := r.NullableString(compact)
			require.True(t, ok)
			require.Equal(t, s, got)
			_, ok = r.NullableString(compact)
			require.False(t, ok)
			require.Nil(t, r.Bytes(compact))
			require.Equal(t, raw, r.Bytes(compact))
			require.Equal(t, -1, r.Array(compact, 1))
			require.Equal(t, 1, r.Array(compact, 1))
			r.SkipTags()
		}
		r := NewReader(b)
		read(&r)
		require.NoError(t, r.Err())
		require.Zero(t, r.Left())
		require.Equal(t, len(b), r.Pos())

		cut := NewReader(b[:rapid.IntRange(0, len(b)-1).Draw(t, "cut")])
		readAll(&cut, compact)
		require.ErrorIs(t, cut.Err(), ErrMalformed)
		require.Zero(t, cut.Int64())
		require.Zero(t, cut.Left())
	})
}

func readAll(r *Reader, compact bool) {
	r.Int8()
	r.Int16()
	r.Int32()
	r.Int64()
	r.Bool()
	r.UUID()
	r.Uvarint()
	r.Varint()
	r.Varlong()
	r.String(compact)
	for range 3 {
		r.NullableString(compact)
	}
	r.Bytes(compact)
	r.Bytes(compact)
	r.Array(compact, 1)
	r.Array(compact, 1)
	r.SkipTags()
}

func TestReaderRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		src  string
		read func(r *Reader)
	}{
		"array count beyond the bytes left":       {"\x00\x00\x00\x03abcdef", func(r *Reader) { r.Array(false, 3) }},
		"array count of a liar":                   {"\x7f\xff\xff\xff", func(r *Reader) { r.Array(false, 1) }},
		"compact array count of a liar":           {"\xff\xff\xff\xff\x0f", func(r *Reader) { r.Array(true, 1) }},
		"array count -2":                          {"\xff\xff\xff\xfe", func(r *Reader) { r.Array(false, 1) }},
		"uvarint of six bytes":                    {"\x80\x80\x80\x80\x80\x00", func(r *Reader) { r.Uvarint() }},
		"uvarint of 33 bits":                      {"\xff\xff\xff\xff\x1f", func(r *Reader) { r.Uvarint() }},
		"varlong of eleven bytes":                 {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", func(r *Reader) { r.Varlong() }},
		"null where a string must be":             {"\xff\xff", func(r *Reader) { r.String(false) }},
		"null where a compact string must be":     {"\x00", func(r *Reader) { r.String(true) }},
		"string length -2":                        {"\xff\xfe", func(r *Reader) { r.NullableString(false) }},
		"bytes beyond the end":                    {"\x00\x00\x00\x02a", func(r *Reader) { r.Bytes(false) }},
		"tag beyond the end":                      {"\x01\x00\x02a", func(r *Reader) { r.SkipTags() }},
		"tag size of a liar":                      {"\x01\x00\xff\xff\xff\xff\x0fa", func(r *Reader) { r.SkipTags() }},
		"negative span":                           {"abc", func(r *Reader) { r.Span(-1) }},
		"tag count beyond half of the bytes left": {"\x02\x00\x00\x00", func(r *Reader) { r.SkipTags() }},
	} {
		t.Run(name, func(t *testing.T) {
			r := NewReader([]byte(c.src))
			c.read(&r)
			require.ErrorIs(t, r.Err(), ErrMalformed)
		})
	}
}

func TestUvarintLimits(t *testing.T) {
	r := NewReader(AppendUvarint(nil, math.MaxUint32))
	require.EqualValues(t, math.MaxUint32, r.Uvarint())
	r.Reset([]byte("\x80\x00"))
	require.Zero(t, r.Uvarint(), "padded forms are legal, as in Kafka")
	require.NoError(t, r.Err())
}
