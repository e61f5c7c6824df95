package stat

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"
	"golang.org/x/perf/benchproc"
	"golang.org/x/perf/benchunit"

	"highwater.dev/bench/table"
)

// confidence of every interval.
const confidence = 0.95

// Comparison is one row of Compare: a benchmark and a unit, tidied as benchstat does (B/s, sec/op).
type Comparison struct {
	Package   string // the pkg line that holds for the result, as go test writes it
	Benchmark string
	Unit      string
	Old, New  *benchmath.Summary // nil where a side has no sample
	OldN      int
	NewN      int
	Test      benchmath.Comparison // of both sides
	Verdict   Verdict
	Warnings  []error
}

// Delta is the relative change of the medians, "~" where it is not significant and empty where a side is missing.
func (c Comparison) Delta() string {
	if c.Old == nil || c.New == nil {
		return ""
	}
	return c.Test.FormatDelta(c.Old.Center, c.New.Center)
}

func (c Comparison) name() string {
	if c.Package == "" {
		return c.Benchmark
	}
	return c.Package + "." + c.Benchmark
}

// row names a line of a table before the samples are in it.
type row struct{ pkg, benchmark, unit string }

// Compare gives, for each benchmark and unit of either side, what benchstat gives: medians with intervals, the change, p and n.
func Compare(old, now *Results) ([]Comparison, error) {
	units, err := agree(old.Units, now.Units)
	if err != nil {
		return nil, err
	}
	values := map[row]*[2][]float64{}
	var order []row
	var parser benchproc.ProjectionParser
	names, err := parser.Parse("pkg,.fullname", nil)
	if err != nil {
		return nil, fmt.Errorf("stat: %w", err)
	}
	fields := names.Fields()
	for side, results := range []*Results{old, now} {
		for _, result := range results.Results {
			key := names.Project(result)
			for _, v := range result.Values {
				r := row{key.Get(fields[0]), key.Get(fields[1]), v.Unit}
				if values[r] == nil {
					values[r] = &[2][]float64{}
					order = append(order, r)
				}
				values[r][side] = append(values[r][side], v.Value)
			}
		}
	}
	var rows []Comparison
	for _, r := range order {
		rows = append(rows, compare(r, values[r][0], values[r][1], units))
	}
	return rows, nil
}

// agree joins what both sides say of their units.
func agree(old, now benchfmt.UnitMetadataMap) (benchfmt.UnitMetadataMap, error) {
	all := benchfmt.UnitMetadataMap{}
	for _, side := range []benchfmt.UnitMetadataMap{old, now} {
		for key, said := range side {
			if before := all[key]; before != nil && before.Value != said.Value {
				file, line := said.Pos()
				return nil, fmt.Errorf("stat: %s:%d: %s of unit %s is %s here and %s before", file, line, key.Key, said.OrigUnit, said.Value, before.Value)
			}
			all[key] = said
		}
	}
	return all, nil
}

func compare(r row, old, now []float64, units benchfmt.UnitMetadataMap) Comparison {
	assume := units.GetAssumption(r.unit)
	c := Comparison{Package: r.pkg, Benchmark: r.benchmark, Unit: r.unit, OldN: len(old), NewN: len(now), Verdict: Same}
	summarize := func(values []float64) (*benchmath.Sample, *benchmath.Summary) {
		if len(values) == 0 {
			return nil, nil
		}
		sample := benchmath.NewSample(values, &benchmath.DefaultThresholds)
		summary := assume.Summary(sample, confidence)
		c.Warnings = append(c.Warnings, append(sample.Warnings, summary.Warnings...)...)
		return sample, &summary
	}
	oldSample, oldSummary := summarize(old)
	newSample, newSummary := summarize(now)
	c.Old, c.New = oldSummary, newSummary
	if oldSummary == nil || newSummary == nil {
		c.Warnings = append(c.Warnings, errors.New("measured on one side only"))
		return c
	}
	c.Test = assume.Compare(oldSample, newSample)
	c.Warnings = append(c.Warnings, c.Test.Warnings...)
	if c.Test.P <= c.Test.Alpha && newSummary.Center != oldSummary.Center {
		c.Verdict = Differs // where the old median is 0, there is a difference and no ratio
		if oldSummary.Center > 0 {
			c.Verdict = judge(newSummary.Center/oldSummary.Center, Better(r.unit, units))
		}
	}
	return c
}

// CompareTable lays rows out. In CSV the medians are unscaled numbers, as benchstat's are. The warnings are in Notes.
func CompareTable(rows []Comparison, format table.Format) *table.Table {
	t := &table.Table{Header: []string{"benchmark", "unit", "old", "±", "new", "±", "delta", "p and n", "verdict"}}
	for _, c := range rows {
		scale := benchunit.NoOpScaler
		if format != table.CSV {
			var centers []float64
			for _, s := range []*benchmath.Summary{c.Old, c.New} {
				if s != nil {
					centers = append(centers, s.Center)
				}
			}
			scale = benchunit.CommonScale(centers, benchunit.ClassOf(c.Unit))
		}
		line := []string{c.name(), c.Unit}
		for _, s := range []*benchmath.Summary{c.Old, c.New} {
			if s == nil {
				line = append(line, "", "")
				continue
			}
			line = append(line, scale.Format(s.Center), s.PctRangeString())
		}
		test := ""
		if c.Old != nil && c.New != nil {
			test = c.Test.String()
		}
		t.Add(append(line, c.Delta(), test, string(c.Verdict))...)
	}
	return t
}

// Notes are sentences to stand below the table: what else differs between the sides than the program (the processor, the commit), then
// each warning with the rows it is about.
func Notes(old, now *Results, rows []Comparison) []string {
	var notes []string
	before, after := byKey(old.Facts()), byKey(now.Facts())
	for _, key := range slices.Sorted(maps.Keys(before)) {
		if after[key] != "" && after[key] != before[key] {
			notes = append(notes, fmt.Sprintf("%s was %s and is %s", key, before[key], after[key]))
		}
	}
	about := map[string][]string{}
	var order []string
	for _, c := range rows {
		for _, warning := range c.Warnings {
			text, name := warning.Error(), c.name()+" "+c.Unit
			if about[text] == nil {
				order = append(order, text)
			}
			if !slices.Contains(about[text], name) {
				about[text] = append(about[text], name)
			}
		}
	}
	for _, text := range order {
		notes = append(notes, text+": "+strings.Join(about[text], ", "))
	}
	return notes
}

func byKey(facts []Fact) map[string]string {
	values := map[string]string{}
	for _, f := range facts {
		if values[f.Key] != "" {
			f.Value = values[f.Key] + " or " + f.Value
		}
		values[f.Key] = f.Value
	}
	return values
}
