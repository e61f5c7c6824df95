package lab

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
)

// Verdict is one test's result.
type Verdict struct {
	Exercise  string `json:"exercise"`
	Test      string `json:"test"`
	State     State  `json:"state"`
	Invariant string `json:"invariant,omitempty"`
	Message   string `json:"message,omitempty"`
	Millis    int64  `json:"millis"`
}

// Kinds of a record on the pipe, in the order in which they come.
const (
	recordOpen    = "open"    // Run was reached: every init function has returned
	recordBegin   = "begin"   // a test begins
	recordVerdict = "verdict" // it ended
	recordLast    = "last"    // Run returns; nothing follows
)

// entry is what crosses the pipe to the grader: a line of JSON.
type entry struct {
	Nonce string `json:"nonce"` // proves that the writer holds the grader's secret
	Kind  string `json:"kind"`
	Verdict
	Count int `json:"count,omitempty"` // of verdicts, in the last record
}

// maxMessage bounds a failure's message on the pipe, in bytes.
const maxMessage = 32 << 10

// VerdictsArg is the argument with which a grader says at which descriptor the verdict pipe waits; the secret is at the next one.
const VerdictsArg = "-lab.verdicts="

// inherited is the grader's channel. It is taken over while this package is initialised, which the grader has happen before the
// initialisation of any exercise: whatever a learner's init function does, the secret has left its descriptor by then.
var inherited = inherit(os.Args)

// The flag package has to know the argument too.
var _ = flag.Int(strings.Trim(VerdictsArg, "-="), 0, "file descriptor that the grader reads verdicts from")

// verdicts writes to the grader. Its nil pointer, outside of the grader, writes nowhere.
type verdicts struct {
	t     *testing.T
	pipe  *os.File
	nonce string
	err   error
	used  bool
	count int
}

// inherit finds the descriptors that the grader named. Arguments are read directly: no flag is parsed yet.
func inherit(args []string) *verdicts {
	for _, arg := range args {
		number, ok := strings.CutPrefix(arg, VerdictsArg)
		if !ok {
			continue
		}
		fd, err := strconv.Atoi(number)
		if err != nil {
			return &verdicts{err: err}
		}
		secret := os.NewFile(uintptr(fd+1), "secret")
		nonce, err := bufio.NewReader(secret).ReadString('\n')
		return &verdicts{
			pipe: os.NewFile(uintptr(fd), "verdicts"), nonce: strings.TrimSuffix(nonce, "\n"), err: errors.Join(err, secret.Close()),
		}
	}
	return nil
}

func openVerdicts(t *testing.T) *verdicts {
	v := inherited
	if v == nil {
		return nil
	}
	if v.err != nil {
		t.Fatalf("lab: reading the grader's secret: %v", v.err)
	}
	if v.used {
		t.Fatal("lab: Run was called twice in a graded process")
	}
	v.t, v.used = t, true
	v.send(entry{Kind: recordOpen})
	return v
}

func (v *verdicts) began(exercise, test string) {
	if v != nil {
		v.send(entry{Kind: recordBegin, Verdict: Verdict{Exercise: exercise, Test: test}})
	}
}

func (v *verdicts) write(verdict Verdict) {
	if v == nil {
		return
	}
	v.count++
	if len(verdict.Message) > maxMessage {
		verdict.Message = verdict.Message[:maxMessage] + " …"
	}
	v.send(entry{Kind: recordVerdict, Verdict: verdict})
}

func (v *verdicts) end() {
	if v == nil {
		return
	}
	v.send(entry{Kind: recordLast, Count: v.count})
	if err := v.pipe.Close(); err != nil {
		v.t.Errorf("lab: closing the verdict pipe: %v", err)
	}
}

func (v *verdicts) send(e entry) {
	e.Nonce = v.nonce
	line, err := json.Marshal(e)
	if err == nil {
		_, err = v.pipe.Write(append(line, '\n'))
	}
	if err != nil {
		v.t.Errorf("lab: writing a verdict: %v", err)
	}
}

// Stream is what a grader read from a process.
type Stream struct {
	Opened   bool   // Run was reached
	Running  string // the test that began and has no verdict: where a process hung or died
	Verdicts []Verdict
}

// ReadVerdicts reads a process's stream to its end. It fails closed: with an error (a wrong nonce, a malformed line, a test
// that reports twice or without having begun, a missing or contradicting last record, anything after it) the verdicts prove nothing;
// they only serve to tell how far the process came.
func ReadVerdicts(r io.Reader, nonce string) (s Stream, err error) {
	seen := map[string]bool{}
	for dec := json.NewDecoder(r); ; {
		var e entry
		if err := dec.Decode(&e); err != nil {
			return s, fmt.Errorf("lab: verdicts end before the last record: %w", err)
		}
		if e.Nonce != nonce {
			return s, errors.New("lab: a record without the grader's secret")
		}
		key := e.Exercise + "/" + e.Test
		switch {
		case e.Kind == recordOpen && !s.Opened:
			s.Opened = true
		case e.Kind == recordBegin && s.Opened && s.Running == "" && !seen[key]:
			s.Running, seen[key] = e.Test, true
		case e.Kind == recordVerdict && s.Running == e.Test && seen[key]:
			s.Running = ""
			s.Verdicts = append(s.Verdicts, e.Verdict)
		case e.Kind == recordLast && s.Opened && s.Running == "":
			if e.Count != len(s.Verdicts) {
				return s, fmt.Errorf("lab: %d verdicts arrived, %d were sent", len(s.Verdicts), e.Count)
			}
			if dec.More() {
				return s, errors.New("lab: records after the last one")
			}
			return s, nil
		default:
			return s, fmt.Errorf("lab: record %q of %s out of order", e.Kind, key)
		}
	}
}
