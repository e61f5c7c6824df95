package plot

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
)

// Chart of values over categories.
type Chart struct {
	Title      string
	Unit       string // of the values
	Categories []string
	Series     []Series
	Log        bool // the values span decades: points on a logarithmic axis, instead of bars from zero
	Lines      bool // the categories are steps of a quantity: points joined by lines
}

// Series has a value for each category; nil where there is none.
type Series struct {
	Name   string
	Values []*Value
}

// Value with its interval; Lo and Hi are equal to Center, or not finite, where there is none.
type Value struct{ Center, Lo, Hi float64 }

// Geometry in units of the view box: small, so that letters stay readable on a telephone.
const (
	width, height              = 440.0, 290.0
	left, right, top, bottom   = 52.0, 10.0, 62.0, 34.0
	plotWidth, plotHeight      = width - left - right, height - top - bottom
	legendTop, lettersPerEntry = 42.0, 7.0
)

// colours by series name: an implementation looks alike in all charts. Others take the spare ones in turn.
var colours = map[string]string{"highwater": "--hw-a", "kafka": "--hw-b", "floor": "--hw-c", "nats": "--hw-d", "limit": "--hw-e"}

var spare = []string{"--hw-a", "--hw-b", "--hw-c", "--hw-d", "--hw-e"}

// Style has to be in the page around a chart that does not stand alone.
const Style = `.hw-chart{--hw-ink:#1d2733;--hw-quiet:#5b6875;--hw-line:#dfe4e9;--hw-a:#1f77b4;--hw-b:#e07b00;--hw-c:#7a8691;--hw-d:#2a9d5c;--hw-e:#8c5fbf;` +
	`font:12px system-ui,sans-serif;width:100%;height:auto;max-width:560px}` +
	`@media (prefers-color-scheme:dark){.hw-chart{--hw-ink:#e4eaf0;--hw-quiet:#a3b0bc;--hw-line:#2c3742;--hw-a:#58a6e0;--hw-b:#f0a040;--hw-c:#98a4af;--hw-d:#5cc78b;--hw-e:#b794e0}}` +
	`.hw-chart text{fill:var(--hw-ink)}.hw-chart .hw-quiet{fill:var(--hw-quiet)}.hw-chart .hw-title{font-weight:600;font-size:14px}`

// SVG draws the chart. Alone puts the style into it, as a file of its own needs.
func (c Chart) SVG(alone bool) (string, error) {
	axis, err := c.axis()
	if err != nil {
		return "", fmt.Errorf("plot: %s: %w", c.Title, err)
	}
	d := &drawing{}
	d.add(`<svg class="hw-chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" role="img" aria-label="%s">`, width, height, html.EscapeString(c.Title))
	if alone {
		d.add(`<style>%s</style>`, Style)
	}
	d.add(`<text x="8" y="18"><tspan class="hw-title">%s</tspan><tspan class="hw-quiet" dx="8">%s</tspan></text>`, html.EscapeString(c.Title), html.EscapeString(c.Unit))
	d.grid(axis)
	d.legend(c)
	slot := plotWidth / float64(len(c.Categories))
	for i, category := range c.Categories {
		d.text(left+slot*(float64(i)+0.5), height-12, "middle", "", category)
	}
	for i, s := range c.Series {
		d.series(c, axis, i, s, slot)
	}
	d.add(`</svg>`)
	return d.String(), nil
}

type drawing struct{ strings.Builder }

func (d *drawing) add(format string, args ...any) { fmt.Fprintf(d, format+"\n", args...) }

func (d *drawing) text(x, y float64, anchor, class, text string) {
	d.add(`<text x="%.1f" y="%.1f" text-anchor="%s" class="%s">%s</text>`, x, y, anchor, class, html.EscapeString(text))
}

func (d *drawing) grid(a axis) {
	for _, tick := range a.ticks {
		y := a.y(tick)
		d.add(`<line x1="%g" x2="%g" y1="%.1f" y2="%.1f" stroke="var(--hw-line)"/>`, left, width-right, y, y)
		d.text(left-6, y+4, "end", "hw-quiet", short(tick))
	}
}

func (d *drawing) legend(c Chart) {
	x := left
	for i, s := range c.Series {
		d.add(`<rect x="%.1f" y="%g" width="10" height="10" rx="2" fill="var(%s)"/>`, x, legendTop-9, colour(i, s.Name))
		d.text(x+14, legendTop, "start", "", s.Name)
		x += 14 + lettersPerEntry*float64(len(s.Name)) + 12
	}
}

func (d *drawing) series(c Chart, a axis, index int, s Series, slot float64) {
	fill := colour(index, s.Name)
	mark := slot * 0.76 / float64(len(c.Series))
	var path []string
	for i, v := range s.Values {
		if v == nil {
			continue
		}
		x := left + slot*float64(i) + slot*0.12 + mark*(float64(index)+0.5)
		if c.Lines {
			x = left + slot*(float64(i)+0.5)
		}
		y := a.y(v.Center)
		path = append(path, fmt.Sprintf("%.1f,%.1f", x, y))
		d.add(`<g><title>%s, %s: %s</title>`, html.EscapeString(s.Name), html.EscapeString(c.Categories[i]), html.EscapeString(v.text(c.Unit)))
		if c.Log || c.Lines {
			d.add(`<circle cx="%.1f" cy="%.1f" r="4.5" fill="var(%s)"/>`, x, y, fill)
		} else {
			w := min(mark*0.9, 46)
			d.add(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="var(%s)"/>`, x-w/2, y, w, a.y(0)-y, fill)
		}
		if v.ranged() {
			d.add(`<path d="M%.1f %.1fV%.1fM%.1f %.1fh6M%.1f %.1fh6" stroke="var(--hw-ink)" fill="none"/>`, x, a.y(v.Lo), a.y(v.Hi), x-3, a.y(v.Lo), x-3, a.y(v.Hi))
		}
		d.add(`</g>`)
	}
	if c.Lines && len(path) > 1 {
		d.add(`<polyline points="%s" fill="none" stroke="var(%s)" stroke-width="2"/>`, strings.Join(path, " "), fill)
	}
}

// ranged reports whether there is an interval to draw.
func (v *Value) ranged() bool {
	return v.Lo < v.Hi && !math.IsInf(v.Lo, 0) && !math.IsInf(v.Hi, 0)
}

func (v *Value) text(unit string) string {
	text := short(v.Center) + " " + unit
	if v.ranged() {
		text += fmt.Sprintf(" (%s to %s)", short(v.Lo), short(v.Hi))
	}
	return text
}

func colour(index int, name string) string {
	if c := colours[name]; c != "" {
		return c
	}
	return spare[index%len(spare)]
}

// short writes a number with at most four significant digits.
func short(x float64) string {
	if math.Abs(x) >= 10_000 {
		return strconv.FormatFloat(x/1000, 'g', 4, 64) + "k"
	}
	return strconv.FormatFloat(x, 'g', 4, 64)
}
