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
	"os"
	"time"

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
	Test       string              // one of its tests; empty for all. A part of the tests earns no points.
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
	Decisive string        `json:"decisive,omitempty"` // the test that Message speaks of
	Alone    string        `json:"alone,omitempty"`    // why the learner's own package did not decide; then the file among the solution's other files did
	Tests    []lab.Verdict `json:"tests,omitempty"`
	Took     time.Duration `json:"took_ns"`
}

// Passed counts the tests that passed.
func (r Result) Passed() (n int) {
	for _, v := range r.Tests {
		if v.State == lab.Pass {
			n++
		}
	}
	return n
}

// Run grades and returns a result for every exercise asked for, in order. The error says that grading itself could not be done.
func Run(ctx context.Context, o Options) ([]Result, error) {
	var results []Result
	for _, c := range o.Chapters {
		if _, ok := c.Exercise(o.Only); o.Only != "" && !ok {
			continue
		}
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

// Preflight grades the solutions as if they were handed in. Where they do not pass, with this checkout, seed and computer, nobody's
// work can be judged: the error says which exercise and why.
func Preflight(ctx context.Context, o Options) error {
	var errs []error
	for _, c := range o.Chapters {
		g, err := newChapter(o, c)
		if err != nil {
			return err
		}
		errs = append(errs, g.preflight(ctx), os.RemoveAll(g.dir))
	}
	return errors.Join(errs...)
}
