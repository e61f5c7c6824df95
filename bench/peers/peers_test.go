package peers

import (
	"bytes"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/perf/benchfmt"

	"highwater.dev/bench/peer"
	"highwater.dev/bench/profile"
)

// What we write is read by the library that benchstat is made of.
func TestBenchmarkLinesAreBenchmarkFormat(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, WriteBenchmarks(&out, []Sample{
		{"Produce/size=1024", Highwater, []Value{{300, "MB/s"}, {1.5, "cpu-s/GB"}}},
		{"Memory", Kafka, []Value{{1e9, "peak-RSS-MiB"}}},
	}))
	reader := benchfmt.NewReader(&out, "samples")
	var results []*benchfmt.Result
	for reader.Scan() {
		result, ok := reader.Result().(*benchfmt.Result)
		require.Truef(t, ok, "%v", reader.Result())
		results = append(results, result.Clone())
	}
	require.NoError(t, reader.Err())
	require.Len(t, results, 2)
	require.Equal(t, "Produce/size=1024/impl=highwater", results[0].Name.String())
	require.Equal(t, benchfmt.Value{Value: 3e8, Unit: "B/s", OrigValue: 300, OrigUnit: "MB/s"}, results[0].Values[0])
	require.Equal(t, benchfmt.Value{Value: 1.5, Unit: "cpu-s/GB"}, results[0].Values[1])
	require.Equal(t, "Memory/impl=kafka", results[1].Name.String())
}

func TestOrderTurns(t *testing.T) {
	all := []string{"a", "b", "c"}
	require.Equal(t, []string{"a", "b", "c"}, inTurn(all, 0))
	require.Equal(t, []string{"c", "b", "a"}, inTurn(all, 1))
	require.Equal(t, []string{"a", "b", "c"}, all, "the list itself stays")
}

func TestPerfToolSummary(t *testing.T) {
	got, err := steadyRate([]byte("10 records sent, 5.0 records/sec (1 MB/sec)\n400000 steady state records sent, 70909.413225 records/sec (69.25 MB/sec), 389.60 ms avg latency\n"))
	require.NoError(t, err)
	require.Equal(t, 70909.413225, got)
	_, err = steadyRate([]byte("10 records sent, 5.0 records/sec\n"))
	require.ErrorContains(t, err, "no summary of the steady state")
}

func TestPlansAreChecked(t *testing.T) {
	require.NoError(t, DefaultPlan().Validate())
	err := Plan{Rounds: 0, RecordBytes: []int{1}}.Validate()
	for _, want := range []string{"rounds: 0", "record-bytes: 1, must be 16 to", "idle-partitions: 0"} {
		require.ErrorContains(t, err, want)
	}
}

func smallPlan() Plan {
	p := DefaultPlan()
	p.Rounds, p.FewRounds, p.Bytes, p.RecordBytes, p.Latency = 2, 1, 1<<20, []int{1000}, 100*time.Millisecond
	p.SweepBytes, p.SweepBatches, p.SweepPartitions, p.SweepProducers = 1<<18, []int32{16 << 10}, []int32{2}, []int{2}
	p.RecoveryBytes, p.IdlePartitions, p.IdleConnections = 1e6, 20, 10
	return p
}

// A whole run on a machine without Java: what needs Apache Kafka is not there, and all the rest is.
func TestRunWithoutKafka(t *testing.T) {
	binary, err := peer.BuildHighwater(t.Context(), t.TempDir())
	require.NoError(t, err)
	starters := append(WithoutKafka(StartersFor(binary)), FloorStarter(binary))
	p := smallPlan()
	p.Profiles, p.ProfileFor = t.TempDir(), time.Second
	samples, err := Run(t.Context(), p, starters, t.TempDir(), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	for _, kind := range profile.Kinds { // nobody may have waited for a lock: that profile has no samples then
		require.FileExists(t, profile.Path(p.Profiles, "Produce/size=1000", kind))
	}
	_, err = profile.Load(p.Profiles, "Produce/size=1000", profile.CPU)
	require.NoError(t, err)
	counts := map[string]int{}
	for _, s := range samples {
		counts[s.Load+" "+s.Server]++
		for _, v := range s.Values {
			require.GreaterOrEqual(t, v.Value, 0.0, "%s of %s, %s", s.Load, s.Server, v.Unit)
		}
	}
	want := map[string]int{"Produce/size=1000 floor": 2, "Recovery/GB=0.001 highwater": 1, "Partitions/count=20 highwater": 1, "Connections/count=10 highwater": 1,
		"Sweep/size=1024/batch-bytes=16384 highwater": 1, "Sweep/size=1024/partitions=2 highwater": 1, "Sweep/size=1024/producers=2 highwater": 1}
	for _, what := range []string{"loopback", "sendfile", "pagecache", "crc32c", "fsync"} {
		want["Limit/what="+what+" limit"] = 2
	}
	for _, server := range []string{Highwater, Again} {
		want["Memory "+server], want["Memory/after=sweeps "+server] = 1, 1
		for _, load := range []string{"StartUp", "Produce/size=1000", "Consume/size=1000", "AckLatency/rate=2000"} {
			want[load+" "+server] = 2
		}
	}
	require.Equal(t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(counts)))
	require.Equal(t, want, counts)
}

func TestOnly(t *testing.T) {
	binary, err := peer.BuildHighwater(t.Context(), t.TempDir())
	require.NoError(t, err)
	p := smallPlan()
	p.Only = regexp.MustCompile("^StartUp$")
	samples, err := Run(t.Context(), p, StartersFor(binary)[:1], t.TempDir(), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.Len(t, samples, 2)
	require.Equal(t, "StartUp", samples[0].Load)
}
