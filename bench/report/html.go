package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"

	"highwater.dev/bench/plot"
)

//go:embed page.html
var pageHTML string

var pageTemplate = template.Must(template.New("page").Parse(pageHTML))

// html is the page for a browser: the Markdown converted, the charts drawn into it. Neighbouring charts stand in one group.
func (p *Page) html() ([]byte, error) {
	converter := goldmark.New(goldmark.WithExtensions(extension.Table))
	var parts []template.HTML
	var charts bytes.Buffer
	flush := func() {
		if charts.Len() > 0 {
			parts = append(parts, template.HTML(`<div class="charts">`+charts.String()+`</div>`))
			charts.Reset()
		}
	}
	for _, b := range p.blocks {
		if b.chart != nil {
			svg, err := b.chart.SVG(false)
			if err != nil {
				return nil, fmt.Errorf("report: %w", err)
			}
			charts.WriteString(svg)
			continue
		}
		flush()
		var out bytes.Buffer
		if err := converter.Convert([]byte(b.markdown), &out); err != nil {
			return nil, fmt.Errorf("report: %w", err)
		}
		parts = append(parts, template.HTML(out.String())) // goldmark leaves no raw HTML in
	}
	flush()
	var page bytes.Buffer
	err := pageTemplate.Execute(&page, map[string]any{"Title": p.title, "Style": template.CSS(plot.Style), "Parts": parts})
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return page.Bytes(), nil
}
