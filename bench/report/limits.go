package report

import (
	"fmt"
	"slices"
	"strings"

	"highwater.dev/bench/stat"
	"highwater.dev/bench/table"
)

// limits names the measurements of the machine (Limit/what=NAME) that a throughput cannot exceed, because every byte passes there.
var limits = map[string][]string{
	"Produce": {"loopback", "crc32c", "pagecache"},
	"Perf":    {"loopback", "crc32c", "pagecache"},
	"Consume": {"loopback", "sendfile"},
}

// addLimits adds a column with the share of the lowest measured limit that the first implementation reaches; none where there is no limit.
func addLimits(t *table.Table, run *stat.Versus, rows []*stat.Row) {
	var shares []string
	for _, r := range rows {
		shares = append(shares, limitShare(run, r))
	}
	if !slices.ContainsFunc(shares, func(s string) bool { return s != "" }) {
		return
	}
	t.Header = append(t.Header, "highwater / physical limit")
	for i, share := range shares {
		if share == "" {
			share = "–"
		}
		t.Rows[i] = append(t.Rows[i], share)
	}
}

// limitShare in words; empty where there is no limit or nothing of ours.
func limitShare(run *stat.Versus, r *stat.Row) string {
	cell := r.Cells["highwater"]
	if cell == nil {
		return ""
	}
	lowest, name := 0.0, ""
	for _, l := range run.Rows {
		what, ok := strings.CutPrefix(l.Benchmark, "Limit/what=")
		if !ok || l.Unit != r.Unit || !slices.Contains(limits[stat.Family(r.Benchmark)], what) || l.Cells["limit"] == nil {
			continue
		}
		if median := l.Cells["limit"].Summary.Center; name == "" || median < lowest {
			lowest, name = median, what
		}
	}
	if lowest == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f %% of %s", 100*cell.Summary.Center/lowest, name)
}
