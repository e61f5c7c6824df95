package stat

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// resamples of the bootstrap: the 2.5 % quantile is then the 250th value.
const resamples = 10_000

// minSamples below which no interval is given: resampling one to three values cannot show the spread they come from, and the U-test
// finds no difference significant either.
const minSamples = 4

// Interval of 95 %. An unknown one reaches from 0 to infinity.
type Interval struct{ Lo, Hi float64 }

var unknown = Interval{0, math.Inf(1)}

// Known reports whether there were samples enough for an interval.
func (i Interval) Known() bool { return !math.IsInf(i.Hi, 1) }

// Excludes reports whether x lies outside.
func (i Interval) Excludes(x float64) bool { return x < i.Lo || x > i.Hi }

func (i Interval) String() string {
	if !i.Known() {
		return "[?]"
	}
	return fmt.Sprintf("[%s, %s]", Number(i.Lo, 3), Number(i.Hi, 3))
}

// ratioInterval is the percentile bootstrap of median(a)/median(b). Paired draws rounds, so that what slows a whole round down takes no
// part in the ratio; a and b are then of one length. Samples are not negative.
func ratioInterval(a, b []float64, paired bool) Interval {
	if len(a) < minSamples || len(b) < minSamples {
		return unknown
	}
	random := rand.New(rand.NewPCG(1, 2)) // fixed: the same files give the same interval
	ratios := make([]float64, resamples)
	drawnA, drawnB := make([]float64, len(a)), make([]float64, len(b))
	for i := range ratios {
		for j := range drawnA {
			k := random.IntN(len(a))
			drawnA[j] = a[k]
			if paired {
				drawnB[j] = b[k]
			}
		}
		if !paired {
			for j := range drawnB {
				drawnB[j] = b[random.IntN(len(b))]
			}
		}
		ratios[i] = divide(sortedMedian(drawnA), sortedMedian(drawnB))
	}
	slices.Sort(ratios)
	return Interval{ratios[resamples/40], ratios[resamples-resamples/40-1]}
}

// divide takes 0/0 for 1: nothing and nothing are equal.
func divide(a, b float64) float64 {
	if a == b {
		return 1
	}
	return a / b
}

// sortedMedian sorts values in place.
func sortedMedian(values []float64) float64 {
	slices.Sort(values)
	mid := len(values) / 2
	if len(values)%2 == 1 {
		return values[mid]
	}
	return (values[mid-1] + values[mid]) / 2
}
