package record

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"highwater.dev/broker/model"
)

// benchText gives bytes that compress about as well as text does.
func benchText(n int) []byte {
	words := []string{"offset ", "partition ", "leader ", "epoch ", "record ", "batch ", "0123 ", "high watermark "}
	r := rand.New(rand.NewPCG(1, 2))
	var b []byte
	for len(b) < n {
		b = append(b, words[r.IntN(len(words))]...)
		b = append(b, byte('a'+r.IntN(26)))
	}
	return b[:n]
}

// benchBatch is a batch of about 1 MiB of records of the given size.
func benchBatch(c Compression, size, total int) Batch {
	w := Builder{Compression: c}
	text := benchText(total + size)
	for at := 0; at < total; at += size {
		w.Add(1_700_000_000_000+model.TimestampMs(at/1000), nil, text[at:at+size])
	}
	return w.Batch()
}

func BenchmarkValidate(b *testing.B) {
	for _, total := range []int{16 << 10, 1 << 20} {
		for _, size := range []int{100, 1024} {
			for c := None; c <= Zstd; c++ {
				b.Run(fmt.Sprintf("batch=%dKiB/record=%d/codec=%v", total>>10, size, c), func(b *testing.B) {
					batch := benchBatch(c, size, total)
					rules := Rules{CheckTimestamps: true, Now: 1_700_000_000_000, AfterMaxMs: 3_600_000, BeforeMaxMs: 1 << 62}
					var h Header
					b.SetBytes(int64(total))
					b.ReportAllocs()
					for b.Loop() {
						if _, err := Validate(batch, rules, &h); err != nil {
							b.Fatal(err)
						}
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(h.Count), "ns/record")
				})
			}
		}
	}
}

// BenchmarkWalk is Validate without the CRC: what the records themselves cost.
func BenchmarkWalk(b *testing.B) {
	for _, size := range []int{100, 1024} {
		b.Run(fmt.Sprintf("record=%d", size), func(b *testing.B) {
			batch := benchBatch(None, size, 1<<20)
			var h Header
			if err := ReadHeader(batch, &h); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				s := source{win: batch[HeaderSize:], end: len(batch) - HeaderSize}
				var w walked
				if err := walk(&s, &h, &w); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(h.Count), "ns/record")
		})
	}
}

func BenchmarkReadHeader(b *testing.B) {
	batch := benchBatch(None, 100, 1000)
	var h Header
	b.ReportAllocs()
	for b.Loop() {
		if err := ReadHeader(batch, &h); err != nil {
			b.Fatal(err)
		}
	}
}
