package record

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func seedBatches() (seeds []Batch) {
	for _, c := range codecs {
		seeds = append(seeds, batchOf(3, func(w *Builder) { w.Compression = c }), bomb(c, 3000))
	}
	return append(seeds, EndTxnMarker{Commit: true}.Batch(1, 2, 3))
}

// memory measures what f allocates. The measuring itself is slow, so small inputs go without.
func memory(input int, f func()) uint64 {
	if input < 1<<10 {
		f()
		return 0
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// FuzzValidate gives Validate any bytes for a batch, once as they are and once with length and CRC put right, so
// that the fuzzer gets past them.
func FuzzValidate(f *testing.F) {
	for _, b := range seedBatches() {
		f.Add([]byte(b), byte(0))
	}
	f.Fuzz(func(t *testing.T, b []byte, flags byte) {
		rules := Rules{
			KeysRequired: flags&1 != 0, CheckTimestamps: flags&2 != 0, LogAppendTime: flags&4 != 0, Internal: flags&8 != 0,
			Now: 1000, BeforeMaxMs: 10, AfterMaxMs: 10,
		}
		var h Header
		if _, err := Validate(b, rules, &h); err == nil {
			requireSound(t, b)
		}
		if len(b) < HeaderSize {
			return
		}
		b = patchedBytes(b)
		var found Found
		var err error
		used := memory(len(b), func() { found, err = Validate(b, rules, &h) })
		require.Less(t, used, uint64(16<<20))
		if err == nil {
			requireSound(t, b)
			require.Equal(t, found.LogAppendTime, rules.LogAppendTime)
		}
	})
}

// patchedBytes gives any bytes of a header's length or more a true magic, length and CRC.
func patchedBytes(b []byte) Batch {
	b = append([]byte(nil), b...)
	b[offMagic] = 2
	var h Header
	if ReadHeader(b, &h) != nil {
		h = Header{Count: 1}
	}
	h.Length = int32(len(b) - LogOverhead)
	h.write(b)
	return b
}

// requireSound checks a batch that Validate let through: all of its records can be read, and encode again to the
// same records.
func requireSound(t *testing.T, b Batch) {
	var h Header
	require.NoError(t, V2.ReadHeader(b, &h))
	require.NoError(t, V2.CheckCRC(b))
	var n int32
	var plain []byte
	var it Iterator
	require.NoError(t, it.Reset(b))
	for it.Next() {
		require.Equal(t, n, it.Record.OffsetDelta)
		plain = AppendRecord(plain, &it.Record)
		n++
	}
	require.NoError(t, it.Err())
	it.Close()
	require.Equal(t, h.Count, n)

	again := Batch(h.encode(nil, plain))
	var plain2 []byte
	require.NoError(t, V2.Each(again, func(r *Record) bool {
		plain2 = AppendRecord(plain2, r)
		return true
	}))
	require.Equal(t, plain, plain2)
}

// FuzzIterator reads any bytes as a batch whose CRC nobody has checked, as dump-log does with a damaged file.
func FuzzIterator(f *testing.F) {
	for _, b := range seedBatches() {
		f.Add([]byte(b))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		used := memory(len(b), func() {
			var it Iterator
			defer it.Close()
			if it.Reset(b) != nil {
				return
			}
			for it.Next() {
				_, _, _ = ParseEndTxnMarker(it.Record.Key, it.Record.Value)
			}
		})
		// A record is brought to hand as a whole, so an honest bomb is as large as it says.
		require.Less(t, used, uint64(1100*len(b)+16<<20))
	})
}

// FuzzHeader: a header that decodes encodes to the same bytes.
func FuzzHeader(f *testing.F) {
	for _, b := range seedBatches() {
		f.Add([]byte(b))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var h Header
		if ReadHeader(b, &h) != nil {
			return
		}
		again := make([]byte, HeaderSize)
		h.write(again)
		copy(again[offCRC:], b[offCRC:offCRC+4]) // computed over bytes that are not here
		require.Equal(t, b[:HeaderSize], again)
	})
}

// FuzzDecompress gives the decoders any bytes.
func FuzzDecompress(f *testing.F) {
	for _, c := range codecs[1:] {
		f.Add(byte(c), Compress(nil, benchText(300), c))
	}
	for _, p := range foreign {
		f.Add(byte(p.c), p.pack(benchText(300)))
	}
	f.Fuzz(func(t *testing.T, c byte, in []byte) {
		used := memory(len(in), func() {
			s := source{}
			b := append(make(Batch, HeaderSize), in...)
			if s.open(b, codecs[1+int(c)%4]) != nil {
				return
			}
			defer s.close()
			s.skip(16 << 20)
		})
		require.Less(t, used, uint64(16<<20+2*len(in)))
	})
}
