package cli

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/workbook/grade"
	"highwater.dev/workbook/internal/tiny"
)

// tinyCheckout makes a checkout of two exercises and changes to it.
func tinyCheckout(t *testing.T) string {
	root, _ := tiny.Checkout(t)
	t.Chdir(root)
	return root
}

const (
	sumFile  = "exercises/01-tiny/sum.go"
	meanFile = "exercises/01-tiny/mean.go"
)

func TestTheLearnersWay(t *testing.T) {
	root := tinyCheckout(t)
	says := func(wantCode int, args []string, wants ...string) string {
		t.Helper()
		code, stdout, stderr := command(t.Context(), args...)
		require.Equal(t, wantCode, code, stdout+stderr)
		require.NotContains(t, stdout+stderr, "\x1b", "no colours")
		for _, want := range wants {
			require.Contains(t, stdout+stderr, want)
		}
		return stdout + stderr
	}
	says(0, nil, "01 Sums", "1.1  NOT_STARTED", "Next: 1.1 The sum", sumFile, "go run . test 1.1")
	says(1, []string{"grade"}, "0 of 15", "NOT_STARTED")
	says(1, []string{"test", "1.1"}, "NOT_STARTED", "as it was made", "go run . hint 1.1")
	says(0, []string{"hint", "1.1"}, "1 of 3: What is the sum of nothing?")
	says(0, []string{"hint", "1.1"}, "2 of 3: See SUM-1")
	says(0, []string{"hint", "1.1"}, "3 of 3: Add each")
	says(0, []string{"hint", "1.1"}, "3 of 3: Add each")
	says(0, []string{"why", "sum-1"}, "A sum counts every number once.", "chapters/01-tiny/README.md#sum-1")
	says(2, []string{"why", "SUM-9"}, "SUM-9")

	tiny.Put(t, root, sumFile, "package tiny\n\nfunc Sum(xs []int) int { return 6 }\n")
	failed := says(1, []string{"test", "1.1", "--seed", "7"}, "PASS         sums-three", "FAIL         sums-like-adding", "SUM-1: A sum counts",
		"the sum of [] is 0, not 6", "again:     go run . test 1.1 --only sums-like-adding --seed 7", "your file: "+sumFile, "the text:  chapters/01-tiny/README.md#exercise-1-1\n")
	require.NotContains(t, failed, root)
	require.NotContains(t, failed, "second try", "both tries say the same")
	only := says(1, []string{"test", "1.1", "--only", "sums-like-adding", "--seed", "7"}, "the sum of [] is 0, not 6", "TestGraded/mine/1.1/sums-like-adding'")
	require.NotContains(t, only, "PASS ")
	says(0, []string{"test", "1.1", "--only", "sums-three"}, "PASS")
	says(0, nil, "1.1  FAIL", "Next: 1.1") // a part that passed is no pass
	says(2, []string{"test", "1.1", "--only", "nothing"}, `no test "nothing"`, "sums-three")

	tiny.Put(t, root, sumFile, "package tiny\n\nfunc Sum(xs []int) int { return \"\" }\n")
	says(2, []string{"test", "1.1"}, "BUILD", "sum.go:3")
	start, err := os.ReadFile(meanFile)
	require.NoError(t, err)
	tiny.Put(t, root, meanFile, tiny.MeanBySum)
	says(0, []string{"test", "1.2"}, "1.2: in your own package: BUILD at sum.go:3: does not compile:; so your file was tried among the solution's other files, and that try decides", "PASS 1.2")
	tiny.Put(t, root, meanFile, string(start))
	says(1, []string{"test", "1.2"}, "NOT_STARTED")
	tiny.Put(t, root, sumFile, tiny.RightSum)
	says(0, []string{"test", "1.1"}, "PASS 1.1")
	says(0, nil, "1.1  PASS", "Next: 1.2 The mean")
	says(0, []string{"diff", "1.1"}, "-	return xs[0] + Sum(xs[1:])", "+	for _, x := range xs {")
	says(0, []string{"solution", "1.1"}, "total += x")

	tiny.Put(t, root, meanFile, tiny.MeanBySum)
	out := filepath.Join(t.TempDir(), "report")
	says(0, []string{"grade", "--out", out}, "15 of 15")
	require.FileExists(t, filepath.Join(out, "results.xml"))
	var results struct {
		Points    int
		Exercises []grade.Result
	}
	content, err := os.ReadFile(filepath.Join(out, "results.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(content, &results))
	require.Equal(t, 15, results.Points)
	require.Len(t, results.Exercises, 2)
	says(0, nil, "All exercises pass")
	says(0, []string{"chapter", "1", "--impl", "mine"}, "stage [--impl mine]")
	says(0, []string{"chapter", "--help"}, "chapter N [flags of the stage]")
}

func TestResetLosesNothing(t *testing.T) {
	root := tinyCheckout(t)
	start, err := os.ReadFile(sumFile)
	require.NoError(t, err)
	for _, version := range []string{"first", "second"} {
		tiny.Put(t, root, sumFile, version)
		code, _, stderr := command(t.Context(), "reset", "1.1")
		require.Zero(t, code, stderr)
		code, _, stderr = command(t.Context(), "reset", "1.1") // nothing to keep
		require.Zero(t, code, stderr)
	}
	for name, want := range map[string]string{sumFile: string(start), sumFile + ".mine": "first", sumFile + ".mine2": "second"} {
		have, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, want, string(have), name)
	}
	require.NoFileExists(t, sumFile+".mine3")
	require.NoError(t, os.RemoveAll("exercises"))
	code, _, stderr := command(t.Context(), "reset", "1.2")
	require.Zero(t, code, stderr)
	require.FileExists(t, meanFile)
}

func TestGenerate(t *testing.T) {
	root := tinyCheckout(t)
	code, _, stderr := command(t.Context(), "generate", "--check")
	require.Zero(t, code, stderr)
	tiny.Put(t, root, sumFile, tiny.RightSum)
	code, stdout, stderr := command(t.Context(), "generate", "--check")
	require.Equal(t, 1, code)
	require.Contains(t, stdout+stderr, "differs from its solution: "+sumFile)
	code, _, stderr = command(t.Context(), "generate")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "the reader edited it: "+sumFile)
	code, _, stderr = command(t.Context(), "generate", "--force")
	require.Zero(t, code, stderr)
	code, _, stderr = command(t.Context(), "generate", "--check")
	require.Zero(t, code, stderr)
}

