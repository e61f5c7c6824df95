package peers

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"highwater.dev/bench/peer"
)

// Server is a running server under test.
type Server struct {
	Name   string
	broker bool // it speaks Kafka's protocol
	*peer.Broker
}

// Starter starts a server on the data that it had before below a folder.
type Starter struct {
	Name   string
	Broker bool // it speaks Kafka's protocol; others only take part in the loads that are made for them
	Start  func(ctx context.Context, dir string) (*peer.Broker, error)
}

// kafkaJVM is Apache Kafka's own default heap and collector, not the small one of the conformance tests.
var kafkaJVM = []string{"-Xms1g", "-Xmx1g", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"}

// StartersFor are Highwater, twice, and Apache Kafka. binary is the highwater program.
func StartersFor(binary string) []Starter {
	highwater := func(ctx context.Context, dir string) (*peer.Broker, error) {
		return peer.StartHighwater(ctx, peer.Options{Dir: dir, Binary: binary, Admin: true})
	}
	return []Starter{{Highwater, true, highwater}, {Again, true, highwater}, {Kafka, true, func(ctx context.Context, dir string) (*peer.Broker, error) {
		return peer.StartKafka(ctx, peer.Options{Dir: dir, JVM: kafkaJVM})
	}}}
}

// WithoutKafka is for machines that cannot run it.
func WithoutKafka(starters []Starter) []Starter {
	return slices.DeleteFunc(starters, func(s Starter) bool { return s.Name == Kafka })
}

// FloorStarter starts this program, self, as the floor server: a process of its own, so that its CPU time is its own.
func FloorStarter(self string) Starter {
	return Starter{Floor, false, func(ctx context.Context, dir string) (*peer.Broker, error) {
		return peer.StartProgram(ctx, self, []string{"bench", "floor-server"}, dir)
	}}
}

// start starts a server with its data below dir.
func (s Starter) start(ctx context.Context, dir string) (*Server, error) {
	b, err := s.Start(ctx, filepath.Join(dir, s.Name))
	if err != nil {
		return nil, fmt.Errorf("peers: %s: %w", s.Name, err)
	}
	return &Server{s.Name, s.Broker, b}, nil
}

// startAll starts one server of each; stop stops them and adds what goes wrong to err.
func startAll(ctx context.Context, starters []Starter, dir string) (servers []*Server, stop func(err *error), err error) {
	stop = func(err *error) {
		for _, s := range servers {
			*err = errors.Join(*err, s.Stop())
		}
	}
	for _, starter := range starters {
		s, err := starter.start(ctx, dir)
		if err != nil {
			stop(&err)
			return nil, nil, err
		}
		servers = append(servers, s)
	}
	return servers, stop, nil
}

// brokers are the starters of those that speak Kafka's protocol, without the A/A twin: for what takes long.
func brokers(starters []Starter) []Starter {
	var out []Starter
	for _, s := range starters {
		if s.Broker && s.Name != Again {
			out = append(out, s)
		}
	}
	return out
}

// startUps starts and stops the brokers in turn. The first start of each formats its folder and is not counted.
func (r *runner) startUps(ctx context.Context, starters []Starter, dir string) error {
	if !r.plan.wants("StartUp") {
		return nil
	}
	for round := range r.plan.Rounds + 1 {
		for _, starter := range inTurn(starters, round) {
			if !starter.Broker {
				continue
			}
			s, err := starter.start(ctx, dir)
			if err != nil {
				return err
			}
			if round > 0 {
				r.samples = append(r.samples, Sample{"StartUp", s.Name, []Value{millis(s.Ready, "ready-ms")}})
			}
			if err := s.Stop(); err != nil {
				return fmt.Errorf("peers: %s: %w", s.Name, err)
			}
		}
	}
	r.log.Info("start-up measured", "rounds", r.plan.Rounds)
	return nil
}

func seconds(d time.Duration, unit string) Value { return Value{d.Seconds(), unit} }
