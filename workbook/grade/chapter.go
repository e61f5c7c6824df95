package grade

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"highwater.dev/workbook/generate"
	"highwater.dev/workbook/lab"
	"highwater.dev/workbook/manifest"
	"highwater.dev/workbook/trial"
)

// chapter grades one chapter's exercises. Names of exercises' files are relative to the root: exercises/NN-name/file.go.
type chapter struct {
	Options
	*manifest.Chapter
	rules     rules
	dir       string            // temporary
	starts    map[string][]byte // file → what the reader started from; shared files too
	mine      map[string]string // file → where the learner's copy is, or the start's
	faults    map[string]fault  // file → why it is not tried
	own       *built            // the learner's package as a whole
	unchanged *built            // the solution in the learner's place
}

// fault is why a file is not tried, and its exercise's state.
type fault struct {
	state   lab.State
	message string
}

// built is a program that is compiled when it is first needed.
type built struct {
	done   bool
	binary trial.Binary
	err    error
}

func newChapter(o Options, c *manifest.Chapter) (_ *chapter, err error) {
	g := &chapter{Options: o, Chapter: c, mine: map[string]string{}, faults: map[string]fault{}, own: &built{}, unchanged: &built{}}
	if g.rules, err = rulesFor(o.Root, c); err != nil {
		return nil, err
	}
	if g.starts, err = generate.Chapter(o.Root, c); err != nil {
		return nil, err
	}
	if g.dir, err = os.MkdirTemp("", "highwater-grade-"); err != nil {
		return nil, fmt.Errorf("grade: %w", err)
	}
	if err := errors.Join(g.collect(), g.checkMethods()); err != nil {
		return nil, errors.Join(err, os.RemoveAll(g.dir))
	}
	return g, nil
}

// collect copies the learner's exercise files, and the pristine rest; what else the submission holds is not looked at.
func (g *chapter) collect() error {
	root, err := os.OpenRoot(g.Submission) // no link leads out of it
	if err != nil {
		return fmt.Errorf("grade: %w", err)
	}
	defer root.Close() //nolint:errcheck // opened for reading: nothing can be lost
	for name, start := range g.starts {
		content := start
		if g.isExercise(filepath.Base(name)) {
			if read, f := g.read(root, filepath.Base(name), start); f != nil {
				g.faults[name] = *f
			} else {
				content = read
			}
		}
		g.mine[name] = filepath.Join(g.dir, filepath.Base(name))
		if err := os.WriteFile(g.mine[name], content, 0o600); err != nil {
			return fmt.Errorf("grade: %w", err)
		}
	}
	return nil
}

// checkMethods looks for methods that do the learner's work, in the package as a whole and in each file among the solution's others: these
// are what is compiled. A refused file's place is taken by its start.
func (g *chapter) checkMethods() error {
	var tried []string // files of the learner's
	for _, e := range g.Exercises {
		name := filepath.Join("exercises", g.Name, e.File)
		if _, bad := g.faults[name]; !bad {
			tried = append(tried, e.File)
		}
	}
	if len(tried) == 0 {
		return nil
	}
	m, err := methodsFor(g.Root, g.Chapter)
	if err != nil {
		return fmt.Errorf("grade: chapter %s: methods: %w", g.Name, err)
	}
	whole := map[string]string{}
	for name, where := range g.mine {
		whole[filepath.Base(name)] = where
	}
	own, err := m.check(whole)
	if err != nil {
		return fmt.Errorf("grade: %w", err)
	}
	for _, file := range tried {
		alone := maps.Clone(m.solution)
		alone[file] = whole[file]
		single, err := m.check(alone)
		if err != nil {
			return fmt.Errorf("grade: %w", err)
		}
		if err := cmp.Or(m.refuse(own, file), m.refuse(single, file)); err != nil {
			name := filepath.Join("exercises", g.Name, file)
			g.faults[name] = fault{lab.Fail, err.Error()}
			if err := os.WriteFile(whole[file], g.starts[name], 0o600); err != nil {
				return fmt.Errorf("grade: %w", err)
			}
		}
	}
	return nil
}

// read reads a learner's file and looks at it.
func (g *chapter) read(root *os.Root, file string, start []byte) ([]byte, *fault) {
	content, err := ReadFile(root, filepath.Join(g.Name, file))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &fault{lab.NoStart, "the submission has no file " + filepath.Join(g.Name, file)}
	case err != nil:
		return nil, &fault{lab.Fail, err.Error()}
	case string(content) == string(start) || !generate.Edited(content):
		return nil, &fault{lab.NoStart, "the file is as it was made"}
	}
	malformed, err := g.rules.check(file, content)
	switch {
	case malformed:
		return nil, &fault{lab.Build, "does not compile:\n" + err.Error()}
	case err != nil:
		return nil, &fault{lab.Fail, err.Error()}
	}
	return content, nil
}

// maxFile bounds a submitted file, in bytes.
const maxFile = 1 << 20

// ReadFile reads a plain file of sensible size: no link out of the submission, no device.
func ReadFile(root *os.Root, name string) ([]byte, error) {
	info, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a plain file", name)
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s has %d bytes, at most %d are read", name, info.Size(), maxFile)
	}
	return root.ReadFile(name)
}

func (g *chapter) isExercise(file string) bool {
	return slices.ContainsFunc(g.Exercises, func(e manifest.Exercise) bool { return e.File == file })
}

