package table

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

// Format is a form to print in: Text, CSV or Markdown.
type Format string

// The forms.
const (
	Text     Format = "table"
	CSV      Format = "csv"
	Markdown Format = "markdown"
)

// Formats lists the forms for a flag's help.
const Formats = "table, csv or markdown"

// Table is a header and rows of the same number of cells.
type Table struct {
	Header []string
	Rows   [][]string
}

// Add appends a row.
func (t *Table) Add(cells ...string) { t.Rows = append(t.Rows, cells) }

// Write prints the table.
func (t *Table) Write(w io.Writer, f Format) error {
	switch f {
	case CSV:
		out := csv.NewWriter(w)
		if err := out.Write(t.Header); err != nil {
			return err
		}
		return out.WriteAll(t.Rows)
	case Text:
		return t.render(tablewriter.NewTable(w, tablewriter.WithHeaderAutoFormat(tw.Off), tablewriter.WithRowAutoWrap(tw.WrapNone)), t.Rows)
	case Markdown:
		return t.render(tablewriter.NewTable(w, tablewriter.WithRenderer(renderer.NewMarkdown()),
			tablewriter.WithHeaderAutoFormat(tw.Off), tablewriter.WithRowAutoWrap(tw.WrapNone)), escaped(t.Rows))
	}
	return fmt.Errorf("table: format %q: it is %s", f, Formats)
}

func (t *Table) render(out *tablewriter.Table, rows [][]string) error {
	out.Header(t.Header)
	if err := out.Bulk(rows); err != nil {
		return err
	}
	return out.Render()
}

// escaped keeps a cell's bar from being read as the end of the cell.
func escaped(rows [][]string) [][]string {
	out := make([][]string, len(rows))
	for i, row := range rows {
		out[i] = make([]string, len(row))
		for j, cell := range row {
			out[i][j] = strings.ReplaceAll(cell, "|", `\|`)
		}
	}
	return out
}
