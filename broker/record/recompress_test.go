package record

import (
	"bytes"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"highwater.dev/broker/model"
)

// requireSameContents compares all that a reader sees of two batches: header and records, but for codec, length, CRC.
func requireSameContents(t require.TestingT, want, got Batch) {
	require.NoError(t, V2.CheckCRC(got))
	var w, g Header
	require.NoError(t, ReadHeader(want, &w))
	require.NoError(t, ReadHeader(got, &g))
	require.Equal(t, len(got), g.Size())
	w.Attributes, w.Length, w.CRC = w.Attributes&^CompressionMask|g.Attributes&CompressionMask, g.Length, g.CRC
	require.Equal(t, w, g)
	var it Iterator
	defer it.Close()
	require.NoError(t, it.Reset(got))
	require.NoError(t, V2.Each(want, func(r *Record) bool {
		require.True(t, it.Next())
		require.True(t, equalRecords(r, &it.Record), "record %d", r.OffsetDelta)
		return true
	}))
	require.False(t, it.Next())
	require.NoError(t, it.Err())
}

// Every codec into every codec: nulls, headers, a producer's fields, LogAppendTime, and the source left alone.
func TestRecompress(t *testing.T) {
	for _, from := range codecs {
		for _, to := range codecs {
			t.Run(from.String()+" to "+to.String(), func(t *testing.T) {
				w := goldenBuilder(from)
				w.Transactional, w.LogAppendTime = false, true
				w.Add(1700000000002, []byte("large"), benchText(200_000))
				w.Add(1700000000003, []byte("noise"), noise(200_000))
				b := w.Batch()
				before := slices.Clone(b)
				got, err := Recompress([]byte("what was in the buffer"), b, Target{Compression: to, Level: to.DefaultLevel()})
				require.NoError(t, err)
				require.Equal(t, before, b)
				var h Header
				require.NoError(t, ReadHeader(got, &h))
				require.Equal(t, to, h.Attributes.Compression())
				require.Equal(t, model.ProducerID(1234), h.ProducerID)
				requireSameContents(t, b, got)
				if to != None {
					require.Less(t, len(got), 350_000)
				}
			})
		}
	}
}

// noise is n bytes that do not compress.
func noise(n int) []byte {
	b, x := make([]byte, n), uint64(88172645463325252)
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x)
	}
	return b
}

func TestRecompressAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := Header{
			BaseOffset: model.Offset(rapid.Int64Range(0, 1<<50).Draw(t, "offset")), LeaderEpoch: 3,
			BaseTimestamp: model.TimestampMs(rapid.Int64Range(-1, 1<<42).Draw(t, "time")),
			ProducerID:    model.ProducerID(rapid.Int64Range(-1, 1<<40).Draw(t, "producer")), BaseSequence: 5,
			Attributes: Attributes(rapid.SampledFrom(codecs).Draw(t, "from")) |
				Attributes(rapid.SampledFrom([]int{0, 0, 8, 16}).Draw(t, "flag")),
		}
		b, err := V2.Encode(h, drawRecords(t, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 70, 9_000, windowSize))
		require.NoError(t, err)
		got := b
		for _, to := range rapid.SliceOfN(rapid.SampledFrom(codecs), 1, 3).Draw(t, "to") {
			got, err = Recompress(nil, got, Target{Compression: to, Level: drawLevel(t, to)})
			require.NoError(t, err)
		}
		requireSameContents(t, b, got)
	})
}

func drawLevel(t *rapid.T, c Compression) int {
	switch c {
	case Gzip:
		return rapid.SampledFrom([]int{-1, 1, 5, 9}).Draw(t, "level")
	case LZ4:
		return rapid.IntRange(1, 17).Draw(t, "level")
	case Zstd:
		return rapid.SampledFrom([]int{-131072, -1, 0, 1, 3, 9, 22}).Draw(t, "level")
	default:
		return 0
	}
}

// Levels say how hard to try.
func TestRecompressLevels(t *testing.T) {
	b := batchWith(benchText(300_000))
	size := func(c Compression, level int) int {
		got, err := Recompress(nil, b, Target{Compression: c, Level: level})
		require.NoError(t, err)
		requireSameContents(t, b, got)
		return len(got)
	}
	require.Less(t, size(Gzip, 9), size(Gzip, 1))
	require.Less(t, size(LZ4, 17), size(LZ4, 1))
	require.Less(t, size(LZ4, 17), size(LZ4, DefaultLZ4Level))
	require.Less(t, size(Zstd, 22), size(Zstd, 1))
	require.Equal(t, size(Zstd, 3), size(Zstd, 0))
	b = batchWith(benchText(3_000))
	for level := 1; level <= 17; level++ {
		size(LZ4, level)
	}
	for level := -1; level <= 9; level++ {
		if level != 0 {
			size(Gzip, level)
		}
	}
}

func batchWith(value []byte) Batch {
	var w Builder
	w.Add(1, nil, value)
	return w.Batch()
}

// The limit is on the whole new batch: its size is allowed, a byte less is not.
func TestRecompressLimit(t *testing.T) {
	for _, to := range codecs {
		b := bomb(Gzip, 1<<20)
		if to == Gzip {
			b = bomb(Zstd, 1<<20)
		}
		whole, err := Recompress(nil, b, Target{Compression: to, Level: to.DefaultLevel()})
		require.NoError(t, err)
		_, err = Recompress(nil, b, Target{Compression: to, Level: to.DefaultLevel(), MaxBytes: len(whole)})
		require.NoError(t, err, to.String())
		_, err = Recompress(nil, b, Target{Compression: to, Level: to.DefaultLevel(), MaxBytes: len(whole) - 1})
		require.ErrorIs(t, err, ErrTooLarge, to.String())
		// The encoder that failed is in its pool: it has to be as good as new.
		again, err := Recompress(nil, b, Target{Compression: to, Level: to.DefaultLevel()})
		require.NoError(t, err)
		require.True(t, bytes.Equal(whole, again), to.String())
	}
	_, err := Recompress(nil, batchOf(1, nil)[:70], Target{})
	require.ErrorIs(t, err, ErrShort)
}

// A bomb costs what its target may have, not what it would expand to.
func TestRecompressBomb(t *testing.T) {
	b := bomb(Zstd, 30<<20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Recompress(nil, b, Target{MaxBytes: 1 << 20})
	runtime.ReadMemStats(&after)
	require.ErrorIs(t, err, ErrTooLarge)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16<<20))
	cut := patchedRecords(batchOf(1, nil), Compress(nil, benchText(1000), LZ4)[:200])
	_, err = Recompress(nil, patched(cut, func(h *Header) { h.Attributes = Attributes(LZ4) }), Target{Compression: Zstd})
	require.ErrorIs(t, err, ErrDecompress)
}

// That it allocates nothing is the benchmark's to show: the race detector throws pooled encoders away.
func BenchmarkRecompress(b *testing.B) {
	for _, from := range []Compression{None, LZ4} {
		for _, to := range codecs[1:] {
			b.Run("from="+from.String()+"/to="+to.String(), func(b *testing.B) {
				w := Builder{Compression: from}
				text := benchText(16 << 10)
				for i := range 16 {
					w.Add(1, nil, text[i<<10:(i+1)<<10])
				}
				batch := w.Batch()
				b.SetBytes(16 << 10)
				b.ReportAllocs()
				var buf []byte
				for b.Loop() {
					var err error
					if buf, err = Recompress(buf, batch, Target{Compression: to, Level: to.DefaultLevel()}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
