package record

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"runtime"
	"slices"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func decompress(c Compression, in []byte) ([]byte, error) {
	d, err := acquireDecoder(c, in)
	if err != nil {
		return nil, err
	}
	defer d.release()
	return io.ReadAll(d)
}

// foreign compresses as other clients do, not as the Builder does.
var foreign = map[string]struct {
	c    Compression
	pack func(b []byte) []byte
}{
	"gzip, Go's": {Gzip, func(b []byte) []byte {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		_, _ = w.Write(b)
		_ = w.Close()
		return out.Bytes()
	}},
	"snappy, one raw block": {Snappy, func(b []byte) []byte { return s2.EncodeSnappy(nil, b) }},
	"snappy, better":        {Snappy, func(b []byte) []byte { return s2.EncodeSnappyBest(nil, b) }},
	"lz4, big checked blocks": {LZ4, func(b []byte) []byte {
		return lz4With(b, lz4.BlockSizeOption(lz4.Block4Mb), lz4.BlockChecksumOption(true), lz4.ChecksumOption(true))
	}},
	"lz4, sized": {LZ4, func(b []byte) []byte {
		return lz4With(b, lz4.BlockSizeOption(lz4.Block64Kb), lz4.SizeOption(uint64(len(b))))
	}},
	"zstd, streamed": {Zstd, func(b []byte) []byte {
		var out bytes.Buffer
		w, _ := zstd.NewWriter(&out, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
		_, _ = w.Write(b)
		_ = w.Close()
		return out.Bytes()
	}},
}

func lz4With(b []byte, o ...lz4.Option) []byte {
	var out bytes.Buffer
	w := lz4.NewWriter(&out)
	if err := w.Apply(o...); err != nil {
		panic(err)
	}
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

func TestDecompress(t *testing.T) {
	text := benchText(300_000)
	noise := make([]byte, 200<<10)
	for i := range noise {
		noise[i] = byte(i * i >> 3 * (i >> 5))
	}
	inputs := [][]byte{text[:1], text[:100], text[:70_000], text, noise, append(slices.Clone(noise), text...)}
	for _, c := range codecs[1:] {
		for i, in := range inputs {
			got, err := decompress(c, Compress(nil, in, c))
			require.NoError(t, err, "%v %d", c, i)
			require.True(t, bytes.Equal(in, got), "%v %d", c, i)
		}
	}
	for name, f := range foreign {
		for i, in := range inputs {
			got, err := decompress(f.c, f.pack(in))
			require.NoError(t, err, "%s %d", name, i)
			require.True(t, bytes.Equal(in, got), "%s %d", name, i)
		}
	}
}

// Blocks that are decoded by the piece, with copies that reach back megabytes and copies into what they make.
func TestDecompressLargeSnappy(t *testing.T) {
	text := benchText(3 << 20)
	for _, in := range [][]byte{slices.Concat(text, make([]byte, 2<<20), text), make([]byte, 9<<20)} {
		got, err := decompress(Snappy, s2.EncodeSnappy(nil, in))
		require.NoError(t, err)
		require.True(t, bytes.Equal(in, got))
	}
	packed := s2.EncodeSnappy(nil, make([]byte, 5<<20))
	_, n := binary.Uvarint(packed)
	for _, claim := range []uint64{5<<20 - 1, 5<<20 + 1} {
		_, err := decompress(Snappy, append(binary.AppendUvarint(nil, claim), packed[n:]...))
		require.ErrorIs(t, err, errSnappy)
	}
}

// A compressed block with any byte changed never gives more than the limits, never panics, and lz4 and snappy never
// read outside it.
func TestDecompressDamaged(t *testing.T) {
	text := benchText(100_000)
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom(codecs[1:]).Draw(t, "codec")
		in := Compress(nil, text[:rapid.IntRange(1, len(text)).Draw(t, "size")], c)
		for range rapid.IntRange(1, 4).Draw(t, "changes") {
			in[rapid.IntRange(0, min(len(in), 100)-1).Draw(t, "at")] ^= byte(rapid.IntRange(1, 255).Draw(t, "xor"))
		}
		got, _ := decompress(c, in[:rapid.IntRange(0, len(in)).Draw(t, "cut")])
		require.Less(t, len(got), 64<<20)
	})
}

