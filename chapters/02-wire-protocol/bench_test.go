package main

import (
	"encoding/binary"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/bench/load"
	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/vfs"
	segmentlog "highwater.dev/solutions/01-segment-log"
)

// For benchstat: -bench Produce prints BenchmarkProduce/loop=…/impl=…, -bench Fetch BenchmarkFetch/transfer=…/impl=….

// benchClient is a connection that costs little itself: frames are made once.
type benchClient struct {
	b    *testing.B
	conn net.Conn
	in   []byte
}

func dialBench(b *testing.B, addr string) *benchClient {
	conn, err := net.Dial("tcp", addr)
	require.NoError(b, err)
	b.Cleanup(func() { conn.Close() })
	return &benchClient{b: b, conn: conn, in: make([]byte, 4<<20)}
}

// ask sends a framed request and returns the response's frame.
func (c *benchClient) ask(frame []byte) []byte {
	_, err := c.conn.Write(frame)
	require.NoError(c.b, err)
	_, err = io.ReadFull(c.conn, c.in[:4])
	require.NoError(c.b, err)
	n := binary.BigEndian.Uint32(c.in)
	_, err = io.ReadFull(c.conn, c.in[:n])
	require.NoError(c.b, err)
	return c.in[:n]
}

func framed(q kmsg.Request) []byte { return kmsg.NewRequestFormatter().AppendRequest(nil, q, 1) }

func createTopic(c *benchClient) {
	q := kmsg.NewPtrMetadataRequest()
	q.Version, q.AllowAutoTopicCreation = 8, true
	q.Topics = []kmsg.MetadataRequestTopic{{Topic: kmsg.StringPtr("bench")}}
	c.ask(framed(q))
}

// batchOf is a batch of so many bytes of values.
func batchOf(bytes int) record.Batch {
	var builder record.Builder
	for left := bytes; left > 0; left -= 1000 {
		builder.Add(1, nil, []byte(strings.Repeat("x", min(left, 1000))))
	}
	return builder.Batch()
}

// produceFrame is a Produce request with one batch of so many bytes of values.
func produceFrame(bytes int) []byte {
	q := kmsg.NewPtrProduceRequest()
	q.Version, q.Acks = 8, 1
	q.Topics = []kmsg.ProduceRequestTopic{{Topic: "bench", Partitions: []kmsg.ProduceRequestTopicPartition{{Records: batchOf(bytes)}}}}
	return framed(q)
}

// startBench runs a whole broker with logs on disk. broker is the real one.
func startBench(b *testing.B, impl, loop, transfer string) string {
	dir := b.TempDir()
	if impl == "broker" {
		node, err := startBroker("127.0.0.1:0", dir, nil)
		require.NoError(b, err)
		go func() { _ = node.Serve() }()
		b.Cleanup(func() { _ = node.Close(b.Context()) })
		return node.Addr("PLAINTEXT").String()
	}
	p := implementations[impl]
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	stage := p.newBroker(vfs.OS(), dir, segment.Open, 1)
	stage.Advertise("127.0.0.1", int32(l.Addr().(*net.TCPAddr).Port))
	d, end := p.newLoop[loop](kafkaDefaults(p.parseHeader, p.newTransfer[transfer]()))
	server := p.newServer(stage, d)
	go func() { _ = server.Serve(l) }()
	b.Cleanup(func() {
		l.Close()
		server.Close()
		end()
		require.NoError(b, stage.Close())
	})
	return l.Addr().String()
}

func benchImpls() []string {
	impls := []string{"solution"}
	if _, ok := implementations["mine"]; ok {
		impls = append(impls, "mine")
	}
	return impls
}

