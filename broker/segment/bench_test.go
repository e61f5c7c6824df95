package segment_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/model"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/segment/logtest"
	"highwater.dev/broker/vfs"
)

func benchLog(b *testing.B, limits segment.Limits) segment.Log {
	l, err := segment.Open(vfs.OS(), b.TempDir()+"/bench-0", segment.Options{Limits: limits, ReplayFrom: model.NoOffset})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, l.Close()) })
	return l
}

// times returns n equal timestamps.
func times(n int, ts model.TimestampMs) []model.TimestampMs {
	out := make([]model.TimestampMs, n)
	for i := range out {
		out[i] = ts
	}
	return out
}

// fill appends batches of about size bytes until the log has total bytes, and returns the number of records in each.
func fill(b *testing.B, l segment.Log, size int, total int64) int {
	batch := logtest.Make(0, times(16, 1000), size/16, 0).Bytes
	for written := int64(0); written < total; written += int64(len(batch)) {
		_, end := l.Bounds()
		batch.SetBaseOffset(end)
		require.NoError(b, l.Append(batch))
	}
	return 16
}

// BenchmarkAppend appends without fsync. The log is trimmed now and then, off the clock, so that the disk does not fill.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{1 << 10, 16 << 10, 256 << 10} {
		b.Run(fmt.Sprintf("batch=%dKiB", size>>10), func(b *testing.B) {
			l := benchLog(b, segment.Limits{SegmentBytes: 256 << 20})
			batch := logtest.Make(0, times(16, 1000), (size-200)/16, 0).Bytes
			b.SetBytes(int64(len(batch)))
			b.ReportAllocs()
			var offset model.Offset
			var since int64
			for b.Loop() {
				batch.SetBaseOffset(offset)
				if err := l.Append(batch); err != nil {
					b.Fatal(err)
				}
				offset += 16
				if since += int64(len(batch)); since > 512<<20 {
					since = 0
					b.StopTimer()
					require.NoError(b, l.TrimTo(offset))
					b.StartTimer()
				}
			}
		})
	}
}

func read(b *testing.B, l segment.Log, from, limit model.Offset, maxBytes int) int64 {
	r, err := l.Read(from, limit, maxBytes)
	if err != nil || r.Len == 0 {
		b.Fatal(from, limit, r.Len, err)
	}
	r.Release()
	return r.Len
}

// BenchmarkReadTail is a consumer at the end of the log: one batch is appended, off the clock in the figures of Append, and read.
func BenchmarkReadTail(b *testing.B) {
	l := benchLog(b, segment.Limits{SegmentBytes: 64 << 20})
	fill(b, l, 16<<10, 8<<20)
	_, end := l.Bounds()
	b.ReportAllocs()
	for b.Loop() {
		read(b, l, end-16, end, 1<<20)
	}
}

// BenchmarkReadSequential reads 1 MiB after 1 MiB of sealed segments, as a consumer that catches up does.
func BenchmarkReadSequential(b *testing.B) {
	for _, size := range []int{1 << 10, 16 << 10} {
		b.Run(fmt.Sprintf("batch=%dKiB", size>>10), func(b *testing.B) {
			l := benchLog(b, segment.Limits{SegmentBytes: 64 << 20})
			per := fill(b, l, size, 256<<20)
			_, end := l.Bounds()
			b.ReportAllocs()
			from := model.Offset(0)
			for b.Loop() {
				n := read(b, l, from, end, 1<<20)
				b.SetBytes(n)
				from += model.Offset(int(n) / (size + 250) * per) // somewhere near the region's end, at a batch
				if from >= end-16 {
					from = 0
				}
			}
		})
	}
}

// BenchmarkLookup finds offsets all over a sealed segment of 256 MiB with batches of 1 KiB: 50,000 index entries.
func BenchmarkLookup(b *testing.B) {
	l := benchLog(b, segment.Limits{SegmentBytes: 256 << 20})
	fill(b, l, 1<<10, 300<<20)
	sealed := l.Segments()[0].EndOffset
	_, end := l.Bounds()
	b.ReportAllocs()
	from := model.Offset(0)
	for b.Loop() {
		read(b, l, from, end, 1)
		from = (from + 2654435761) % sealed
	}
}

// BenchmarkOpen opens a log of many sealed segments that was closed in order.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir() + "/bench-0"
	opts := segment.Options{Limits: segment.Limits{SegmentBytes: 1 << 20}, ReplayFrom: model.NoOffset, Clean: true}
	l, err := segment.Open(vfs.OS(), dir, opts)
	require.NoError(b, err)
	fill(b, l, 16<<10, 5<<20)
	require.NoError(b, l.Close())
	b.ReportAllocs()
	for b.Loop() {
		l, err := segment.Open(vfs.OS(), dir, opts)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		require.NoError(b, l.Close())
		b.StartTimer()
	}
}
