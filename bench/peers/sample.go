package peers

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// The names of the servers, as the key impl of a benchmark's name gives them.
const (
	Highwater = "highwater"
	Again     = "highwater-again" // the A/A twin
	Kafka     = "kafka"
	Nats      = "nats"
	Floor     = "floor"
	Limit     = "limit" // of the machine, by bench/limits
)

// Value is one figure of a sample.
type Value struct {
	Value float64
	Unit  string // "MB/s", "cpu-s/GB", "p99-ms" …
}

// Sample is what one server did under one load in one round.
type Sample struct {
	Load   string // "Produce/size=1024" and so on
	Server string
	Values []Value
}

// WriteBenchmarks writes the samples as Go benchmark lines, which benchstat reads: of each name in the order of the rounds.
func WriteBenchmarks(w io.Writer, samples []Sample) error {
	for _, s := range samples {
		var line strings.Builder
		fmt.Fprintf(&line, "Benchmark%s/impl=%s 1", s.Load, s.Server)
		for _, v := range s.Values {
			fmt.Fprintf(&line, " %g %s", v.Value, v.Unit)
		}
		if _, err := fmt.Fprintln(w, line.String()); err != nil {
			return err
		}
	}
	return nil
}

// rate is bytes in a time, in MB/s: a MB is 1e6 bytes.
func rate(bytes int64, took time.Duration) Value {
	return Value{float64(bytes) / 1e6 / took.Seconds(), "MB/s"}
}

// cost is processor time for bytes: a GB is 1e9 bytes.
func cost(bytes int64, used time.Duration) Value {
	return Value{used.Seconds() / (float64(bytes) / 1e9), "cpu-s/GB"}
}

func millis(d time.Duration, unit string) Value {
	return Value{float64(d) / float64(time.Millisecond), unit}
}

func mebibytes(bytes int64, unit string) Value { return Value{float64(bytes) / (1 << 20), unit} }
