// Package tiny lays out a checkout with a chapter of two small exercises, for the tests of the workbook's tools. It holds copies
// of this repository's go.mod and of the packages that exercises and suites import, so what is built there is built as here.
package tiny

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/workbook/generate"
	"highwater.dev/workbook/manifest"
)

// Name of the chapter's folders.
const Name = "01-tiny"

// Right answers to the two exercises, not built like the solution.
const (
	RightSum = "package tiny\n\nfunc Sum(xs []int) int {\n\tif len(xs) == 0 {\n\t\treturn 0\n\t}\n\treturn xs[0] + Sum(xs[1:])\n}\n"
	// RightMean does without Sum.
	RightMean = "package tiny\n\nfunc Mean(xs []int) int {\n\tn := 0\n\tfor i := range xs {\n\t\tn += xs[i]\n\t}\n\treturn n / max(1, len(xs))\n}\n"
	// MeanBySum needs the other exercise.
	MeanBySum = "package tiny\n\nfunc Mean(xs []int) int { return Sum(xs) / max(1, len(xs)) }\n"
)

// copied are the packages that come from this repository.
var copied = []string{"workbook/lab", "broker/clock", "broker/model", "broker/vfs"}

// files of the chapter, by name below the checkout.
var files = map[string]string{
	"chapters/01-tiny/exercises.yaml":     yaml,
	"chapters/01-tiny/README.md":          "# Tiny\n",
	"chapters/01-tiny/main.go":            "package main\n\nimport (\n\t\"fmt\"\n\t\"os\"\n)\n\nfunc main() { fmt.Println(\"stage\", os.Args[1:]) }\n",
	"chapters/01-tiny/suite/suite.go":     suite,
	"chapters/01-tiny/graded_test.go":     graded,
	"chapters/01-tiny/graded_own_test.go": gradedMine,
	"solutions/01-tiny/sum.go":            sum,
	"solutions/01-tiny/mean.go":           mean,
}

// Checkout lays the checkout out and returns its root and its chapter. The exercises are as generated.
func Checkout(t testing.TB) (string, *manifest.Chapter) {
	t.Helper()
	root, ours := t.TempDir(), repository(t)
	root, err := filepath.EvalSymlinks(root)
	require.NoError(t, err)
	for _, name := range []string{"go.mod", "go.sum"} {
		copyFile(t, filepath.Join(ours, name), filepath.Join(root, name))
	}
	for _, pkg := range copied {
		sources, err := filepath.Glob(filepath.Join(ours, pkg, "*.go"))
		require.NoError(t, err)
		for _, source := range sources {
			if !strings.HasSuffix(source, "_test.go") {
				copyFile(t, source, filepath.Join(root, pkg, filepath.Base(source)))
			}
		}
	}
	for name, content := range files {
		Put(t, root, name, content)
	}
	return root, Generate(t, root)
}

// Generate makes the exercises anew, over whatever stands there, and returns the chapter.
func Generate(t testing.TB, root string) *manifest.Chapter {
	t.Helper()
	chapters, err := manifest.LoadAll(root)
	require.NoError(t, err)
	made, err := generate.Chapter(root, chapters[0])
	require.NoError(t, err)
	require.NoError(t, generate.Write(root, made, true))
	return chapters[0]
}

// Put writes a file below root.
func Put(t testing.TB, root, name, content string) {
	t.Helper()
	file := filepath.Join(root, filepath.FromSlash(name))
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, []byte(content), 0o644))
}

// Replace changes text that stands in a file below root.
func Replace(t testing.TB, root, name, old, replacement string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, name))
	require.NoError(t, err)
	require.Contains(t, string(content), old)
	Put(t, root, name, strings.Replace(string(content), old, replacement, 1))
}

// Submission writes files into a new folder as NN-name/FILE and returns it.
func Submission(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		Put(t, dir, Name+"/"+name, content)
	}
	return dir
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o755))
	require.NoError(t, os.WriteFile(to, content, 0o644))
}

// repository is the root of the checkout that this test runs in.
func repository(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		require.NotEqual(t, dir, filepath.Dir(dir), "no go.mod above the test's folder")
		dir = filepath.Dir(dir)
	}
}