func BenchmarkProduce(b *testing.B) {
	const batch = 10_000
	run := func(loop, impl string) {
		b.Run("loop="+loop+"/impl="+impl, func(b *testing.B) {
			addr := startBench(b, impl, loop, "sendfile")
			createTopic(dialBench(b, addr))
			frame := produceFrame(batch)
			const each = 8 // connections for each processor
			clients := make(chan *benchClient, each*runtime.GOMAXPROCS(0))
			for range cap(clients) {
				clients <- dialBench(b, addr)
			}
			latencies := load.NewHistogram()
			b.SetBytes(batch)
			b.SetParallelism(each)
			b.ReportAllocs()
			b.ResetTimer() // connecting is no part of a request
			b.RunParallel(func(pb *testing.PB) {
				c := <-clients
				for pb.Next() {
					begin := time.Now()
					c.ask(frame)
					latencies.Record(time.Since(begin))
				}
			})
			b.ReportMetric(load.Percentile(latencies, 50).Seconds()*1000, "p50-ms")
			b.ReportMetric(load.Percentile(latencies, 99).Seconds()*1000, "p99-ms")
		})
	}
	for _, impl := range benchImpls() {
		for _, loop := range loopNames {
			run(loop, impl)
		}
	}
	run("goroutines", "broker")
}

// BenchmarkStage is one batch of 10,000 bytes of values: put at the end of a log (stage=01), and sent to a broker that does so (stage=02).
// What lies between the two is the way of a request: highwater bench versus --key stage --base 01 shows it.
func BenchmarkStage(b *testing.B) {
	const batch = 10_000
	logs := map[string]segment.Opener{"solution": segmentlog.Open, "broker": segment.Open}
	for _, impl := range []string{"solution", "broker"} {
		b.Run("stage=01/impl="+impl, func(b *testing.B) {
			l, err := logs[impl](vfs.OS(), b.TempDir()+"/bench-0", segment.Options{Limits: segment.DefaultLimits(), ReplayFrom: model.NoOffset})
			require.NoError(b, err)
			defer func() { require.NoError(b, l.Close()) }()
			whole := batchOf(batch)
			b.SetBytes(batch)
			b.ReportAllocs()
			for b.Loop() {
				_, end := l.Bounds()
				if end > 100_000 { // keep the disk small
					require.NoError(b, l.Truncate(0))
					end = 0
				}
				whole.SetBaseOffset(end)
				if err := l.Append(whole); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	for _, impl := range append(benchImpls(), "broker") {
		b.Run("stage=02/impl="+impl, func(b *testing.B) {
			c := dialBench(b, startBench(b, impl, "goroutines", "sendfile"))
			createTopic(c)
			frame := produceFrame(batch)
			b.SetBytes(batch)
			b.ReportAllocs()
			for b.Loop() {
				c.ask(frame)
			}
		})
	}
}

func BenchmarkFetch(b *testing.B) {
	for _, impl := range benchImpls() {
		for _, transfer := range transferNames {
			b.Run("transfer="+transfer+"/impl="+impl, func(b *testing.B) { benchFetch(b, impl, transfer) })
		}
	}
	b.Run("transfer=sendfile/impl=broker", func(b *testing.B) { benchFetch(b, "broker", "sendfile") })
}

// benchFetch fetches 1 MiB of a log of 2 MB, again and again.
func benchFetch(b *testing.B, impl, transfer string) {
	const region = 1 << 20
	c := dialBench(b, startBench(b, impl, "goroutines", transfer))
	createTopic(c)
	frame := produceFrame(100_000)
	for range 20 {
		c.ask(frame)
	}
	q := kmsg.NewPtrFetchRequest()
	q.Version, q.MaxBytes, q.SessionEpoch = 11, region, -1
	q.Topics = []kmsg.FetchRequestTopic{{Topic: "bench", Partitions: []kmsg.FetchRequestTopicPartition{{CurrentLeaderEpoch: -1, PartitionMaxBytes: region}}}}
	least := region - len(frame) // a broker may leave out a last batch that would be cut
	frame = framed(q)
	b.SetBytes(region)
	b.ReportAllocs()
	for b.Loop() {
		if got := c.ask(frame); len(got) < least {
			b.Fatalf("%d bytes", len(got))
		}
	}
}
