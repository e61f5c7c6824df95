package class

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"highwater.dev/workbook/grade"
	"highwater.dev/workbook/lab"
	"highwater.dev/workbook/manifest"
)

// write writes one learner's folder anew.
func write(dir string, g Grade) error {
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return fmt.Errorf("class: %w", err)
	}
	if err := grade.WriteReport(dir, g.Exercises); err != nil {
		return err
	}
	content, err := json.MarshalIndent(g, "", "  ")
	if err != nil {
		return fmt.Errorf("class: %w", err)
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "results.json"), append(content, '\n'), 0o644),
		os.WriteFile(filepath.Join(dir, "report.md"), []byte(report(g)), 0o644))
}

// report is what a learner reads.
func report(g Grade) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s: %d of %d points\n", grade.Printable(g.Learner), g.Points, g.Of)
	if g.Problem != "" {
		b.WriteString("\nThe submission could not be graded.\n" + indented(g.Problem))
	}
	if len(g.Exercises) > 0 {
		b.WriteString("\n| Exercise | | State | Points | Tests passed |\n|---|---|---|---|---|\n")
	}
	for _, r := range g.Exercises {
		fmt.Fprintf(&b, "| %s | %s | %s | %d of %d | %d of %d |\n", r.Exercise, r.Title, r.State, r.Points, r.Of, r.Passed(), len(r.Tests))
	}
	for _, r := range g.Exercises {
		if r.State != lab.Pass && r.State != lab.NoStart {
			fmt.Fprintf(&b, "\n## %s %s: %s\n%s", r.Exercise, r.Title, r.State, indented(r.Message))
		}
		if second := r.SecondTry(); second != "" {
			fmt.Fprintf(&b, "\n%s %s:\n%s", r.Exercise, r.State, indented(second))
		}
	}
	return b.String()
}

// indented makes a Markdown code block that nothing in the text can end.
func indented(text string) string {
	var b strings.Builder
	b.WriteString("\n")
	for line := range strings.Lines(grade.Printable(text)) {
		b.WriteString("    " + strings.TrimRight(line, "\n") + "\n")
	}
	return b.String()
}

// writeSummary writes grades.csv and grades.json.
func writeSummary(out string, chapters []*manifest.Chapter, grades []Grade) (err error) {
	content, err := json.MarshalIndent(grades, "", "  ")
	if err != nil {
		return fmt.Errorf("class: %w", err)
	}
	if err := os.WriteFile(filepath.Join(out, "grades.json"), append(content, '\n'), 0o644); err != nil {
		return fmt.Errorf("class: %w", err)
	}
	f, err := os.Create(filepath.Join(out, "grades.csv"))
	if err != nil {
		return fmt.Errorf("class: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := csv.NewWriter(f)
	header := []string{"learner", "points", "of"}
	for _, c := range chapters {
		for _, e := range c.Exercises {
			header = append(header, e.ID, e.ID+" state")
		}
	}
	rows := [][]string{append(header, "problem")}
	for _, g := range grades {
		rows = append(rows, g.row(chapters))
	}
	return w.WriteAll(rows)
}

func (g Grade) row(chapters []*manifest.Chapter) []string {
	row := []string{cell(g.Learner), strconv.Itoa(g.Points), strconv.Itoa(g.Of)}
	byID := map[string]grade.Result{}
	for _, r := range g.Exercises {
		byID[r.Exercise] = r
	}
	for _, c := range chapters {
		for _, e := range c.Exercises {
			r, graded := byID[e.ID]
			if !graded {
				r.State = lab.NotRun
			}
			row = append(row, strconv.Itoa(r.Points), string(r.State))
		}
	}
	return append(row, cell(g.Problem))
}

// cell keeps a spreadsheet from taking text for a formula.
func cell(text string) string {
	if strings.ContainsAny(text[:min(1, len(text))], "=+-@\t\r") {
		return "'" + text
	}
	return text
}
