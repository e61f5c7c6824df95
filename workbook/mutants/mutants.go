// Package mutants shows that the graded suites reject wrong programs: it applies each named mutant to the teaching solution and
// runs its exercise's tests, which have to fail. The kill matrix says which test killed what.
package mutants

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"highwater.dev/workbook/lab"
	"highwater.dev/workbook/manifest"
	"highwater.dev/workbook/trial"
)

// Options say what is run.
type Options struct {
	Root     string
	Chapters []*manifest.Chapter
	Cache    string // folder for outcomes, by the content of the compiled program; empty: none
	Jobs     int    // at once
	Limits   trial.Limits
}

// Kill is the outcome of one mutant, or of the unchanged solution when Mutant is empty.
type Kill struct {
	Exercise      string
	Mutant        string
	Misconception string
	KilledBy      []string // tests that did not pass, or during which the process ended; with Mutant empty they are a defect
	How           lab.State
	Defect        string // why there is nothing to try: the text to find is not there once, or the mutant does not compile
}

// Run returns one Kill for each mutant and one for each exercise's unchanged solution, in the manifests' order. The error joins all
// that is wrong: a mutant that survives or does not compile, a solution that fails, a test that kills nothing.
func Run(ctx context.Context, o Options) (_ []Kill, err error) {
	dir, err := os.MkdirTemp("", "highwater-mutants-")
	if err != nil {
		return nil, fmt.Errorf("mutants: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var kills []*Kill
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, o.Jobs))
	for _, c := range o.Chapters {
		for i := range c.Exercises {
			e := &c.Exercises[i]
			for _, m := range append([]manifest.Mutant{{}}, e.Mutants...) {
				kill := &Kill{Exercise: e.ID, Mutant: m.ID, Misconception: m.Misconception}
				kills = append(kills, kill)
				group.Go(func() error {
					if err := o.one(ctx, dir, c, e, m, kill); err != nil {
						return fmt.Errorf("mutants: exercise %s, mutant %q: %w", e.ID, m.ID, err)
					}
					return nil
				})
			}
		}
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var all []Kill
	for _, k := range kills {
		all = append(all, *k)
	}
	return all, judge(o.Chapters, all)
}

// one builds and tries a single mutant.
func (o Options) one(ctx context.Context, dir string, c *manifest.Chapter, e *manifest.Exercise, m manifest.Mutant, kill *Kill) error {
	work, err := os.MkdirTemp(dir, "mutant-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work) //nolint:errcheck // inside a temporary folder that is removed in the end
	source := trial.Source{Root: o.Root, Chapter: c.Name, Replace: map[string]string{}}
	if m.ID != "" {
		name := filepath.Join("solutions", c.Name, e.File)
		mutated, err := apply(filepath.Join(o.Root, name), m)
		if errors.Is(err, errNotOnce) {
			kill.How, kill.Defect = lab.Build, err.Error()
			return nil
		} else if err != nil {
			return err
		}
		stand := filepath.Join(work, e.File)
		if err := os.WriteFile(stand, mutated, 0o600); err != nil {
			return err
		}
		source.Replace[name] = stand
	}
	binary, err := trial.Build(ctx, source, work)
	var broken *trial.BuildError
	if errors.As(err, &broken) {
		kill.How, kill.Defect = lab.Build, broken.Error()
		return nil
	} else if err != nil {
		return err
	}
	outcome, err := o.cached(ctx, binary, trial.Case{Impl: "solution", Exercise: e.ID, Seed: 1, Tests: e.Tests.All()})
	if err != nil {
		return err
	}
	kill.How = outcome.State
	for _, v := range outcome.Verdicts {
		if v.State != lab.Pass {
			kill.KilledBy = append(kill.KilledBy, v.Test)
		}
	}
	if outcome.State != lab.Pass && outcome.Running != "" { // it hung or ended the process there
		kill.KilledBy = append(kill.KilledBy, outcome.Running)
	}
	return nil
}

var errNotOnce = errors.New("the text to find does not stand there exactly once")

// apply makes the mutant's one change. The text to find stands exactly once.
func apply(file string, m manifest.Mutant) ([]byte, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if n := strings.Count(string(content), m.Find); n != 1 {
		return nil, fmt.Errorf("%w: %q stands %d times in %s", errNotOnce, m.Find, n, filepath.Base(file))
	}
	return []byte(strings.Replace(string(content), m.Find, m.Replace, 1)), nil
}

// cached runs the case unless the same program ran it before.
func (o Options) cached(ctx context.Context, b trial.Binary, c trial.Case) (trial.Outcome, error) {
	if o.Cache == "" {
		return trial.Run(ctx, b, c, o.Limits)
	}
	program, err := os.ReadFile(b.File)
	if err != nil {
		return trial.Outcome{}, err
	}
	key := sha256.New()
	key.Write(program)
	fmt.Fprintf(key, "%+v %+v", c, o.Limits)
	file := filepath.Join(o.Cache, fmt.Sprintf("%x.json", key.Sum(nil)))
	var outcome trial.Outcome
	if content, err := os.ReadFile(file); err == nil && json.Unmarshal(content, &outcome) == nil {
		return outcome, nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return outcome, err
	}
	if outcome, err = trial.Run(ctx, b, c, o.Limits); err != nil {
		return outcome, err
	}
	content, err := json.Marshal(outcome)
	if err != nil {
		return outcome, err
	}
	if err := os.MkdirAll(o.Cache, 0o755); err != nil {
		return outcome, err
	}
	return outcome, os.WriteFile(file, content, 0o600)
}

// judge finds what the kills show to be wrong.
func judge(chapters []*manifest.Chapter, kills []Kill) error {
	var errs []error
	killers := map[string]bool{}
	for _, k := range kills {
		switch {
		case k.Defect != "" && k.Mutant == "":
			errs = append(errs, fmt.Errorf("mutants: the solution to %s: %s", k.Exercise, k.Defect))
		case k.Defect != "":
			errs = append(errs, fmt.Errorf("mutants: exercise %s: mutant %s: %s", k.Exercise, k.Mutant, k.Defect))
		case k.Mutant == "" && k.How != lab.Pass:
			errs = append(errs, fmt.Errorf("mutants: the solution to %s does not pass: %s by %v", k.Exercise, k.How, k.KilledBy))
		case k.Mutant != "" && k.How == lab.Pass:
			errs = append(errs, fmt.Errorf("mutants: exercise %s: mutant %s survives: %s", k.Exercise, k.Mutant, k.Misconception))
		case k.Mutant != "":
			for _, name := range k.KilledBy {
				killers[name] = true
			}
		}
	}
	for _, c := range chapters {
		for _, e := range c.Exercises {
			for _, name := range e.Tests.All() {
				if !killers[name] {
					errs = append(errs, fmt.Errorf("mutants: exercise %s: test %s kills no mutant: it may test nothing", e.ID, name))
				}
			}
		}
	}
	return errors.Join(errs...)
}
