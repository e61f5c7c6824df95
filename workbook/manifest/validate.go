package manifest

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The least that an exercise must have.
const (
	hintsPerExercise   = 3
	mutantsPerExercise = 3
)

var (
	testName = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	goFile   = regexp.MustCompile(`^[a-z0-9_]+\.go$`)
)

// validator collects faults with the lines they stand on.
type validator struct {
	file string
	doc  *yaml.Node
	errs []error
}

// fail reports a fault at the node that path leads to: keys by name, list elements by number.
func (v *validator) fail(path []string, format string, args ...any) {
	v.errs = append(v.errs, fmt.Errorf("manifest: %s:%d: %s", v.file, v.line(path), fmt.Sprintf(format, args...)))
}

// line of the deepest node on the path that exists.
func (v *validator) line(path []string) int {
	node := v.doc
	if node.Kind == yaml.DocumentNode && len(node.Content) > 0 {
		node = node.Content[0]
	}
	for _, step := range path {
		next := child(node, step)
		if next == nil {
			break
		}
		node = next
	}
	return node.Line
}

func child(node *yaml.Node, step string) *yaml.Node {
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == step {
				return node.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(step); err == nil && i < len(node.Content) {
			return node.Content[i]
		}
	default: // a scalar has no children
	}
	return nil
}

func (v *validator) chapter(c *Chapter) {
	if c.Number < 1 {
		v.fail([]string{"chapter"}, "chapter is %d, want 1 or more", c.Number)
	}
	if want := fmt.Sprintf("%02d-", c.Number); !strings.HasPrefix(c.Name, want) {
		v.fail([]string{"name"}, "name %q does not begin with %q", c.Name, want)
	}
	for key, value := range map[string]string{"title": c.Title, "package": c.Package} {
		if value == "" {
			v.fail(nil, "%s is missing", key)
		}
	}
	ids := map[string]bool{}
	for i, inv := range c.Invariants {
		at := []string{"invariants", strconv.Itoa(i)}
		if inv.ID == "" || inv.Sentence == "" || !strings.HasPrefix(inv.Anchor, "#") {
			v.fail(at, "an invariant needs id, sentence and an anchor that begins with #")
		}
		if ids[inv.ID] {
			v.fail(at, "invariant %s stands twice", inv.ID)
		}
		ids[inv.ID] = true
	}
	if len(c.Exercises) == 0 {
		v.fail(nil, "no exercises")
	}
	tests, files := map[string]string{}, map[string]string{}
	for i := range c.Exercises {
		v.exercise(c, i, tests, files)
	}
}

// exercise checks c.Exercises[i]; tests and files hold what earlier exercises took.
func (v *validator) exercise(c *Chapter, i int, tests, files map[string]string) {
	e := &c.Exercises[i]
	at := func(steps ...string) []string { return append([]string{"exercises", strconv.Itoa(i)}, steps...) }
	if want := fmt.Sprintf("%d.%d", c.Number, i+1); e.ID != want {
		v.fail(at("id"), "exercise id is %q, want %q: ids count up from 1", e.ID, want)
	}
	if e.Title == "" {
		v.fail(at(), "exercise %s has no title", e.ID)
	}
	if e.Points < 1 {
		v.fail(at("points"), "exercise %s has %d points, want 1 or more", e.ID, e.Points)
	}
	if e.Minutes < 1 {
		v.fail(at("minutes"), "exercise %s has %d minutes, want 1 or more", e.ID, e.Minutes)
	}
	if !goFile.MatchString(e.File) || strings.HasSuffix(e.File, "_test.go") {
		v.fail(at("file"), "exercise %s: file %q is not a Go file's name", e.ID, e.File)
	}
	if other, taken := files[e.File]; taken {
		v.fail(at("file"), "exercise %s: file %s belongs to exercise %s", e.ID, e.File, other)
	}
	files[e.File] = e.ID
	if len(e.Tests.All()) == 0 {
		v.fail(at("tests"), "exercise %s has no tests", e.ID)
	}
	for _, name := range e.Tests.All() {
		if !testName.MatchString(name) {
			v.fail(at("tests"), "exercise %s: test name %q is not lower-case words joined by '-'", e.ID, name)
		}
		if other, taken := tests[name]; taken {
			v.fail(at("tests"), "exercise %s: test %s belongs to exercise %s", e.ID, name, other)
		}
		tests[name] = e.ID
	}
	if len(e.Hints) != hintsPerExercise || slices.Contains(e.Hints, "") {
		v.fail(at("hints"), "exercise %s has %d hints, want %d, none empty", e.ID, len(e.Hints), hintsPerExercise)
	}
	v.mutants(e, at)
}

func (v *validator) mutants(e *Exercise, at func(...string) []string) {
	if len(e.Mutants) < mutantsPerExercise {
		v.fail(at("mutants"), "exercise %s has %d mutants, want at least %d", e.ID, len(e.Mutants), mutantsPerExercise)
	}
	seen := map[string]bool{}
	for i, m := range e.Mutants {
		here := at("mutants", strconv.Itoa(i))
		if m.ID == "" || m.Misconception == "" || m.Find == "" {
			v.fail(here, "exercise %s: a mutant needs id, misconception and find", e.ID)
		}
		if m.ID != "" && !testName.MatchString(m.ID) { // it becomes the name of a package
			v.fail(here, "exercise %s: mutant id %q is not lower-case words joined by '-'", e.ID, m.ID)
		}
		if m.Find == m.Replace {
			v.fail(here, "exercise %s: mutant %s changes nothing", e.ID, m.ID)
		}
		if seen[m.ID] {
			v.fail(here, "exercise %s: mutant %s stands twice", e.ID, m.ID)
		}
		seen[m.ID] = true
	}
}
