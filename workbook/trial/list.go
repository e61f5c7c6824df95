package trial

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

// Package is a compiled package.
type Package struct {
	ImportPath string
	BuildID    string                // changes with everything that the compiled code depends on
	Error      *struct{ Err string } // why it does not compile
}

// List compiles the chapter's tests, what they depend on, and further packages, and links nothing. Packages that do not compile keep
// nobody else from being compiled. For compiled code that is trusted: it sets no limits.
func List(ctx context.Context, s Source, dir string, further ...string) ([]Package, error) {
	overlay, err := s.overlay(dir)
	if err != nil {
		return nil, fmt.Errorf("trial: %w", err)
	}
	args := []string{"list", "-e", "-test", "-deps", "-export", "-json=ImportPath,BuildID,Error", "-overlay", overlay, "./chapters/" + s.Chapter}
	cmd := exec.CommandContext(ctx, "go", append(args, further...)...)
	cmd.Dir = s.Root
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("trial: go list: %w\n%s", err, problems.String())
	}
	var packages []Package
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p Package
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, fmt.Errorf("trial: go list: %w", err)
		}
		if p.Error != nil {
			p.Error.Err = strings.ReplaceAll(p.Error.Err, s.Root+"/", "")
		}
		packages = append(packages, p)
	}
}
