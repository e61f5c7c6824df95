// Package generate makes exercises/ from solutions/: one source, so that a starter never drifts from its solution.
//
// In a solution's file, the lines
//
//	// BEGIN SOLUTION 1.2 what the reader has to do, in a sentence
//	// END SOLUTION
//
// enclose what is cut out. Inside a function the region becomes a note that names the tests and the page, and a panic with
// lab.NotStarted; outside of functions (a helper that the solution chose to have) nothing takes its place. Everything else, the
// doc comments above all, is kept: it is part of the teaching. Imports are computed anew.
package generate

import (
	"errors"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/go/ast/astutil"

	"highwater.dev/workbook/manifest"
)

const (
	beginMark = "// BEGIN SOLUTION "
	endMark   = "// END SOLUTION"
	labImport = "highwater.dev/workbook/lab"
)

// region is a stretch of lines to cut, both marks included. Lines count from 0.
type region struct {
	first, last int
	exercise    string
	task        string
}

// Exercise makes the reader's file from one solution file. name is the file's name; c the chapter it belongs to.
func Exercise(c *manifest.Chapter, name string, solution []byte) ([]byte, error) {
	lines := strings.Split(string(solution), "\n")
	regions, err := findRegions(name, lines)
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, solution, parser.ParseComments)
	if err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	var out []string
	next := 0
	for _, r := range regions {
		exercise, ok := c.Exercise(r.exercise)
		if !ok {
			return nil, fmt.Errorf("generate: %s:%d: exercise %s is not in the manifest", name, r.first+1, r.exercise)
		}
		if exercise.File != name {
			return nil, fmt.Errorf("generate: %s:%d: exercise %s belongs into %s", name, r.first+1, r.exercise, exercise.File)
		}
		out = append(out, lines[next:r.first]...)
		if insideFunction(fset, file, r) {
			out = append(out, stub(c, exercise, r)...)
		}
		next = r.last + 1
	}
	out = append(out, lines[next:]...)
	return tidy(name, strings.Join(out, "\n"))
}

func findRegions(name string, lines []string) ([]region, error) {
	var regions []region
	var open *region
	for i, line := range lines {
		text := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(text, beginMark):
			if open != nil {
				return nil, fmt.Errorf("generate: %s:%d: BEGIN SOLUTION inside the region of line %d", name, i+1, open.first+1)
			}
			exercise, task, _ := strings.Cut(strings.TrimPrefix(text, beginMark), " ")
			open = &region{first: i, exercise: exercise, task: task}
		case text == endMark:
			if open == nil {
				return nil, fmt.Errorf("generate: %s:%d: END SOLUTION without a BEGIN", name, i+1)
			}
			open.last = i
			regions = append(regions, *open)
			open = nil
		}
	}
	if open != nil {
		return nil, fmt.Errorf("generate: %s:%d: BEGIN SOLUTION without an END", name, open.first+1)
	}
	return regions, nil
}

// insideFunction reports whether the region lies in a function's body.
func insideFunction(fset *token.FileSet, file *ast.File, r region) bool {
	for _, decl := range file.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		if fset.Position(fn.Body.Lbrace).Line <= r.first+1 && r.last+1 <= fset.Position(fn.Body.Rbrace).Line {
			return true
		}
	}
	return false
}

// stub is what takes a region's place.
func stub(c *manifest.Chapter, e *manifest.Exercise, r region) []string {
	anchor := strings.ReplaceAll(e.ID, ".", "-")
	lines := []string{"// TODO " + e.ID + ": " + r.task}
	lines = append(lines,
		"// Text: chapters/"+c.Name+"/README.md#exercise-"+anchor,
		"// Test: go run . test "+e.ID,
		"panic(lab.NotStarted("+strconv.Quote(e.ID)+"))")
	return lines
}

// tidy writes the import declaration anew, the standard library's packages first, with those that what is left uses and lab's
// where a stub needs it, and formats. A solution's file has one import declaration at most.
func tidy(name, source string) ([]byte, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, source, parser.ParseComments)
	if err != nil {
		return nil, fmt.Errorf("generate: what is left of %s does not parse: %w", name, err)
	}
	from := fset.Position(file.Name.End()).Offset
	to := from
	for _, decl := range file.Decls {
		if gen, ok := decl.(*ast.GenDecl); ok && gen.Tok == token.IMPORT {
			to = fset.Position(gen.End()).Offset
		}
	}
	formatted, err := format.Source([]byte(source[:from] + importDecl(file, source) + source[to:]))
	if err != nil {
		return nil, fmt.Errorf("generate: %s: %w", name, err)
	}
	return formatted, nil
}

func importDecl(file *ast.File, source string) string {
	var std, others []string
	for _, spec := range file.Imports {
		importPath := strings.Trim(spec.Path.Value, `"`)
		if !astutil.UsesImport(file, importPath) {
			continue
		}
		line := spec.Path.Value
		if spec.Name != nil {
			line = spec.Name.Name + " " + line
		}
		if first, _, _ := strings.Cut(importPath, "/"); strings.Contains(first, ".") {
			others = append(others, line)
		} else {
			std = append(std, line)
		}
	}
	if lab := strconv.Quote(labImport); strings.Contains(source, "lab.NotStarted(") && !slices.Contains(others, lab) {
		others = append(others, lab)
	}
	if len(std)+len(others) == 0 {
		return "\n"
	}
	slices.Sort(others)
	return "\n\nimport (\n" + strings.Join(std, "\n") + "\n\n" + strings.Join(others, "\n") + "\n)"
}

// Leaks reports lines of the solution's regions that stand in text: an exercise or a hint must not hold them. Lines of fewer than
// leakLength characters (braces, returns) are too common to tell.
func Leaks(name string, solution []byte, kept string) error {
	lines := strings.Split(string(solution), "\n")
	regions, err := findRegions(name, lines)
	if err != nil {
		return err
	}
	standing := map[string]bool{}
	for line := range strings.Lines(kept) {
		standing[strings.TrimSpace(line)] = true
	}
	outside := map[string]bool{}
	next := 0
	for _, r := range regions {
		for _, line := range lines[next:r.first] {
			outside[strings.TrimSpace(line)] = true
		}
		next = r.last + 1
	}
	for _, line := range lines[next:] {
		outside[strings.TrimSpace(line)] = true
	}
	var errs []error
	for _, r := range regions {
		for i, line := range lines[r.first+1 : r.last] {
			text := strings.TrimSpace(line)
			if len(text) >= leakLength && standing[text] && !outside[text] {
				errs = append(errs, fmt.Errorf("generate: %s:%d: a line of the solution to %s can be read by its readers: %s",
					name, r.first+2+i, r.exercise, text))
			}
		}
	}
	return errors.Join(errs...)
}

const leakLength = 24