func (g *chapter) run(ctx context.Context) ([]Result, error) {
	var results []Result
	for i := range g.Exercises {
		e := &g.Exercises[i]
		if g.Only != "" && g.Only != e.ID {
			continue
		}
		begin := time.Now()
		outcome, alone, err := g.exercise(ctx, e)
		if err != nil {
			return nil, fmt.Errorf("grade: exercise %s: %w", e.ID, err)
		}
		r := Result{
			Chapter: g.Name, Exercise: e.ID, Title: e.Title, State: outcome.State, Of: e.Points,
			Message: g.locate(outcome.Message), Decisive: outcome.Decisive, Alone: alone, Tests: outcome.Verdicts, Took: time.Since(begin),
		}
		if r.State == lab.Pass && g.Test == "" {
			r.Points = e.Points
		}
		results = append(results, r)
	}
	return results, nil
}

// exercise tries the learner's package as a whole, then the one file among the solution's. alone says why the second try decided, when it did.
func (g *chapter) exercise(ctx context.Context, e *manifest.Exercise) (decided trial.Outcome, alone string, err error) {
	name := filepath.Join("exercises", g.Name, e.File)
	if f, ok := g.faults[name]; ok {
		return trial.Outcome{State: f.state, Message: f.message}, "", nil
	}
	first, err := g.whole(ctx, e)
	if err != nil || first.State == lab.Pass || first.State == lab.NoStart {
		return first, "", err
	}
	second, err := g.alone(ctx, e, name)
	if err != nil {
		return trial.Outcome{}, "", err
	}
	// Alone, the fault is this file's own; but a file that needs its author's other files does not compile alone.
	if second.State == lab.Build && first.State != lab.Build && first.State != lab.NotRun {
		return first, "", nil
	}
	if first.State == second.State && first.Decisive == second.Decisive {
		return second, "", nil // both found the same
	}
	return second, string(first.State) + " " + g.locate(first.Message), nil
}

// whole tries the exercise inside the learner's own package, in which the start stands in for a refused or missing file.
func (g *chapter) whole(ctx context.Context, e *manifest.Exercise) (trial.Outcome, error) {
	outcome, err := g.try(ctx, e, g.own, g.mine)
	// A program that never came to its tests, because of some file's init function, is not tried for each exercise anew.
	if err == nil && g.own.err == nil && !outcome.Opened {
		g.own.err = &trial.BuildError{Output: "the package's own initialisation ends the program"}
	}
	return outcome, err
}

// alone tries the exercise's file among the solution's other files.
func (g *chapter) alone(ctx context.Context, e *manifest.Exercise, name string) (trial.Outcome, error) {
	replace := g.solutions()
	replace[name] = g.mine[name]
	return g.try(ctx, e, &built{}, replace)
}

// solutions puts the solution's files into the exercises' places.
func (g *chapter) solutions() map[string]string {
	replace := map[string]string{}
	for name := range g.starts {
		replace[name] = filepath.Join(g.Root, "solutions", g.Name, filepath.Base(name))
	}
	return replace
}

// build compiles b from the files that replace names, once.
func (g *chapter) build(ctx context.Context, b *built, replace map[string]string) error {
	if b.done {
		return b.err
	}
	b.done = true
	dir, err := os.MkdirTemp(g.dir, "build-")
	if err != nil {
		b.err = err
		return err
	}
	source := trial.Source{Root: g.Root, Chapter: g.Name, Mine: true, Package: g.Package, Replace: maps.Clone(replace)}
	b.binary, b.err = trial.Build(ctx, source, dir)
	return b.err
}

// try builds and runs one exercise's tests. A build error becomes the state BUILD, but only where the solution does build: a full disk or
// a broken checkout is not the learner's.
func (g *chapter) try(ctx context.Context, e *manifest.Exercise, b *built, replace map[string]string) (trial.Outcome, error) {
	var broken *trial.BuildError
	err := g.build(ctx, b, replace)
	if errors.As(err, &broken) {
		if err := g.build(ctx, g.unchanged, g.solutions()); err != nil {
			return trial.Outcome{}, fmt.Errorf("the checkout's own solution cannot be built: %w", err)
		}
		return trial.Outcome{State: lab.Build, Message: broken.Error()}, nil
	}
	if err != nil {
		return trial.Outcome{}, err
	}
	return trial.Run(ctx, b.binary, g.of(e), g.Limits)
}

func (g *chapter) of(e *manifest.Exercise) trial.Case {
	c := trial.Case{Impl: "mine", Exercise: e.ID, Only: g.Test, Seed: g.Seed, Tests: e.Tests.All()}
	if g.Test != "" {
		c.Tests = []string{g.Test}
	}
	return c
}

// preflight tries every exercise on the solution.
func (g *chapter) preflight(ctx context.Context) error {
	if err := g.build(ctx, g.unchanged, g.solutions()); err != nil {
		return fmt.Errorf("grade: chapter %s: the solution cannot be built: %w", g.Name, err)
	}
	var errs []error
	for i := range g.Exercises {
		outcome, err := trial.Run(ctx, g.unchanged.binary, g.of(&g.Exercises[i]), g.Limits)
		if err == nil && outcome.State != lab.Pass {
			err = fmt.Errorf("grade: exercise %s: the solution does not pass with this seed: %s %s", g.Exercises[i].ID, outcome.State, outcome.Message)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// locate shortens paths of this computer in a message and puts the first place in the learner's own files that it names up front.
func (g *chapter) locate(message string) string {
	message = strings.NewReplacer(g.dir+"/", "exercises/"+g.Name+"/", g.Root+"/", "").Replace(message)
	place := regexp.MustCompile(`exercises/` + regexp.QuoteMeta(g.Name) + `/([a-z0-9_]+\.go:\d+)`).FindStringSubmatch(message)
	first, _, _ := strings.Cut(message, "\n")
	if place == nil || strings.Contains(first, place[1]) {
		return message
	}
	return "at " + place[1] + ": " + message
}
