package grade

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"highwater.dev/workbook/manifest"
)

// The names that a file takes from other packages are told by their syntax (static.go). Methods are not: whose method b.CheckCRC is,
// only its type tells. So packages are type-checked, and of the methods of our own concrete types an exercise may use those that the
// chapter's solution uses, of types that the solution to some exercise handles: what only the files use that a chapter gives to its reader
// is not the reader's. Free are the methods of interfaces (what they do is the affair of the value that was handed in), those of vocabulary
// packages (the manifest's allow), and String and Error.

// methods are the allowed ones of one chapter.
type methods struct {
	fset     *token.FileSet
	imports  types.Importer
	words    []string        // vocabulary packages
	pkg      string          // import path of the package that is checked
	allowed  map[string]bool // types.Func.FullName
	solution map[string]string
}

// methodsFor compiles what the chapter's solution imports, and whatever an exercise may, and lists the allowed methods.
func methodsFor(root string, c *manifest.Chapter) (*methods, error) {
	exports, err := exported(root, append([]string{"./solutions/" + c.Name}, plainStd...))
	if err != nil {
		return nil, err
	}
	m := &methods{fset: token.NewFileSet(), words: c.Allow, pkg: module + "exercises/" + c.Name, allowed: map[string]bool{}, solution: map[string]string{}}
	m.imports = importer.ForCompiler(m.fset, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("package %q is not compiled", path)
		}
		return os.Open(exports[path])
	})
	files, err := filepath.Glob(filepath.Join(root, "solutions", c.Name, "*.go"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.go") {
			m.solution[filepath.Base(file)] = file
		}
	}
	checked, err := m.check(m.solution)
	if err != nil {
		return nil, err
	}
	if len(checked.errs) > 0 {
		return nil, fmt.Errorf("the solution: %w", checked.errs[0])
	}
	handled := map[types.Type]bool{}
	for _, e := range c.Exercises {
		ast.Inspect(checked.files[e.File], func(n ast.Node) bool {
			if expr, ok := n.(ast.Expr); ok && checked.info.Types[expr].Type != nil {
				handled[pointee(checked.info.Types[expr].Type)] = true
			}
			return true
		})
	}
	for sel := range checked.info.Selections {
		if fn := m.foreign(checked, sel); fn != nil && handled[pointee(fn.Signature().Recv().Type())] {
			m.allowed[fn.FullName()] = true
		}
	}
	return m, nil
}

// pointee is what t points to, and t when it is no pointer.
func pointee(t types.Type) types.Type {
	if p, ok := types.Unalias(t).(*types.Pointer); ok {
		t = p.Elem()
	}
	return types.Unalias(t)
}

func (m *methods) allows(fn *types.Func) bool {
	return m.allowed[fn.FullName()] || slices.Contains(m.words, fn.Pkg().Path()) || fn.Name() == "String" || fn.Name() == "Error"
}

// exported compiles packages and returns where the compiler left what importing them takes, by import path.
func exported(root string, packages []string) (map[string]string, error) {
	cmd := exec.Command("go", append([]string{"list", "-export", "-deps", "-json=ImportPath,Export"}, packages...)...)
	cmd.Dir = root
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, problems.String())
	}
	exports := map[string]string{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct{ ImportPath, Export string }
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return exports, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		exports[p.ImportPath] = p.Export
	}
}

// checked is a type-checked package. Where it has errors it does not compile, and earns nothing.
type checked struct {
	files map[string]*ast.File // by base name
	pkg   *types.Package
	info  types.Info
	errs  []error
}

