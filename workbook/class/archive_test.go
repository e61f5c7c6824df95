package class

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/workbook/internal/tiny"
	"highwater.dev/workbook/manifest"
)

// item is an archive's entry.
type item struct {
	name, content string
	kind          byte // tar's type flag; 0 is a file
	link          string
}

func makeTar(t *testing.T, items []item) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, i := range items {
		h := &tar.Header{Name: i.name, Mode: 0o644, Size: int64(len(i.content)), Typeflag: i.kind, Linkname: i.link}
		require.NoError(t, w.WriteHeader(h))
		_, err := w.Write([]byte(i.content))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

func makeGzip(t *testing.T, content []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(content)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func makeZip(t *testing.T, items []item) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, i := range items {
		h := &zip.FileHeader{Name: i.name, Method: zip.Deflate}
		h.SetMode(map[byte]fs.FileMode{
			0: 0o644, tar.TypeSymlink: fs.ModeSymlink | 0o777, tar.TypeChar: fs.ModeDevice | 0o644, tar.TypeFifo: fs.ModeNamedPipe, tar.TypeDir: fs.ModeDir | 0o755,
		}[i.kind])
		f, err := w.CreateHeader(h)
		require.NoError(t, err)
		_, err = f.Write([]byte(i.content + i.link))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

func TestArchives(t *testing.T) {
	const name = "01-tiny/sum.go"
	good := item{name: name, content: tiny.RightSum}
	many := make([]item, maxEntries+1)
	for i := range many {
		many[i] = item{name: "x"}
	}
	for what, c := range map[string]struct {
		items []item
		want  string // empty: unpacked
		not   string // a format that cannot hold it
	}{
		"good":                    {items: []item{{name: "./", kind: tar.TypeDir}, {name: "01-tiny/", kind: tar.TypeDir}, good, {name: "01-tiny/notes.txt", content: "x"}}},
		"a link inside":           {items: []item{good, {name: "01-tiny/b.go", kind: tar.TypeSymlink, link: "sum.go"}}},
		"a traversal":             {[]item{{name: "01-tiny/../../sum.go", content: "x"}}, "leads out of the archive", ""},
		"an absolute name":        {[]item{{name: "/01-tiny/sum.go", content: "x"}}, "leads out of the archive", ""},
		"a backslash":             {[]item{{name: `..\sum.go`, content: "x"}}, "leads out of the archive", ""},
		"a traversal, no Go file": {[]item{good, {name: "../x.txt", content: "x"}}, "leads out of the archive", ""},
		"a link out":              {[]item{good, {name: "01-tiny/b.go", kind: tar.TypeSymlink, link: "../../x"}}, "the link", ""},
		"an absolute link":        {[]item{good, {name: "a", kind: tar.TypeSymlink, link: "/etc/passwd"}}, "the link", ""},
		"a hard link out":         {[]item{good, {name: "a", kind: tar.TypeLink, link: "../x"}}, "the link", ".zip"},
		"a device":                {[]item{good, {name: "a", kind: tar.TypeChar}}, "neither a file nor a folder", ""},
		"a pipe":                  {[]item{good, {name: "a", kind: tar.TypeFifo}}, "neither a file nor a folder", ""},
		"too many files":          {many, "more than 20000 files", ""},
		"too much":                {[]item{{name: name, content: strings.Repeat("//\n", maxUnpacked/3+1)}}, "unpacks to more than is read", ""},
		"the same file twice":     {[]item{good, good}, "twice", ""},
		"a file for a folder":     {[]item{{name: "01-tiny.go", content: "x"}, {name: "01-tiny.go/sum.go", content: "x"}}, "cannot be unpacked", ""},
	} {
		tarred := makeTar(t, c.items)
		for suffix, content := range map[string][]byte{".tar": tarred, ".tar.gz": makeGzip(t, tarred), ".tgz": makeGzip(t, tarred), ".zip": makeZip(t, c.items)} {
			if suffix == c.not {
				continue
			}
			parent := t.TempDir()
			archive, dir := filepath.Join(parent, "a"+suffix), filepath.Join(parent, "in", "here")
			require.NoError(t, os.MkdirAll(dir, 0o755))
			require.NoError(t, os.WriteFile(archive, content, 0o644))
			err := unpack(archive, dir)
			if c.want != "" {
				require.ErrorIs(t, err, errRefused, what+suffix)
				if suffix != ".tar" || what != "too much" { // that one is refused for its own size
					require.ErrorContains(t, err, c.want, what+suffix)
				}
			} else {
				require.NoError(t, err, what+suffix)
				have, err := os.ReadFile(filepath.Join(dir, name))
				require.NoError(t, err)
				require.Equal(t, tiny.RightSum, string(have))
			}
			outside, err := filepath.Glob(filepath.Join(parent, "*"))
			require.NoError(t, err)
			require.Equal(t, []string{archive, filepath.Join(parent, "in")}, outside, what+suffix)
		}
	}
}

// What a zip's directory says of sizes is not believed; gzip has no sizes at all.
func TestBombs(t *testing.T) {
	zeros := item{name: "01-tiny/a.bin", content: strings.Repeat("\x00", maxUnpacked)}
	bombs := map[string][]byte{
		"bomb.tar.gz": makeGzip(t, makeTar(t, []item{zeros})),
		"go.zip":      makeZip(t, []item{{name: "01-tiny/a.go", content: zeros.content}}),
	}
	for name, content := range bombs {
		require.Less(t, len(content), 1<<20)
		archive := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(archive, content, 0o644))
		dir := t.TempDir()
		require.ErrorContains(t, unpack(archive, dir), "unpacks to more than is read", name)
	}
}

func TestDamagedArchives(t *testing.T) {
	for _, suffix := range archiveSuffixes {
		for _, content := range []string{"", "nonsense that is no archive", strings.Repeat("x", 2000)} {
			archive := filepath.Join(t.TempDir(), "a"+suffix)
			require.NoError(t, os.WriteFile(archive, []byte(content), 0o644))
			err := unpack(archive, t.TempDir())
			if content == "" && suffix == ".tar" {
				require.NoError(t, err, "an empty tar file holds nothing")
				continue
			}
			require.ErrorIs(t, err, errRefused, suffix)
		}
	}
}

func TestLayouts(t *testing.T) {
	chapters := []*manifest.Chapter{{Name: tiny.Name}}
	for _, c := range []struct{ file, base, also, want string }{
		{file: "exercises/01-tiny/a.go", base: "exercises"},
		{file: "01-tiny/a.go", base: "."},
		{file: "work/exercises/01-tiny/a.go", base: "work/exercises"},
		{file: "work/01-tiny/a.go", base: "work", also: "__MACOSX/01-tiny/a.go"},
		{file: "exercises/01-tiny/a.go", base: "exercises", also: "solutions/01-tiny/a.go"},
		{file: "a/01-tiny/a.go", also: "b/01-tiny/a.go", want: "several: a, b"},
		{file: "solutions/01-tiny/a.go", want: "no exercises"},
		{file: "a/b/01-tiny/a.go", want: "no exercises"},
	} {
		dir := t.TempDir()
		tiny.Put(t, dir, c.file, "x")
		if c.also != "" {
			tiny.Put(t, dir, c.also, "x")
		}
		base, err := exercisesIn(dir, chapters)
		if c.want != "" {
			require.ErrorIs(t, err, errRefused)
			require.ErrorContains(t, err, c.want)
			continue
		}
		require.NoError(t, err, c.file)
		require.Equal(t, filepath.Join(dir, c.base), filepath.Clean(base))
	}
}
