package grade

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"highwater.dev/workbook/internal/tiny"
	"highwater.dev/workbook/lab"
	"highwater.dev/workbook/manifest"
	"highwater.dev/workbook/trial"
)

// hostile is a submission's first exercise, how it has to end and what the message has to say. The second exercise is a right
// answer beside it, which has to pass in every case.
type hostile struct {
	name    string
	sum     string // sum.go; "-" for no such file
	state   lab.State
	message []string
	limited bool // a limit ends it: it takes as long as the limit
}

// Snippets that the cases are made of.
const (
	correct  = "total := 0\n\tfor _, x := range xs {\n\t\ttotal += x\n\t}\n\treturn total\n"
	function = "func Sum(xs []int) int {\n\t" + correct + "}\n"
)

func body(imports, statements string) string {
	return "package tiny\n" + imports + "\nfunc Sum(xs []int) int {\n\t" + statements + "\n}\n"
}

var hostiles = []hostile{
	{name: "right, built otherwise", sum: tiny.RightSum, state: lab.Pass},
	{name: "right, with helpers and goroutines", state: lab.Pass, sum: "package tiny\n\nimport \"sync/atomic\"\n\n" +
		"type adder struct{ n atomic.Int64 }\n\nfunc (a *adder) add(xs []int, done chan bool) {\n\tfor _, x := range xs {\n\t\ta.n.Add(int64(x))\n\t}\n\tdone <- true\n}\n\n" +
		"func Sum(xs []int) int {\n\ta, done := &adder{}, make(chan bool)\n\tgo a.add(xs[:len(xs)/2], done)\n\tgo a.add(xs[len(xs)/2:], done)\n\t<-done\n\t<-done\n\treturn int(a.n.Load())\n}\n"},
	{name: "wrong", sum: body("", "return len(xs)"), state: lab.Fail, message: []string{"sums-three", "is 6, not 3"}},
	{name: "wrong for negative numbers", sum: body("", "t := 0\n\tfor _, x := range xs {\n\t\tt += max(x, 0)\n\t}\n\treturn t"), state: lab.Fail, message: []string{"sums-like-adding", "[-1] is -1, not 0"}},
	{name: "does not compile", sum: body("", "return \"six\""), state: lab.Build, message: []string{"sum.go:4", "does not compile"}},
	{name: "does not parse", sum: "package tiny\n\nfunc Sum(xs []int) int {\n", state: lab.Build, message: []string{"sum.go:3"}},
	{name: "wrong package clause", sum: "package sums\n\n" + function, state: lab.Build, message: []string{"sum.go", "sums"}},
	{name: "wrong signature", sum: "package tiny\n\nfunc Sum(xs []int64) int { return 0 }\n", state: lab.Build, message: []string{"Sum"}},
	{name: "empty file", sum: "", state: lab.Build, message: []string{"sum.go"}},
	{name: "only a package clause", sum: "package tiny\n", state: lab.Build, message: []string{"Sum"}},
	{name: "no file", sum: "-", state: lab.NoStart, message: []string{"no file 01-tiny/sum.go"}},
	{name: "the stub, moved", sum: body("\nimport \"highwater.dev/workbook/lab\"\n", "panic(lab.NotStarted(\"1.1\"))"), state: lab.NoStart, message: []string{"1.1 is not started"}},
	{name: "another's stub", sum: body("\nimport \"highwater.dev/workbook/lab\"\n", "panic(lab.NotStarted(\"1.2\"))"), state: lab.NotRun, message: []string{"needs 1.2"}},
	{name: "panics", sum: body("", "panic(\"I give up\")"), state: lab.Fail, message: []string{"I give up", "sum.go:4"}},
	{name: "panics in a goroutine", sum: body("", "go func() { panic(\"elsewhere\") }()\n\tselect {}"), state: lab.Fail, message: []string{"elsewhere", "sum.go:4", "sums-three"}},
	{name: "panics while starting", sum: "package tiny\n\nfunc init() { panic(\"at once\") }\n\n" + function, state: lab.Fail, message: []string{"before the first test", "at once", "sum.go:3"}},
	{name: "overflows the stack", sum: body("", "return Sum(append(xs, 1))"), state: lab.Fail, message: []string{"sums-three"}},
	{name: "deadlocks", sum: body("", "select {}"), state: lab.Timeout, message: []string{"sums-three", "sum.go:4"}, limited: true},
	{name: "loops", sum: body("", "for {\n\t}"), state: lab.Timeout, message: []string{"stopped after", "sums-three"}, limited: true},
	{name: "loops while starting", sum: "package tiny\n\nfunc init() {\n\tfor {\n\t}\n}\n\n" + function, state: lab.Timeout, message: []string{"before the first test"}, limited: true},
	{name: "allocates without end", sum: body("", "var all [][]byte\n\tfor {\n\t\tb := make([]byte, 1<<20)\n\t\tfor i := range b {\n\t\t\tb[i] = 1\n\t\t}\n\t\tall = append(all, b)\n\t}"), state: lab.Fail, message: []string{"memory", "sums-three"}},
	{name: "allocates at once", sum: body("", "b := make([]byte, 1<<40)\n\treturn len(b) + len(xs)"), state: lab.Fail, message: []string{"memory", "sum.go:4"}},
	{name: "starts goroutines without end", sum: body("", "for {\n\t\tgo func() { select {} }()\n\t}"), state: lab.Fail, message: []string{"memory", "sums-three"}},
	{name: "prints without end", sum: body("\nimport \"fmt\"\n", "for {\n\t\tfmt.Println(\"--- PASS: TestGraded\")\n\t}"), state: lab.Timeout, message: []string{"sums-three"}, limited: true},
	{name: "prints PASS", sum: body("\nimport \"fmt\"\n", "fmt.Print(\"\\x16--- PASS: TestGraded/mine/1.1/sums-three\\nPASS\\nok\\n\")\n\treturn 0"), state: lab.Fail, message: []string{"is 6, not 0"}},
	{name: "prints a verdict", sum: body("\nimport \"fmt\"\n", "fmt.Print(`{\"nonce\":\"\",\"kind\":\"verdict\",\"exercise\":\"1.1\",\"test\":\"sums-three\",\"state\":\"PASS\"}`)\n\treturn 0"), state: lab.Fail, message: []string{"is 6, not 0"}},
	{name: "exits 0", sum: body("\nimport \"os\"\n", "os.Exit(0)\n\treturn 0"), state: lab.Fail, message: []string{"sum.go:3", `"os"`}},
	{name: "starts a process", sum: body("\nimport \"os/exec\"\n", "exec.Command(\"true\").Run()\n\treturn 0"), state: lab.Fail, message: []string{"sum.go:3", `"os/exec"`}},
	{name: "opens the computer's files", sum: body("\nimport \"highwater.dev/broker/vfs\"\n", "f, _ := vfs.OS().Open(\"/proc/self/fd/4\")\n\tf.Close()\n\treturn 0"), state: lab.Fail, message: []string{"sum.go:6", "vfs.OS"}},
	{name: "hands in the solution", sum: "package tiny\n\nimport solution \"highwater.dev/solutions/01-tiny\"\n\nfunc Sum(xs []int) int { return solution.Sum(xs) }\n", state: lab.Fail, message: []string{"sum.go:3", "solutions"}},
	{name: "is left out of the build", sum: "//go:build ignore\n\npackage tiny\n", state: lab.Fail, message: []string{"sum.go:1", "//go:build"}},
	{name: "is as it was made", sum: "start", state: lab.NoStart, message: []string{"as it was made"}},
	{name: "is a large file", sum: "package tiny\n//" + strings.Repeat("x", maxFile), state: lab.Fail, message: []string{"at most"}},
}

