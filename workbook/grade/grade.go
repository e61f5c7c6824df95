// Package grade says which exercises a learner's files solve. It fails closed: only a complete list of passed tests, from
// the verdict channel of package lab, earns points; what cannot be decided earns none and says why.
//
// The files are tried in the checkout that runs the grader, through an overlay: a submission's own tests, manifests or tools
// never take part. Each exercise is tried first inside the learner's package, then with the learner's file among
// the solution's other files, and a pass in either counts: one broken file costs one exercise.
package grade

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"highwater.dev/workbook/generate"
	"highwater.dev/workbook/lab"
	"highwater.dev/workbook/manifest"
	"highwater.dev/workbook/trial"
)

// Options say what is graded.
type Options struct {
	Root       string              // the pristine checkout that runs the grader
	Submission string              // folder that holds NN-name/*.go, as exercises/ does
	Chapters   []*manifest.Chapter // graded
	Only       string              // one exercise's id; empty for all
	Seed       uint64              // of property and fault tests; an instructor keeps it
	Limits     trial.Limits
}

// Result is one exercise's.
type Result struct {
	Chapter  string        `json:"chapter"`
	Exercise string        `json:"exercise"`
	Title    string        `json:"title"`
	State    lab.State     `json:"state"`
	Points   int           `json:"points"` // earned
	Of       int           `json:"of"`
	Message  string        `json:"message,omitempty"`
	Tests    []lab.Verdict `json:"tests,omitempty"`
	Took     time.Duration `json:"took_ns"`
}

// Run grades and returns a result for every exercise asked for, in order. The error says that grading itself could not be done.
func Run(ctx context.Context, o Options) ([]Result, error) {
	var results []Result
	for _, c := range o.Chapters {
		g, err := newChapter(o, c)
		if err != nil {
			return nil, err
		}
		graded, err := g.run(ctx)
		if err = errors.Join(err, os.RemoveAll(g.dir)); err != nil {
			return nil, err
		}
		results = append(results, graded...)
	}
	if len(results) == 0 {
		return nil, fmt.Errorf("grade: there is no exercise %q", o.Only)
	}
	return results, nil
}

// chapter grades one chapter's exercises.
type chapter struct {
	Options
	*manifest.Chapter
	rules  rules
	dir    string            // temporary
	starts map[string][]byte // file → what the reader started from
	mine   map[string]string // exercise's file below Root → the learner's copy
}

