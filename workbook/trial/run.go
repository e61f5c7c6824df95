package trial

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"time"

	"highwater.dev/workbook/lab"
)

// Limits bound one process.
type Limits struct {
	Time        time.Duration
	MemoryBytes int64 // resident
	OutputBytes int   // kept; the end of longer output
}

// DefaultLimits leave a correct answer an order of magnitude of room.
func DefaultLimits() Limits {
	return Limits{Time: 60 * time.Second, MemoryBytes: 2 << 30, OutputBytes: 64 << 10}
}

// Case names what one process runs.
type Case struct {
	Impl     string // solution, mine or broker
	Exercise string // "1.2"
	Only     string // one test's name; empty for all of the exercise
	Seed     uint64
	Tests    []string // all must report
}

// Outcome is how a case ended.
type Outcome struct {
	State    lab.State
	Message  string // for people: why it is not PASS
	Verdicts []lab.Verdict
	Decisive string // the test that Message speaks of; empty when it speaks of none
	Opened   bool   // the tests were reached; otherwise an init function, or nothing at all, ran
	Running  string // the test that was running when the process ended early
	Took     time.Duration
}

// pattern is the -test.run argument.
func (c Case) pattern() string {
	p := "^TestGraded$/^" + c.Impl + "$/^" + regexp.QuoteMeta(c.Exercise) + "$"
	if c.Only != "" {
		p += "/^" + regexp.QuoteMeta(c.Only) + "$"
	}
	return p
}

// Run runs one exercise's tests of the binary in a process of its own with an empty temporary working folder.
// The error says that the trial itself could not be held; everything that the tried code does is in the Outcome.
func Run(ctx context.Context, b Binary, c Case, l Limits) (o Outcome, err error) {
	dir, err := os.MkdirTemp("", "highwater-trial-")
	if err != nil {
		return Outcome{}, fmt.Errorf("trial: %w", err)
	}
	defer func() {
		if rerr := os.RemoveAll(dir); rerr != nil && err == nil {
			err = fmt.Errorf("trial: %w", rerr)
		}
	}()
	pipes, err := openPipes()
	if err != nil {
		return Outcome{}, err
	}
	defer pipes.close()

	limited, cancel := context.WithTimeout(ctx, l.Time)
	defer cancel()
	cmd := exec.Command(b.File, "-test.run", c.pattern(), "-impl", c.Impl, lab.VerdictsArg+"3",
		"-lab.seed", strconv.FormatUint(c.Seed, 10), "-test.timeout", (2 * l.Time).String()) // its own end, should ours not come
	cmd.Dir = dir
	cmd.Env = []string{"TMPDIR=" + dir, "HOME=" + dir, "PATH=/nonexistent"}
	cmd.ExtraFiles = []*os.File{pipes.verdictsW, pipes.secretR} // descriptors 3 and 4
	out := &tail{max: l.OutputBytes}
	cmd.Stdout, cmd.Stderr = out, out
	begin := time.Now()
	reason, waitErr, err := supervise(limited, cmd, l.MemoryBytes, pipes.converse)
	if err != nil {
		return Outcome{}, fmt.Errorf("trial: %w", err)
	}
	stream, streamErr := pipes.finish()
	if ctx.Err() != nil { // we were asked to stop: that is nobody's time limit
		return Outcome{}, fmt.Errorf("trial: %w", ctx.Err())
	}
	o = decide(c, l, stream, streamErr, waitErr, reason, out.String())
	o.Took = time.Since(begin)
	return o, nil
}

// decide fails closed: PASS needs every test's PASS, the last record, exit code 0 and no limit reached.
func decide(c Case, l Limits, stream lab.Stream, streamErr, waitErr error, killed limit, output string) Outcome {
	o := Outcome{State: lab.Fail, Verdicts: stream.Verdicts, Opened: stream.Opened, Running: stream.Running}
	byTest := map[string]lab.Verdict{}
	for _, v := range stream.Verdicts {
		byTest[v.Exercise+"/"+v.Test] = v
	}
	for _, state := range []lab.State{lab.NoStart, lab.NotRun, lab.Fail} {
		for _, name := range c.Tests {
			if v, ok := byTest[c.Exercise+"/"+name]; ok && v.State == state && o.Message == "" {
				o.State, o.Message, o.Decisive = state, name+": "+v.Message, name
			}
		}
	}
	switch {
	case killed == timeLimit:
		o.State, o.Decisive = lab.Timeout, o.Running
		o.Message = fmt.Sprintf("stopped after %v %s\n%s", l.Time, o.place(), output)
	case killed == memoryLimit:
		o.State, o.Decisive = lab.Fail, o.Running
		o.Message = fmt.Sprintf("stopped %s: it used more than %d MiB of memory\n%s", o.place(), l.MemoryBytes>>20, output)
	case o.Message != "": // a test said why
	case streamErr != nil:
		o.Decisive = o.Running
		o.Message = fmt.Sprintf("the process ended %s (%s; %v)\n%s", o.place(), exitText(waitErr), streamErr, output)
	case waitErr != nil:
		o.Message = fmt.Sprintf("every test passed, and then the process ended with %v\n%s", waitErr, output)
	default:
		o.complete(c, byTest)
	}
	return o
}

// complete decides over a process that ended as it should, with no test failed: did all tests of the manifest, and no others, pass?
func (o *Outcome) complete(c Case, byTest map[string]lab.Verdict) {
	o.State = lab.NotRun
	for _, name := range c.Tests {
		v, ok := byTest[c.Exercise+"/"+name]
		if !ok {
			o.Message = "no verdict for the test " + name
			return
		}
		if v.State != lab.Pass {
			o.Message = fmt.Sprintf("test %s ended in the state %q", name, v.State)
			return
		}
	}
	if len(c.Tests) == 0 || len(byTest) != len(c.Tests) {
		o.Message = "the tests that ran are not those of the manifest"
		return
	}
	o.State = lab.Pass
}

// place says how far the process came.
func (o *Outcome) place() string {
	switch {
	case !o.Opened:
		return "before the first test, while the program was starting (an init function?)"
	case o.Running != "":
		return "in the test " + o.Running
	default:
		return "between tests"
	}
}

func exitText(waitErr error) string {
	var exit *exec.ExitError
	switch {
	case waitErr == nil:
		return "exit status 0"
	case errors.As(waitErr, &exit):
		return exit.Error()
	default:
		return waitErr.Error()
	}
}
