package report

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"highwater.dev/bench/budget"
	"highwater.dev/bench/plot"
	"highwater.dev/bench/stat"
	"highwater.dev/bench/table"
)

// beside is the folder, in the page's own, of charts and samples.
const beside = "performance"

// block of the page: text, or a chart.
type block struct {
	markdown string
	chart    *plot.Chart
	file     string // of the chart, beside the page
}

// Page is a report that is not yet written.
type Page struct {
	title  string
	blocks []block
	raw    []rawFile
}

// rawFile is an input, kept beside the page.
type rawFile struct {
	name string
	data []byte
}

// Build makes the page of the results in files, with ratios to Apache Kafka where it was measured. Notes are Markdown.
func Build(files []string, notes string) (*Page, error) {
	results, err := stat.Read(files...)
	if err != nil {
		return nil, err
	}
	run, err := stat.Against(results, "impl", "")
	if err != nil {
		return nil, err
	}
	if slices.Contains(run.Impls, "kafka") {
		if run, err = stat.Against(results, "impl", "kafka"); err != nil {
			return nil, err
		}
	}
	p := &Page{title: "Performance"}
	for _, file := range files {
		if err := p.addRaw(file); err != nil {
			return nil, err
		}
	}
	p.text(introduction)
	if err := p.machine(results.Facts()); err != nil {
		return nil, err
	}
	if err := p.budgets(budget.Judge(run)); err != nil {
		return nil, err
	}
	if notes != "" {
		p.text(notes)
	}
	p.charts(run)
	if err := p.results(run); err != nil {
		return nil, err
	}
	p.rawLinks()
	return p, nil
}

func (p *Page) addRaw(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	name := filepath.Base(file)
	if slices.ContainsFunc(p.raw, func(r rawFile) bool { return r.name == name }) {
		return fmt.Errorf("report: two files of samples are named %s", name)
	}
	p.raw = append(p.raw, rawFile{name, data})
	return nil
}

func (p *Page) text(markdown string) {
	p.blocks = append(p.blocks, block{markdown: strings.TrimSpace(markdown) + "\n"})
}

func (p *Page) table(heading string, t *table.Table) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", heading)
	if err := t.Write(&b, table.Markdown); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	p.text(b.String())
	return nil
}

const introduction = `This page is made by ` + "`highwater bench report`" + ` from the samples linked at its end. Only the notes are written by hand.

How to read a figure: ` + "`450.3 [277, 670] n=10`" + ` is a median, its 95 % interval and the number of samples; ` + "`[?]`" + ` means too few samples for an interval.
` + "`1.81 [1.4, 2.2] better`" + ` is the ratio of two medians with its interval, drawn by rounds, so that what slows down a whole round cancels.
The noise floor is how far two measurements of the same program in the same run lie apart. ` + "`~`" + ` means that no difference was shown: the ratio
is within the noise floor, its interval holds 1, or the U-test has p above 0.05. Read ratios, not absolute figures, where a machine is shared.`

func (p *Page) machine(facts []stat.Fact) error {
	if len(facts) == 0 {
		p.text("## The machine\n\nThe samples do not say on what they were measured.")
		return nil
	}
	t := &table.Table{Header: []string{"what", "value"}}
	for _, f := range facts {
		i := slices.IndexFunc(t.Rows, func(row []string) bool { return row[0] == f.Key })
		if i < 0 {
			t.Add(f.Key, f.Value)
			continue
		}
		t.Rows[i][1] += "; " + f.Value
	}
	return p.table("## The machine", t)
}

func (p *Page) budgets(outcomes []budget.Outcome) error {
	summary := fmt.Sprintf("%d met, %d missed, %d not measured. Limits are ratios of medians of one run.",
		budget.Count(outcomes, budget.Met), budget.Count(outcomes, budget.Missed), budget.Count(outcomes, budget.NotMeasured))
	return p.table("## Budgets\n\n"+summary, budget.Table(outcomes))
}

func (p *Page) charts(run *stat.Versus) {
	var absent []string
	p.text("## Charts\n\nThin lines are 95 % intervals of the medians.")
	for _, s := range chartSpecs {
		chart := s.chart(run)
		if chart == nil {
			absent = append(absent, "- "+s.title+": "+s.needs())
			continue
		}
		p.blocks = append(p.blocks, block{chart: chart, file: path.Join(beside, s.file+".svg")})
	}
	if len(absent) > 0 {
		p.text("Charts left out because these samples do not hold what they show:\n\n" + strings.Join(absent, "\n"))
	}
}

// results are tables by the benchmarks' first names.
func (p *Page) results(run *stat.Versus) error {
	p.text("## Results")
	for _, some := range run.Families() {
		t := some.Table(table.Markdown)
		addLimits(t, run, some.Rows)
		if err := p.table("### "+stat.Family(some.Rows[0].Benchmark), t); err != nil {
			return err
		}
	}
	return nil
}

func (p *Page) rawLinks() {
	var b strings.Builder
	b.WriteString("## Samples\n\nIn Go's benchmark format, which benchstat reads:\n\n")
	for _, r := range p.raw {
		fmt.Fprintf(&b, "- [%s](%s)\n", r.name, path.Join(beside, r.name))
	}
	p.text(b.String())
}

// Write makes performance.md and performance.html in dir, and charts and samples in its folder performance. What was there before by these
// names is replaced.
func (p *Page) Write(dir string) error {
	svgs, err := p.svgs()
	if err != nil {
		return err
	}
	page, err := p.html()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, beside), 0o755); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	files := map[string][]byte{beside + ".md": p.markdown(), beside + ".html": page}
	for _, r := range p.raw {
		files[path.Join(beside, r.name)] = r.data
	}
	for name, svg := range svgs {
		files[name] = []byte(svg)
	}
	var errs []error
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), data, 0o644); err != nil {
			errs = append(errs, fmt.Errorf("report: %w", err))
		}
	}
	return errors.Join(errs...)
}

func (p *Page) svgs() (map[string]string, error) {
	files := map[string]string{}
	for _, b := range p.blocks {
		if b.chart == nil {
			continue
		}
		svg, err := b.chart.SVG(true)
		if err != nil {
			return nil, fmt.Errorf("report: %w", err)
		}
		files[b.file] = svg
	}
	return files, nil
}

func (p *Page) markdown() []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "# %s\n", p.title)
	for _, b := range p.blocks {
		if b.chart != nil {
			fmt.Fprintf(&out, "\n![%s](%s)\n", b.chart.Title, b.file)
			continue
		}
		fmt.Fprintf(&out, "\n%s", b.markdown)
	}
	return out.Bytes()
}

// Notes reads the file of notes; that there is none is no error.
func Notes(file string) (string, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("report: %w", err)
	}
	return string(data), nil
}
