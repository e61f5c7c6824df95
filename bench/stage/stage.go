package stage

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"highwater.dev/bench/stat"
)

// Plan says what is measured.
type Plan struct {
	Root      string        // the checkout
	Chapter   string        // folder below chapters/
	Impls     []string      // the first one is what the others are compared with
	Benchmark string        // regular expression of names; "." is all
	Samples   int           // rounds
	Time      time.Duration // of one sample
	Profiles  string        // folder for profiles, taken after all samples; empty: none
}

// DefaultPlan compares the solution with the broker.
func DefaultPlan() Plan {
	return Plan{Impls: []string{"solution", "broker"}, Benchmark: ".", Samples: 10, Time: 100 * time.Millisecond}
}

// Validate tells what is wrong with the plan.
func (p Plan) Validate() error {
	switch known := []string{"solution", "mine", "broker"}; {
	case len(p.Impls) == 0:
		return fmt.Errorf("impl: at least one of %v", known)
	case slices.ContainsFunc(p.Impls, func(i string) bool { return !slices.Contains(known, i) }):
		return fmt.Errorf("impl: %v, each must be one of %v", p.Impls, known)
	case len(slices.Compact(slices.Sorted(slices.Values(p.Impls)))) < len(p.Impls):
		return fmt.Errorf("impl: %v names one twice; the first has its twin anyway", p.Impls)
	case p.Samples < 1:
		return fmt.Errorf("samples: %d, must be at least 1", p.Samples)
	case p.Time <= 0:
		return fmt.Errorf("benchtime: %v, must be above 0", p.Time)
	}
	if _, err := regexp.Compile(p.Benchmark); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	return nil
}

// Run measures and writes the samples to out.
func Run(ctx context.Context, p Plan, out io.Writer, log *slog.Logger) (err error) {
	if err := p.Validate(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "highwater-stage-")
	if err != nil {
		return fmt.Errorf("stage: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	program, err := build(ctx, p, dir)
	if err != nil {
		return err
	}
	names, err := program.list(ctx, p.Benchmark)
	if err != nil {
		return err
	}
	runs, err := p.runs(names)
	if err != nil {
		return err
	}
	for round := range p.Samples {
		order := slices.Clone(runs)
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, r := range order {
			lines, err := program.bench(ctx, r.names, p.Time)
			if err != nil {
				return fmt.Errorf("stage: %s: %w", r.as, err)
			}
			if _, err := io.WriteString(out, r.rename(lines)); err != nil {
				return err
			}
		}
		log.Info("round measured", "round", round+1, "of", p.Samples)
	}
	return p.profiles(ctx, program, dir, runs)
}

// run is one implementation's part of a round.
type run struct {
	impl, as string   // as: what the samples are called
	names    []string // of the benchmarks, in full
}

// runs are those of all implementations, and the twin of the first.
func (p Plan) runs(names []string) ([]run, error) {
	var runs []run
	for _, impl := range p.Impls {
		own := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return implOf(name) != impl })
		if len(own) == 0 {
			return nil, fmt.Errorf("stage: no benchmark of %s with impl=%s in its name matches %q", p.Chapter, impl, p.Benchmark)
		}
		runs = append(runs, run{impl, impl, own})
	}
	return append(runs, run{p.Impls[0], p.Impls[0] + stat.Again, runs[0].names}), nil
}

// implOf is the value of the key impl in a benchmark's name, "" when it has none.
func implOf(name string) string {
	for _, part := range strings.Split(name, "/") {
		if impl, ok := strings.CutPrefix(part, "impl="); ok {
			return impl
		}
	}
	return ""
}

// rename gives the twin's lines its name.
func (r run) rename(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		if r.as != r.impl {
			line = strings.Replace(line, "/impl="+r.impl, "/impl="+r.as, 1)
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}
