package report

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var synthetic = filepath.Join("testdata", "synthetic.txt")

// written makes the page in a folder and gives all files by name.
func written(t *testing.T, notes string, files ...string) map[string]string {
	t.Helper()
	page, err := Build(files, notes)
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, page.Write(dir))
	got := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		name, relErr := filepath.Rel(dir, path)
		require.NoError(t, relErr)
		got[filepath.ToSlash(name)] = string(data)
		return err
	}))
	return got
}

// samples writes a file of results "NAME IMPL VALUE UNIT", six of each.
func samples(t *testing.T, results ...string) string {
	t.Helper()
	var b strings.Builder
	for range 6 {
		for _, r := range results {
			f := strings.Fields(r)
			fmt.Fprintf(&b, "Benchmark%s/impl=%s 1 %s %s\n", f[0], f[1], f[2], f[3])
		}
	}
	path := filepath.Join(t.TempDir(), "run.txt")
	require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o644))
	return path
}

func TestPageHoldsEverythingMeasured(t *testing.T) {
	got := written(t, "## Why memory is missed\n\nBecause of *buffers*.", synthetic)
	page := got["performance.md"]
	for _, want := range []string{
		"| cpu       | Example CPU @ 2.00GHz |",
		"12 met, 2 missed, 2 not measured.",
		"| missed       | peak memory (peak-RSS-MiB) ",
		"| not measured | recovery of 10 GB (ready-s) ",
		"\n## Why memory is missed\n\nBecause of *buffers*.\n",
		"![Produce throughput by record size](performance/produce-throughput.svg)",
		"### Connections",
		"- [synthetic.txt](performance/synthetic.txt)",
	} {
		require.Contains(t, page, want)
	}
	require.NotContains(t, page, "-again", "twins are the noise floor, not an implementation")
	raw, err := os.ReadFile(synthetic)
	require.NoError(t, err)
	require.Equal(t, string(raw), got["performance/synthetic.txt"])
	for _, link := range regexp.MustCompile(`\]\((performance/[^)]*)\)`).FindAllStringSubmatch(page, -1) {
		require.Contains(t, got, link[1], "a dead link")
	}
	require.Equal(t, got, written(t, "## Why memory is missed\n\nBecause of *buffers*.", synthetic), "the same samples give the same page")
}

func TestHTMLStandsAlone(t *testing.T) {
	page := written(t, "Notes with <script>alert(1)</script> and [a link](https://example.org/).", synthetic)["performance.html"]
	require.NotRegexp(t, `(?i)\ssrc\s*=|url\(|@import|<link`, page)
	require.Equal(t, 11, strings.Count(page, "<svg class=\"hw-chart\""))
	require.Equal(t, 1, strings.Count(page, "<script"))
	for _, want := range []string{`<td style="text-align:left">missed</td>`, "prefers-color-scheme:dark", `name="viewport"`} {
		require.True(t, strings.Contains(page, want), want) // the whole page in a failure helps nobody
	}
}

// The lowest of the limits that the bytes pass is the limit; fsync, in ms, is none of a throughput.
func TestShareOfThePhysicalLimit(t *testing.T) {
	got := written(t, "", samples(t, "Produce/size=100 highwater 300 MB/s", "Consume/size=100 highwater 300 MB/s", "Memory highwater 9 peak-RSS-MiB",
		"Limit/what=loopback limit 3000 MB/s", "Limit/what=pagecache limit 1200 MB/s", "Limit/what=sendfile limit 6000 MB/s", "Limit/what=fsync limit 2 ms"))["performance.md"]
	require.Contains(t, got, "25 % of pagecache")
	require.Contains(t, got, "10 % of loopback")
	require.Equal(t, 2, strings.Count(got, " % of "))
}

func TestWithoutKafkaThereAreNoRatiosAndNoVerdicts(t *testing.T) {
	got := written(t, "", samples(t, "Memory highwater 9 peak-RSS-MiB"))["performance.md"]
	require.Contains(t, got, "0 met, 0 missed, 16 not measured.")
	require.Contains(t, got, "The samples do not say on what they were measured.")
	require.NotContains(t, got, "highwater / ")
	require.NotContains(t, got, "![")
	require.Contains(t, got, "- Throughput by batch size, 1 KiB records: `Sweep/size=1024/batch-bytes=N` in MB/s\n")
	require.Equal(t, len(chartSpecs), strings.Count(got, "` in "))
}

// Sizes stand in their numerical order, and a benchmark with further keys is another measurement.
func TestChartColumns(t *testing.T) {
	got := written(t, "", samples(t, "Produce/size=16384 highwater 3 MB/s", "Produce/size=100 highwater 1 MB/s", "Produce/size=1024 highwater 2 MB/s",
		"Produce/size=100/acks=0 highwater 99 MB/s"))["performance/produce-throughput.svg"]
	titles := regexp.MustCompile(`<title>([^<]*)</title>`).FindAllStringSubmatch(got, -1)
	require.Len(t, titles, 3)
	require.Equal(t, "highwater, 100 B: 1 MB/s", titles[0][1])
	require.Equal(t, "highwater, 16 KiB: 3 MB/s", titles[2][1])
}

func TestBuildRefuses(t *testing.T) {
	_, err := Build([]string{samples(t, "Memory kafka 9 MiB"), samples(t, "Memory kafka 9 MiB")}, "")
	require.EqualError(t, err, "report: two files of samples are named run.txt")
	_, err = Build([]string{filepath.Join(t.TempDir(), "none.txt")}, "")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestNotesMayBeAbsent(t *testing.T) {
	text, err := Notes(filepath.Join(t.TempDir(), "none.md"))
	require.NoError(t, err)
	require.Empty(t, text)
	_, err = Notes(t.TempDir())
	require.ErrorContains(t, err, "report: ")
}
