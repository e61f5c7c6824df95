package lab

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
)

// Verdict is one test's result as it crosses the pipe to the grader: a line of JSON.
type Verdict struct {
	Nonce     string `json:"nonce"` // proves that the writer read the grader's secret
	Exercise  string `json:"exercise,omitempty"`
	Test      string `json:"test,omitempty"`
	State     State  `json:"state,omitempty"`
	Invariant string `json:"invariant,omitempty"`
	Message   string `json:"message,omitempty"`
	Millis    int64  `json:"millis,omitempty"`
	// Last closes the stream and says how many verdicts went before it; without it, nothing of the stream counts.
	Last  bool `json:"last,omitempty"`
	Count int  `json:"count,omitempty"`
}

// maxMessage bounds a failure's message on the pipe, in bytes.
const maxMessage = 32 << 10

// verdicts writes to the grader. Its nil pointer, outside of the grader, writes nowhere.
type verdicts struct {
	t     *testing.T
	pipe  *os.File
	nonce string
	count int
}

// openVerdicts takes over the pipe that the grader left at descriptor fd and reads the secret from the descriptor after it.
// The secret is not in the arguments or the environment, and exercises may not import what could read descriptors.
func openVerdicts(t *testing.T, fd int) *verdicts {
	if fd == 0 {
		return nil
	}
	secret := os.NewFile(uintptr(fd+1), "secret")
	nonce, err := bufio.NewReader(secret).ReadString('\n')
	if err := errors.Join(err, secret.Close()); err != nil {
		t.Fatalf("lab: reading the grader's secret: %v", err)
	}
	return &verdicts{t: t, pipe: os.NewFile(uintptr(fd), "verdicts"), nonce: strings.TrimSuffix(nonce, "\n")}
}

func (v *verdicts) write(verdict Verdict) {
	if v == nil {
		return
	}
	v.count++
	v.send(verdict)
}

func (v *verdicts) end() {
	if v == nil {
		return
	}
	v.send(Verdict{Last: true, Count: v.count})
	if err := v.pipe.Close(); err != nil {
		v.t.Errorf("lab: closing the verdict pipe: %v", err)
	}
}

func (v *verdicts) send(verdict Verdict) {
	verdict.Nonce = v.nonce
	if len(verdict.Message) > maxMessage {
		verdict.Message = verdict.Message[:maxMessage] + " …"
	}
	line, err := json.Marshal(verdict)
	if err == nil {
		_, err = v.pipe.Write(append(line, '\n'))
	}
	if err != nil {
		v.t.Errorf("lab: writing a verdict: %v", err)
	}
}

// ReadVerdicts reads a stream of verdicts as a grader does. It fails closed: a wrong nonce, a malformed line, a test that
// reports twice, a missing or contradicting last record is an error, and then no verdict counts.
func ReadVerdicts(r io.Reader, nonce string) ([]Verdict, error) {
	var got []Verdict
	seen := map[string]bool{}
	dec := json.NewDecoder(r)
	for {
		var v Verdict
		if err := dec.Decode(&v); err != nil {
			return got, fmt.Errorf("lab: verdicts end before the last record: %w", err)
		}
		if v.Nonce != nonce {
			return nil, errors.New("lab: a verdict without the grader's secret")
		}
		if v.Last {
			if v.Count != len(got) {
				return nil, fmt.Errorf("lab: %d verdicts arrived, %d were sent", len(got), v.Count)
			}
			return got, nil
		}
		key := v.Exercise + "/" + v.Test
		if seen[key] {
			return nil, fmt.Errorf("lab: two verdicts for %s", key)
		}
		seen[key] = true
		got = append(got, v)
	}
}
