package broker_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "highwater.dev/"

// layers is the table of doc.go: a package imports only packages of lower rank. Letters within a layer
// (2b commitlog over 2a segment) are ranks of their own.
var layers = [][]string{
	{"broker/model", "broker/clock", "broker/metrics", "broker/config"},
	{"broker/vfs"},
	{"broker/vfs/errorfs"},
	{"broker/record", "broker/wire", "broker/commitlog/checkpoint"},
	{"broker/segment", "broker/epoch", "broker/producer", "broker/cleaner"},
	{"broker/commitlog", "broker/segment/logtest"},
	{"broker/metadata"},
	{"broker/controller", "broker/replica", "broker/group", "broker/txn"},
	{"broker/peer"},
	{"broker/logmgr"},
	{"broker/replmgr", "broker/quorumdrv"},
	{"broker/coordrt"},
	{"broker/network", "broker/api", "broker/observe", "broker/dump"},
	{"broker"},
	{"broker/sim"},
}

// TestImportsGoDownward checks that every package under broker/ has a place in the table, imports strictly
// below it, and nothing of the workbook or the benchmarks.
func TestImportsGoDownward(t *testing.T) {
	rank := map[string]int{}
	for i, row := range layers {
		for _, pkg := range row {
			rank[pkg] = i
		}
	}
	checked := 0
	for _, f := range goFiles(t) {
		pkg := path.Join("broker", path.Dir(f.path))
		from, known := rank[pkg]
		require.Truef(t, known, "%s: give the package a place in the table of layers and in doc.go", pkg)
		for _, imported := range f.imports {
			if imported == pkg && strings.HasSuffix(f.path, "_test.go") {
				continue
			}
			checked++
			to, known := rank[imported]
			require.Truef(t, known, "broker/%s imports %s, which is not a package of the broker", f.path, imported)
			if strings.HasSuffix(f.path, "_test.go") {
				continue // a test may drive its package through a higher one
			}
			require.Lessf(t, to, from, "broker/%s: %s imports %s, which does not lie below it", f.path, pkg, imported)
		}
	}
	require.Greater(t, checked, 50, "the walk found almost no imports: it looks in the wrong place")
}

type goFile struct {
	path    string   // relative to broker/
	imports []string // without the module's name, only packages of this module
}

// goFiles lists the Go files under broker/, leaving out modules of their own (broker/conformance).
func goFiles(t *testing.T) []goFile {
	var files []goFile
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if _, err := os.Stat(filepath.Join(p, "go.mod")); err == nil || d.Name() == "testdata" {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		f := goFile{path: filepath.ToSlash(p)}
		for _, spec := range parsed.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if rest, ours := strings.CutPrefix(name, module); ours {
				f.imports = append(f.imports, rest)
			}
		}
		files = append(files, f)
		return nil
	})
	require.NoError(t, err)
	return files
}