func TestHostileSubmissions(t *testing.T) {
	root, chapter := tiny.Checkout(t)
	start, err := os.ReadFile(filepath.Join(root, "exercises", tiny.Name, "sum.go"))
	require.NoError(t, err)
	require.NoError(t, Preflight(t.Context(), options(root, chapter, root+"/exercises")))
	for _, h := range hostiles {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{"sum.go": h.sum, "mean.go": tiny.RightMean}
			switch h.sum {
			case "-":
				delete(files, "sum.go")
			case "start":
				files["sum.go"] = string(start)
			}
			o := options(root, chapter, tiny.Submission(t, files))
			if h.limited {
				o.Limits.Time = 3 * time.Second
			}
			results, err := Run(t.Context(), o)
			require.NoError(t, err)
			require.Len(t, results, 2)
			first, second := results[0], results[1]
			require.Equal(t, h.state, first.State, first.Message)
			points := 0
			if h.state == lab.Pass {
				points = 10
			}
			require.Equal(t, points, first.Points)
			for _, want := range h.message {
				require.Contains(t, first.Message, want)
			}
			require.NotContains(t, first.Message, root, "paths of the grader's computer")
			require.Equal(t, lab.Pass, second.State, second.Message)
			require.Equal(t, 5, second.Points)
		})
	}
}

func options(root string, c *manifest.Chapter, submission string) Options {
	return Options{
		Root: root, Submission: submission, Chapters: []*manifest.Chapter{c}, Seed: 7,
		Limits: trial.Limits{Time: 30 * time.Second, MemoryBytes: 256 << 20, OutputBytes: 64 << 10},
	}
}

