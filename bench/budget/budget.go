package budget

import (
	"fmt"

	"highwater.dev/bench/stat"
	"highwater.dev/bench/table"
)

// The implementations that budgets speak of.
const (
	ours  = "highwater"
	kafka = "kafka"
	floor = "floor"
)

// Budget is a limit on the ratio of a median of ours to Apache Kafka's in one run: at most where less is better, at least where more is.
type Budget struct {
	Name      string
	Benchmark string
	Unit      string
	Limit     float64
	// FloorLimit, where it is not 0, is a second way to meet it: at most so many times the floor, which no broker can go below.
	FloorLimit float64
	Source     string
}

// sources of the limits.
const (
	produceCPU  = "produce CPU for a GB: at most the larger of 0.5 of Kafka's (0.35 at 100 B records) and 1.4 times the floor"
	consumeCPU  = "consume CPU for a GB: at most 0.9 of Kafka's"
	throughput  = "throughput with franz-go: at least 1.1 of Kafka's each way"
	perf        = "throughput with Kafka's own producer performance tool: at least Kafka's"
	ackLatency  = "p99 of acknowledgements at 2,000 records/s: at most 0.4 of Kafka's"
	memory      = "peak memory: at most 0.08 of Kafka's"
	startUp     = "start-up: at most 0.03 of Kafka's"
	recovery    = "recovery of 10 GB: at most 0.3 of Kafka's"
	idleObjects = "memory for an idle partition and for an idle connection: at most 0.2 of Kafka's"
)

// All budgets.
var All = []Budget{
	{"produce CPU, 1 KiB records", "Produce/size=1024", "cpu-s/GB", 0.5, 1.4, produceCPU},
	{"produce CPU, 100 B records", "Produce/size=100", "cpu-s/GB", 0.35, 1.4, produceCPU},
	{"consume CPU, 1 KiB records", "Consume/size=1024", "cpu-s/GB", 0.9, 0, consumeCPU},
	{"consume CPU, 100 B records", "Consume/size=100", "cpu-s/GB", 0.9, 0, consumeCPU},
	{"produce throughput, 1 KiB records", "Produce/size=1024", "MB/s", 1.1, 0, throughput},
	{"produce throughput, 100 B records", "Produce/size=100", "MB/s", 1.1, 0, throughput},
	{"consume throughput, 1 KiB records", "Consume/size=1024", "MB/s", 1.1, 0, throughput},
	{"consume throughput, 100 B records", "Consume/size=100", "MB/s", 1.1, 0, throughput},
	{"Kafka's producer tool, 1 KiB records", "Perf/size=1024", "MB/s", 1, 0, perf},
	{"Kafka's producer tool, 100 B records", "Perf/size=100", "MB/s", 1, 0, perf},
	{"acknowledgement p99 at 2,000 records/s", "AckLatency/rate=2000", "p99-ms", 0.4, 0, ackLatency},
	{"peak memory", "Memory", "peak-RSS-MiB", 0.08, 0, memory},
	{"start-up", "StartUp", "ready-ms", 0.03, 0, startUp},
	{"recovery of 10 GB", "Recovery/GB=10", "ready-s", 0.3, 0, recovery},
	{"memory for an idle partition", "Partitions/count=10000", "KiB/partition", 0.2, 0, idleObjects},
	{"memory for an idle connection", "Connections/count=2000", "KiB/connection", 0.2, 0, idleObjects},
}

// AtLeast reports whether the ratio must not be below the limit; otherwise it must not be above.
func (b Budget) AtLeast() bool { return stat.Better(b.Unit, nil) == stat.Higher }

// String is the limit in words.
func (b Budget) String() string {
	bound := "at most"
	if b.AtLeast() {
		bound = "at least"
	}
	text := fmt.Sprintf("%s %g of Kafka's", bound, b.Limit)
	if b.FloorLimit != 0 {
		text += fmt.Sprintf(", or %g of the floor", b.FloorLimit)
	}
	return text
}

// Verdict on a budget.
type Verdict string

// The verdicts.
const (
	Met         Verdict = "met"
	Missed      Verdict = "missed"
	NotMeasured Verdict = "not measured"
)

// Outcome of a budget in a run.
type Outcome struct {
	Budget
	Verdict Verdict
	ToKafka *stat.Ratio // nil where one of both was not measured
	ToFloor *stat.Ratio // nil where the budget has no such limit or it was not measured
	Noise   stat.Noise
}

// Judge gives the outcome of every budget. Its run is one of stat.Against with key "impl".
func Judge(run *stat.Versus) []Outcome {
	var outcomes []Outcome
	for _, b := range All {
		o := Outcome{Budget: b, Verdict: NotMeasured}
		for _, r := range run.Rows {
			if r.Benchmark == b.Benchmark && r.Unit == b.Unit {
				o.judge(r)
			}
		}
		outcomes = append(outcomes, o)
	}
	return outcomes
}

func (o *Outcome) judge(r *stat.Row) {
	o.Noise = r.Noise
	o.ToKafka = r.Ratio(ours, kafka)
	if o.FloorLimit != 0 {
		o.ToFloor = r.Ratio(ours, floor)
	}
	met := o.ToFloor != nil && o.ToFloor.Value <= o.FloorLimit
	if o.ToKafka != nil {
		met = met || (o.AtLeast() && o.ToKafka.Value >= o.Limit) || (!o.AtLeast() && o.ToKafka.Value <= o.Limit)
	}
	switch {
	case met:
		o.Verdict = Met
	case o.ToKafka != nil && (o.FloorLimit == 0 || o.ToFloor != nil):
		o.Verdict = Missed // every way to meet it was measured
	}
}

// Table of outcomes.
func Table(outcomes []Outcome) *table.Table {
	t := &table.Table{Header: []string{"verdict", "budget", "limit", "of Kafka's", "of the floor", "noise floor"}}
	for _, o := range outcomes {
		t.Add(string(o.Verdict), o.Name+" ("+o.Unit+")", o.String(), measured(o.ToKafka), measured(o.ToFloor), o.Noise.String())
	}
	return t
}

func measured(r *stat.Ratio) string {
	if r == nil {
		return "–"
	}
	return stat.Number(r.Value, 3) + " " + r.Interval.String()
}

// Count of the outcomes with a verdict.
func Count(outcomes []Outcome, v Verdict) int {
	n := 0
	for _, o := range outcomes {
		if o.Verdict == v {
			n++
		}
	}
	return n
}
