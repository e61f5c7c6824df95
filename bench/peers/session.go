package peers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"highwater.dev/bench/peer"
	"highwater.dev/bench/proc"
)

// The names of the servers in samples and tables.
const (
	Highwater = "highwater"
	Kafka     = "kafka"
	Floor     = "floor"
)

// kafkaJVM is Apache Kafka's own default heap and collector, not the small one of the conformance tests.
var kafkaJVM = []string{"-Xms1g", "-Xmx1g", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"}

// Starter starts one of the two brokers on the data it had before.
type Starter struct {
	Name  string
	Start func(context.Context) (*peer.Broker, error)
}

// Starters for Highwater, from the program binary, and Apache Kafka, each with its data below dir.
func Starters(binary, dir string) []Starter {
	return []Starter{
		{Highwater, func(ctx context.Context) (*peer.Broker, error) {
			return peer.StartHighwater(ctx, peer.Options{Dir: filepath.Join(dir, Highwater), Binary: binary})
		}},
		{Kafka, func(ctx context.Context) (*peer.Broker, error) {
			return peer.StartKafka(ctx, peer.Options{Dir: filepath.Join(dir, Kafka), JVM: kafkaJVM})
		}},
	}
}

// MeasureAll measures start-up, then the plan's loads, then peak memory. floorServer may be nil. Brokers that it
// started are stopped when it returns.
func MeasureAll(ctx context.Context, p Plan, starters []Starter, floorServer *Server, log *slog.Logger) (samples []Sample, err error) {
	samples, err = startUps(ctx, p.Rounds, starters)
	if err != nil {
		return nil, err
	}
	log.Info("start-up measured", "rounds", p.Rounds)
	var servers []Server
	for _, s := range starters {
		broker, startErr := s.Start(ctx)
		if startErr != nil {
			return nil, startErr
		}
		defer func() { err = errors.Join(err, broker.Stop()) }()
		servers = append(servers, Server{Name: s.Name, Addr: broker.Addr, Pid: broker.PID})
	}
	loads, err := Run(ctx, p, servers, floorServer, log)
	if err != nil {
		return nil, err
	}
	samples = append(samples, loads...)
	for _, s := range servers {
		peak, err := proc.PeakRSS(s.Pid)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		samples = append(samples, Sample{"memory", s.Name, "peak-RSS-MiB", float64(peak) / (1 << 20)})
	}
	return samples, nil
}

// startUps starts and stops the brokers in turn. The first start of each formats its folder and is not counted.
func startUps(ctx context.Context, rounds int, starters []Starter) ([]Sample, error) {
	var samples []Sample
	for round := range rounds + 1 {
		order := slices.Clone(starters)
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, s := range order {
			broker, err := s.Start(ctx)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.Name, err)
			}
			if round > 0 {
				ms := float64(broker.Ready) / float64(time.Millisecond)
				samples = append(samples, Sample{"start-up", s.Name, "ready-ms", ms})
			}
			if err := broker.Stop(); err != nil {
				return nil, fmt.Errorf("%s: %w", s.Name, err)
			}
		}
	}
	return samples, nil
}
