package grade

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"highwater.dev/workbook/manifest"
)

// module is the prefix of our own packages.
const module = "highwater.dev/"

// plainStd are the standard library's packages that every exercise may import: none of them reaches processes, files,
// descriptors, the test framework or memory outside of Go's rules. A chapter's solution may add others by using them.
var plainStd = []string{
	"bufio", "bytes", "cmp", "container/heap", "container/list", "container/ring", "context", "encoding/binary", "encoding/hex",
	"errors", "fmt", "hash", "hash/crc32", "io", "iter", "maps", "math", "math/bits", "slices", "sort", "strconv", "strings", "sync",
	"sync/atomic", "time", "unicode", "unicode/utf8",
}

// never are refused whatever a solution uses.
var never = []string{"C", "flag", "os", "os/exec", "os/signal", "plugin", "reflect", "runtime", "runtime/debug", "syscall", "testing", "unsafe"}

// rules are what a chapter's exercises may use.
type rules struct {
	packages []string                   // whole
	names    map[string]map[string]bool // package of ours → names that the solution uses
}

// rulesFor derives the rules from the manifest and from what the chapter's solution uses.
func rulesFor(root string, c *manifest.Chapter) (rules, error) {
	r := rules{packages: slices.Concat(plainStd, c.Allow, []string{module + "workbook/lab"}), names: map[string]map[string]bool{}}
	files, err := filepath.Glob(filepath.Join(root, "solutions", c.Name, "*.go"))
	if err != nil {
		return r, fmt.Errorf("grade: %w", err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return r, fmt.Errorf("grade: %w", err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, content, parser.SkipObjectResolution)
		if err != nil {
			return r, fmt.Errorf("grade: %w", err)
		}
		for _, spec := range file.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return r, fmt.Errorf("grade: %s: %w", name, err)
			}
			if !strings.HasPrefix(path, module) {
				r.packages = append(r.packages, path)
				continue
			}
			if r.names[path] == nil {
				r.names[path] = map[string]bool{}
			}
			for _, sel := range selections(file, localName(spec, path)) {
				r.names[path][sel.Sel.Name] = true
			}
		}
	}
	return r, nil
}

// check says why a learner's file is refused, each reason with its line; nil when it is not. A file that does not parse is
// left to the compiler.
func (r rules) check(name string, content []byte) error {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, content, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil //nolint:nilerr // the compiler says it better
	}
	var errs []error
	refuse := func(pos token.Pos, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s:%d: %s", name, fset.Position(pos).Line, fmt.Sprintf(format, args...)))
	}
	for _, group := range file.Comments {
		for _, comment := range group.List {
			if strings.HasPrefix(comment.Text, "//go:") || strings.HasPrefix(comment.Text, "// +build") {
				refuse(comment.Pos(), "compiler directives (%s) have no place in an exercise", strings.Fields(comment.Text)[0])
			}
		}
	}
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		if slices.Contains(never, path) || (!slices.Contains(r.packages, path) && r.names[path] == nil) {
			refuse(spec.Pos(), "package %q is not needed by any exercise of this chapter and not allowed in it", path)
			continue
		}
		if spec.Name != nil && spec.Name.Name == "." {
			refuse(spec.Pos(), "package %q is imported with a dot: write its name", path)
			continue
		}
		if slices.Contains(r.packages, path) {
			continue
		}
		for _, sel := range selections(file, localName(spec, path)) {
			if !r.names[path][sel.Sel.Name] {
				refuse(sel.Pos(), "%s.%s is not among what this chapter's exercises may use of %s", localName(spec, path), sel.Sel.Name, path)
			}
		}
	}
	return errors.Join(errs...)
}

func localName(spec *ast.ImportSpec, path string) string {
	if spec.Name != nil {
		return spec.Name.Name
	}
	return path[strings.LastIndexByte(path, '/')+1:]
}

// selections are the file's uses name.X. A local variable of that name may be among them: too strict, never too lax.
func selections(file *ast.File, name string) []*ast.SelectorExpr {
	var found []*ast.SelectorExpr
	ast.Inspect(file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if id, ok := sel.X.(*ast.Ident); ok && id.Name == name {
				found = append(found, sel)
			}
		}
		return true
	})
	return found
}
