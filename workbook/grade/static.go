package grade

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"highwater.dev/workbook/manifest"
)

// module is the prefix of our own packages.
const module = "highwater.dev/"

// plainStd are the standard library's packages that every exercise may import, whole: none of them reaches processes, files,
// descriptors, the test framework or memory outside of Go's rules.
var plainStd = []string{
	"bufio", "bytes", "cmp", "container/heap", "container/list", "container/ring", "context", "encoding/base64", "encoding/binary",
	"encoding/hex", "errors", "fmt", "hash", "hash/crc32", "hash/crc64", "hash/fnv", "hash/maphash", "io", "io/fs", "iter",
	"log/slog", "maps", "math", "math/bits", "math/rand", "math/rand/v2", "path", "slices", "sort", "strconv", "strings", "sync", "sync/atomic",
	"time", "unicode", "unicode/utf8", "unicode/utf16",
}

// solutionStd may be imported whole where the chapter's solution imports them: what they reach (the network) cannot touch a grade.
var solutionStd = []string{"net", "net/netip", "compress/flate", "compress/gzip", "crypto/sha256", "encoding/json"}

// never are refused whatever a solution uses, with everything below them.
var never = []string{"C", "flag", "os", "plugin", "reflect", "runtime", "syscall", "testing", "unsafe"}

// rules are what a chapter's exercises may use.
type rules struct {
	packages []string                   // whole
	names    map[string]map[string]bool // other packages → the names of them
}

// rulesFor derives the rules from the manifest and from what the chapter's solution uses: its standard packages, and by name
// what it takes from elsewhere. Of a vocabulary package (the manifest's allow) come its types, constants and sentinel errors as well, but no
// function and no other variable: those do things, such as open the computer's files or be the exercise's answer.
func rulesFor(root string, c *manifest.Chapter) (rules, error) {
	r := rules{packages: slices.Clone(plainStd), names: map[string]map[string]bool{}}
	r.allow(module+"workbook/lab", "NotStarted")
	for _, allowed := range c.Allow {
		words, err := vocabulary(root, allowed)
		if err != nil {
			return r, err
		}
		r.allow(allowed, words...)
	}
	files, err := filepath.Glob(filepath.Join(root, "solutions", c.Name, "*.go"))
	if err != nil {
		return r, fmt.Errorf("grade: %w", err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		if err := r.allowUsed(name); err != nil {
			return r, fmt.Errorf("grade: %w", err)
		}
	}
	return r, nil
}

func (r *rules) allow(pkg string, names ...string) {
	if r.names[pkg] == nil {
		r.names[pkg] = map[string]bool{}
	}
	for _, name := range names {
		r.names[pkg][name] = true
	}
}

// allowUsed allows what one file of the solution uses.
func (r *rules) allowUsed(name string) error {
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
	if err != nil {
		return err
	}
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if slices.Contains(r.packages, path) {
			continue
		}
		if slices.Contains(solutionStd, path) {
			r.packages = append(r.packages, path)
			continue
		}
		used := selections(file, localName(spec, path))
		if len(used) == 0 {
			return fmt.Errorf("%s: the name of package %q is not its path's last part: import it by name", name, path)
		}
		for _, sel := range used {
			r.allow(path, sel.Sel.Name)
		}
	}
	return nil
}

// vocabulary lists the types, constants and sentinel errors of one of our packages. Its name is its folder's.
func vocabulary(root, pkg string) ([]string, error) {
	dir, ours := strings.CutPrefix(pkg, module)
	if !ours {
		return nil, fmt.Errorf("grade: allow: %s is not one of our packages", pkg)
	}
	files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(dir), "*.go"))
	if err != nil || len(files) == 0 {
		return nil, errors.Join(fmt.Errorf("grade: allow: %s holds no Go files", pkg), err)
	}
	var words []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("grade: %w", err)
		}
		if file.Name.Name != filepath.Base(dir) {
			return nil, fmt.Errorf("grade: allow: %s is named %s", pkg, file.Name.Name)
		}
		for _, decl := range file.Decls {
			if gen, ok := decl.(*ast.GenDecl); ok {
				words = append(words, wordsOf(gen)...)
			}
		}
	}
	return words, nil
}

