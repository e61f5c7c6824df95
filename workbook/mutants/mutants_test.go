package mutants

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"highwater.dev/workbook/internal/tiny"
	"highwater.dev/workbook/manifest"
	"highwater.dev/workbook/trial"
)

const matrix = `# Kill matrix

Made by ` + "`go run . mutants --out docs/mutants.md`" + `. Each row is a wrong program; the graded tests of its exercise have to reject it. Where
the moment decides which of several tests notice, a later run may list others.

## 1.1 The sum

| Mutant | The misconception | Killed by |
|---|---|---|
| first-forgotten | Counting begins at one. | sums-three, sums-like-adding |
| last-wins | The total is the last number. | sums-three, sums-like-adding |
| no-negatives | Numbers are never negative. | sums-like-adding |

## 1.2 The mean

| Mutant | The misconception | Killed by |
|---|---|---|
| no-guard | There is always a number. | mean-of-none |
| one-more | Lengths count from zero. | mean-of-three |
| sum | The mean is the sum. | mean-of-three |

6 mutants.
`

func TestMatrixIsStable(t *testing.T) {
	root, c := tiny.Checkout(t)
	o := Options{
		Root: root, Chapters: []*manifest.Chapter{c}, Cache: t.TempDir(), Jobs: 2,
		Limits: trial.Limits{Time: 30 * time.Second, MemoryBytes: 1 << 30, OutputBytes: 1 << 16},
	}
	for _, jobs := range []int{2, 1} { // the second time from the cache
		o.Jobs = jobs
		kills, err := Run(t.Context(), o)
		require.NoError(t, err)
		require.Len(t, kills, 8)
		var b strings.Builder
		require.NoError(t, WriteMatrix(&b, o.Chapters, kills))
		require.Equal(t, matrix, b.String())
		cached, err := os.ReadDir(o.Cache)
		require.NoError(t, err)
		require.Len(t, cached, 8, "the same programs give the same keys")
	}
	tiny.Replace(t, root, "chapters/01-tiny/exercises.yaml", `replace: "/ 1"`, `replace: "/ 2"`)
	o.Chapters = []*manifest.Chapter{tiny.Generate(t, root)}
	_, err := Run(t.Context(), o)
	require.NoError(t, err)
	cached, err := os.ReadDir(o.Cache)
	require.NoError(t, err)
	require.Len(t, cached, 9, "one mutant has changed, so one ran again")
}

// The chapter's side of the bargain is asked for in words.
func TestHowAChapterRegistersTheReader(t *testing.T) {
	own := "chapters/01-tiny/graded_own_test.go"
	root, c := tiny.Checkout(t)
	o := Options{Root: root, Chapters: []*manifest.Chapter{c}, Jobs: 1, Limits: trial.DefaultLimits()}
	tiny.Replace(t, root, own, "func init()", "var one = 1\n\nfunc init()")
	_, err := Run(t.Context(), o)
	require.ErrorContains(t, err, "one redeclared in this block")
	tiny.Replace(t, root, own, "exercises/01-tiny", "solutions/01-tiny")
	_, err = Run(t.Context(), o)
	require.ErrorContains(t, err, `no file of chapters/01-tiny imports "highwater.dev/exercises/01-tiny"`)
}

func TestWhatIsWrongIsReported(t *testing.T) {
	root, _ := tiny.Checkout(t)
	yaml := "chapters/01-tiny/exercises.yaml"
	tiny.Replace(t, root, yaml, `find: "range xs {", replace: "range xs[min(1, len(xs)):] {"`, `find: "range xs {", replace: "range xs[0:] {"`)
	tiny.Replace(t, root, yaml, `find: "total += x", replace: "total = x"`, `find: "total += x", replace: "total += y"`)
	tiny.Replace(t, root, yaml, `find: "/ len(xs)", replace: "/ 1"`, `find: "/ length", replace: "/ 1"`)
	tiny.Replace(t, root, yaml, `find: "len(xs) == 0", replace: "xs == nil"`, `find: "len(xs) == 0", replace: "false || len(xs) == 0"`)
	c := tiny.Generate(t, root)
	kills, err := Run(t.Context(), Options{
		Root: root, Chapters: []*manifest.Chapter{c}, Jobs: 2,
		Limits: trial.Limits{Time: 30 * time.Second, MemoryBytes: 1 << 30, OutputBytes: 1 << 16},
	})
	require.Len(t, kills, 8)
	for _, want := range []string{
		"exercise 1.1: mutant first-forgotten survives: Counting begins at one.",
		"exercise 1.1: mutant last-wins: does not compile",
		"undefined: y",
		`exercise 1.2: mutant sum: the text to find does not stand there exactly once: "/ length" stands 0 times in mean.go`,
		"exercise 1.2: mutant no-guard survives",
		"exercise 1.1: test sums-three kills no mutant",
		"exercise 1.2: test mean-of-none kills no mutant",
	} {
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, err.Error(), "test mean-of-three kills")
	var b strings.Builder
	require.NoError(t, WriteMatrix(&b, []*manifest.Chapter{c}, kills))
	require.Contains(t, b.String(), "| first-forgotten | Counting begins at one. | **survives** |")
	require.Contains(t, b.String(), "| last-wins | The total is the last number. | **cannot be tried** |")
}

// A mutant that hangs or ends the process is killed by the test that was running, and a solution that fails is a defect.
func TestHangsAndFailingSolutions(t *testing.T) {
	root, _ := tiny.Checkout(t)
	tiny.Replace(t, root, "chapters/01-tiny/exercises.yaml", `replace: "range xs[min(1, len(xs)):] {"`, `replace: "range xs { for {}"`)
	tiny.Replace(t, root, "solutions/01-tiny/mean.go", "/ len(xs)", "/ len(xs) + 1")
	c := tiny.Generate(t, root)
	kills, err := Run(t.Context(), Options{
		Root: root, Chapters: []*manifest.Chapter{c}, Jobs: 2,
		Limits: trial.Limits{Time: 3 * time.Second, MemoryBytes: 1 << 30, OutputBytes: 1 << 16},
	})
	require.ErrorContains(t, err, "the solution to 1.2 does not pass: FAIL by [mean-of-three]")
	require.Equal(t, "first-forgotten", kills[1].Mutant)
	require.Equal(t, []string{"sums-three"}, kills[1].KilledBy)
}
