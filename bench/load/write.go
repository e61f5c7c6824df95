package load

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/perf/benchfmt"
)

// metric is a value with the unit that benchmark lines and JSON give it.
type metric struct {
	unit  string
	value float64
}

// metrics of the run, in the order of the line.
func (r *Result) metrics() []metric {
	var m []metric
	add := func(unit string, value float64) { m = append(m, metric{unit, value}) }
	if r.Elapsed > 0 {
		add("MB/s", float64(r.Bytes)/1e6/r.Elapsed.Seconds())
		add("records/s", float64(r.Records)/r.Elapsed.Seconds())
	}
	m = append(m, percentiles("", r.Ack)...)
	if r.EndToEnd != nil {
		if r.ReceivedElapsed > 0 {
			add("consume-MB/s", float64(r.Received)*float64(r.Options.RecordBytes)/1e6/r.ReceivedElapsed.Seconds())
		}
		m = append(m, percentiles("e2e-", r.EndToEnd)...)
	}
	if r.Drained > 0 {
		add("drain-s", r.Drained.Seconds())
	}
	if r.Process != nil && r.Bytes > 0 {
		add("cpu-s/GB", r.Process.cpu.Seconds()/(float64(r.Bytes)/1e9))
		add("peak-RSS-MiB", float64(r.Process.peakRSS)/(1<<20))
	}
	return m
}

func percentiles(prefix string, h *Histogram) []metric {
	if h.Count() == 0 {
		return nil
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return []metric{
		{prefix + "p50-ms", ms(Percentile(h, 50))},
		{prefix + "p90-ms", ms(Percentile(h, 90))},
		{prefix + "p99-ms", ms(Percentile(h, 99))},
		{prefix + "p99.9-ms", ms(Percentile(h, 99.9))},
		{prefix + "max-ms", ms(h.Max())},
	}
}

// name is the benchmark's, with what was chosen as keys.
func (r *Result) name(workload string) string {
	o := r.Options
	b := &strings.Builder{}
	b.WriteString("Load")
	key := func(k string, v any) { fmt.Fprintf(b, "/%s=%v", k, v) }
	if workload != "" {
		key("workload", strings.Map(func(c rune) rune {
			if strings.ContainsRune(" \t/=", c) {
				return '_'
			}
			return c
		}, workload))
	}
	key("acks", o.Acks)
	key("size", o.RecordBytes)
	key("codec", o.Compression)
	key("keys", o.Keys)
	if o.Rate > 0 {
		key("rate", o.Rate)
	} else {
		key("rate", "max")
	}
	if o.Topics > 1 {
		key("topics", o.Topics)
	}
	key("partitions", r.Partitions)
	key("producers", o.producers())
	key("consumers", o.Topics*o.Subscriptions*o.Consumers)
	key("linger", o.Linger)
	key("idempotent", o.Idempotent)
	if o.TransactionRecords > 0 {
		key("transaction", o.TransactionRecords)
	}
	return b.String()
}

// WriteBenchmark writes the result as a line that benchstat reads. workload names it; "" for none.
func (r *Result) WriteBenchmark(w io.Writer, workload string) error {
	line := &benchfmt.Result{Name: benchfmt.Name(r.name(workload)), Iters: 1}
	for _, m := range r.metrics() {
		line.Values = append(line.Values, benchfmt.Value{Value: m.value, Unit: m.unit})
	}
	return benchfmt.NewWriter(w).Write(line)
}

// WriteJSON writes the result as one object: the benchmark's name, counts, and the metrics by their units.
func (r *Result) WriteJSON(w io.Writer, workload string) error {
	metrics := map[string]float64{}
	for _, m := range r.metrics() {
		metrics[m.unit] = m.value
	}
	failure := ""
	if r.Failure != nil {
		failure = r.Failure.Error()
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Name           string             `json:"name"`
		Records        int64              `json:"records"`
		Bytes          int64              `json:"bytes"`
		ElapsedSeconds float64            `json:"elapsedSeconds"`
		Failed         int64              `json:"failedRecords"`
		FirstFailure   string             `json:"firstFailure,omitempty"`
		Received       int64              `json:"receivedRecords"`
		Missing        int64              `json:"missingRecords"`
		Foreign        int64              `json:"foreignRecords"`
		Metrics        map[string]float64 `json:"metrics"`
	}{r.name(workload), r.Records, r.Bytes, r.Elapsed.Seconds(), r.Failed, failure, r.Received, r.Missing, r.Foreign, metrics})
}
