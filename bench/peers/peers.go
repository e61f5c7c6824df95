// Package peers measures Highwater, Apache Kafka and the floor in one run, alternating, so that the noise of a
// shared machine falls on all of them alike: what is quoted are medians and ratios.
package peers

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"highwater.dev/bench/floor"
	"highwater.dev/bench/load"
	"highwater.dev/bench/proc"
)

// Server is a running server under test.
type Server struct {
	Name string
	Addr string // bootstrap address
	Pid  int
}

// Plan says what is measured.
type Plan struct {
	Rounds      int   // measured samples of each server and load; one more, first, warms up
	Bytes       int64 // record values in a throughput sample
	Partitions  int32
	RecordBytes []int
	LatencyRate int           // records a second
	Latency     time.Duration // of a latency sample
	FloorFrame  int64         // bytes in a frame sent to the floor: that of a large produce request
}

// DefaultPlan is what docs/performance.md is made with.
func DefaultPlan() Plan {
	return Plan{
		Rounds: 5, Bytes: 512 << 20, Partitions: 4, RecordBytes: []int{1024, 100},
		LatencyRate: 2000, Latency: 10 * time.Second, FloorFrame: 1 << 20,
	}
}

// Sample is one measured value.
type Sample struct {
	Load   string // "produce/size=1024" and so on
	Server string
	Unit   string // "MB/s", "cpu-s/GB", "p99-ms" …
	Value  float64
}

// Run measures all servers, and the floor server where its address is given, under the plan's loads.
func Run(ctx context.Context, p Plan, servers []Server, floorServer *Server, log *slog.Logger) ([]Sample, error) {
	var samples []Sample
	for round := range p.Rounds + 1 {
		order := slices.Clone(servers)
		if round%2 == 1 {
			slices.Reverse(order) // A B, then B A: a drift of the machine hits both
		}
		var got []Sample
		for _, size := range p.RecordBytes {
			if floorServer != nil {
				s, err := measureFloor(p, *floorServer, size)
				if err != nil {
					return nil, err
				}
				got = append(got, s...)
			}
			for _, server := range order {
				s, err := measureThroughput(ctx, p, server, size, round)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", server.Name, err)
				}
				got = append(got, s...)
			}
		}
		for _, server := range order {
			s, err := measureLatency(ctx, p, server, round)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", server.Name, err)
			}
			got = append(got, s...)
		}
		log.Info("round measured", "round", round, "of", p.Rounds, "warm-up", round == 0)
		if round > 0 {
			samples = append(samples, got...)
		}
	}
	return samples, nil
}

func measureFloor(p Plan, server Server, size int) ([]Sample, error) {
	before, err := proc.CPU(server.Pid)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if err := floor.Push(server.Addr, int(p.Partitions), p.FloorFrame, p.Bytes); err != nil {
		return nil, err
	}
	return throughput(fmt.Sprintf("produce/size=%d", size), server, p.Bytes, time.Since(start), before)
}

func measureThroughput(ctx context.Context, p Plan, server Server, size, round int) ([]Sample, error) {
	shape := load.Shape{
		Addr: server.Addr, Topic: fmt.Sprintf("bench-%d-%d", size, round), Partitions: p.Partitions,
		RecordBytes: size, TotalBytes: p.Bytes,
	}
	if err := load.CreateTopic(ctx, shape); err != nil {
		return nil, err
	}
	var samples []Sample
	for _, phase := range []struct {
		name string
		run  func(context.Context, load.Shape) (time.Duration, error)
	}{{"produce", load.Produce}, {"consume", load.Consume}} {
		before, err := proc.CPU(server.Pid)
		if err != nil {
			return nil, err
		}
		took, err := phase.run(ctx, shape)
		if err != nil {
			return nil, err
		}
		s, err := throughput(fmt.Sprintf("%s/size=%d", phase.name, size), server, p.Bytes, took, before)
		if err != nil {
			return nil, err
		}
		samples = append(samples, s...)
	}
	return samples, load.DeleteTopic(ctx, shape)
}

func measureLatency(ctx context.Context, p Plan, server Server, round int) ([]Sample, error) {
	shape := load.Shape{Addr: server.Addr, Topic: fmt.Sprintf("latency-%d", round), Partitions: p.Partitions, RecordBytes: 1024}
	if err := load.CreateTopic(ctx, shape); err != nil {
		return nil, err
	}
	took, err := load.Latency(ctx, shape, p.LatencyRate, p.Latency)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("ack-latency/rate=%d", p.LatencyRate)
	ms := func(p float64) float64 { return float64(load.Percentile(took, p)) / float64(time.Millisecond) }
	return []Sample{
		{name, server.Name, "p50-ms", ms(50)},
		{name, server.Name, "p99-ms", ms(99)},
	}, load.DeleteTopic(ctx, shape)
}

// throughput turns bytes, time and the CPU time used since before into samples. A GB is 1e9 bytes.
func throughput(name string, server Server, bytes int64, took, before time.Duration) ([]Sample, error) {
	after, err := proc.CPU(server.Pid)
	if err != nil {
		return nil, err
	}
	return []Sample{
		{name, server.Name, "MB/s", float64(bytes) / 1e6 / took.Seconds()},
		{name, server.Name, "cpu-s/GB", (after - before).Seconds() / (float64(bytes) / 1e9)},
	}, nil
}

// WriteBenchmarks writes the samples as Go benchmark lines, which benchstat reads.
func WriteBenchmarks(w io.Writer, samples []Sample) error {
	for _, s := range samples {
		if _, err := fmt.Fprintf(w, "Benchmark%s/impl=%s 1 %g %s\n", benchmarkName(s.Load), s.Server, s.Value, s.Unit); err != nil {
			return err
		}
	}
	return nil
}

func benchmarkName(load string) string {
	return string(load[0]-'a'+'A') + load[1:]
}
