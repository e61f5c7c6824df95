package class

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"highwater.dev/workbook/grade"
	"highwater.dev/workbook/internal/tiny"
	"highwater.dev/workbook/lab"
	"highwater.dev/workbook/manifest"
	"highwater.dev/workbook/trial"
)

func TestClass(t *testing.T) {
	root, chapter := tiny.Checkout(t)
	in, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	put := func(name string, content []byte) {
		require.NoError(t, os.WriteFile(filepath.Join(in, name), content, 0o644))
	}
	files := []item{{name: "work/01-tiny/sum.go", content: tiny.RightSum}, {name: "work/01-tiny/mean.go", content: tiny.MeanBySum}}
	tiny.Put(t, in, "ada/exercises/01-tiny/sum.go", tiny.RightSum)
	tiny.Put(t, in, "ada/exercises/01-tiny/mean.go", "package tiny\n\nfunc Mean(xs []int) int { panic(\"```\\x1b[31m\") }\n")
	put("bob.zip", makeZip(t, files))
	put("cyd.tar.gz", makeGzip(t, makeTar(t, files[:1])))
	put("eve.tar", makeTar(t, []item{{name: "../../x.go", content: "x"}}))
	put("ada.zip", makeZip(t, files)) // a second submission of that name
	put("notes.txt", []byte("x"))
	tiny.Put(t, in, "=cmd()/README", "no exercises")
	tiny.Put(t, in, ".git/x", "x")

	o := Options{
		Grade: grade.Options{
			Root: root, Chapters: []*manifest.Chapter{chapter}, Seed: 99,
			Limits: trial.Limits{Time: 30 * time.Second, MemoryBytes: 1 << 30, OutputBytes: 1 << 16},
		},
		Submissions: in, Out: out, Jobs: 2,
	}
	run := func() ([]Grade, string) {
		var progress strings.Builder
		o.Progress = &progress
		grades, err := Run(t.Context(), o)
		require.NoError(t, err)
		return grades, progress.String()
	}
	grades, progress := run()
	points := map[string]int{}
	for _, g := range grades {
		points[g.Learner] = g.Points
		require.Equal(t, 15, g.Of, g.Learner)
		require.False(t, g.Undecided, g.Problem)
	}
	require.Equal(t, map[string]int{"=cmd()": 0, "ada": 10, "ada.zip": 15, "bob": 15, "cyd": 10, "eve": 0}, points)
	for _, want := range []string{"notes.txt: neither a folder", "6/6 ", "eve: refused: the name \"../../x.go\" leads out", "bob: 15 of 15 points"} {
		require.Contains(t, progress, want)
	}
	require.NotContains(t, progress, "before")

	checkFiles(t, out)

	// Again: nothing is graded anew but what changed.
	put("bob.zip", makeZip(t, files[:1]))
	grades, progress = run()
	require.Equal(t, 3, strings.Count(progress, "as graded before"), progress)
	require.Contains(t, progress, "bob: 10 of 15 points (")
	require.Equal(t, "ada", grades[1].Learner)
	require.Equal(t, 10, grades[1].Points)
	require.NotEmpty(t, grades[1].Exercises[1].Message)

	o.Grade.Seed = 100
	o.Grade.Chapters = []*manifest.Chapter{chapter}
	_, progress = run()
	require.NotContains(t, progress, "as graded before", "another seed grades everybody again")
}

// checkFiles reads what the class's run wrote.
func checkFiles(t *testing.T, out string) {
	t.Helper()
	f, err := os.Open(filepath.Join(out, "grades.csv"))
	require.NoError(t, err)
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.Equal(t, []string{"learner", "points", "of", "1.1", "1.1 state", "1.2", "1.2 state", "problem"}, rows[0])
	require.Equal(t, "'=cmd()", rows[1][0])
	require.Equal(t, []string{"ada", "10", "15", "10", "PASS", "0", "FAIL", ""}, rows[2])
	require.Equal(t, []string{"cyd", "10", "15", "10", "PASS", "0", "NOT_STARTED", ""}, rows[5])
	for _, name := range []string{"grades.json", "learners/bob/results.json", "learners/bob/results.xml", "learners/bob/report.md", "learners/eve/report.md"} {
		require.FileExists(t, filepath.Join(out, name))
	}
	report, err := os.ReadFile(filepath.Join(out, "learners/ada/report.md"))
	require.NoError(t, err)
	require.Contains(t, string(report), "## 1.2 The mean: FAIL\n\n    at mean.go:3: ")
	require.NotContains(t, string(report), "\x1b")
}

func TestNobodyIsGradedByABrokenCheckout(t *testing.T) {
	root, chapter := tiny.Checkout(t)
	in, out := t.TempDir(), t.TempDir()
	o := Options{
		Grade:       grade.Options{Root: root, Chapters: []*manifest.Chapter{chapter}, Limits: trial.DefaultLimits()},
		Submissions: in, Out: out, Progress: &strings.Builder{},
	}
	_, err := Run(t.Context(), o)
	require.ErrorContains(t, err, "holds no submissions")
	tiny.Put(t, in, "ada/01-tiny/sum.go", tiny.RightSum)
	tiny.Replace(t, root, "solutions/01-tiny/sum.go", "total += x", "total = x")
	_, err = Run(t.Context(), o)
	require.ErrorContains(t, err, "the solution does not pass")
	left, err := os.ReadDir(out)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestTheReportSaysWhatTheSecondTryDecided(t *testing.T) {
	page := report(Grade{Exercises: []grade.Result{
		{Exercise: "1.1", State: lab.Pass},
		{Exercise: "1.2", State: lab.Pass, Alone: "NOT_RUN mean-of-three: needs 1.1\nand more"},
	}})
	require.Contains(t, page, "\n1.2 PASS:\n\n    in your own package: NOT_RUN mean-of-three: needs 1.1; so your file was tried among the solution's other files, and that try decides\n")
	require.Equal(t, 1, strings.Count(page, "that try decides"))
}
