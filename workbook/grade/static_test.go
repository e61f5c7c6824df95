package grade

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/workbook/internal/tiny"
	"highwater.dev/workbook/manifest"
)

func TestWhatAFileMayUse(t *testing.T) {
	root, chapter := tiny.Checkout(t)
	tiny.Replace(t, root, "solutions/01-tiny/mean.go", "package tiny\n", "package tiny\n\nimport (\n\t\"net\"\n\n\t\"golang.org/x/sys/unix\"\n)\n\nvar _ net.Conn\nvar _ = unix.EAGAIN\n")
	r, err := rulesFor(root, chapter)
	require.NoError(t, err)
	for name, c := range map[string]struct{ source, want string }{
		"plain":                            {`import ("strings"; "sync")`, ""},
		"a vocabulary type":                {"import \"highwater.dev/broker/vfs\"\nvar f vfs.FS", ""},
		"a vocabulary error":               {"import \"highwater.dev/broker/vfs\"\nvar f = vfs.ErrLocked", ""},
		"a vocabulary function":            {"import \"highwater.dev/broker/vfs\"\nvar f = vfs.OS()", "vfs.OS is not among"},
		"under another name":               {"import v \"highwater.dev/broker/vfs\"\nvar f = v.OS", "v.OS is not among"},
		"with a dot":                       {`import . "highwater.dev/broker/vfs"`, "imported as ."},
		"for its effects":                  {`import _ "highwater.dev/broker/vfs"`, "imported as _"},
		"a variable of the package's name": {"import \"highwater.dev/broker/vfs\"\nvar f vfs.FS\ntype o struct{ OS int }\nfunc g(vfs o) int { return vfs.OS }", ""},
		"used, then hidden":                {"import \"highwater.dev/broker/vfs\"\nfunc g() { a := vfs.OS(); vfs := a; _ = vfs }", "vfs.OS is not among"},
		"hidden by itself":                 {"import \"highwater.dev/broker/vfs\"\nfunc g() { var vfs = vfs.OS(); _ = vfs }", "vfs.OS is not among"},
		"the stub":                         {"import \"highwater.dev/workbook/lab\"\nvar f = lab.NotStarted", ""},
		"the lab":                          {"import \"highwater.dev/workbook/lab\"\nvar f = lab.ReadVerdicts", "lab.ReadVerdicts is not among"},
		"what the solution uses":           {"import (\"net\"; \"golang.org/x/sys/unix\")\nvar e = unix.EAGAIN\nvar l net.Listener", ""},
		"more of it":                       {"import \"golang.org/x/sys/unix\"\nvar e = unix.Write", "unix.Write is not among what this chapter's exercises may use of golang.org/x/sys/unix, which is: "},
		"our other packages":               {`import "highwater.dev/broker/segment"`, "not allowed"},
		"the test framework":               {`import "testing"`, "not allowed"},
		"below a refused package":          {`import "runtime/debug"`, "not allowed"},
		"files by another way":             {`import "net/http"`, "not allowed"},
		"cgo":                              {`import "C"`, "not allowed"},
		"unsafe":                           {`import "unsafe"`, "not allowed"},
		"reflection":                       {`import "reflect"`, "not allowed"},
		"linkname":                         {"//go:linkname a runtime.a\nfunc a()", "(//go:linkname)"},
		"no body":                          {"func a()", "has no body"},
		"embed":                            {"//go:embed sum.go\nvar s string", "(//go:embed)"},
		"a line directive":                 {"//line /etc/passwd:1\nvar s string", "(//line)"},
		"a line directive inside":          {"var s /*line x.go:1:1*/ string", "(/*line)"},
	} {
		malformed, err := r.check("sum.go", []byte("package tiny\n\n"+c.source+"\n"))
		require.False(t, malformed, name)
		if c.want == "" {
			require.NoError(t, err, name)
		} else {
			require.ErrorContains(t, err, c.want, name)
			require.Regexp(t, `^sum\.go:\d+: `, err.Error(), name)
		}
	}
}

func TestRulesRefuseWhatTheyCannotRead(t *testing.T) {
	root, chapter := tiny.Checkout(t)
	tiny.Replace(t, root, "solutions/01-tiny/mean.go", "package tiny\n", "package tiny\n\nimport \"go.yaml.in/yaml/v3\"\n\nvar _ = yaml.Marshal\n")
	_, err := rulesFor(root, chapter)
	require.ErrorContains(t, err, "import it by name")
	chapter.Allow = []string{"highwater.dev/broker/none"}
	_, err = rulesFor(root, chapter)
	require.ErrorContains(t, err, "holds no Go files")
	chapter.Allow = []string{"os"}
	_, err = rulesFor(root, chapter)
	require.ErrorContains(t, err, "not one of our packages")
}

// The solutions use nothing that is refused.
func TestSolutionsPassTheStaticCheck(t *testing.T) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	chapters, err := manifest.LoadAll(root)
	require.NoError(t, err)
	for _, c := range chapters {
		r, err := rulesFor(root, c)
		require.NoError(t, err)
		for _, e := range c.Exercises {
			content, err := os.ReadFile(filepath.Join(root, "solutions", c.Name, e.File))
			require.NoError(t, err)
			_, err = r.check(e.File, content)
			require.NoError(t, err)
		}
	}
}