func wordsOf(gen *ast.GenDecl) (words []string) {
	for _, spec := range gen.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			words = append(words, s.Name.Name)
		case *ast.ValueSpec:
			for _, name := range s.Names {
				if gen.Tok == token.CONST || strings.HasPrefix(name.Name, "Err") {
					words = append(words, name.Name)
				}
			}
		}
	}
	return words
}

// check says why a learner's file is refused, each reason with its line; nil when it is not. A file that does not parse is refused
// too (malformed is true), so that nothing is compiled that was not looked at.
func (r rules) check(name string, content []byte) (malformed bool, err error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, content, parser.ParseComments)
	if err != nil {
		var list scanner.ErrorList
		if errors.As(err, &list) && len(list) > 3 {
			err = list[:3].Err()
		}
		return true, err
	}
	var errs []error
	refuse := func(pos token.Pos, format string, args ...any) {
		line := fset.PositionFor(pos, false).Line
		errs = append(errs, fmt.Errorf("%s:%d: %s", name, line, fmt.Sprintf(format, args...)))
	}
	for _, group := range file.Comments {
		for _, comment := range group.List {
			if directive(comment.Text) {
				refuse(comment.Pos(), "compiler directives (%s) have no place in an exercise", strings.Fields(comment.Text)[0])
			}
		}
	}
	for _, decl := range file.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && fn.Body == nil {
			refuse(fn.Pos(), "func %s has no body", fn.Name.Name)
		}
	}
	for _, spec := range file.Imports {
		r.checkImport(file, spec, refuse)
	}
	return false, errors.Join(errs...)
}

func (r rules) checkImport(file *ast.File, spec *ast.ImportSpec, refuse func(token.Pos, string, ...any)) {
	path, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		refuse(spec.Pos(), "import %s is malformed", spec.Path.Value)
		return
	}
	whole := slices.Contains(r.packages, path)
	switch {
	case isNever(path) || (!whole && r.names[path] == nil):
		refuse(spec.Pos(), "package %q is not needed by any exercise of this chapter and not allowed in it", path)
		return
	case spec.Name != nil && (spec.Name.Name == "." || spec.Name.Name == "_"):
		refuse(spec.Pos(), "package %q is imported as %s: write its name", path, spec.Name.Name)
		return
	case whole:
		return
	}
	for _, sel := range selections(file, localName(spec, path)) {
		if !r.names[path][sel.Sel.Name] {
			refuse(sel.Pos(), "%s.%s is not among what this chapter's exercises may use of %s, which is: %s", localName(spec, path), sel.Sel.Name, path,
				strings.Join(slices.Sorted(maps.Keys(r.names[path])), ", "))
		}
	}
}

// directive reports whether a comment speaks to the compiler: //go:linkname, //go:build, // +build, //line, /*line, //export.
func directive(comment string) bool {
	for _, prefix := range []string{"//go:", "// +build", "//+build", "//line ", "/*line ", "//export ", "//extern "} {
		if strings.HasPrefix(comment, prefix) {
			return true
		}
	}
	return false
}

func isNever(path string) bool {
	return slices.ContainsFunc(never, func(n string) bool { return path == n || strings.HasPrefix(path, n+"/") })
}

func localName(spec *ast.ImportSpec, path string) string {
	if spec.Name != nil {
		return spec.Name.Name
	}
	return path[strings.LastIndexByte(path, '/')+1:]
}

// selections are the file's uses name.X of the package that it imports under the name. A variable of that name is told apart by the
// parser, which resolves what a file declares itself and leaves its imports unresolved.
func selections(file *ast.File, name string) []*ast.SelectorExpr {
	var found []*ast.SelectorExpr
	ast.Inspect(file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if id, ok := sel.X.(*ast.Ident); ok && id.Name == name && id.Obj == nil {
				found = append(found, sel)
			}
		}
		return true
	})
	return found
}
