package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/vfs"
)

// benchmark runs f for each implementation, in the same order each time.
func benchmark(b *testing.B, prefix string, f func(b *testing.B, i impl)) {
	for _, name := range slices.SortedFunc(maps.Keys(impls), cmp.Compare[string]) {
		b.Run(prefix+"impl="+name, func(b *testing.B) { f(b, impls[name]) })
	}
}

func benchLog(b *testing.B, i impl) segment.Log {
	b.Helper()
	l, err := i.open(vfs.OS(), b.TempDir()+"/hello-0", segment.Options{Limits: segment.DefaultLimits(), ReplayFrom: model.NoOffset})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := l.Close(); err != nil {
			b.Error(err)
		}
	})
	return l
}

// batchOf makes a batch of about size bytes, of 16 records.
func batchOf(b *testing.B, i impl, size int) record.Batch {
	b.Helper()
	var records []record.Record
	for n := range 16 {
		records = append(records, record.Record{OffsetDelta: int32(n), Value: make([]byte, size/16)})
	}
	batch, err := i.codec.Encode(record.Header{BaseTimestamp: firstTime}, records)
	if err != nil {
		b.Fatal(err)
	}
	return batch
}

func fill(b *testing.B, l segment.Log, batch record.Batch, n int) {
	b.Helper()
	for range n {
		_, end := l.Bounds()
		batch.SetBaseOffset(end)
		if err := l.Append(batch); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{1, 16, 256} {
		benchmark(b, fmt.Sprintf("batch=%dKiB/", size), func(b *testing.B, i impl) {
			l, batch := benchLog(b, i), batchOf(b, i, size<<10)
			b.SetBytes(int64(len(batch)))
			b.ReportAllocs()
			for b.Loop() {
				fill(b, l, batch, 1)
				if _, end := l.Bounds(); end > model.Offset(16*(256<<20)/len(batch)) { // keep the disk small
					if err := l.Truncate(0); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// lookups is a log of 4096 batches of 16 records.
func lookups(b *testing.B, i impl) segment.Log {
	l := benchLog(b, i)
	fill(b, l, batchOf(b, i, 1<<10), 4096)
	b.ReportAllocs()
	return l
}

func BenchmarkLookup(b *testing.B) {
	benchmark(b, "", func(b *testing.B, i impl) {
		l, offset := lookups(b, i), model.Offset(0)
		for b.Loop() {
			offset = (offset + 40503) % (16 * 4096) // all over the log
			r, err := l.Read(offset, 16*4096, 1)
			if err != nil || r.Len == 0 {
				b.Fatalf("offset %d: %d bytes, %v", offset, r.Len, err)
			}
			r.Release()
		}
	})
}

func BenchmarkRead(b *testing.B) {
	benchmark(b, "max=1MiB/", func(b *testing.B, i impl) {
		l, from, buf := lookups(b, i), model.Offset(0), make([]byte, 1<<20)
		b.SetBytes(1 << 20)
		for b.Loop() {
			r, err := l.Read(from, 16*4096, 1<<20)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := r.File.ReadAt(buf[:r.Len], r.Pos); err != nil {
				b.Fatal(err)
			}
			r.Release()
			from = (from + 12345) % (16 * 3000)
		}
	})
}
