package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"highwater.dev/bench/plot"
	"highwater.dev/bench/stat"
)

// chartSpec says what a chart shows: the values of a unit over a key of a family's names, or, without a key, several units of one
// benchmark side by side.
type chartSpec struct {
	file, title string
	family      string // the benchmark's name before the key; whole where there is no key
	key         string
	units       []string
	log         bool
}

var chartSpecs = []chartSpec{
	{file: "produce-throughput", title: "Produce throughput by record size", family: "Produce", key: "size", units: []string{"MB/s"}},
	{file: "consume-throughput", title: "Consume throughput by record size", family: "Consume", key: "size", units: []string{"MB/s"}},
	{file: "batch-throughput", title: "Throughput by batch size, 1 KiB records", family: "Sweep/size=1024", key: "batch-bytes", units: []string{"MB/s"}},
	{file: "partitions-throughput", title: "Throughput by partitions, 1 KiB records", family: "Sweep/size=1024", key: "partitions", units: []string{"MB/s"}},
	{file: "producers-throughput", title: "Throughput by producers, 1 KiB records", family: "Sweep/size=1024", key: "producers", units: []string{"MB/s"}},
	{file: "produce-cpu", title: "Produce: CPU seconds for a GB", family: "Produce", key: "size", units: []string{"cpu-s/GB"}},
	{file: "consume-cpu", title: "Consume: CPU seconds for a GB", family: "Consume", key: "size", units: []string{"cpu-s/GB"}},
	{file: "ack-latency", title: "Time to acknowledgement at 2,000 records/s", family: "AckLatency/rate=2000", units: []string{"p50-ms", "p99-ms", "p99.9-ms"}, log: true},
	{file: "partitions-memory", title: "Memory for an idle partition", family: "Partitions", key: "count", units: []string{"KiB/partition"}},
	{file: "partitions-ready", title: "Start with many partitions", family: "Partitions", key: "count", units: []string{"ready-s"}},
	{file: "connections-memory", title: "Memory for an idle connection", family: "Connections", key: "count", units: []string{"KiB/connection"}},
}

// needs says what a chart is made of.
func (s chartSpec) needs() string {
	name := s.family
	if s.key != "" {
		name += "/" + s.key + "=N"
	}
	return "`" + name + "` in " + strings.Join(s.units, ", ")
}

// column of a chart: where its values are.
type column struct {
	label string
	row   *stat.Row
	value float64 // of the key
}

// chart of a run, nil where the run does not hold what it shows.
func (s chartSpec) chart(run *stat.Versus) *plot.Chart {
	columns := s.columns(run)
	if len(columns) == 0 {
		return nil
	}
	c := &plot.Chart{Title: s.title, Unit: s.units[0], Log: s.log, Lines: s.key != "size" && s.key != "" && len(columns) > 1}
	if s.key == "" {
		c.Unit = "ms"
	}
	for _, col := range columns {
		c.Categories = append(c.Categories, col.label)
	}
	for _, impl := range run.Impls {
		series := plot.Series{Name: impl}
		found := false
		for _, col := range columns {
			var v *plot.Value
			if cell := col.row.Cells[impl]; cell != nil {
				v = &plot.Value{Center: cell.Summary.Center, Lo: cell.Summary.Lo, Hi: cell.Summary.Hi}
				found = true
			}
			series.Values = append(series.Values, v)
		}
		if found {
			c.Series = append(c.Series, series)
		}
	}
	return c
}

func (s chartSpec) columns(run *stat.Versus) []column {
	var columns []column
	for _, r := range run.Rows {
		if !slices.Contains(s.units, r.Unit) {
			continue
		}
		if s.key == "" {
			if r.Benchmark == s.family {
				columns = append(columns, column{strings.TrimSuffix(r.Unit, "-ms"), r, 0})
			}
			continue
		}
		text, ok := strings.CutPrefix(r.Benchmark, s.family+"/"+s.key+"=")
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			continue // a value that is no number, or further keys: another measurement
		}
		columns = append(columns, column{label(s.key, n), r, n})
	}
	slices.SortStableFunc(columns, func(a, b column) int { return cmp.Compare(a.value, b.value) })
	return columns
}

// label of a category: sizes in bytes, everything else as a count.
func label(key string, n float64) string {
	switch {
	case key != "size" && key != "batch-bytes":
		return strconv.FormatFloat(n, 'f', -1, 64)
	case n < 1024:
		return fmt.Sprintf("%g B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.4g KiB", n/1024)
	}
	return fmt.Sprintf("%.4g MiB", n/(1<<20))
}
