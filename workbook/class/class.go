// Package class grades many learners' submissions: folders and archives in one folder, one for each. A bad submission
// never stops the run, and a run that was stopped goes on where it was: a learner whose files, seed and tests have not changed is not
// graded again.
//
// The folder that it writes holds grades.csv, grades.json and, for each learner, learners/NAME/ with results.json, results.xml (JUnit)
// and report.md. resume/ is the instructor's: what it holds depends on the seed.
package class

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"highwater.dev/workbook/grade"
	"highwater.dev/workbook/lab"
)

// Options say what is graded.
type Options struct {
	Grade       grade.Options // Submission is set for each learner
	Submissions string        // folder
	Out         string        // folder
	Jobs        int           // learners at once
	Progress    io.Writer     // a line for each learner
}

// Grade is one learner's.
type Grade struct {
	Learner   string         `json:"learner"`
	Points    int            `json:"points"`
	Of        int            `json:"of"`
	Problem   string         `json:"problem,omitempty"` // why the submission as a whole could not be graded
	Undecided bool           `json:"undecided"`         // the grader could not do its work: grade again
	Exercises []grade.Result `json:"exercises"`
}

// Run grades all submissions and writes the folder. The error says that nobody could be graded, or that the run was stopped.
func Run(ctx context.Context, o Options) ([]Grade, error) {
	found, others, err := submissions(o.Submissions)
	if err != nil {
		return nil, err
	}
	for _, name := range others {
		o.say("%s: neither a folder nor one of %v: left out", name, archiveSuffixes)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("class: %s holds no submissions", o.Submissions)
	}
	tests, err := hashTests(o.Grade)
	if err != nil {
		return nil, err
	}
	pre := o.Grade
	pre.Submission = o.Submissions
	if err := grade.Preflight(ctx, pre); err != nil {
		return nil, err
	}
	grades := make([]Grade, len(found))
	var done int
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, o.Jobs))
	for i, s := range found {
		group.Go(func() error {
			begin := time.Now()
			g, resumed, err := o.learner(ctx, s, tests)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			grades[i] = g
			done++
			how := fmt.Sprintf("%d of %d points", g.Points, g.Of)
			if g.Problem != "" {
				how = grade.Printable(g.Problem)
			}
			if resumed {
				how += ", as graded before"
			}
			o.say("%d/%d %s: %s (%v)", done, len(found), grade.Printable(s.learner), how, time.Since(begin).Round(100*time.Millisecond))
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return grades, writeSummary(o.Out, o.Grade.Chapters, grades)
}

func (o Options) say(format string, args ...any) { fmt.Fprintf(o.Progress, format+"\n", args...) }

// learner grades one submission, or finds that it was. The error stops the run.
func (o Options) learner(ctx context.Context, s submission, tests string) (g Grade, resumed bool, err error) {
	g = Grade{Learner: s.learner}
	dir := filepath.Join(o.Out, "learners", s.learner)
	resume := filepath.Join(o.Out, "resume", s.learner)
	base, cleanup, err := open(s, o)
	defer func() { err = errors.Join(err, cleanup()) }()
	if err != nil {
		g.Problem, g.Undecided = err.Error(), !errors.Is(err, errRefused)
		for _, c := range o.Grade.Chapters {
			for _, e := range c.Exercises {
				g.Of += e.Points
			}
		}
		return g, false, errors.Join(os.RemoveAll(resume), write(dir, g))
	}
	key, err := hashSubmission(base, o, tests)
	if err == nil && sameKey(resume, key) {
		if content, err := os.ReadFile(filepath.Join(dir, "results.json")); err == nil && json.Unmarshal(content, &g) == nil && g.Learner == s.learner {
			return g, true, nil
		}
		g = Grade{Learner: s.learner}
	}
	one := o.Grade
	one.Submission = base
	results, gradeErr := grade.Run(ctx, one)
	if ctx.Err() != nil {
		return g, false, fmt.Errorf("class: stopped: %w", ctx.Err())
	}
	g.Exercises = results
	g.Points, g.Of = grade.Total(results)
	if gradeErr = errors.Join(gradeErr, err); gradeErr != nil {
		g.Problem, g.Undecided = string(lab.Infra)+": "+gradeErr.Error(), true
	}
	if err := errors.Join(os.RemoveAll(resume), write(dir, g)); err != nil || g.Undecided {
		return g, false, err
	}
	// Last: without it the learner is graded again.
	if err := os.MkdirAll(filepath.Dir(resume), 0o700); err != nil {
		return g, false, err
	}
	return g, false, os.WriteFile(resume, []byte(key), 0o600)
}

// open unpacks an archive and finds the exercises. The function it returns removes what was unpacked; it is never nil.
func open(s submission, o Options) (base string, cleanup func() error, err error) {
	dir, cleanup := s.path, func() error { return nil }
	if s.archive {
		if dir, err = os.MkdirTemp("", "highwater-submission-"); err != nil {
			return "", cleanup, err
		}
		cleanup = func() error { return os.RemoveAll(dir) }
		if err := unpack(s.path, dir); err != nil {
			return "", cleanup, err
		}
	}
	base, err = exercisesIn(dir, o.Grade.Chapters)
	return base, cleanup, err
}

func sameKey(file, key string) bool {
	have, err := os.ReadFile(file)
	return err == nil && string(have) == key
}

// hashTests identifies what everybody is graded by: tests, solutions, seed and limits.
func hashTests(o grade.Options) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%d %+v %s %s\n", o.Seed, o.Limits, o.Only, o.Test)
	for _, c := range o.Chapters {
		for _, dir := range []string{"chapters/" + c.Name, "solutions/" + c.Name, "workbook/lab"} {
			err := filepath.WalkDir(filepath.Join(o.Root, dir), func(name string, entry fs.DirEntry, err error) error {
				if err != nil || !entry.Type().IsRegular() {
					return err
				}
				content, err := os.ReadFile(name)
				fmt.Fprintf(h, "%s %d\n%s\n", name, len(content), content)
				return err
			})
			if err != nil {
				return "", fmt.Errorf("class: %w", err)
			}
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}

// hashSubmission identifies a learner's exercise files together with what they are graded by.
func hashSubmission(base string, o Options, tests string) (string, error) {
	root, err := os.OpenRoot(base)
	if err != nil {
		return "", err
	}
	defer root.Close() //nolint:errcheck // opened for reading: nothing can be lost
	h := sha256.New()
	fmt.Fprintln(h, tests)
	for _, c := range o.Grade.Chapters {
		for _, e := range c.Exercises {
			content, err := grade.ReadFile(root, filepath.Join(c.Name, e.File))
			fmt.Fprintf(h, "%s %d %v\n%s\n", e.ID, len(content), err, content)
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}
