package peers

import (
	"context"
	"fmt"
	"time"

	"highwater.dev/bench/floor"
	"highwater.dev/bench/limits"
	"highwater.dev/bench/load"
	"highwater.dev/bench/proc"
)

// tasks are what running servers do, in the order of a round.
func (r *runner) tasks(dir string) []task {
	all := []task{{"Limit", isFloor, r.limits(dir)}}
	for _, size := range r.plan.RecordBytes {
		all = append(all,
			task{fmt.Sprintf("Produce/size=%d", size), isFloor, r.floor(size)},
			task{fmt.Sprintf("Produce/size=%d", size), isNats, r.nats(size)},
			task{fmt.Sprintf("Produce+Consume/size=%d", size), isBroker, r.produceAndConsume(size)},
			task{fmt.Sprintf("Perf/size=%d", size), func(s *Server) bool { return r.java && s.broker }, r.perfTool(size)})
	}
	return append(all, task{fmt.Sprintf("AckLatency/rate=%d", r.plan.LatencyRate), isBroker, r.latency})
}

// sweeps draw curves: one thing is changed, everything else is as it was.
func (r *runner) sweeps() (all []task) {
	add := func(key string, value any, change func(*load.Options)) {
		name := fmt.Sprintf("Sweep/size=1024/%s=%v", key, value)
		all = append(all, task{name, notAgain, r.sweep(name, change)})
	}
	for _, n := range r.plan.SweepBatches {
		add("batch-bytes", n, func(o *load.Options) { o.BatchBytes = n })
	}
	for _, n := range r.plan.SweepPartitions {
		add("partitions", n, func(o *load.Options) { o.Partitions = n })
	}
	for _, n := range r.plan.SweepProducers {
		add("producers", n, func(o *load.Options) { o.Producers = n })
	}
	return all
}

func isBroker(s *Server) bool { return s.broker }
func isFloor(s *Server) bool  { return s.Name == Floor }
func isNats(s *Server) bool   { return s.Name == Nats }
func notAgain(s *Server) bool { return s.broker && s.Name != Again }

// cpu runs f and returns the processor time that the server used meanwhile.
func cpu(s *Server, f func() error) (time.Duration, error) {
	before, err := proc.CPU(s.PID)
	if err != nil {
		return 0, err
	}
	if err := f(); err != nil {
		return 0, err
	}
	after, err := proc.CPU(s.PID)
	return after - before, err
}

// limits measures the machine itself. It comes with the floor, once a round.
func (r *runner) limits(dir string) measureFunc {
	return func(context.Context, int, *Server) ([]Sample, error) {
		measured, err := limits.Measure(dir, r.plan.Bytes/2)
		var out []Sample
		for _, l := range measured {
			out = append(out, Sample{"Limit/what=" + l.What, Limit, []Value{{l.Value, l.Unit}}})
		}
		return out, err
	}
}

// floor pushes the same bytes to the floor server.
func (r *runner) floor(size int) measureFunc {
	return func(_ context.Context, _ int, s *Server) ([]Sample, error) {
		begun := time.Now()
		used, err := cpu(s, func() error { return floor.Push(s.Addr, int(r.plan.Partitions), r.plan.FloorFrame, r.plan.Bytes) })
		if err != nil {
			return nil, err
		}
		values := []Value{rate(r.plan.Bytes, time.Since(begun)), cost(r.plan.Bytes, used)}
		return []Sample{{fmt.Sprintf("Produce/size=%d", size), s.Name, values}}, nil
	}
}

// produceAndConsume fills a new topic, reads it back and removes it.
func (r *runner) produceAndConsume(size int) measureFunc {
	return func(ctx context.Context, round int, s *Server) ([]Sample, error) {
		shape := load.Shape{
			Addr: s.Addr, Topic: fmt.Sprintf("bench-%d-%d", size, round), Partitions: r.plan.Partitions,
			RecordBytes: size, TotalBytes: r.plan.Bytes,
		}
		if err := load.CreateTopic(ctx, shape); err != nil {
			return nil, err
		}
		var samples []Sample
		for _, phase := range []struct {
			name string
			run  func(context.Context, load.Shape) (time.Duration, error)
		}{{"Produce", load.Produce}, {"Consume", load.Consume}} {
			var took time.Duration
			used, err := cpu(s, func() (err error) { took, err = phase.run(ctx, shape); return err })
			if err != nil {
				return nil, err
			}
			samples = append(samples, Sample{
				fmt.Sprintf("%s/size=%d", phase.name, size), s.Name, []Value{rate(shape.TotalBytes, took), cost(shape.TotalBytes, used)},
			})
		}
		return samples, load.DeleteTopic(ctx, shape)
	}
}

func (r *runner) latency(ctx context.Context, round int, s *Server) ([]Sample, error) {
	shape := load.Shape{Addr: s.Addr, Topic: fmt.Sprintf("latency-%d", round), Partitions: r.plan.Partitions, RecordBytes: 1024}
	if err := load.CreateTopic(ctx, shape); err != nil {
		return nil, err
	}
	took, err := load.Latency(ctx, shape, r.plan.LatencyRate, r.plan.Latency)
	if err != nil {
		return nil, err
	}
	at := func(percent float64, unit string) Value { return millis(load.Percentile(took, percent), unit) }
	values := []Value{at(50, "p50-ms"), at(99, "p99-ms"), at(99.9, "p99.9-ms")}
	return []Sample{{fmt.Sprintf("AckLatency/rate=%d", r.plan.LatencyRate), s.Name, values}}, load.DeleteTopic(ctx, shape)
}

// sweep produces as the options say, with one thing changed.
func (r *runner) sweep(name string, change func(*load.Options)) measureFunc {
	return func(ctx context.Context, _ int, s *Server) ([]Sample, error) {
		o := load.Defaults()
		o.Bootstrap, o.Partitions, o.Pid = s.Addr, r.plan.Partitions, s.PID
		o.Payload.RandomRatio, o.WarmUp, o.Duration, o.Bytes = 1, 0, 0, r.plan.SweepBytes
		change(&o)
		begun, err := proc.CPU(s.PID)
		if err != nil {
			return nil, err
		}
		result, err := load.Run(ctx, o)
		if err != nil {
			return nil, err
		}
		ended, err := proc.CPU(s.PID)
		if err != nil {
			return nil, err
		}
		return []Sample{{name, s.Name, []Value{rate(result.Bytes, result.Elapsed), cost(result.Bytes, ended-begun)}}}, result.Err()
	}
}

// memory is the most that each broker has held in memory since it was started.
func (r *runner) memory(name string, servers []*Server) error {
	if !r.plan.wants(name) {
		return nil
	}
	for _, s := range servers {
		if !s.broker {
			continue
		}
		peak, err := proc.PeakRSS(s.PID)
		if err != nil {
			return fmt.Errorf("peers: %s: %w", s.Name, err)
		}
		r.samples = append(r.samples, Sample{name, s.Name, []Value{mebibytes(peak, "peak-RSS-MiB")}})
	}
	return nil
}