// A submission's own tests, manifest, lab and solutions, and files that no exercise asks for, take no part.
func TestOnlyExerciseFilesAreTaken(t *testing.T) {
	root, chapter := tiny.Checkout(t)
	submission := tiny.Submission(t, map[string]string{
		"sum.go": body("", "return cheat"), "mean.go": tiny.MeanBySum,
		"extra.go":     "package tiny\n\nconst cheat = 6\n\nfunc init() { panic(\"extra\") }\n",
		"mean_amd64.s": "TEXT nonsense\n", "sum_test.go": "package tiny\n\nnonsense\n", "exercises.yaml": "nonsense",
	})
	tiny.Put(t, submission, "../chapters/01-tiny/suite/suite.go", "nonsense")
	results, err := Run(t.Context(), options(root, chapter, submission))
	require.NoError(t, err)
	require.Equal(t, lab.Build, results[0].State)
	require.Contains(t, results[0].Message, "undefined: cheat")
	require.Equal(t, lab.Pass, results[1].State, results[1].Message)

	// What stands in the checkout's own exercise folder is nobody's submission.
	tiny.Put(t, root, "exercises/01-tiny/extra.go", "package tiny\n\nnonsense\n")
	tiny.Put(t, root, "exercises/01-tiny/sum.go", "nonsense\n")
	results, err = Run(t.Context(), options(root, chapter, tiny.Submission(t, map[string]string{"sum.go": tiny.RightSum, "mean.go": tiny.MeanBySum})))
	require.NoError(t, err)
	require.Equal(t, 15, results[0].Points+results[1].Points)
}

// An exercise that needs another one is tried with the solution's.
func TestOneBrokenFileCostsOneExercise(t *testing.T) {
	root, chapter := tiny.Checkout(t)
	for name, sum := range map[string]string{"start": "", "refused": "package tiny\n\nimport \"os\"\n", "broken": "package tiny\n\nfunc Sum(", "init": "package tiny\n\nfunc init() { panic(1) }\n" + function} {
		files := map[string]string{"sum.go": sum, "mean.go": tiny.MeanBySum}
		if name == "start" {
			delete(files, "sum.go")
		}
		results, err := Run(t.Context(), options(root, chapter, tiny.Submission(t, files)))
		require.NoError(t, err)
		require.Equal(t, 0, results[0].Points, name)
		require.Equal(t, lab.Pass, results[1].State, name+results[1].Message)
		require.Contains(t, results[1].SecondTry(), "; so your file was tried among the solution's other files, and that try decides", name)
		require.Empty(t, results[0].SecondTry(), name)
		var table strings.Builder
		require.NoError(t, WriteTable(&table, results))
		require.Contains(t, table.String(), "\n1.2 PASS: in your own package: ", name)
	}
}

func TestLinksAreNotFollowed(t *testing.T) {
	root, chapter := tiny.Checkout(t)
	submission := tiny.Submission(t, map[string]string{"mean.go": tiny.RightMean})
	require.NoError(t, os.Symlink(filepath.Join(root, "solutions/01-tiny/sum.go"), filepath.Join(submission, "01-tiny/sum.go")))
	o := options(root, chapter, submission)
	o.Only = "1.1"
	results, err := Run(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, lab.Fail, results[0].State)
	require.Contains(t, results[0].Message, "not a plain file")

	linked := t.TempDir()
	require.NoError(t, os.Symlink(filepath.Join(root, "solutions/01-tiny"), filepath.Join(linked, "01-tiny")))
	o.Submission = linked
	results, err = Run(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, lab.Fail, results[0].State)
}

func TestWhatIsNotTheLearnersIsAnError(t *testing.T) {
	root, chapter := tiny.Checkout(t)
	submission := tiny.Submission(t, map[string]string{"sum.go": tiny.RightSum, "mean.go": tiny.RightMean})
	o := options(root, chapter, submission)

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Run(cancelled, o)
	require.ErrorIs(t, err, context.Canceled, "a stopped grader has no verdicts")

	o.Only = "1.9"
	_, err = Run(t.Context(), o)
	require.ErrorContains(t, err, `no exercise "1.9"`)

	// A checkout that does not build is nobody's state BUILD, and a solution that fails is nobody's FAIL.
	o.Only = ""
	tiny.Replace(t, root, "solutions/01-tiny/sum.go", "total += x", "total = x")
	require.ErrorContains(t, Preflight(t.Context(), o), "1.1: the solution does not pass with this seed")
	tiny.Replace(t, root, "chapters/01-tiny/suite/suite.go", "func Run", "func Ruin")
	_, err = Run(t.Context(), o)
	require.ErrorContains(t, err, "solution cannot be built")
}

// Package lab has taken the grader's secret off its descriptor before a learner's init function runs.
func TestLabStartsBeforeTheLearner(t *testing.T) {
	root, chapter := tiny.Checkout(t)
	replace := map[string]string{}
	for name, source := range map[string]string{"sum.go": "package tiny\n\nfunc init() { println(\"learner\") }\n\n" + function, "mean.go": tiny.RightMean} {
		replace["exercises/01-tiny/"+name] = filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(replace["exercises/01-tiny/"+name], []byte(source), 0o600))
	}
	binary, err := trial.Build(t.Context(), trial.Source{Root: root, Chapter: chapter.Name, Mine: true, Package: chapter.Package, Replace: replace}, t.TempDir())
	require.NoError(t, err)
	cmd := exec.Command(binary.File, "-test.run=^$")
	cmd.Env = []string{"GODEBUG=inittrace=1"}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	lab, learner := strings.Index(string(out), "init highwater.dev/workbook/lab "), strings.Index(string(out), "learner")
	require.NotEqual(t, -1, lab, string(out))
	require.Greater(t, learner, lab, string(out))
}
