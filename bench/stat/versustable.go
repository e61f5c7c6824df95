package stat

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"highwater.dev/bench/table"
)

// Number writes x with so many significant digits, and with all of those before the point.
func Number(x float64, digits int) string {
	if math.Abs(x) >= math.Pow10(digits) {
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	return strconv.FormatFloat(x, 'g', digits, 64)
}

// Interval of the median.
func (c *Cell) Interval() Interval { return Interval{c.Summary.Lo, c.Summary.Hi} }

func (c *Cell) String() string {
	if c == nil {
		return "–"
	}
	return fmt.Sprintf("%s %s n=%d", Number(c.Summary.Center, 4), c.Interval(), len(c.Values))
}

func (r *Ratio) String() string {
	if r == nil {
		return "–"
	}
	return fmt.Sprintf("%s %s %s", Number(r.Value, 3), r.Interval, r.Verdict)
}

// Table lays a run out: for eyes one line for each row, in CSV one for each row and implementation, twins too, in plain numbers.
func (v *Versus) Table(format table.Format) *table.Table {
	if format == table.CSV {
		return v.long()
	}
	t := &table.Table{Header: []string{"benchmark", "unit"}}
	t.Header = append(t.Header, v.Impls...)
	compared := v.compared()
	for _, impl := range compared {
		t.Header = append(t.Header, impl+" / "+v.Base)
	}
	t.Header = append(t.Header, "noise floor")
	for _, r := range v.Rows {
		line := []string{r.Benchmark, r.Unit}
		for _, impl := range v.Impls {
			line = append(line, r.Cells[impl].String())
		}
		for _, impl := range compared {
			line = append(line, r.shown(impl).String())
		}
		t.Add(append(line, r.Noise.String())...)
	}
	return t
}

// shown is the ratio of a cell that may not be there.
func (r *Row) shown(impl string) *Ratio {
	if c := r.Cells[impl]; c != nil {
		return c.Ratio
	}
	return nil
}

// compared are the implementations that have a ratio to the base in any row.
func (v *Versus) compared() []string {
	var impls []string
	for _, impl := range v.Impls {
		if slices.ContainsFunc(v.Rows, func(r *Row) bool { c := r.Cells[impl]; return c != nil && c.Ratio != nil }) {
			impls = append(impls, impl)
		}
	}
	return impls
}

func (v *Versus) long() *table.Table {
	t := &table.Table{Header: []string{"benchmark", "unit", "better", v.Key, "n", "median", "lo", "hi",
		"ratio to " + v.Base, "ratio lo", "ratio hi", "paired", "p", "verdict", "noise factor"}}
	better := map[Direction]string{Higher: "higher", Lower: "lower", Unknown: ""}
	for _, r := range v.Rows {
		for _, impl := range v.Impls {
			for _, name := range []string{impl, impl + Again} {
				c := r.Cells[name]
				if c == nil {
					continue
				}
				line := []string{r.Benchmark, r.Unit, better[r.Better], name, strconv.Itoa(len(c.Values)),
					plain(c.Summary.Center), plain(c.Summary.Lo), plain(c.Summary.Hi)}
				if c.Ratio == nil {
					line = append(line, "", "", "", "", "", "")
				} else {
					line = append(line, plain(c.Ratio.Value), plain(c.Ratio.Interval.Lo), plain(c.Ratio.Interval.Hi),
						strconv.FormatBool(c.Ratio.Paired), plain(c.Ratio.P), string(c.Ratio.Verdict))
				}
				noise := ""
				if r.Noise.Factor != 0 {
					noise = plain(r.Noise.Factor)
				}
				t.Add(append(line, noise)...)
			}
		}
	}
	return t
}

func plain(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
