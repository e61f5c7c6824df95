package replmgr_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/metadata"
	"highwater.dev/broker/model"
	"highwater.dev/broker/replmgr"
	"highwater.dev/broker/vfs"
)

// many is a node with partitions of a hundred topics.
func many(t testing.TB, fs vfs.FS, partitions int) *node {
	n := start(t, fs, metadata.NewImage())
	var records []metadata.Record
	for i := range 100 {
		records = append(records, topicRecords(fmt.Sprintf("topic-%d", i), byte(i+1), partitions/100)...)
	}
	n.apply(records...)
	return n
}

func BenchmarkLookup(b *testing.B) {
	n := many(b, vfs.NewMem(), 10_000)
	id := model.TopicID{42}
	b.Run("by=name", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := n.repl.Partition("topic-41", 77); err != nil {
					b.Error(err)
				}
			}
		})
	})
	b.Run("by=id", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := n.repl.PartitionByID(id, 77); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

func BenchmarkAppend(b *testing.B) {
	b.Chdir(b.TempDir())
	n := start(b, vfs.OS(), metadata.NewImage())
	n.apply(topicRecords("a", 7, 1)...)
	p := n.partition("a", 0)
	w := replmgr.NewWaiter()
	p.Watch(w)
	batch := batch(now)
	b.SetBytes(int64(len(batch)))
	b.ReportAllocs()
	for b.Loop() {
		batch.SetBaseOffset(0)
		if _, err := p.Append(batch, -1, 0); err != nil {
			b.Fatal(err)
		}
	}
	require.NoError(b, n.logs.Close())
}

func BenchmarkRead(b *testing.B) {
	n := start(b, vfs.NewMem(), metadata.NewImage())
	n.apply(topicRecords("a", 7, 1)...)
	p := n.partition("a", 0)
	for range 1000 {
		appendOne(b, p)
	}
	for _, committed := range []bool{false, true} {
		b.Run(fmt.Sprintf("committed=%t", committed), func(b *testing.B) {
			q := consumer(500)
			q.Committed, q.LastFetched = committed, 0
			var res replmgr.ReadResult
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Read(&q, &res); err != nil {
					b.Fatal(err)
				}
				res.Region.Release()
			}
		})
	}
}

func BenchmarkWatch(b *testing.B) {
	n := start(b, vfs.NewMem(), metadata.NewImage())
	n.apply(topicRecords("a", 7, 1)...)
	p, w := n.partition("a", 0), replmgr.NewWaiter()
	b.ReportAllocs()
	for b.Loop() {
		p.Watch(w)
		p.Unwatch(w)
	}
}

// BenchmarkStart makes 5,000 partitions on the disk and starts again on them.
func BenchmarkStart(b *testing.B) { b.Run("partitions=5000", start5000) }

func start5000(b *testing.B) {
	b.Chdir(b.TempDir())
	fs := vfs.OS()
	begin := time.Now()
	n := many(b, fs, 5000)
	b.Logf("made in %v", time.Since(begin).Round(time.Millisecond))
	n.repl.Each(func(p *replmgr.Partition) {
		if p.Index()%10 == 0 {
			appendOne(b, p)
		}
	})
	begin = time.Now()
	require.NoError(b, n.logs.Close())
	b.Logf("closed in %v", time.Since(begin).Round(time.Millisecond))
	image := n.image
	n = nil
	b.ReportAllocs()
	for b.Loop() {
		before := heap()
		n := start(b, fs, image)
		b.ReportMetric(float64(heap()-before)/5000, "heapB/partition")
		b.StopTimer()
		require.NoError(b, n.logs.Close())
		b.StartTimer()
	}
}

func heap() uint64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}
