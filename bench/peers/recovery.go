package peers

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"highwater.dev/bench/load"
)

// recoveries fills a log, kills its broker with signal 9, and measures how long the broker takes, from the start of its process,
// to serve all that was acknowledged. After a measurement it is killed again before it could write down that it recovered.
func (r *runner) recoveries(ctx context.Context, starters []Starter, dir string) error {
	name := fmt.Sprintf("Recovery/GB=%.3g", float64(r.plan.RecoveryBytes)/1e9)
	if !r.plan.wants(name) {
		return nil
	}
	dir = filepath.Join(dir, "recovery")
	defer os.RemoveAll(dir) //nolint:errcheck // inside of the run's folder
	shape := load.Shape{Topic: "recovery", Partitions: r.plan.Partitions, RecordBytes: 1024, TotalBytes: r.plan.RecoveryBytes}
	for _, starter := range brokers(starters) {
		if err := fillAndKill(ctx, starter, dir, shape); err != nil {
			return err
		}
		r.log.Info("log filled", "server", starter.Name, "bytes", shape.TotalBytes)
	}
	for round := range r.plan.few() {
		for _, starter := range inTurn(brokers(starters), round) {
			took, err := recoverOnce(ctx, starter, dir, shape)
			if err != nil {
				return err
			}
			r.samples = append(r.samples, Sample{name, starter.Name, []Value{seconds(took, "ready-s")}})
		}
	}
	r.log.Info("recovery measured", "rounds", r.plan.few())
	return nil
}

func fillAndKill(ctx context.Context, starter Starter, dir string, shape load.Shape) error {
	s, err := starter.start(ctx, dir)
	if err != nil {
		return err
	}
	shape.Addr = s.Addr
	err = load.CreateTopic(ctx, shape)
	if err == nil {
		_, err = load.Produce(ctx, shape)
	}
	if killErr := s.Kill(); err == nil {
		err = killErr
	}
	return err
}

func recoverOnce(ctx context.Context, starter Starter, dir string, shape load.Shape) (took time.Duration, err error) {
	begun := time.Now()
	s, err := starter.start(ctx, dir)
	if err != nil {
		return 0, err
	}
	err = awaitRecords(ctx, s.Addr, shape.Topic, shape.Partitions, shape.Records())
	took = time.Since(begun)
	if killErr := s.Kill(); err == nil {
		err = killErr
	}
	return took, err
}
