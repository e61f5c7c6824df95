package stat

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// write makes a file of results.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "run.txt")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

func TestReadKeepsOrderAndHead(t *testing.T) {
	results, err := Read(write(t, "cpu: x\ndate: 2026-01-02\nBenchmarkA/impl=a 1 3 MB/s\nBenchmarkA/impl=b 1 4 MB/s\nPASS\nBenchmarkA/impl=a 1 5 MB/s\n"))
	require.NoError(t, err)
	require.Len(t, results.Results, 3)
	require.Equal(t, 5e6, results.Results[2].Values[0].Value)
	require.Equal(t, []Fact{{"cpu", "x"}, {"date", "2026-01-02"}}, results.Facts())
}

// A fault is never skipped: a run with half its samples would still give medians.
func TestReadNamesFileAndLineOfAFault(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"number":    {"BenchmarkA 1 3 MB/s\nBenchmarkA 1 x MB/s\n", ":2: parsing measurement: invalid syntax"},
		"unit":      {"BenchmarkA 1 3\n", ":1: missing units"},
		"count":     {"BenchmarkA one 3 MB/s\n", ":1: parsing iteration count: invalid syntax"},
		"infinite":  {"BenchmarkA 1 Inf MB/s\n", ":1: MB/s of A is not a finite number"},
		"truncated": {"BenchmarkA 1 3 MB/s\nBenchmarkA 1 45 M", ":2: the file ends within a line"},
		"empty":     {"", ": no benchmark result in it"},
		"other":     {"hello\nPASS\n", ": no benchmark result in it"},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, c.text)
			_, err := Read(path)
			require.EqualError(t, err, "stat: "+path+c.want)
		})
	}
	_, err := Read(filepath.Join(t.TempDir(), "none.txt"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestUnitsKnowTheBetterDirection(t *testing.T) {
	results, err := Read(write(t, "Unit errors better=lower\nUnit hits/s better=lower\nBenchmarkA 1 1 errors\n"))
	require.NoError(t, err)
	for unit, want := range map[string]Direction{
		"MB/s": Higher, "records/s": Higher, "B/s": Higher,
		"p99-ms": Lower, "p99.9-ms": Lower, "cpu-s/GB": Lower, "peak-RSS-MiB": Lower, "ready-s": Lower, "create-s": Lower, "KiB/partition": Lower,
		"KiB/connection": Lower, "ns/op": Lower, "sec/op": Lower, "B/op": Lower, "allocs/op": Lower, "ms": Lower,
		"widgets": Unknown, "errors": Lower, "hits/s": Lower, // the last two as the file says
	} {
		require.Equal(t, want, Better(unit, results.Units), unit)
	}
}
