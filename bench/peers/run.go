package peers

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
)

// loadGC is the garbage collector's goal for this process, in percent. With Go's default of 100 a client that takes
// records of 100 B spends more processor time on its own collections than the servers spend on serving it, and what is
// measured is the client. It is the same for every server.
const loadGC = 400

// task is one thing that running servers are measured at.
type task struct {
	name    string
	fits    func(s *Server) bool
	measure measureFunc
}

// measureFunc takes one sample of each load that it measures.
type measureFunc func(ctx context.Context, round int, s *Server) ([]Sample, error)

// runner measures.
type runner struct {
	plan    Plan
	java    bool // Apache Kafka's tools can be run
	log     *slog.Logger
	samples []Sample
}

// Run measures what the plan wants of the servers that starters start, and stops them. dir is a folder on
// the disk that holds the servers' data.
func Run(ctx context.Context, p Plan, starters []Starter, dir string, log *slog.Logger) ([]Sample, error) {
	defer debug.SetGCPercent(debug.SetGCPercent(loadGC))
	r := &runner{plan: p, log: log, java: slices.ContainsFunc(starters, func(s Starter) bool { return s.Name == Kafka })}
	for _, part := range []func(context.Context, []Starter, string) error{
		r.startUps, r.throughput, r.recoveries, r.idlePartitions, r.idleConnections,
	} {
		if err := part(ctx, starters, dir); err != nil {
			return nil, err
		}
	}
	return r.samples, nil
}

// throughput starts all servers once and has them do all tasks, round by round; afterwards those that draw curves.
func (r *runner) throughput(ctx context.Context, starters []Starter, dir string) (err error) {
	unwanted := func(t task) bool { return !r.plan.wants(t.name) }
	tasks, sweeps := slices.DeleteFunc(r.tasks(dir), unwanted), slices.DeleteFunc(r.sweeps(), unwanted)
	if len(tasks)+len(sweeps) == 0 {
		return nil
	}
	servers, stop, err := startAll(ctx, starters, dir)
	if err != nil {
		return err
	}
	defer stop(&err)
	if err := r.rounds(ctx, tasks, r.plan.Rounds, servers); err != nil {
		return err
	}
	if err := r.memory("Memory", servers); err != nil {
		return err
	}
	if err := r.rounds(ctx, sweeps, r.plan.few(), servers); err != nil {
		return err
	}
	if err := r.memory("Memory/after=sweeps", servers); err != nil {
		return err
	}
	return r.profiles(ctx, servers)
}

// rounds has all servers do all tasks, n times and once more, first, to warm up.
func (r *runner) rounds(ctx context.Context, tasks []task, n int, servers []*Server) error {
	if len(tasks) == 0 {
		return nil
	}
	for round := range n + 1 {
		for _, t := range tasks {
			if err := r.once(ctx, t, round, servers); err != nil {
				return err
			}
		}
		r.log.Info("round measured", "round", round, "of", n, "warm-up", round == 0, "first", tasks[0].name)
	}
	return nil
}

// once has every server do the task, in an order that turns with the round: a drift of the machine hits all.
func (r *runner) once(ctx context.Context, t task, round int, servers []*Server) error {
	for _, s := range inTurn(servers, round) {
		if !t.fits(s) {
			continue
		}
		got, err := t.measure(ctx, round, s)
		if err != nil {
			return fmt.Errorf("peers: %s of %s: %w", t.name, s.Name, err)
		}
		if round > 0 {
			r.samples = append(r.samples, got...)
		}
	}
	return nil
}

// inTurn is A B C in even rounds and C B A in odd ones.
func inTurn[T any](all []T, round int) []T {
	order := slices.Clone(all)
	if round%2 == 1 {
		slices.Reverse(order)
	}
	return order
}
