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
	"strings"
	"sync"

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
	KilledBy      []string // tests that did not pass; with Mutant empty they are a defect
	How           lab.State
}

// Run returns one Kill for each mutant and one for each exercise's unchanged solution. The error joins all that is wrong: a mutant
// that survives or does not compile, a solution that fails, a test that kills nothing.
func Run(ctx context.Context, o Options) ([]Kill, error) {
	dir, err := os.MkdirTemp("", "highwater-mutants-")
	if err != nil {
		return nil, fmt.Errorf("mutants: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	var (
		mu    sync.Mutex
		kills []Kill
	)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, o.Jobs))
	for _, c := range o.Chapters {
		for i := range c.Exercises {
			e := &c.Exercises[i]
			for _, m := range append([]manifest.Mutant{{}}, e.Mutants...) {
				group.Go(func() error {
					kill, err := o.one(ctx, dir, c, e, m)
					if err != nil {
						return fmt.Errorf("mutants: exercise %s, mutant %q: %w", e.ID, m.ID, err)
					}
					mu.Lock()
					defer mu.Unlock()
					kills = append(kills, kill)
					return nil
				})
			}
		}
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	slices.SortFunc(kills, func(a, b Kill) int {
		return strings.Compare(a.Exercise+"/"+a.Mutant, b.Exercise+"/"+b.Mutant)
	})
	return kills, judge(o.Chapters, kills)
}

// one builds and tries a single mutant.
func (o Options) one(ctx context.Context, dir string, c *manifest.Chapter, e *manifest.Exercise, m manifest.Mutant) (Kill, error) {
	kill := Kill{Exercise: e.ID, Mutant: m.ID, Misconception: m.Misconception}
	work, err := os.MkdirTemp(dir, "mutant-")
	if err != nil {
		return kill, err
	}
	defer os.RemoveAll(work) //nolint:errcheck // inside a temporary folder
	source := trial.Source{Root: o.Root, Chapter: c.Name, Replace: map[string]string{}}
	if m.ID != "" {
		name := filepath.Join("solutions", c.Name, e.File)
		mutated, err := apply(filepath.Join(o.Root, name), m)
		if err != nil {
			return kill, err
		}
		stand := filepath.Join(work, e.File)
		if err := os.WriteFile(stand, mutated, 0o600); err != nil {
			return kill, err
		}
		source.Replace[name] = stand
	}
	binary, err := trial.Build(ctx, source, work)
	if err != nil {
		return kill, err
	}
	outcome, err := o.cached(ctx, binary, trial.Case{Impl: "solution", Exercise: e.ID, Seed: 1, Tests: e.Tests.All()})
	if err != nil {
		return kill, err
	}
	kill.How = outcome.State
	for _, v := range outcome.Verdicts {
		if v.State != lab.Pass {
			kill.KilledBy = append(kill.KilledBy, v.Test)
		}
	}
	// A mutant that hangs or crashes the process is killed by the first test that did not report.
	if outcome.State != lab.Pass && len(kill.KilledBy) == 0 {
		for _, name := range e.Tests.All() {
			if !slices.ContainsFunc(outcome.Verdicts, func(v lab.Verdict) bool { return v.Test == name }) {
				kill.KilledBy = append(kill.KilledBy, name)
				break
			}
		}
	}
	return kill, nil
}

// apply makes the mutant's one change. The text to find stands exactly once.
func apply(file string, m manifest.Mutant) ([]byte, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if n := strings.Count(string(content), m.Find); n != 1 {
		return nil, fmt.Errorf("%q stands %d times in %s, want once", m.Find, n, filepath.Base(file))
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
