package stat

import (
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/perf/benchmath"
)

// verdict is what benchstat says of a benchmark and a unit. Empty fields: not measured on that side.
type verdict struct {
	oldCenter, oldRange string
	newCenter, newRange string
	delta, test         string
}

// benchstat is the real tool. Its CSV is, for each unit, a line of file names, a line of headings, the rows and a geomean.
func benchstat(t *testing.T, old, now string) map[string]verdict {
	t.Helper()
	cmd := exec.Command("go", "tool", "benchstat", "-format", "csv", "-table", "pkg", "-ignore", ".config", "old="+old, "new="+now)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	reader := csv.NewReader(strings.NewReader(string(out)))
	reader.FieldsPerRecord = -1
	lines, err := reader.ReadAll()
	require.NoError(t, err)
	verdicts := map[string]verdict{}
	pkg, unit := "", ""
	var sides []string // of the table: old, new or both
	for i, line := range lines {
		line = append(slices.Clone(line), make([]string, 7)...)
		switch {
		case strings.HasPrefix(line[0], "pkg: "):
			pkg = strings.TrimPrefix(line[0], "pkg: ")
		case line[0] == "" && line[2] == "CI":
			unit, sides = line[1], nil
			for _, side := range lines[i-1][1:] {
				if side != "" {
					sides = append(sides, side)
				}
			}
		case line[0] == "" || line[0] == "geomean":
		case slices.Equal(sides, []string{"new"}):
			verdicts[pkg+" "+line[0]+" "+unit] = verdict{newCenter: line[1], newRange: line[2]}
		default:
			verdicts[pkg+" "+line[0]+" "+unit] = verdict{line[1], line[2], line[3], line[4], line[5], line[6]}
		}
	}
	return verdicts
}

func ours(t *testing.T, old, now string) map[string]verdict {
	t.Helper()
	oldResults, err := Read(old)
	require.NoError(t, err)
	newResults, err := Read(now)
	require.NoError(t, err)
	rows, err := Compare(oldResults, newResults)
	require.NoError(t, err)
	verdicts := map[string]verdict{}
	for _, c := range rows {
		var v verdict
		show := func(s *benchmath.Summary) (string, string) {
			if s == nil {
				return "", ""
			}
			return fmt.Sprint(s.Center), s.PctRangeString()
		}
		v.oldCenter, v.oldRange = show(c.Old)
		v.newCenter, v.newRange = show(c.New)
		if v.delta = c.Delta(); v.delta != "" {
			v.test = c.Test.String()
		}
		verdicts[c.Package+" "+c.Benchmark+" "+c.Unit] = v
	}
	return verdicts
}

// Centre, interval, change, p and n of each row and unit are those of the real benchstat.
func TestCompareSaysWhatBenchstatSays(t *testing.T) {
	for _, files := range [][2]string{{"old.txt", "new.txt"}, {"new.txt", "old.txt"}, {"old.txt", "old.txt"}, {"few-old.txt", "few-new.txt"}} {
		t.Run(files[0]+" "+files[1], func(t *testing.T) {
			old, now := filepath.Join("testdata", files[0]), filepath.Join("testdata", files[1])
			want := benchstat(t, old, now)
			require.GreaterOrEqual(t, len(want), 3)
			require.Equal(t, want, ours(t, old, now))
		})
	}
}

// The same over made-up files of all sizes of samples, with ties, zeros and benchmarks that only one side has.
func TestCompareSaysWhatBenchstatSaysOfAnything(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	made := func(shift float64) string {
		var b strings.Builder
		for i := range 40 {
			for range random.IntN(14) {
				steps := float64(random.IntN(1 + i%7)) // few distinct values, or one alone: ties
				fmt.Fprintf(&b, "BenchmarkMade%d-2 1 %g ns/op %g p99-ms\n", i, (100+steps)*shift, steps*shift)
			}
		}
		return write(t, b.String())
	}
	old, now := made(1), made(1.03)
	want := benchstat(t, old, now)
	require.Greater(t, len(want), 70)
	require.Equal(t, want, ours(t, old, now))
}

func TestCompareNamesTheBetterSide(t *testing.T) {
	old, err := Read(filepath.Join("testdata", "old.txt"))
	require.NoError(t, err)
	now, err := Read(filepath.Join("testdata", "new.txt"))
	require.NoError(t, err)
	verdicts := func(old, now *Results) map[string]Verdict {
		rows, err := Compare(old, now)
		require.NoError(t, err)
		m := map[string]Verdict{}
		for _, c := range rows {
			m[c.Benchmark+" "+c.Unit] = c.Verdict
		}
		return m
	}
	faster, slower := verdicts(old, now), verdicts(now, old)
	require.Equal(t, Wins, faster["Produce/size=1024/impl=highwater B/s"])
	require.Equal(t, Wins, faster["Produce/size=1024/impl=highwater cpu-s/GB"])
	require.Equal(t, Wins, faster["Append-2 sec/op"])
	require.Equal(t, Same, faster["Append-2 allocs/op"])
	require.Equal(t, Same, faster["Gone-2 sec/op"])
	require.Equal(t, Loses, slower["Produce/size=1024/impl=highwater B/s"])
	require.Equal(t, Loses, slower["Append-2 sec/op"])
}

func TestCompareRefusesContradictingUnits(t *testing.T) {
	a, b := write(t, "Unit x better=higher\nBenchmarkA 1 1 x\n"), write(t, "Unit x better=lower\nBenchmarkA 1 1 x\n")
	old, err := Read(a)
	require.NoError(t, err)
	now, err := Read(b)
	require.NoError(t, err)
	_, err = Compare(old, now)
	require.EqualError(t, err, "stat: "+b+":1: better of unit x is lower here and higher before")
}
