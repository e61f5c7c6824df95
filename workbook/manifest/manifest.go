// Package manifest reads chapters/NN-name/exercises.yaml: the one place where a chapter's exercises, points, tests, hints,
// invariants and mutants are named. Everything else (tables, reports, the grader's expectations) is made from it.
package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v3"
)

// FileName of a chapter's manifest.
const FileName = "exercises.yaml"

// Chapter is one manifest.
type Chapter struct {
	Number     int         `yaml:"chapter"`
	Name       string      `yaml:"name"`    // of the folders in chapters/, solutions/ and exercises/
	Title      string      `yaml:"title"`   // for people
	Package    string      `yaml:"package"` // Go package name of the solution and the exercises
	Allow      []string    `yaml:"allow"`   // packages of this module that an exercise may import
	Invariants []Invariant `yaml:"invariants"`
	Exercises  []Exercise  `yaml:"exercises"`
}

// Invariant is a sentence that tests refer to by id.
type Invariant struct {
	ID       string `yaml:"id"`
	Sentence string `yaml:"sentence"`
	Anchor   string `yaml:"anchor"` // in the chapter's README.md
}

// Exercise is one exercise: one file.
type Exercise struct {
	ID      string   `yaml:"id"` // "1.2"
	Title   string   `yaml:"title"`
	File    string   `yaml:"file"`
	Points  int      `yaml:"points"`
	Minutes int      `yaml:"minutes"` // what a reader should plan
	Tests   Tests    `yaml:"tests"`
	Hints   []string `yaml:"hints"` // three: a question; the place and the invariant; nearly the code
	Mutants []Mutant `yaml:"mutants"`
}

// Tests are the names of an exercise's graded tests.
type Tests struct {
	Public   []string `yaml:"public"`
	Property []string `yaml:"property"`
	Fault    []string `yaml:"fault"`
}

// All the names, public ones first.
func (t Tests) All() []string { return slices.Concat(t.Public, t.Property, t.Fault) }

// Mutant is a plausible wrong answer: one exact search and replace on the solution's file.
type Mutant struct {
	ID            string `yaml:"id"`
	Misconception string `yaml:"misconception"`
	Find          string `yaml:"find"`
	Replace       string `yaml:"replace"`
}

// Exercise returns the exercise with the id.
func (c *Chapter) Exercise(id string) (*Exercise, bool) {
	i := slices.IndexFunc(c.Exercises, func(e Exercise) bool { return e.ID == id })
	if i < 0 {
		return nil, false
	}
	return &c.Exercises[i], true
}

// Load reads and checks one manifest. Every fault is reported, each as file:line: what is wrong.
func Load(file string) (*Chapter, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	return Parse(content, file)
}

// Parse is Load on bytes; file names them in errors.
func Parse(content []byte, file string) (*Chapter, error) {
	var c Chapter
	dec := yaml.NewDecoder(bytes.NewReader(content))
	dec.KnownFields(true)
	if err := dec.Decode(&c); err != nil {
		return nil, fmt.Errorf("manifest: %s: %w", file, err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(content, &doc); err != nil {
		return nil, fmt.Errorf("manifest: %s: %w", file, err)
	}
	v := validator{file: file, doc: &doc}
	v.chapter(&c)
	if err := errors.Join(v.errs...); err != nil {
		return nil, err
	}
	return &c, nil
}

// LoadAll reads the manifests of all chapters below root, in the order of their numbers.
func LoadAll(root string) ([]*Chapter, error) {
	files, err := filepath.Glob(filepath.Join(root, "chapters", "*", FileName))
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	var chapters []*Chapter
	var errs []error
	for _, file := range files {
		c, err := Load(file)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if dir := filepath.Base(filepath.Dir(file)); dir != c.Name {
			errs = append(errs, fmt.Errorf("manifest: %s: name is %q, the folder is %q", file, c.Name, dir))
		}
		chapters = append(chapters, c)
	}
	slices.SortFunc(chapters, func(a, b *Chapter) int { return a.Number - b.Number })
	return chapters, errors.Join(errs...)
}
