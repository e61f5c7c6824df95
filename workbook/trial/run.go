package trial

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
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
	Seed     uint64
	Tests    []string // all must report
}

// Outcome is how a case ended.
type Outcome struct {
	State    lab.State
	Message  string // for people: why it is not PASS
	Verdicts []lab.Verdict
	Took     time.Duration
}

// Run runs one exercise's tests of the binary in a process of its own with an empty temporary working folder.
// The error says that the trial itself could not be held; everything that the tried code does is in the Outcome.
func Run(ctx context.Context, b Binary, c Case, l Limits) (Outcome, error) {
	dir, err := os.MkdirTemp("", "highwater-trial-")
	if err != nil {
		return Outcome{}, fmt.Errorf("trial: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	pipes, err := openPipes()
	if err != nil {
		return Outcome{}, err
	}
	defer pipes.close()

	ctx, cancel := context.WithTimeout(ctx, l.Time)
	defer cancel()
	pattern := "^TestGraded$/^" + c.Impl + "$/^" + regexp.QuoteMeta(c.Exercise) + "$"
	cmd := exec.Command(b.File, "-test.run", pattern, "-impl", c.Impl, "-lab.verdicts", "3",
		"-lab.seed", strconv.FormatUint(c.Seed, 10), "-test.timeout", (2 * l.Time).String()) // its own end, should the grader die
	cmd.Dir = dir
	cmd.Env = []string{"TMPDIR=" + dir, "HOME=" + dir, "PATH=/nonexistent"}
	cmd.ExtraFiles = []*os.File{pipes.verdictsW, pipes.secretR} // descriptors 3 and 4
	cmd.SysProcAttr = ownGroup()
	out := &tail{max: l.OutputBytes}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = time.Second // a child that holds the pipes open does not hold us
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return Outcome{}, fmt.Errorf("trial: %w", err)
	}
	limitData(cmd.Process.Pid, l.MemoryBytes)
	stream := pipes.converse()
	killed := watch(ctx, cmd.Process.Pid, l.MemoryBytes)
	waitErr := cmd.Wait()
	reason := killed()
	verdicts, verdictErr := stream()
	outcome := decide(c, verdicts, verdictErr, waitErr, reason, out.String())
	outcome.Took = time.Since(begin)
	return outcome, nil
}

// decide fails closed: PASS needs every test's PASS, the last record, exit code 0 and no limit reached.
func decide(c Case, verdicts []lab.Verdict, verdictErr, waitErr error, killed limit, output string) Outcome {
	o := Outcome{State: lab.Fail, Verdicts: verdicts}
	byTest := map[string]lab.Verdict{}
	for _, v := range verdicts {
		if v.Exercise == c.Exercise {
			byTest[v.Test] = v
		}
	}
	for _, state := range []lab.State{lab.NoStart, lab.NotRun, lab.Fail} {
		for _, name := range c.Tests {
			if v, ok := byTest[name]; ok && v.State == state && o.Message == "" {
				o.State, o.Message = state, name+": "+v.Message
			}
		}
	}
	switch {
	case killed == timeLimit:
		o.State, o.Message = lab.Timeout, "stopped: it ran longer than the limit\n"+output
	case killed == memoryLimit:
		o.State, o.Message = lab.Fail, "stopped: it used more memory than the limit\n"+output
	case o.Message != "":
	case verdictErr != nil:
		o.Message = fmt.Sprintf("the process ended before every test had reported (%v)\n%s", verdictErr, output)
	case waitErr != nil:
		o.Message = fmt.Sprintf("the process ended with %v\n%s", waitErr, output)
	default:
		for _, name := range c.Tests {
			if _, ok := byTest[name]; !ok {
				o.State, o.Message = lab.NotRun, "no verdict for the test "+name
				return o
			}
		}
		if len(c.Tests) == 0 || len(byTest) != len(c.Tests) {
			o.State, o.Message = lab.NotRun, "the tests that ran are not those of the manifest"
			return o
		}
		o.State = lab.Pass
	}
	return o
}

// pipes carry the secret in and the verdicts out.
type pipes struct {
	verdictsR, verdictsW, secretR, secretW *os.File
	nonce                                  string
}

func openPipes() (*pipes, error) {
	p := &pipes{nonce: rand.Text()}
	var err1, err2 error
	p.verdictsR, p.verdictsW, err1 = os.Pipe()
	p.secretR, p.secretW, err2 = os.Pipe()
	if err := errors.Join(err1, err2); err != nil {
		p.close()
		return nil, fmt.Errorf("trial: %w", err)
	}
	return p, nil
}

// converse hands the secret over and reads verdicts until the process is gone; the function it returns waits for that.
func (p *pipes) converse() func() ([]lab.Verdict, error) {
	// The child's ends live in the child only, so that its end is the stream's end.
	closeAll(p.verdictsW, p.secretR)
	_, secretErr := io.WriteString(p.secretW, p.nonce+"\n")
	closeAll(p.secretW)
	type result struct {
		verdicts []lab.Verdict
		err      error
	}
	done := make(chan result, 1)
	go func() {
		v, err := lab.ReadVerdicts(io.LimitReader(p.verdictsR, 64<<20), p.nonce)
		done <- result{v, err}
	}()
	return func() ([]lab.Verdict, error) {
		r := <-done
		return r.verdicts, errors.Join(secretErr, r.err)
	}
}

func (p *pipes) close() { closeAll(p.verdictsR, p.verdictsW, p.secretR, p.secretW) }

// closeAll closes what is open; a pipe's end that was closed before is fine.
func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close()
		}
	}
}

// tail keeps the end of what is written to it.
type tail struct {
	max int
	buf bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	t.buf.Write(p)
	if over := t.buf.Len() - 2*t.max; over > 0 {
		t.buf.Next(t.buf.Len() - t.max)
	}
	return len(p), nil
}

func (t *tail) String() string {
	b := t.buf.Bytes()
	return string(b[max(0, len(b)-t.max):])
}
