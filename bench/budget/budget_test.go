package budget

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/bench/stat"
	"highwater.dev/bench/table"
)

// run of benchmarks "NAME IMPL VALUE UNIT", five samples each.
func run(t *testing.T, base string, results ...string) *stat.Versus {
	t.Helper()
	var b strings.Builder
	for range 5 {
		for _, r := range results {
			f := strings.Fields(r)
			fmt.Fprintf(&b, "Benchmark%s/impl=%s 1 %s %s\n", f[0], f[1], f[2], f[3])
		}
	}
	path := filepath.Join(t.TempDir(), "run.txt")
	require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o644))
	read, err := stat.Read(path)
	require.NoError(t, err)
	v, err := stat.Against(read, "impl", base)
	require.NoError(t, err)
	return v
}

func verdicts(v *stat.Versus) map[string]Verdict {
	m := map[string]Verdict{}
	for _, o := range Judge(v) {
		m[o.Benchmark+" "+o.Unit] = o.Verdict
	}
	return m
}

func TestEveryBudgetHasAVerdict(t *testing.T) {
	got := verdicts(run(t, "", "Other highwater 1 MB/s"))
	require.Len(t, got, len(All), "two budgets of one benchmark and unit")
	for name, v := range got {
		require.Equal(t, NotMeasured, v, name)
	}
}

func TestVerdicts(t *testing.T) {
	for name, c := range map[string]struct {
		results []string
		budget  string
		want    Verdict
	}{
		"below a limit":                 {[]string{"Memory highwater 79 peak-RSS-MiB", "Memory kafka 1000 peak-RSS-MiB"}, "Memory peak-RSS-MiB", Met},
		"at a limit":                    {[]string{"Memory highwater 80 peak-RSS-MiB", "Memory kafka 1000 peak-RSS-MiB"}, "Memory peak-RSS-MiB", Met},
		"above a limit":                 {[]string{"Memory highwater 81 peak-RSS-MiB", "Memory kafka 1000 peak-RSS-MiB"}, "Memory peak-RSS-MiB", Missed},
		"enough throughput":             {[]string{"Produce/size=100 highwater 110 MB/s", "Produce/size=100 kafka 100 MB/s"}, "Produce/size=100 MB/s", Met},
		"more than Kafka, not enough":   {[]string{"Produce/size=100 highwater 109 MB/s", "Produce/size=100 kafka 100 MB/s"}, "Produce/size=100 MB/s", Missed},
		"Kafka was not measured":        {[]string{"Memory highwater 1 peak-RSS-MiB"}, "Memory peak-RSS-MiB", NotMeasured},
		"we were not measured":          {[]string{"Memory kafka 1000 peak-RSS-MiB", "X highwater 1 ms"}, "Memory peak-RSS-MiB", NotMeasured},
		"the floor is the larger":       {[]string{"Produce/size=1024 highwater 1.3 cpu-s/GB", "Produce/size=1024 kafka 2 cpu-s/GB", "Produce/size=1024 floor 1 cpu-s/GB"}, "Produce/size=1024 cpu-s/GB", Met},
		"Kafka is the larger":           {[]string{"Produce/size=1024 highwater 2 cpu-s/GB", "Produce/size=1024 kafka 4 cpu-s/GB", "Produce/size=1024 floor 1 cpu-s/GB"}, "Produce/size=1024 cpu-s/GB", Met},
		"above both":                    {[]string{"Produce/size=100 highwater 2 cpu-s/GB", "Produce/size=100 kafka 4 cpu-s/GB", "Produce/size=100 floor 1 cpu-s/GB"}, "Produce/size=100 cpu-s/GB", Missed},
		"above Kafka's, floor unknown":  {[]string{"Produce/size=100 highwater 2 cpu-s/GB", "Produce/size=100 kafka 4 cpu-s/GB"}, "Produce/size=100 cpu-s/GB", NotMeasured},
		"within the floor, Kafka not":   {[]string{"Produce/size=100 highwater 1 cpu-s/GB", "Produce/size=100 floor 1 cpu-s/GB"}, "Produce/size=100 cpu-s/GB", Met},
		"the floor is not for all":      {[]string{"Consume/size=100 highwater 2 cpu-s/GB", "Consume/size=100 kafka 2 cpu-s/GB", "Consume/size=100 floor 2 cpu-s/GB"}, "Consume/size=100 cpu-s/GB", Missed},
		"another rate is another story": {[]string{"AckLatency/rate=100 highwater 1 p99-ms", "AckLatency/rate=100 kafka 9 p99-ms"}, "AckLatency/rate=2000 p99-ms", NotMeasured},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, verdicts(run(t, "", c.results...))[c.budget]) })
	}
}

func TestTableShowsLimitRatioAndInterval(t *testing.T) {
	var out bytes.Buffer
	outcomes := Judge(run(t, "kafka", "Produce/size=1024 highwater 1.5 cpu-s/GB", "Produce/size=1024 kafka 5 cpu-s/GB", "Produce/size=1024 floor 1 cpu-s/GB"))
	require.NoError(t, Table(outcomes).Write(&out, table.CSV))
	require.Contains(t, out.String(), `met,"produce CPU, 1 KiB records (cpu-s/GB)","at most 0.5 of Kafka's, or 1.4 of the floor","0.3 [0.3, 0.3]","1.5 [1.5, 1.5]",not measured`)
	require.Contains(t, out.String(), "not measured,\"consume throughput, 100 B records (MB/s)\",at least 1.1 of Kafka's,–,–,not measured\n")
	require.Equal(t, 1, Count(outcomes, Met))
	require.Equal(t, len(All)-1, Count(outcomes, NotMeasured))
}

// The README tells the sentences that the budgets are made from.
func TestREADMENamesEveryBudget(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "README.md"))
	require.NoError(t, err)
	for _, b := range All {
		require.True(t, strings.Contains(string(readme), "\n- "+b.Source+"\n"), b.Source)
	}
}