func TestDecompressRefuses(t *testing.T) {
	frame := Compress(nil, benchText(1000), LZ4)
	flip := func(at int, to byte) []byte { b := slices.Clone(frame); b[at] = to; return b }
	sum := func(b []byte) []byte { b[6] = byte(xxh32(b[4:6]) >> 8); return b }
	checked := foreign["lz4, big checked blocks"].pack(benchText(1000))
	checked[len(checked)-9]++ // in the block's checksum, before end mark and content checksum
	for name, c := range map[string]struct {
		c  Compression
		in []byte
	}{
		"gzip: empty":                   {Gzip, nil},
		"gzip: no header":               {Gzip, []byte("not gzip at all")},
		"zstd: no header":               {Zstd, []byte("not zstd at all")},
		"lz4: empty":                    {LZ4, nil},
		"lz4: magic":                    {LZ4, flip(0, 0)},
		"lz4: version":                  {LZ4, sum(flip(4, 0x20))},
		"lz4: dependent blocks":         {LZ4, sum(flip(4, 0x40))},
		"lz4: reserved flag":            {LZ4, sum(flip(4, 0x61))},
		"lz4: block size":               {LZ4, sum(flip(5, 0x30))},
		"lz4: header checksum":          {LZ4, flip(6, frame[6]+1)},
		"lz4: no end mark":              {LZ4, frame[:len(frame)-4]},
		"lz4: cut":                      {LZ4, frame[:len(frame)-5]},
		"lz4: block checksum":           {LZ4, checked},
		"snappy: empty block":           {Snappy, []byte{0x80}},
		"snappy: claim of a liar":       {Snappy, binary.AppendUvarint(nil, 1<<31)},
		"snappy: framed and cut":        {Snappy, append(slices.Clone(xerialHeader), 0, 0, 0, 9, 1)},
		"snappy: framed, cut in length": {Snappy, append(slices.Clone(xerialHeader), 0, 0)},
		"snappy: S2's extension":        {Snappy, []byte("\x0c\x0cabcd\x01\x04\x01\x00")}, // a literal, a copy, a repeat
	} {
		_, err := decompress(c.c, c.in)
		require.Error(t, err, name)
	}
	_, err := acquireDecoder(5, nil)
	require.ErrorIs(t, err, ErrInvalid)
}

// bomb is a batch of one record whose value is n zeros, compressed as well as the codec can.
func bomb(c Compression, n int) Batch {
	w := Builder{Compression: c}
	w.Add(1, nil, make([]byte, n))
	return w.Batch()
}

func TestBombsAreBounded(t *testing.T) {
	for _, c := range codecs[1:] {
		size, want := 40<<20, error(nil)
		if c == Zstd { // quick enough to go to the limit
			size, want = MaxDecompressed+1000, ErrDecompress
		}
		b := bomb(c, size)
		if c == Snappy {
			b = patchedRecords(b, s2.EncodeSnappy(nil, AppendRecord(nil, &Record{Value: make([]byte, size)})))
		}
		require.Less(t, len(b), size/15, c.String())
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		var h Header
		_, err := Validate(b, Rules{}, &h)
		runtime.ReadMemStats(&after)
		require.ErrorIs(t, err, want, c.String())
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(12<<20), c.String())
		t.Logf("%v: %d bytes of batch, %d of memory", c, len(b), after.TotalAlloc-before.TotalAlloc)
	}
}

// patchedRecords is b with other records' bytes.
func patchedRecords(b Batch, records []byte) Batch {
	b = append(slices.Clone(b[:HeaderSize]), records...)
	return patched(b, func(h *Header) { h.Length = int32(len(b) - LogOverhead) })
}

// xxHash32 of known inputs, from the algorithm's published test vectors.
func TestXXH32(t *testing.T) {
	for in, want := range map[string]uint32{
		"": 0x02cc5d05, "a": 0x550d7456, "abc": 0x32d153ff,
		"Nobody inspects the spammish repetition": 0xe2293b2f,
	} {
		require.Equal(t, want, xxh32([]byte(in)), in)
	}
}
