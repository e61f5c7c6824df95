package stat

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"
	"golang.org/x/perf/benchproc"
)

// Again ends the name of a twin.
const Again = "-again"

// Versus is a run: implementations side by side.
type Versus struct {
	Key   string   // the part of the name that tells them apart
	Base  string   // the implementation that ratios are to
	Impls []string // without twins; those that have one first, then the base, then the others in order of appearance
	Rows  []*Row
}

// Row is a benchmark and a unit.
type Row struct {
	Benchmark string
	Unit      string
	Better    Direction
	Cells     map[string]*Cell // by implementation; those measured
	Noise     Noise

	assume benchmath.Assumption
}

// Cell holds what was measured of one implementation.
type Cell struct {
	Values  []float64 // in measuring order
	Summary benchmath.Summary
	Ratio   *Ratio // to the base; nil for the base and where the base was not measured

	rounds []string // the file each value is from
}

// Ratio of two medians, with what may be concluded from it.
type Ratio struct {
	Value    float64
	Interval Interval
	Paired   bool    // drawn by rounds
	P        float64 // of the U-test
	Verdict  Verdict
}

// Noise floor of a row, from the twins measured in it.
type Noise struct {
	Twins map[string]Ratio // twin's median by its original's, by the original's name
	// Factor is at least 1: a ratio between 1/Factor and Factor is noise. 0: no twin was measured.
	Factor float64
}

// Within reports whether a ratio is noise.
func (n Noise) Within(ratio float64) bool {
	return n.Factor != 0 && !(ratio > n.Factor || ratio < 1/n.Factor)
}

func (n Noise) String() string {
	switch {
	case n.Factor == 0:
		return "not measured"
	case math.IsInf(n.Factor, 1):
		return "unknown"
	}
	return fmt.Sprintf("×%.2f", n.Factor)
}

// Against puts the implementations that key tells apart beside base. Results without the key take no part. An empty base: no ratios.
func Against(results *Results, key, base string) (*Versus, error) {
	v := &Versus{Key: key, Base: base}
	if err := v.collect(results); err != nil {
		return nil, err
	}
	if len(v.Rows) == 0 {
		return nil, fmt.Errorf("stat: no benchmark in %s has /%s= in its name", strings.Join(results.Files, ", "), key)
	}
	if base != "" && !slices.Contains(v.Impls, base) {
		return nil, fmt.Errorf("stat: the base %s is not among the values of %s: %s", base, key, strings.Join(v.Impls, ", "))
	}
	for _, r := range v.Rows {
		r.finish(base, results.Units)
	}
	slices.SortStableFunc(v.Impls, func(a, b string) int { return v.rank(a) - v.rank(b) })
	return v, nil
}

// rank of an implementation in a table: rounds alternate, so the order of appearance says little.
func (v *Versus) rank(impl string) int {
	switch {
	case slices.ContainsFunc(v.Rows, func(r *Row) bool { return r.Cells[impl+Again] != nil }):
		return 0
	case impl == v.Base:
		return 1
	}
	return 2
}