func TestGradingAClass(t *testing.T) {
	root := tinyCheckout(t)
	in, out, seed := t.TempDir(), filepath.Join(t.TempDir(), "out"), filepath.Join(t.TempDir(), "seed")
	tiny.Put(t, in, "ada/01-tiny/sum.go", tiny.RightSum)
	tiny.Put(t, root, "seed.txt", "a private text\n")
	code, stdout, stderr := command(t.Context(), "grade", "--submissions", in, "--seeds", filepath.Join(root, "seed.txt"), "--out", out)
	require.Zero(t, code, stderr)
	require.Contains(t, stderr, "1/1 ada: 10 of 15 points")
	require.Contains(t, stdout, "1 learners: "+filepath.Join(out, "grades.csv"))
	require.NoFileExists(t, filepath.Join(root, ".highwater/progress.json"), "a class is nobody's progress")

	tiny.Put(t, in, "eve.zip", "nonsense")
	code, _, stderr = command(t.Context(), "grade", "--submissions", in, "--seeds", filepath.Join(root, "seed.txt"), "--out", out)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "ada: 10 of 15 points, as graded before")
	require.Contains(t, stderr, "eve: refused: it is not a zip file")

	for _, args := range [][]string{
		{"grade", "--submissions", in},
		{"grade", "--submissions", in, "--submission", in, "--out", out},
		{"grade", "--submissions", filepath.Join(in, "none"), "--out", out},
		{"grade", "--seeds", seed},
		{"grade", "--seeds", filepath.Join(root, "seed.txt"), "--seed", "3"},
	} {
		code, _, stderr := command(t.Context(), args...)
		require.Equal(t, 2, code, args)
		require.NotEmpty(t, stderr)
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	code, _, _ = command(stopped, "grade", "--submissions", in, "--out", out)
	require.Equal(t, 2, code)
}

func TestReadSeed(t *testing.T) {
	name := filepath.Join(t.TempDir(), "seed")
	read := func(text string) (uint64, error) {
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		return readSeed(name)
	}
	n, err := read("42\n")
	require.NoError(t, err)
	require.Equal(t, uint64(42), n)
	a, err := read("correct horse")
	require.NoError(t, err)
	b, err := read("correct horse ")
	require.NoError(t, err)
	require.Equal(t, a, b)
	c, err := read("correct house")
	require.NoError(t, err)
	require.NotEqual(t, a, c)
	_, err = read(" \n")
	require.ErrorContains(t, err, "empty")
}

func TestMutantsCommand(t *testing.T) {
	tinyCheckout(t)
	goCache, err := exec.Command("go", "env", "GOCACHE").Output()
	require.NoError(t, err)
	t.Setenv("GOCACHE", strings.TrimSpace(string(goCache))) // ours is below the user's cache folder, which moves
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	out := filepath.Join(t.TempDir(), "mutants.md")
	code, stdout, stderr := command(t.Context(), "mutants", "1", "--out", out)
	require.Zero(t, code, stderr)
	written, err := os.ReadFile(out)
	require.NoError(t, err)
	require.Equal(t, stdout, string(written))
	require.Contains(t, stdout, "6 mutants.")
}

func TestWrongUse(t *testing.T) {
	tinyCheckout(t)
	for _, args := range [][]string{
		{"test"}, {"test", "1.9"}, {"test", "9.1"}, {"test", "x"}, {"hint", "2.1"}, {"reset"}, {"solution", "1.1", "1.2"}, {"diff", "0"},
		{"grade", "9"}, {"mutants", "9"}, {"chapter"}, {"chapter", "7"}, {"nothing"}, {"generate", "x"},
	} {
		code, _, stderr := command(t.Context(), args...)
		require.Equal(t, 2, code, args)
		require.True(t, strings.HasPrefix(stderr, "highwater: "), stderr)
	}
	t.Chdir(t.TempDir())
	for _, args := range [][]string{nil, {"grade"}, {"test", "1.1"}, {"hint", "1.1"}, {"generate"}} {
		code, _, stderr := command(t.Context(), args...)
		require.Equal(t, 2, code, args)
		require.Contains(t, stderr, "inside a checkout")
	}
}

func TestEveryCommandHasHelp(t *testing.T) {
	code, all, _ := command(t.Context(), "help")
	require.Zero(t, code)
	for _, name := range []string{"test", "grade", "hint", "why", "solution", "diff", "reset", "chapter", "generate", "mutants", "serve", "dump-log", "version"} {
		require.Contains(t, all, "\n  "+name+" ")
		code, stdout, stderr := command(t.Context(), name, "--help")
		require.Zero(t, code, stderr)
		require.Contains(t, stdout, "Usage:\n  highwater "+name)
	}
}