func newChapter(o Options, c *manifest.Chapter) (*chapter, error) {
	g := &chapter{Options: o, Chapter: c, mine: map[string]string{}}
	var err error
	if g.rules, err = rulesFor(o.Root, c); err != nil {
		return nil, err
	}
	if g.starts, err = generate.Chapter(o.Root, c); err != nil {
		return nil, err
	}
	if g.dir, err = os.MkdirTemp("", "highwater-grade-"); err != nil {
		return nil, fmt.Errorf("grade: %w", err)
	}
	// The learner's files and the pristine rest; what else the submission holds is not looked at.
	for name, start := range g.starts {
		content := start
		if g.isExercise(filepath.Base(name)) {
			read, err := readRegular(filepath.Join(o.Submission, c.Name, filepath.Base(name)))
			switch {
			case errors.Is(err, fs.ErrNotExist):
			case err != nil:
				return nil, fmt.Errorf("grade: %w", err)
			default:
				content = read
			}
		}
		if g.mine[name], err = g.place(name, content); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// maxFile bounds a submitted file, in bytes.
const maxFile = 1 << 20

// readRegular reads a plain file of sensible size: no link out of the submission, no device.
func readRegular(name string) ([]byte, error) {
	info, err := os.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a plain file", name)
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s has %d bytes, at most %d are read", name, info.Size(), maxFile)
	}
	return os.ReadFile(name)
}

func (g *chapter) isExercise(file string) bool {
	for _, e := range g.Exercises {
		if e.File == file {
			return true
		}
	}
	return false
}

// place writes a file's stand-in into the temporary folder.
func (g *chapter) place(name string, content []byte) (string, error) {
	file := filepath.Join(g.dir, filepath.Base(name))
	if err := os.WriteFile(file, content, 0o600); err != nil {
		return "", fmt.Errorf("grade: %w", err)
	}
	return file, nil
}

func (g *chapter) run(ctx context.Context) ([]Result, error) {
	var results []Result
	own := &built{}
	for i := range g.Exercises {
		e := &g.Exercises[i]
		if g.Only != "" && g.Only != e.ID {
			continue
		}
		begin := time.Now()
		outcome, err := g.exercise(ctx, e, own)
		if err != nil {
			return nil, fmt.Errorf("grade: exercise %s: %w", e.ID, err)
		}
		r := Result{
			Chapter: g.Name, Exercise: e.ID, Title: e.Title, State: outcome.State, Of: e.Points,
			Message: outcome.Message, Tests: outcome.Verdicts, Took: time.Since(begin),
		}
		if r.State == lab.Pass {
			r.Points = e.Points
		}
		results = append(results, r)
	}
	return results, nil
}

// built is a program that is compiled when it is first needed.
type built struct {
	done   bool
	binary trial.Binary
	err    error
}

// exercise tries the learner's package as a whole, then the one file among the solution's.
func (g *chapter) exercise(ctx context.Context, e *manifest.Exercise, own *built) (trial.Outcome, error) {
	name := filepath.Join("exercises", g.Name, e.File)
	content, err := os.ReadFile(g.mine[name])
	if err != nil {
		return trial.Outcome{}, err
	}
	if string(content) == string(g.starts[name]) {
		return trial.Outcome{State: lab.NoStart, Message: "the file is as it was made"}, nil
	}
	if err := g.rules.check(e.File, content); err != nil {
		return trial.Outcome{State: lab.Fail, Message: err.Error()}, nil
	}
	first, err := g.whole(ctx, e, own)
	if err != nil || first.State == lab.Pass || first.State == lab.NoStart {
		return first, err
	}
	second, err := g.alone(ctx, e, name)
	if err != nil {
		return trial.Outcome{}, err
	}
	if second.State == lab.Pass || first.State == lab.Build || first.State == lab.NotRun {
		return second, nil
	}
	return first, nil
}

// whole tries the exercise inside the learner's own package. A package with a refused file is not run as a whole.
func (g *chapter) whole(ctx context.Context, e *manifest.Exercise, own *built) (trial.Outcome, error) {
	if !own.done {
		own.done = true
		own.err = g.checkAll()
		if own.err == nil {
			own.binary, own.err = g.build(ctx, g.mine)
		}
	}
	return g.try(ctx, e, own.binary, own.err)
}

// alone tries the exercise's file among the solution's other files.
func (g *chapter) alone(ctx context.Context, e *manifest.Exercise, name string) (trial.Outcome, error) {
	replace := map[string]string{}
	for other := range g.starts {
		replace[other] = filepath.Join(g.Root, "solutions", g.Name, filepath.Base(other))
	}
	replace[name] = g.mine[name]
	binary, err := g.build(ctx, replace)
	return g.try(ctx, e, binary, err)
}

func (g *chapter) checkAll() error {
	var errs []error
	for name, file := range g.mine {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if g.isExercise(filepath.Base(name)) {
			errs = append(errs, g.rules.check(filepath.Base(name), content))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return &trial.BuildError{Output: err.Error()}
	}
	return nil
}

func (g *chapter) build(ctx context.Context, replace map[string]string) (trial.Binary, error) {
	dir, err := os.MkdirTemp(g.dir, "build-")
	if err != nil {
		return trial.Binary{}, err
	}
	return trial.Build(ctx, trial.Source{Root: g.Root, Chapter: g.Name, Mine: true, Replace: replace}, dir)
}

// try runs a built program; a build error becomes the state BUILD.
func (g *chapter) try(ctx context.Context, e *manifest.Exercise, binary trial.Binary, buildErr error) (trial.Outcome, error) {
	var broken *trial.BuildError
	if errors.As(buildErr, &broken) {
		return trial.Outcome{State: lab.Build, Message: broken.Error()}, nil
	}
	if buildErr != nil {
		return trial.Outcome{}, buildErr
	}
	return trial.Run(ctx, binary, trial.Case{Impl: "mine", Exercise: e.ID, Seed: g.Seed, Tests: e.Tests.All()}, g.Limits)
}
