package trial

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"highwater.dev/workbook/lab"
)

const (
	// maxStream bounds what is read of the verdict pipe, in bytes.
	maxStream = 64 << 20
	// drainFor is how long the verdict pipe may stay open after the process's end.
	drainFor = 2 * time.Second
)

// pipes carry the secret in and the verdicts out.
type pipes struct {
	verdictsR, verdictsW, secretR, secretW *os.File
	nonce                                  string
	secretErr                              error
	result                                 chan result
}

type result struct {
	stream lab.Stream
	err    error
}

func openPipes() (*pipes, error) {
	p := &pipes{nonce: rand.Text(), result: make(chan result, 1)}
	var err1, err2 error
	p.verdictsR, p.verdictsW, err1 = os.Pipe()
	p.secretR, p.secretW, err2 = os.Pipe()
	if err := errors.Join(err1, err2); err != nil {
		p.close()
		return nil, fmt.Errorf("trial: %w", err)
	}
	return p, nil
}

// converse hands the secret over and begins to read verdicts.
func (p *pipes) converse() {
	// The child's ends live in the child only, so that its end is the stream's end.
	closeAll(p.verdictsW, p.secretR)
	_, p.secretErr = io.WriteString(p.secretW, p.nonce+"\n")
	closeAll(p.secretW)
	go func() {
		s, err := lab.ReadVerdicts(io.LimitReader(p.verdictsR, maxStream), p.nonce)
		_, _ = io.Copy(io.Discard, p.verdictsR) // whoever writes on must not block; nothing of it counts
		p.result <- result{s, err}
	}()
}

// finish returns what was read, when the process is gone.
func (p *pipes) finish() (lab.Stream, error) {
	deadlineErr := p.verdictsR.SetReadDeadline(time.Now().Add(drainFor))
	r := <-p.result
	return r.stream, errors.Join(r.err, deadlineErr, p.secretErr)
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
	cut bool
	buf bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	n := len(p)
	if n > t.max {
		p, t.cut = p[n-t.max:], true
	}
	t.buf.Write(p)
	if t.buf.Len() > 2*t.max {
		t.buf.Next(t.buf.Len() - t.max)
		t.cut = true
	}
	return n, nil
}

func (t *tail) String() string {
	b := t.buf.Bytes()
	if over := len(b) - t.max; over > 0 {
		b, t.cut = b[over:], true
	}
	if t.cut {
		return "… (the beginning is cut)\n" + string(b)
	}
	return string(b)
}
