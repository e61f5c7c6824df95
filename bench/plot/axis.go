package plot

import (
	"errors"
	"fmt"
	"math"
)

// axis of the values: from low at the bottom to high at the top.
type axis struct {
	low, high float64
	log       bool
	ticks     []float64
}

// axis that holds all values and intervals.
func (c Chart) axis() (axis, error) {
	low, high := math.Inf(1), 0.0
	for _, s := range c.Series {
		if len(s.Values) != len(c.Categories) {
			return axis{}, fmt.Errorf("series %s has %d values for %d categories", s.Name, len(s.Values), len(c.Categories))
		}
		for _, v := range s.Values {
			if v == nil {
				continue
			}
			low, high = min(low, v.Center), max(high, v.Center)
			if v.ranged() {
				low, high = min(low, v.Lo), max(high, v.Hi)
			}
		}
	}
	if high <= 0 {
		return axis{}, errors.New("no value above zero")
	}
	if c.Log {
		if low <= 0 {
			return axis{}, fmt.Errorf("%g on a logarithmic axis", low)
		}
		return logarithmic(low, high), nil
	}
	return linear(high), nil
}

func linear(high float64) axis {
	step := math.Pow10(int(math.Floor(math.Log10(high))))
	for high/step < 3 {
		step /= 2
	}
	a := axis{high: math.Ceil(high/step) * step}
	for i := 0; float64(i)*step <= a.high; i++ {
		a.ticks = append(a.ticks, float64(i)*step)
	}
	for len(a.ticks) > 7 {
		a.ticks = everySecond(a.ticks)
	}
	return a
}

func everySecond(ticks []float64) []float64 {
	var kept []float64
	for i := 0; i < len(ticks); i += 2 {
		kept = append(kept, ticks[i])
	}
	return kept
}

func logarithmic(low, high float64) axis {
	from, to := math.Floor(math.Log10(low)), math.Ceil(math.Log10(high))
	if from == to {
		to++
	}
	a := axis{low: math.Pow(10, from), high: math.Pow(10, to), log: true}
	for exponent := from; exponent <= to; exponent++ {
		a.ticks = append(a.ticks, math.Pow(10, exponent))
	}
	return a
}

// y of a value in the drawing.
func (a axis) y(value float64) float64 {
	share := value / a.high
	if a.log {
		share = (math.Log10(value) - math.Log10(a.low)) / (math.Log10(a.high) - math.Log10(a.low))
	}
	return top + plotHeight*(1-share)
}
