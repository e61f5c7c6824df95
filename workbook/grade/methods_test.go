package grade

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/workbook/internal/tiny"
	"highwater.dev/workbook/lab"
	"highwater.dev/workbook/manifest"
)

// refused says why the exercise's file is refused; empty when it is not.
func refused(t *testing.T, o Options, file string) string {
	t.Helper()
	g, err := newChapter(o, o.Chapters[0])
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(g.dir))
	f, bad := g.faults[filepath.Join("exercises", g.Name, file)]
	if bad {
		require.Equal(t, lab.Fail, f.state, f.message)
	}
	return f.message
}

func TestMethodsThatAFileMayUse(t *testing.T) {
	root, chapter := tiny.Checkout(t)
	tiny.Replace(t, root, "solutions/01-tiny/mean.go", "package tiny\n", "package tiny\n\nimport \"highwater.dev/broker/vfs\"\n\nfunc hold(f *vfs.SharedFile) bool { return f.Acquire() }\n")
	tiny.Put(t, root, "solutions/01-tiny/given.go", "package tiny\n\nimport \"highwater.dev/broker/vfs\"\n\nfunc release(r vfs.Region, f vfs.File) { r.Release() }\n")
	chapter.Allow = []string{"highwater.dev/broker/model"}
	tiny.Generate(t, root)
	const own = "func Mean(xs []int) int { return 0 }\n"
	for name, c := range map[string]struct{ sum, mean, want string }{
		"one that the solution uses":   {sum: "func a(f *vfs.SharedFile) bool { return f.Acquire() }"},
		"another one of that type":     {sum: "func a(f *vfs.SharedFile) { f.Release() }", want: "method Release of vfs.SharedFile is the broker's own work: write it yourself, with the functions of the exercise's own package (of the methods of vfs.SharedFile, allowed are Acquire)"},
		"what only given files use":    {sum: "func a(r vfs.Region) { r.Release() }", want: "method Release of vfs.Region is the broker's own work: write it yourself, with the functions of the exercise's own package (of the methods of vfs.Region, none is needed)"},
		"as a value":                   {sum: "func a(r vfs.Region) func() { return r.Release }", want: "method Release of vfs.Region"},
		"as an expression":             {sum: "var a = vfs.Region.Release", want: "method Release of vfs.Region"},
		"of a pointer":                 {sum: "var a = (*vfs.Region).Release", want: "method Release of vfs.Region"},
		"promoted":                     {sum: "type o struct{ vfs.Region }\nfunc a(r o) { r.Release() }", want: "method Release of vfs.Region"},
		"of an alias":                  {sum: "type o = vfs.Region\nfunc a(r o) { r.Release() }", want: "method Release of vfs.Region"},
		"through an interface":         {sum: "var _ vfs.Region\ntype o interface{ Release() }\nfunc a(r o) { r.Release() }", want: "through this interface, method Release of vfs.Region"},
		"with a value in it":           {sum: "func a(r vfs.Region) { interface{ Release() }(r).Release() }", want: "through this interface, method Release of vfs.Region"},
		"through a type parameter":     {sum: "func a[T interface{ vfs.Region; Release() }](r T) { r.Release() }", want: "through this interface, method Release of vfs.Region"},
		"of what another file returns": {sum: "var _ vfs.File\nfunc a() { held().Release() }", mean: "import \"highwater.dev/broker/vfs\"\n\nfunc held() (r vfs.Region) { return }\n" + own, want: "method Release of vfs.Region"},
		"beside a file that is broken": {sum: "func a(r vfs.Region) { r.Release() }", mean: "func Mean(xs []int) int { return nothing }\n", want: "method Release of vfs.Region"},
		"an interface's":               {sum: "func a(f vfs.File) error { return f.Sync() }"},
		"its own":                      {sum: "var _ vfs.File\ntype o struct{}\nfunc (o) Release() {}\nfunc a(r o) { r.Release() }"},
		"its own interface's":          {sum: "var _ vfs.File\ntype o interface{ Release(int) }\nfunc a(r o) { r.Release(1) }"},
		"a vocabulary type's":          {sum: "var _ vfs.File\nfunc a(id *model.TopicID) error { return id.UnmarshalText(nil) }"},
	} {
		imports := "import \"highwater.dev/broker/vfs\"\n"
		if strings.Contains(c.sum, "model.") {
			imports += "import \"highwater.dev/broker/model\"\n"
		}
		files := map[string]string{"sum.go": "package tiny\n\n" + imports + c.sum + "\n" + "func Sum(xs []int) int { return 0 }\n", "mean.go": "package tiny\n\n" + own}
		if c.mean != "" {
			files["mean.go"] = "package tiny\n\n" + c.mean
		}
		got := refused(t, options(root, chapter, tiny.Submission(t, files)), "sum.go")
		if c.want == "" {
			require.Empty(t, got, name)
			continue
		}
		require.Contains(t, got, c.want, name)
		require.Regexp(t, `^sum\.go:\d+: `, got, name)
	}
}

// The broker's batch knows how to check its own CRC, and how to go through its records: chapter 01's first exercise.
func TestTheBrokersBatchIsNoAnswer(t *testing.T) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	chapters, err := manifest.LoadAll(root)
	require.NoError(t, err)
	chapter := chapters[0]
	solution := map[string]string{}
	for _, e := range chapter.Exercises {
		content, err := os.ReadFile(filepath.Join(root, "solutions", chapter.Name, e.File))
		require.NoError(t, err)
		solution[e.File] = string(content)
	}
	submit := func(file, old, replacement string) string {
		files := maps.Clone(solution)
		require.Contains(t, files[file], old)
		files[file] = strings.Replace(files[file], old, replacement, 1)
		dir := t.TempDir()
		for name, content := range files {
			tiny.Put(t, dir, chapter.Name+"/"+name, content)
		}
		return refused(t, options(root, chapter, dir), file)
	}
	require.Empty(t, submit("codec.go", "", ""))
	require.Contains(t, submit("codec.go", "	if len(b) < record.HeaderSize {\n		return record.ErrShort\n	}\n	if said", "	if b != nil {\n		return b.CheckCRC()\n	}\n	if said"), "method CheckCRC of record.Batch is the broker's own work")
	require.Contains(t, submit("codec.go", "	var h record.Header\n	if err := c.Read", "	var it record.Iterator\n	_ = it.Reset(b)\n	var h record.Header\n	if err := c.Read"), "method Reset of record.Iterator is the broker's own work")
	require.Contains(t, submit("recovery.go", "err = codec.CheckCRC(b)", "err = b.CheckCRC()"), "method CheckCRC of record.Batch is the broker's own work")
}

// Code that does not compile, or is nested as deep as a file's size lets it be, is looked at and no more.
func TestTheTypeCheckerTakesAnything(t *testing.T) {
	root, chapter := tiny.Checkout(t)
	for name, source := range map[string]string{
		"a recursive type": "type a[T any] struct{ b *a[a[T]] }\n",
		"a cycle":          "type a b\ntype b a\n",
		"nested calls":     "func f(x int) int { return x }\n\nvar x = " + strings.Repeat("f(", 40000) + "6" + strings.Repeat(")", 40000) + "\n",
		"nested signs":     "var x = " + strings.Repeat("- ", 40000) + "6\n",
	} {
		files := map[string]string{"sum.go": "package tiny\n\n" + source + "\nfunc Sum(xs []int) int { return 6 }\n", "mean.go": tiny.RightMean}
		require.Empty(t, refused(t, options(root, chapter, tiny.Submission(t, files)), "sum.go"), name)
	}
}