func (v *Versus) collect(results *Results) error {
	var parser benchproc.ProjectionParser
	impls, implErr := parser.Parse("/"+v.Key, nil)
	names, nameErr := parser.Parse("pkg,.fullname", nil)
	if err := errors.Join(implErr, nameErr); err != nil {
		return fmt.Errorf("stat: --key %s: %w", v.Key, err)
	}
	fields := names.Fields()
	rows := map[row]*Row{}
	for _, result := range results.Results {
		impl := impls.Project(result).StringValues()
		if impl == "" {
			continue
		}
		name := names.Project(result)
		benchmark := name.Get(fields[1])
		if once := withoutAgain(benchmark); once != benchmark { // a twin by another key of the name
			benchmark, impl = once, strings.TrimSuffix(impl, Again)+Again
		}
		if !strings.HasSuffix(impl, Again) && !slices.Contains(v.Impls, impl) {
			v.Impls = append(v.Impls, impl)
		}
		for _, value := range result.Values {
			id := row{name.Get(fields[0]), benchmark, original(value)}
			if rows[id] == nil {
				rows[id] = &Row{Benchmark: id.benchmark, Unit: id.unit, Cells: map[string]*Cell{}}
				v.Rows = append(v.Rows, rows[id])
			}
			if err := rows[id].add(impl, result, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// withoutAgain is a benchmark's name with each twin in it named as its original.
func withoutAgain(benchmark string) string {
	base, parts := benchfmt.Name(benchmark).Parts()
	for _, part := range parts {
		base = append(base, bytes.TrimSuffix(part, []byte(Again))...)
	}
	return string(base)
}

func (r *Row) add(impl string, result *benchfmt.Result, v benchfmt.Value) error {
	file, line := result.Pos()
	if v.Value < 0 {
		return fmt.Errorf("stat: %s:%d: %g %s: ratios need values that are not negative", file, line, v.Value, r.Unit)
	}
	c := r.Cells[impl]
	if c == nil {
		c = &Cell{}
		r.Cells[impl] = c
	}
	measured := v.Value
	if v.OrigUnit != "" {
		measured = v.OrigValue
	}
	c.Values, c.rounds = append(c.Values, measured), append(c.rounds, file)
	return nil
}

// finish computes what follows from the values: the noise floor first, for the verdicts need it.
func (r *Row) finish(base string, units benchfmt.UnitMetadataMap) {
	r.Better, r.assume = Better(r.Unit, units), units.GetAssumption(r.Unit)
	r.Noise.Twins = map[string]Ratio{}
	for impl, c := range r.Cells {
		c.Summary = r.assume.Summary(c.sample(), confidence)
		if twin := r.Cells[impl+Again]; twin != nil {
			ratio := divideCells(twin, c, r.assume)
			r.Noise.Twins[impl] = ratio
			r.Noise.Factor = max(r.Noise.Factor, 1, ratio.Interval.Hi, 1/ratio.Interval.Lo)
		}
	}
	for impl, c := range r.Cells {
		if impl != base && !strings.HasSuffix(impl, Again) {
			c.Ratio = r.Ratio(impl, base)
		}
	}
}

// Ratio of an implementation to another one; nil where one of them was not measured.
func (r *Row) Ratio(impl, base string) *Ratio {
	a, b := r.Cells[impl], r.Cells[base]
	if a == nil || b == nil {
		return nil
	}
	ratio := divideCells(a, b, r.assume)
	if ratio.P <= benchmath.DefaultThresholds.CompareAlpha && ratio.Interval.Excludes(1) && !r.Noise.Within(ratio.Value) {
		ratio.Verdict = judge(ratio.Value, r.Better)
	}
	return &ratio
}

// divideCells gives the ratio a/b; that it differs from 1 is not yet said.
func divideCells(a, b *Cell, assume benchmath.Assumption) Ratio {
	paired := slices.Equal(a.rounds, b.rounds)
	return Ratio{
		Value:    divide(sortedMedian(slices.Clone(a.Values)), sortedMedian(slices.Clone(b.Values))),
		Interval: ratioInterval(a.Values, b.Values, paired),
		Paired:   paired,
		P:        assume.Compare(a.sample(), b.sample()).P,
		Verdict:  Same,
	}
}

// sample of the values; the sample sorts what it is given.
func (c *Cell) sample() *benchmath.Sample {
	return benchmath.NewSample(slices.Clone(c.Values), &benchmath.DefaultThresholds)
}

// Family is the first part of a benchmark's name.
func Family(benchmark string) string {
	name, _, _ := strings.Cut(benchmark, "/")
	return name
}

// Families divides the run by the first part of the benchmarks' names.
func (v *Versus) Families() []*Versus {
	var names []string
	var families []*Versus
	for _, r := range v.Rows {
		name := Family(r.Benchmark)
		if !slices.Contains(names, name) {
			names = append(names, name)
			families = append(families, v.only(func(r *Row) bool { return Family(r.Benchmark) == name }))
		}
	}
	return families
}

// only is the run with the rows that keep takes, and the implementations that were measured in them.
func (v *Versus) only(keep func(*Row) bool) *Versus {
	some := &Versus{Key: v.Key, Base: v.Base}
	for _, r := range v.Rows {
		if keep(r) {
			some.Rows = append(some.Rows, r)
		}
	}
	for _, impl := range v.Impls {
		if slices.ContainsFunc(some.Rows, func(r *Row) bool { return r.Cells[impl] != nil }) {
			some.Impls = append(some.Impls, impl)
		}
	}
	return some
}
