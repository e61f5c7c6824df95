package peers

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/perf/benchfmt"
)

var samples = []Sample{
	{"produce/size=1024", Highwater, "MB/s", 300}, {"produce/size=1024", Highwater, "MB/s", 100}, {"produce/size=1024", Highwater, "MB/s", 200},
	{"produce/size=1024", Kafka, "MB/s", 100}, {"produce/size=1024", Kafka, "MB/s", 60},
	{"memory", Highwater, "peak-RSS-MiB", 35},
}

func TestMedian(t *testing.T) {
	got, ok := Median(samples, "produce/size=1024", Highwater, "MB/s")
	require.True(t, ok)
	require.Equal(t, 200.0, got)
	got, ok = Median(samples, "produce/size=1024", Kafka, "MB/s")
	require.True(t, ok)
	require.Equal(t, 80.0, got)
	_, ok = Median(samples, "memory", Kafka, "peak-RSS-MiB")
	require.False(t, ok)
}

func TestTableShowsMedianSpreadAndRatio(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, WriteTable(&out, samples, []string{Highwater, Kafka, Floor}))
	require.Contains(t, out.String(), "200 (100–300)")
	require.Contains(t, out.String(), "80 (60–100)")
	require.Contains(t, out.String(), "2.500")
}

// What we write is read by the library that benchstat is made of.
func TestBenchmarkLinesAreBenchmarkFormat(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, WriteBenchmarks(&out, samples))
	reader := benchfmt.NewReader(&out, "samples")
	var results []*benchfmt.Result
	for reader.Scan() {
		result, ok := reader.Result().(*benchfmt.Result)
		require.Truef(t, ok, "%v", reader.Result())
		results = append(results, result.Clone())
	}
	require.NoError(t, reader.Err())
	require.Len(t, results, len(samples))
	require.Equal(t, "Produce/size=1024/impl=highwater", results[0].Name.String())
	require.Equal(t, benchfmt.Value{Value: 3e8, Unit: "B/s", OrigValue: 300, OrigUnit: "MB/s"}, results[0].Values[0])
}
