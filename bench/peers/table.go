package peers

import (
	"fmt"
	"io"
	"slices"

	"github.com/olekukonko/tablewriter"
)

// Median of the samples of one load, server and unit; ok is false when there are none.
func Median(samples []Sample, load, server, unit string) (median float64, ok bool) {
	values := pick(samples, load, server, unit)
	if len(values) == 0 {
		return 0, false
	}
	slices.Sort(values)
	mid := len(values) / 2
	if len(values)%2 == 1 {
		return values[mid], true
	}
	return (values[mid-1] + values[mid]) / 2, true
}

func pick(samples []Sample, load, server, unit string) []float64 {
	var values []float64
	for _, s := range samples {
		if s.Load == load && s.Server == server && s.Unit == unit {
			values = append(values, s.Value)
		}
	}
	return values
}

// WriteTable prints one row for each load and unit: each server's median with its smallest and largest sample, and the
// ratio of the first server's median to each other's.
func WriteTable(w io.Writer, samples []Sample, servers []string) error {
	table := tablewriter.NewWriter(w)
	header := []string{"load", "unit"}
	header = append(header, servers...)
	for _, other := range servers[1:] {
		header = append(header, servers[0]+" / "+other)
	}
	table.Header(header)
	type row struct{ load, unit string }
	var seen []row
	for _, s := range samples {
		r := row{s.Load, s.Unit}
		if slices.Contains(seen, r) {
			continue
		}
		seen = append(seen, r)
		if err := table.Append(cells(samples, r.load, r.unit, servers)); err != nil {
			return err
		}
	}
	return table.Render()
}

func cells(samples []Sample, load, unit string, servers []string) []string {
	line := []string{load, unit}
	first, haveFirst := Median(samples, load, servers[0], unit)
	var ratios []string
	for i, server := range servers {
		median, ok := Median(samples, load, server, unit)
		if !ok {
			line = append(line, "–")
		} else {
			values := pick(samples, load, server, unit)
			line = append(line, fmt.Sprintf("%.4g (%.4g–%.4g)", median, slices.Min(values), slices.Max(values)))
		}
		if i > 0 {
			ratio := "–"
			if ok && haveFirst && median != 0 {
				ratio = fmt.Sprintf("%.3f", first/median)
			}
			ratios = append(ratios, ratio)
		}
	}
	return append(line, ratios...)
}
