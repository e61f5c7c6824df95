package profile

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
)

//go:embed flame.html
var flamePage string

var flameTemplate = template.Must(template.New("flame").Parse(flamePage))

// thinnest share of the whole that a frame must have to be in the page: thinner ones cannot be seen, and there are thousands.
const thinnest = 1.0 / 5000

// flame is a frame of the graph: a function in the place where it was called from.
type flame struct {
	Name     string   `json:"n"`
	Origin   string   `json:"o"` // ours, runtime or library: the colour
	Value    int64    `json:"v"`
	Label    string   `json:"l"` // value for eyes
	Children []*flame `json:"c,omitempty"`

	byName map[string]*flame
}

func (f *flame) child(name string) *flame {
	c := f.byName[name]
	if c == nil {
		c = &flame{Name: name, Origin: origin(name), byName: map[string]*flame{}}
		f.byName[name] = c
		f.Children = append(f.Children, c)
	}
	return c
}

func origin(function string) string {
	switch {
	case strings.HasPrefix(function, "highwater.dev/"), strings.HasPrefix(function, "main."):
		return "ours"
	case strings.HasPrefix(function, "runtime"), strings.HasPrefix(function, "syscall."), strings.HasPrefix(function, "internal/"):
		return "runtime"
	}
	return "library"
}

// WriteFlameGraph writes a page that stands alone: the graph from the outermost functions at the top to the innermost, with zoom and search.
func (p *Profile) WriteFlameGraph(w io.Writer, title string) error {
	root := &flame{Name: "all", Origin: "library", byName: map[string]*flame{}}
	for _, s := range p.data.Sample {
		value := s.Value[p.index]
		node := root
		node.Value += value
		names := frames(s)
		for _, name := range slices.Backward(names) {
			node = node.child(name)
			node.Value += value
		}
	}
	if root.Value <= 0 {
		return fmt.Errorf("profile: %s sums up to nothing", p.File)
	}
	p.prune(root, int64(thinnest*float64(root.Value)))
	if err := flameTemplate.Execute(w, map[string]any{
		"Title": title, "Kind": string(p.Kind), "Total": p.amount(root.Value), "Samples": len(p.data.Sample), "Root": root,
	}); err != nil {
		return fmt.Errorf("profile: flame graph: %w", err)
	}
	return nil
}

func (p *Profile) prune(f *flame, least int64) {
	f.Label = p.amount(f.Value)
	f.Children = slices.DeleteFunc(f.Children, func(c *flame) bool { return c.Value <= 0 || c.Value < least })
	slices.SortFunc(f.Children, func(a, b *flame) int {
		return cmp.Or(cmp.Compare(b.Value, a.Value), strings.Compare(a.Name, b.Name))
	})
	for _, c := range f.Children {
		p.prune(c, least)
	}
}
