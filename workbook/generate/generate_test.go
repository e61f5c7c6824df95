package generate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/workbook/manifest"
)

func chapter() *manifest.Chapter {
	return &manifest.Chapter{Number: 1, Name: "01-log", Package: "log", Exercises: []manifest.Exercise{
		{ID: "1.1", File: "append.go", Hints: []string{"How large may it get?", "See Append", "compare the sizes"}},
	}}
}

const solution = `// Package log is a log.
package log

import (
	"errors"
	"fmt"
)

// ErrFull is given.
var ErrFull = errors.New("full")

// Append adds b. It is the reader's.
func Append(b []byte) (int, error) {
	// BEGIN SOLUTION 1.1 write b and return its length
	n := grown(len(b) * 2)
	return n, fmt.Errorf("log: it grew by %d bytes", n)
	// END SOLUTION
}

// BEGIN SOLUTION 1.1
func grown(n int) int { return n + 1 }

// END SOLUTION
`

const exercise = `// Package log is a log.
package log

import (
	"errors"

	"highwater.dev/workbook/lab"
)

// ErrFull is given.
var ErrFull = errors.New("full")

// Append adds b. It is the reader's.
func Append(b []byte) (int, error) {
	// TODO 1.1: write b and return its length
	// Text: chapters/01-log/README.md#exercise-1-1
	// Test: go run . test 1.1
	panic(lab.NotStarted("1.1"))
}
`

func TestExercise(t *testing.T) {
	got, err := Exercise(chapter(), "append.go", []byte(solution))
	require.NoError(t, err)
	require.Equal(t, exercise, string(got))
}

func TestMarksAreChecked(t *testing.T) {
	for _, c := range []struct{ old, replacement, want string }{
		{"	// END SOLUTION\n}", "}", "BEGIN SOLUTION inside the region of line 14"},
		{"	// BEGIN SOLUTION 1.1 write b and return its length\n", "", "append.go:16: END SOLUTION without a BEGIN"},
		{"SOLUTION 1.1 write", "SOLUTION 1.9 write", "append.go:14: exercise 1.9 is not in the manifest"},
	} {
		broken := strings.Replace(solution, c.old, c.replacement, 1)
		require.NotEqual(t, solution, broken)
		_, err := Exercise(chapter(), "append.go", []byte(broken))
		require.ErrorContains(t, err, c.want)
	}
	_, err := Exercise(chapter(), "other.go", []byte(solution))
	require.ErrorContains(t, err, "belongs into append.go")
}

func TestSolutionTextDoesNotLeak(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "solutions", "01-log")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "append.go"), []byte(solution), 0o644))
	c := chapter()
	_, err := Chapter(root, c)
	require.NoError(t, err)
	c.Exercises[0].Hints[2] = "Write this:\n  return n, fmt.Errorf(\"log: it grew by %d bytes\", n)"
	_, err = Chapter(root, c)
	require.ErrorContains(t, err, "append.go:16: a line of the solution to 1.1 can be read")
}

func TestWriteKeepsTheReadersWork(t *testing.T) {
	root := t.TempDir()
	name := filepath.Join("exercises", "01-log", "append.go")
	made := map[string][]byte{name: stamp(chapter(), "append.go", []byte(exercise))}
	require.NoError(t, Write(root, made, false))
	drifted, err := Drift(root, chapter(), made)
	require.NoError(t, err)
	require.Empty(t, drifted)

	// A newer solution may replace a file that nobody touched.
	newer := map[string][]byte{name: stamp(chapter(), "append.go", []byte(exercise+"\n// more\n"))}
	drifted, err = Drift(root, chapter(), newer)
	require.NoError(t, err)
	require.Equal(t, []string{name}, drifted)
	require.NoError(t, Write(root, newer, false))

	mine := append(append([]byte{}, newer[name]...), "// my work\n"...)
	require.NoError(t, os.WriteFile(filepath.Join(root, name), mine, 0o644))
	require.ErrorIs(t, Write(root, made, false), ErrEdited)
	have, err := os.ReadFile(filepath.Join(root, name))
	require.NoError(t, err)
	require.Equal(t, string(mine), string(have))
	require.NoError(t, Write(root, made, true))

	require.NoError(t, os.WriteFile(filepath.Join(root, "exercises", "01-log", "extra.go"), nil, 0o644))
	drifted, err = Drift(root, chapter(), made)
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join("exercises", "01-log", "extra.go")}, drifted)
}
