package trial

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
	Replace map[string]string // file below Root → file that stands in for it
}

// Build compiles the chapter's tests into dir. The go command works in Root, which it does not change.
func Build(ctx context.Context, s Source, dir string) (Binary, error) {
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for name, with := range s.Replace {
		overlay.Replace[filepath.Join(s.Root, name)] = with
	}
	content, err := json.Marshal(overlay)
	if err != nil {
		return Binary{}, fmt.Errorf("trial: %w", err)
	}
	overlayFile, bin := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "graded.test")
	if err := os.WriteFile(overlayFile, content, 0o600); err != nil {
		return Binary{}, fmt.Errorf("trial: %w", err)
	}
	args := []string{"test", "-c", "-overlay", overlayFile, "-o", bin}
	if s.Mine {
		args = append(args, "-tags", "mine")
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./chapters/"+s.Chapter)...)
	cmd.Dir = s.Root
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return Binary{}, fmt.Errorf("trial: compiling: %w", ctx.Err())
	case errors.As(err, &exit):
		return Binary{}, &BuildError{Output: out.String()}
	case err != nil:
		return Binary{}, fmt.Errorf("trial: %w", err)
	}
	return Binary{File: bin}, nil
}
