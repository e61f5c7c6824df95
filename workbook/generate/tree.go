package generate

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"highwater.dev/workbook/manifest"
)

// stampMark begins a made file's second line: the hash of what follows the stamp, so that a reader's edit shows.
const stampMark = "// made: "

// Chapter makes all of a chapter's exercise files from the solutions below root: path relative to root → content.
func Chapter(root string, c *manifest.Chapter) (map[string][]byte, error) {
	dir := filepath.Join(root, "solutions", c.Name)
	sources, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	if len(sources) == 0 {
		return nil, fmt.Errorf("generate: no Go files in %s", dir)
	}
	hints := allHints(c)
	made := map[string][]byte{}
	var all strings.Builder
	solutions := map[string][]byte{}
	for _, source := range sources {
		name := filepath.Base(source)
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		solution, err := os.ReadFile(source)
		if err != nil {
			return nil, fmt.Errorf("generate: %w", err)
		}
		exercise, err := Exercise(c, name, solution)
		if err != nil {
			return nil, err
		}
		solutions[name] = solution
		all.Write(exercise)
		made[filepath.Join("exercises", c.Name, name)] = stamp(c, name, exercise)
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(solutions)) {
		errs = append(errs, Leaks(name, solutions[name], all.String()+"\n"+hints))
	}
	return made, errors.Join(errs...)
}

func allHints(c *manifest.Chapter) string {
	var b strings.Builder
	for _, e := range c.Exercises {
		for _, hint := range e.Hints {
			b.WriteString(hint + "\n")
		}
	}
	return b.String()
}

func stamp(c *manifest.Chapter, name string, exercise []byte) []byte {
	whose := "This file is yours to edit."
	if !bytes.Contains(exercise, []byte("lab.NotStarted(")) {
		whose = "Given: no exercise is in this file."
	}
	head := fmt.Sprintf("// %s It was made from solutions/%s/%s by: go run . generate\n%s%x\n\n", whose, c.Name, name, stampMark, sha256.Sum256(exercise))
	return append([]byte(head), exercise...)
}

// Edited reports whether a file that stamp made was changed since.
func Edited(content []byte) bool {
	_, rest, ok := strings.Cut(string(content), "\n"+stampMark)
	if !ok {
		return true
	}
	sum, body, ok := strings.Cut(rest, "\n\n")
	return !ok || sum != fmt.Sprintf("%x", sha256.Sum256([]byte(body)))
}

// ErrEdited is wrapped when Write would lose a reader's work.
var ErrEdited = errors.New("generate: the reader edited it")

// Write puts the made files below root. Without force, when any file there was edited, it writes none.
func Write(root string, made map[string][]byte, force bool) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(made)) {
		have, err := os.ReadFile(filepath.Join(root, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			errs = append(errs, fmt.Errorf("generate: %w", err))
		case !force && Edited(have):
			errs = append(errs, fmt.Errorf("%w: %s (--force overwrites it)", ErrEdited, name))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(made)) {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return fmt.Errorf("generate: %w", err)
		}
		if err := os.WriteFile(file, made[name], 0o644); err != nil {
			return fmt.Errorf("generate: %w", err)
		}
	}
	return nil
}

// Drift lists the files below root that differ from what would be made, and the files in the exercise folder that
// nothing makes.
func Drift(root string, c *manifest.Chapter, made map[string][]byte) ([]string, error) {
	var drifted []string
	for _, name := range slices.Sorted(maps.Keys(made)) {
		have, err := os.ReadFile(filepath.Join(root, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("generate: %w", err)
		}
		if string(have) != string(made[name]) {
			drifted = append(drifted, name)
		}
	}
	standing, err := filepath.Glob(filepath.Join(root, "exercises", c.Name, "*.go"))
	if err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	for _, file := range standing {
		name := filepath.Join("exercises", c.Name, filepath.Base(file))
		if _, ok := made[name]; !ok {
			drifted = append(drifted, name)
		}
	}
	return drifted, nil
}