// check type-checks the package made of files: base name → where it is.
func (m *methods) check(files map[string]string) (*checked, error) {
	c := &checked{files: map[string]*ast.File{}, info: types.Info{Selections: map[*ast.SelectorExpr]*types.Selection{}, Types: map[ast.Expr]types.TypeAndValue{}}}
	var all []*ast.File
	for name, where := range files {
		content, err := os.ReadFile(where)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(m.fset, name, content, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		c.files[name] = file
		all = append(all, file)
	}
	conf := types.Config{Importer: m.imports, Error: func(err error) { c.errs = append(c.errs, err) }}
	c.pkg, _ = conf.Check(m.pkg, m.fset, all, &c.info) // its error is the first of errs
	return c, nil
}

// foreign is the method that sel calls or names, if it is one of a concrete type of our packages, but not of the checked package.
func (m *methods) foreign(c *checked, sel *ast.SelectorExpr) *types.Func {
	selection := c.info.Selections[sel]
	if selection == nil {
		return nil
	}
	fn, ok := selection.Obj().(*types.Func)
	if !ok || !ours(fn.Pkg(), c.pkg) || types.IsInterface(fn.Signature().Recv().Type()) {
		return nil
	}
	return fn.Origin()
}

// ours says that a package is of this module, and not the one that is checked.
func ours(pkg, checked *types.Package) bool {
	return pkg != nil && pkg != checked && strings.HasPrefix(pkg.Path(), module)
}

// refuse says which methods a file uses that are not allowed, each with its line; nil when it uses none.
func (m *methods) refuse(c *checked, name string) error {
	var errs []error
	say := func(pos token.Pos, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s:%d: %s", name, m.fset.PositionFor(pos, false).Line, fmt.Sprintf(format, args...)))
	}
	ast.Inspect(c.files[name], func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if fn := m.foreign(c, n); fn != nil && !m.allows(fn) {
				say(n.Sel.Pos(), "%s", m.instead(fn))
			}
		case *ast.InterfaceType:
			// Such a value could be put into the interface, and the method be called through it.
			for _, fn := range m.behind(c, n) {
				say(n.Pos(), "through this interface, %s", m.instead(fn))
			}
		}
		return true
	})
	return errors.Join(errs...)
}

// behind lists the methods, not allowed, that concrete types of our packages would satisfy an interface by.
func (m *methods) behind(c *checked, n *ast.InterfaceType) (found []*types.Func) {
	iface, ok := c.info.Types[n].Type.(*types.Interface)
	if !ok || iface.NumMethods() == 0 {
		return nil
	}
	for _, pkg := range reachable(c.pkg) {
		for _, name := range pkg.Scope().Names() {
			named, ok := pkg.Scope().Lookup(name).(*types.TypeName)
			if !ok || types.IsInterface(named.Type()) || !types.Implements(named.Type(), iface) && !types.Implements(types.NewPointer(named.Type()), iface) {
				continue
			}
			for method := range iface.Methods() {
				obj, _, _ := types.LookupFieldOrMethod(named.Type(), true, pkg, method.Name())
				if fn, ok := obj.(*types.Func); ok && ours(fn.Pkg(), c.pkg) && !types.IsInterface(fn.Signature().Recv().Type()) && !m.allows(fn) {
					found = append(found, fn)
				}
			}
		}
	}
	return found
}

// reachable lists our packages whose types can come into the hands of pkg's code.
func reachable(pkg *types.Package) (all []*types.Package) {
	var visit func(p *types.Package)
	visit = func(p *types.Package) {
		for _, next := range p.Imports() {
			if ours(next, pkg) && !slices.Contains(all, next) {
				all = append(all, next)
				visit(next)
			}
		}
	}
	visit(pkg)
	return all
}

// instead says what an author can do without the method.
func (m *methods) instead(fn *types.Func) string {
	recv := pointee(fn.Signature().Recv().Type())
	short := func(p *types.Package) string { return p.Name() }
	var may []string
	for method := range types.NewMethodSet(types.NewPointer(recv)).Methods() {
		if m.allowed[method.Obj().(*types.Func).FullName()] {
			may = append(may, method.Obj().Name())
		}
	}
	allowed := "none is needed"
	if len(may) > 0 {
		allowed = "allowed are " + strings.Join(may, ", ")
	}
	typ := types.TypeString(recv, short)
	return fmt.Sprintf("method %s of %s is the broker's own work: write it yourself, with the functions of the exercise's own package (of the methods of %s, %s)", fn.Name(), typ, typ, allowed)
}
