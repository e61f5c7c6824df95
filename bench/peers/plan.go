package peers

import (
	"errors"
	"fmt"
	"regexp"
	"time"
)

// Plan says what is measured.
type Plan struct {
	Only        *regexp.Regexp // names of loads; nil: all
	Rounds      int            // measured samples of each server and load; one more, first, warms up
	FewRounds   int            // of what takes long or only draws a curve; from four on, ratios have intervals
	Bytes       int64          // record values in a throughput sample
	Partitions  int32
	RecordBytes []int
	LatencyRate int           // records a second
	Latency     time.Duration // of a latency sample
	FloorFrame  int64         // bytes in a frame sent to the floor: that of a large produce request

	SweepBytes      int64 // record values in a sample of a curve
	SweepBatches    []int32
	SweepPartitions []int32
	SweepProducers  []int

	Profiles   string // folder for Highwater's profiles, taken under the loads once more, after all samples; empty: none
	ProfileFor time.Duration

	RecoveryBytes   int64 // record values in the log that is recovered after kill -9
	IdlePartitions  int
	IdleConnections int
}

// DefaultPlan is what docs/performance.md is made with.
func DefaultPlan() Plan {
	return Plan{
		Rounds: 10, FewRounds: 4, Bytes: 512 << 20, Partitions: 4, RecordBytes: []int{1024, 100},
		LatencyRate: 2000, Latency: 5 * time.Second, FloorFrame: 1 << 20,
		SweepBytes: 128 << 20, SweepBatches: []int32{4 << 10, 16 << 10, 64 << 10, 256 << 10, 1_000_000},
		SweepPartitions: []int32{1, 4, 16, 64}, SweepProducers: []int{1, 4, 16},
		RecoveryBytes: 10e9, IdlePartitions: 10_000, IdleConnections: 2000, ProfileFor: 4 * time.Second,
	}
}

// Validate tells everything that is wrong with the plan.
func (p Plan) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(p.Rounds >= 1, "rounds: %d, must be at least 1", p.Rounds)
	check(p.Bytes >= 1<<20, "mib: must be at least 1")
	check(p.Latency > 0, "latency: %v, must be above 0", p.Latency)
	for _, size := range p.RecordBytes {
		check(size >= 16 && size <= 1_000_000, "record-bytes: %d, must be 16 to 1000000", size)
	}
	check(p.RecoveryBytes >= 1e6, "recovery-mb: must be at least 1")
	check(p.IdlePartitions >= 1, "idle-partitions: %d, must be at least 1", p.IdlePartitions)
	check(p.IdleConnections >= 1, "idle-connections: %d, must be at least 1", p.IdleConnections)
	return errors.Join(errs...)
}

func (p Plan) wants(load string) bool { return p.Only == nil || p.Only.MatchString(load) }

// few is FewRounds, but no more than Rounds.
func (p Plan) few() int { return max(1, min(p.FewRounds, p.Rounds)) }
