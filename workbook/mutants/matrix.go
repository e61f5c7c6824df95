package mutants

import (
	"fmt"
	"io"
	"strings"

	"highwater.dev/workbook/lab"
	"highwater.dev/workbook/manifest"
)

// WriteMatrix writes the kill matrix in Markdown: a section for each exercise, a row for each mutant with its misconception and the
// tests that killed it.
func WriteMatrix(w io.Writer, chapters []*manifest.Chapter, kills []Kill) error {
	var b strings.Builder
	b.WriteString("# Kill matrix\n\nMade by `go run . mutants --out docs/mutants.md`. Each row is a wrong program; the graded tests of its exercise have to reject it. Where\nthe moment decides which of several tests notice, a later run may list others.\n")
	total := 0
	for _, c := range chapters {
		for _, e := range c.Exercises {
			fmt.Fprintf(&b, "\n## %s %s\n\n| Mutant | The misconception | Killed by |\n|---|---|---|\n", e.ID, e.Title)
			for _, k := range kills {
				if k.Exercise != e.ID || k.Mutant == "" {
					continue
				}
				total++
				killers := strings.Join(k.KilledBy, ", ")
				switch {
				case k.Defect != "":
					killers = "**cannot be tried**"
				case k.How == lab.Pass:
					killers = "**survives**"
				case killers == "":
					killers = "the program does not start"
				}
				fmt.Fprintf(&b, "| %s | %s | %s |\n", k.Mutant, cell(k.Misconception), killers)
			}
		}
	}
	fmt.Fprintf(&b, "\n%d mutants.\n", total)
	_, err := io.WriteString(w, b.String())
	return err
}

// cell keeps text inside of its cell of a Markdown table.
func cell(text string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ").Replace(strings.TrimSpace(text))
}
