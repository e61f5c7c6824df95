package stage

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"highwater.dev/bench/profile"
)

// chapter is a checkout with one chapter, whose benchmarks have the key impl at different levels.
const chapter = `package tiny

import "testing"

var sink []byte

func work(b *testing.B) {
	for b.Loop() {
		sink = make([]byte, 1000)
	}
}

func BenchmarkShallow(b *testing.B) {
	for _, impl := range []string{"solution", "broker"} {
		b.Run("impl="+impl, work)
	}
}

func BenchmarkDeep(b *testing.B) {
	for _, size := range []string{"1", "16"} {
		for _, impl := range []string{"solution", "broker"} {
			b.Run("size="+size+"/impl="+impl, work)
		}
	}
	b.Run("impl=other", func(b *testing.B) { b.Fatal("nobody asked for this one") })
}
`

func checkout(t *testing.T, source string) Plan {
	root := t.TempDir()
	dir := filepath.Join(root, "chapters", "01-tiny")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "go.mod"), []byte("module tiny.example\n\ngo 1.26.0\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bench_test.go"), []byte(source), 0o644))
	p := DefaultPlan()
	p.Root, p.Chapter, p.Samples, p.Time = root, "01-tiny", 3, time.Millisecond
	return p
}

func measure(t *testing.T, p Plan) ([]string, error) {
	var out strings.Builder
	err := Run(t.Context(), p, &out, slog.New(slog.DiscardHandler))
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n"), err
}

func TestRoundsTakeTurns(t *testing.T) {
	p := checkout(t, strings.Replace(chapter, `b.Fatal("nobody asked for this one")`, `b.Log()`, 1))
	lines, err := measure(t, p)
	require.NoError(t, err)
	var order []string
	counts := map[string]int{}
	for _, l := range lines {
		name := line.FindStringSubmatch(l)[1]
		counts[name]++
		if impl, shallow := strings.CutPrefix(name, "BenchmarkShallow/impl="); shallow {
			order = append(order, impl)
		}
	}
	require.Equal(t, []string{"solution", "broker", "solution-again", "solution-again", "broker", "solution", "solution", "broker", "solution-again"}, order)
	want := map[string]int{}
	for _, impl := range []string{"solution", "broker", "solution-again"} {
		for _, name := range []string{"BenchmarkShallow", "BenchmarkDeep/size=1", "BenchmarkDeep/size=16"} {
			want[name+"/impl="+impl] = 3
		}
	}
	require.Equal(t, want, counts)
}

func TestOneBenchmarkAndItsProfiles(t *testing.T) {
	p := checkout(t, chapter)
	p.Benchmark, p.Samples, p.Profiles = "Shallow", 1, t.TempDir()
	lines, err := measure(t, p)
	require.NoError(t, err)
	require.Len(t, lines, 3)
	for _, impl := range p.Impls {
		for _, kind := range profile.Kinds { // nobody waits here: the profiles of waits are empty
			require.FileExists(t, profile.Path(p.Profiles, "Shallow/impl="+impl, kind))
		}
		for _, kind := range []profile.Kind{profile.CPU, profile.Heap} {
			_, err := profile.Load(p.Profiles, "Shallow/impl="+impl, kind)
			require.NoError(t, err)
		}
	}
}

func TestWhatCannotBeMeasured(t *testing.T) {
	p := checkout(t, chapter)
	_, err := measure(t, p)
	require.ErrorContains(t, err, "nobody asked for this one", "a benchmark that fails")
	p.Benchmark = "Nothing"
	_, err = measure(t, p)
	require.ErrorContains(t, err, `no benchmark of 01-tiny matches "Nothing"`)
	p.Benchmark, p.Impls = "Shallow", []string{"mine"}
	_, err = measure(t, p)
	require.ErrorContains(t, err, "no benchmark of 01-tiny with impl=mine in its name")
	p.Impls = []string{"yours"}
	_, err = measure(t, p)
	require.ErrorContains(t, err, "each must be one of [solution mine broker]")
	p.Impls = []string{"broker", "broker"}
	_, err = measure(t, p)
	require.ErrorContains(t, err, "names one twice")

	_, err = measure(t, checkout(t, strings.Replace(chapter, "work(b *testing.B) {", "work(b *testing.B) { panic(\"exercise 1.2 is not started\")", 1)))
	require.ErrorContains(t, err, "exercise 1.2 is not started: solve it first")
	_, err = measure(t, checkout(t, chapter+"\nfunc broken() int {}\n"))
	var broken *BuildError
	require.ErrorAs(t, err, &broken)
	require.ErrorContains(t, err, "missing return")
}
