package profile

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"time"

	"github.com/google/pprof/profile"

	"highwater.dev/bench/stat"
	"highwater.dev/bench/table"
)

// Focus keeps only the samples whose stack has a function that matches.
func (p *Profile) Focus(re *regexp.Regexp) error {
	if matched, _, _, _ := p.data.FilterSamplesByName(re, nil, nil, nil); !matched {
		return fmt.Errorf("profile: %s: no function matches %s", p.File, re)
	}
	return nil
}

// Total of the profile.
func (p *Profile) Total() int64 {
	var total int64
	for _, s := range p.data.Sample {
		total += s.Value[p.index]
	}
	return total
}

// Cost of a function: Flat in itself, Cum in itself and all that it calls.
type Cost struct {
	Function  string
	Flat, Cum int64
}

// frames of a sample from the innermost outwards, inlined ones too.
func frames(s *profile.Sample) []string {
	var names []string
	for _, location := range s.Location {
		if len(location.Line) == 0 {
			names = append(names, fmt.Sprintf("%#x", location.Address)) // not symbolized
		}
		for _, line := range location.Line {
			names = append(names, line.Function.Name)
		}
	}
	return names
}

// Costs of all functions, the largest flat first.
func (p *Profile) Costs() []Cost {
	byName := map[string]*Cost{}
	for _, s := range p.data.Sample {
		value := s.Value[p.index]
		seen := map[string]bool{} // a recursive function has its sample once
		for depth, name := range frames(s) {
			c := byName[name]
			if c == nil {
				c = &Cost{Function: name}
				byName[name] = c
			}
			if depth == 0 {
				c.Flat += value
			}
			if !seen[name] {
				seen[name] = true
				c.Cum += value
			}
		}
	}
	var costs []Cost
	for _, c := range byName {
		costs = append(costs, *c)
	}
	slices.SortFunc(costs, func(a, b Cost) int {
		return cmp.Or(cmp.Compare(b.Flat, a.Flat), cmp.Compare(b.Cum, a.Cum), cmp.Compare(a.Function, b.Function))
	})
	return costs
}

// Top is a table of the functions with the largest flat cost, at most rows of them.
func (p *Profile) Top(rows int) *table.Table {
	t := &table.Table{Header: []string{"flat", "flat%", "sum%", "cum", "cum%", "function"}}
	total, costs := p.Total(), p.Costs()
	var sum int64
	for _, c := range costs[:min(rows, len(costs))] {
		sum += c.Flat
		t.Add(p.amount(c.Flat), percent(c.Flat, total), percent(sum, total), p.amount(c.Cum), percent(c.Cum, total), c.Function)
	}
	return t
}

// Difference is a table of the functions whose share of the whole changed most from before to now, in percentage points. Shares, not
// amounts, because two runs are never of the same length.
func Difference(before, now *Profile, rows int) (*table.Table, error) {
	if before.Kind != now.Kind {
		return nil, fmt.Errorf("profile: %s is of kind %s and %s of kind %s", before.File, before.Kind, now.File, now.Kind)
	}
	type change struct {
		function            string
		flatBefore, flatNow float64
		cumBefore, cumNow   float64
	}
	changes := map[string]*change{}
	for i, p := range []*Profile{before, now} {
		total := p.Total()
		for _, c := range p.Costs() {
			d := changes[c.Function]
			if d == nil {
				d = &change{function: c.Function}
				changes[c.Function] = d
			}
			flat, cum := share(c.Flat, total), share(c.Cum, total)
			if i == 0 {
				d.flatBefore, d.cumBefore = flat, cum
			} else {
				d.flatNow, d.cumNow = flat, cum
			}
		}
	}
	var sorted []*change
	for _, d := range changes {
		sorted = append(sorted, d)
	}
	slices.SortFunc(sorted, func(a, b *change) int {
		return cmp.Or(cmp.Compare(math.Abs(b.flatNow-b.flatBefore), math.Abs(a.flatNow-a.flatBefore)),
			cmp.Compare(math.Abs(b.cumNow-b.cumBefore), math.Abs(a.cumNow-a.cumBefore)), cmp.Compare(a.function, b.function))
	})
	t := &table.Table{Header: []string{"flat% before", "flat% now", "change", "cum% before", "cum% now", "change", "function"}}
	for _, d := range sorted[:min(rows, len(sorted))] {
		t.Add(fmt.Sprintf("%.2f", d.flatBefore), fmt.Sprintf("%.2f", d.flatNow), fmt.Sprintf("%+.2f", d.flatNow-d.flatBefore),
			fmt.Sprintf("%.2f", d.cumBefore), fmt.Sprintf("%.2f", d.cumNow), fmt.Sprintf("%+.2f", d.cumNow-d.cumBefore), d.function)
	}
	return t, nil
}

// share in percent.
func share(value, total int64) float64 {
	if total == 0 {
		return 0
	}
	return 100 * float64(value) / float64(total)
}

func percent(value, total int64) string { return fmt.Sprintf("%.2f%%", share(value, total)) }

// amount writes a value in the profile's unit for eyes.
func (p *Profile) amount(value int64) string {
	if p.Kind == Heap {
		return stat.Number(float64(value)/(1<<20), 4) + " MiB"
	}
	return stat.Number(time.Duration(value).Seconds(), 4) + " s"
}
