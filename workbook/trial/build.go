package trial

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Limits of compiling: a small program can ask a compiler for a great deal.
const (
	buildTime        = 5 * time.Minute
	buildMemoryBytes = 1 << 30 // for each process; four times as much is the hard limit
	buildOutputBytes = 32 << 10
)

// Binary is a chapter's compiled test program.
type Binary struct{ File string }

// BuildError is a compiler's complaint, as opposed to a failure to run the compiler.
type BuildError struct{ Output string }

func (e *BuildError) Error() string { return "does not compile:\n" + e.Output }

// Source says what is compiled.
type Source struct {
	Root    string            // the pristine checkout
	Chapter string            // folder below chapters/
	Mine    bool              // compile exercises/ in (build tag mine)
	Package string            // of the exercises, with Mine
	Replace map[string]string // file below Root → file that stands in for it
	Time    time.Duration     // limit; 0 is buildTime
}

// Build compiles the chapter's tests into dir. The go command works in Root, which it does not change. A Go file that stands in
// Root's exercise folder takes part only when it is among the replaced ones.
func Build(ctx context.Context, s Source, dir string) (Binary, error) {
	overlay, err := s.overlay(dir)
	if err != nil {
		return Binary{}, fmt.Errorf("trial: %w", err)
	}
	bin := filepath.Join(dir, "graded.test")
	args := []string{"test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", overlay, "-o", bin} // no debugger reads it; vet is no judge of answers
	if s.Mine {
		args = append(args, "-tags", "mine")
	}
	if s.Time == 0 {
		s.Time = buildTime
	}
	limited, cancel := context.WithTimeout(ctx, s.Time)
	defer cancel()
	cmd := exec.Command("go", append(args, "./chapters/"+s.Chapter)...)
	cmd.Dir = s.Root
	out := &tail{max: buildOutputBytes}
	cmd.Stdout, cmd.Stderr = out, out
	reason, waitErr, err := supervise(limited, cmd, buildMemoryBytes, func() {})
	var exit *exec.ExitError
	switch {
	case err != nil:
		return Binary{}, fmt.Errorf("trial: %w", err)
	case ctx.Err() != nil:
		return Binary{}, fmt.Errorf("trial: compiling: %w", ctx.Err())
	case reason == timeLimit:
		return Binary{}, &BuildError{Output: fmt.Sprintf("the compiler was stopped after %v", s.Time)}
	case reason == memoryLimit:
		return Binary{}, &BuildError{Output: "the compiler was stopped: it used too much memory"}
	case errors.As(waitErr, &exit):
		return Binary{}, &BuildError{Output: strings.ReplaceAll(out.String(), s.Root+string(filepath.Separator), "")}
	case waitErr != nil:
		return Binary{}, fmt.Errorf("trial: %w", waitErr)
	}
	return Binary{File: bin}, nil
}

// overlay writes what `go build -overlay` reads.
func (s Source) overlay(dir string) (string, error) {
	replace := map[string]string{}
	if s.Mine {
		exercises := filepath.Join("exercises", s.Chapter)
		standing, err := filepath.Glob(filepath.Join(s.Root, exercises, "*"))
		if err != nil {
			return "", err
		}
		for _, file := range standing {
			replace[file] = "" // as if it were not there
		}
		// With this file, package lab takes the grader's secret before any exercise's init function runs.
		first := filepath.Join(dir, "lab_first.go")
		content := "package " + s.Package + "\n\nimport _ \"highwater.dev/workbook/lab\"\n"
		if err := os.WriteFile(first, []byte(content), 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(s.Root, exercises, "zz_lab_first.go")] = first
	}
	for name, with := range s.Replace {
		replace[filepath.Join(s.Root, name)] = with
	}
	content, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "overlay.json")
	return file, os.WriteFile(file, content, 0o600)
}
