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
	"slices"

	"golang.org/x/sync/errgroup"

	"highwater.dev/workbook/lab"
	"highwater.dev/workbook/manifest"
	"highwater.dev/workbook/trial"
)

// Options say what is run.
type Options struct {
	Root     string
	Chapters []*manifest.Chapter
	Cache    string // folder for outcomes, by what was compiled; empty: none
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
	Message       string // why it did not pass
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
	var all []*candidate
	for _, c := range o.Chapters {
		candidates, err := prepare(ctx, o.Root, c, filepath.Join(dir, c.Name))
		if err != nil {
			return nil, fmt.Errorf("mutants: chapter %s: %w", c.Name, err)
		}
		all = append(all, candidates...)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, o.Jobs))
	for _, m := range slices.Backward(all) { // mutants of later chapters wait longest for what does not come: they go first
		if m.kill.Defect != "" {
			continue
		}
		group.Go(func() error {
			if err := o.try(ctx, m); err != nil {
				return fmt.Errorf("mutants: exercise %s, mutant %q: %w", m.exercise.ID, m.mutant.ID, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var kills []Kill
	for _, m := range all {
		kills = append(kills, m.kill)
	}
	return kills, judge(o.Chapters, kills)
}

// try runs one candidate in a process of its own, unless the same code ran before, and fills its Kill.
func (o Options) try(ctx context.Context, m *candidate) error {
	c := trial.Case{Impl: m.impl(), Exercise: m.exercise.ID, Seed: 1, Tests: m.exercise.Tests.All()}
	outcome, err := o.cached(fmt.Sprintf("%s %s %+v", m.program.base, m.buildID, c), func() (trial.Outcome, error) {
		binary, err := m.program.build()
		if err != nil {
			return trial.Outcome{}, err
		}
		return trial.Run(ctx, binary, c, o.Limits)
	})
	if err != nil {
		return err
	}
	m.kill.How, m.kill.Message = outcome.State, outcome.Message
	for _, v := range outcome.Verdicts {
		if v.State != lab.Pass {
			m.kill.KilledBy = append(m.kill.KilledBy, v.Test)
		}
	}
	if outcome.State != lab.Pass && outcome.Running != "" { // it hung or ended the process there
		m.kill.KilledBy = append(m.kill.KilledBy, outcome.Running)
	}
	return nil
}

// cached is run's outcome, or the one that it had before with the same key and limits.
func (o Options) cached(key string, run func() (trial.Outcome, error)) (outcome trial.Outcome, err error) {
	if o.Cache == "" {
		return run()
	}
	file := filepath.Join(o.Cache, fmt.Sprintf("%x.json", sha256.Sum256(fmt.Appendf(nil, "%s %+v", key, o.Limits))))
	if content, err := os.ReadFile(file); err == nil && json.Unmarshal(content, &outcome) == nil {
		return outcome, nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return outcome, err
	}
	if outcome, err = run(); err != nil {
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
		case k.Defect != "":
			errs = append(errs, fmt.Errorf("mutants: exercise %s: mutant %s: %s", k.Exercise, k.Mutant, k.Defect))
		case k.Mutant == "" && k.How != lab.Pass:
			errs = append(errs, fmt.Errorf("mutants: the solution to %s does not pass: %s by %v: %s", k.Exercise, k.How, k.KilledBy, k.Message))
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
