package vfs_test

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/vfs"
	"highwater.dev/broker/vfs/errorfs"
)

// TestFS runs one suite over every implementation of FS.
func TestFS(t *testing.T) {
	implementations := map[string]func(t *testing.T) (vfs.FS, string){
		"OS":  func(t *testing.T) (vfs.FS, string) { return vfs.OS(), t.TempDir() },
		"Mem": func(*testing.T) (vfs.FS, string) { return vfs.NewMem(), "/" },
		"errorfs": func(t *testing.T) (vfs.FS, string) {
			return errorfs.New(vfs.OS()), t.TempDir()
		},
	}
	cases := map[string]func(t *testing.T, fsys vfs.FS, dir string){
		"ReadAndWrite": testReadAndWrite, "Open": testOpen, "Truncate": testTruncate, "Names": testNames,
		"Rename": testRename, "RemoveAll": testRemoveAll, "Lock": testLock, "Usage": testUsage,
		"Closed": testClosed, "RemovedFileStaysReadable": testRemovedFileStaysReadable, "Concurrent": testConcurrent,
		"Shared": testShared,
	}
	for name, open := range implementations {
		t.Run(name, func(t *testing.T) {
			for name, run := range cases {
				t.Run(name, func(t *testing.T) {
					fsys, dir := open(t)
					run(t, fsys, dir)
				})
			}
		})
	}
}

func write(t *testing.T, fsys vfs.FS, name, text string) {
	t.Helper()
	f, err := fsys.Create(name)
	require.NoError(t, err)
	n, err := f.WriteAt([]byte(text), 0)
	require.NoError(t, err)
	require.Equal(t, len(text), n)
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
}

func read(t *testing.T, fsys vfs.FS, name string) string {
	t.Helper()
	f, err := fsys.Open(name)
	require.NoError(t, err)
	defer f.Close()
	return contents(t, f)
}

func contents(t *testing.T, f vfs.File) string {
	t.Helper()
	size, err := f.Size()
	require.NoError(t, err)
	b, err := io.ReadAll(io.NewSectionReader(f, 0, size+1))
	require.NoError(t, err)
	require.EqualValues(t, size, len(b))
	return string(b)
}

func testReadAndWrite(t *testing.T, fsys vfs.FS, dir string) {
	name := path.Join(dir, "a")
	f, err := fsys.Create(name)
	require.NoError(t, err)
	defer f.Close()
	require.Equal(t, name, f.Name())

	// Over the end, across blocks, into the middle; the hole reads as zeros.
	for _, w := range []struct {
		text string
		off  int64
	}{{"tail", 5000}, {"head", 0}, {"seam", 4094}, {"x", 1}} {
		n, err := f.WriteAt([]byte(w.text), w.off)
		require.NoError(t, err)
		require.Equal(t, len(w.text), n)
	}
	want := make([]byte, 5004)
	copy(want, "hxad")
	copy(want[4094:], "seam")
	copy(want[5000:], "tail")
	require.Equal(t, string(want), contents(t, f))

	p := make([]byte, 8)
	n, err := f.ReadAt(p, 5000)
	require.Equal(t, 4, n)
	require.ErrorIs(t, err, io.EOF)
	n, err = f.ReadAt(p, 5004)
	require.Zero(t, n)
	require.ErrorIs(t, err, io.EOF)
	n, err = f.ReadAt(p[:4], 5000)
	require.Equal(t, 4, n)
	require.NoError(t, err, "a read up to the very end is whole")
	_, err = f.ReadAt(p, -1)
	require.Error(t, err)
	_, err = f.WriteAt(p, -1)
	require.Error(t, err)

	n, err = f.WriteAt(nil, 9000)
	require.NoError(t, err)
	require.Zero(t, n)
	size, err := f.Size()
	require.NoError(t, err)
	require.EqualValues(t, 5004, size, "writing nothing does not make the file longer")
}

func testOpen(t *testing.T, fsys vfs.FS, dir string) {
	name := path.Join(dir, "a")
	_, err := fsys.Open(name)
	require.True(t, vfs.IsNotExist(err))
	require.ErrorContains(t, err, name)
	for _, open := range []func(string) (vfs.File, error){fsys.Create, fsys.OpenReadWrite} {
		_, err = open(path.Join(dir, "missing", "a"))
		require.True(t, vfs.IsNotExist(err), "a file's folder is not made for it")
	}
	write(t, fsys, name, "text")
	f, err := fsys.OpenReadWrite(name)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("x"), 1)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.Equal(t, "txxt", read(t, fsys, name))

	f, err = fsys.Open(name)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("x"), 0)
	require.Error(t, err, "opened for reading")
	require.Error(t, f.Truncate(0), "opened for reading")
	require.NoError(t, f.Close())

	f, err = fsys.Create(name)
	require.NoError(t, err)
	require.Empty(t, contents(t, f), "Create cuts what is there")
	require.NoError(t, f.Close())

	_, err = fsys.OpenReadWrite(dir)
	require.Error(t, err, "a folder is not a file")
	_, err = fsys.Create(path.Join(name, "below"))
	require.Error(t, err, "a file is not a folder")
}

func testTruncate(t *testing.T, fsys vfs.FS, dir string) {
	f, err := fsys.Create(path.Join(dir, "a"))
	require.NoError(t, err)
	defer f.Close()
	text := make([]byte, 9000)
	for i := range text {
		text[i] = byte('a' + i%26)
	}
	_, err = f.WriteAt(text, 0)
	require.NoError(t, err)
	for _, size := range []int{8999, 8192, 5000, 4096, 10, 0} {
		require.NoError(t, f.Truncate(int64(size)))
		require.Equal(t, string(text[:size]), contents(t, f))
	}
	_, err = f.WriteAt(text, 0)
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	require.NoError(t, f.Truncate(4100))
	require.NoError(t, f.Truncate(9000))
	want := make([]byte, 9000)
	copy(want, text[:4100])
	require.Equal(t, string(want), contents(t, f), "what was cut off comes back as zeros")
	require.Error(t, f.Truncate(-1))
}

func testNames(t *testing.T, fsys vfs.FS, dir string) {
	deep := path.Join(dir, "x", "y")
	require.NoError(t, fsys.MkdirAll(deep))
	require.NoError(t, fsys.MkdirAll(deep), "again is no error")
	write(t, fsys, path.Join(deep, "b"), "12345")
	write(t, fsys, path.Join(deep, "a"), "")
	require.NoError(t, fsys.MkdirAll(path.Join(deep, "c")))
	names, err := fsys.List(deep)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b", "c"}, names)
	require.NoError(t, fsys.SyncDir(deep))
	require.Error(t, fsys.SyncDir(path.Join(dir, "missing")))
	require.Error(t, fsys.MkdirAll(path.Join(deep, "a")), "there is a file of that name")

	info, err := fsys.Stat(path.Join(deep, "b"))
	require.NoError(t, err)
	require.EqualValues(t, 5, info.Size)
	require.False(t, info.Dir)
	require.False(t, info.ModTime.IsZero())
	info, err = fsys.Stat(deep)
	require.NoError(t, err)
	require.True(t, info.Dir)
	_, err = fsys.Stat(path.Join(deep, "z"))
	require.True(t, vfs.IsNotExist(err))
	_, err = fsys.List(path.Join(deep, "z"))
	require.True(t, vfs.IsNotExist(err))

	require.Error(t, fsys.Remove(deep), "not empty")
	require.NoError(t, fsys.Remove(path.Join(deep, "c")), "an empty folder")
	require.NoError(t, fsys.Remove(path.Join(deep, "a")))
	err = fsys.Remove(path.Join(deep, "a"))
	require.True(t, vfs.IsNotExist(err))
	require.ErrorContains(t, err, path.Join(deep, "a"))
	names, err = fsys.List(deep)
	require.NoError(t, err)
	require.Equal(t, []string{"b"}, names)
}

func testRename(t *testing.T, fsys vfs.FS, dir string) {
	in := func(names ...string) string { return path.Join(append([]string{dir}, names...)...) }
	require.NoError(t, fsys.MkdirAll(in("p")))
	require.NoError(t, fsys.MkdirAll(in("q")))
	write(t, fsys, in("p", "a"), "new")
	write(t, fsys, in("p", "b"), "old")
	require.NoError(t, fsys.Rename(in("p", "a"), in("p", "b")))
	require.Equal(t, "new", read(t, fsys, in("p", "b")), "the old file is replaced")
	require.NoError(t, fsys.Rename(in("p", "b"), in("q", "c")))
	require.Equal(t, "new", read(t, fsys, in("q", "c")), "into another folder")
	require.NoError(t, fsys.Rename(in("q"), in("q-delete")))
	require.Equal(t, "new", read(t, fsys, in("q-delete", "c")), "a folder with what it holds")
	_, err := fsys.Stat(in("q"))
	require.True(t, vfs.IsNotExist(err))

	require.NoError(t, fsys.Rename(in("q-delete", "c"), in("q-delete", "c")), "onto itself")
	require.True(t, vfs.IsNotExist(fsys.Rename(in("missing"), in("x"))))
	require.Error(t, fsys.Rename(in("q-delete"), in("q-delete", "inside")), "into itself")
	require.Error(t, fsys.Rename(in("p"), in("q-delete")), "onto a folder")
	require.Error(t, fsys.Rename(in("q-delete", "c"), in("p")), "a file onto a folder")
	require.Error(t, fsys.Rename(in("p"), in("q-delete", "c")), "a folder onto a file")
	require.Equal(t, "new", read(t, fsys, in("q-delete", "c")), "failures change nothing")
}

func testRemoveAll(t *testing.T, fsys vfs.FS, dir string) {
	top := path.Join(dir, "top")
	require.NoError(t, fsys.MkdirAll(path.Join(top, "x", "y")))
	write(t, fsys, path.Join(top, "a"), "1")
	write(t, fsys, path.Join(top, "x", "b"), "2")
	require.NoError(t, fsys.RemoveAll(top))
	names, err := fsys.List(dir)
	require.NoError(t, err)
	require.Empty(t, names)
	require.NoError(t, fsys.RemoveAll(top), "missing")
	require.NoError(t, fsys.RemoveAll(path.Join(top, "below")), "missing with its folder")
}

func testLock(t *testing.T, fsys vfs.FS, dir string) {
	name := path.Join(dir, ".lock")
	held, err := fsys.Lock(name)
	require.NoError(t, err)
	_, err = fsys.Lock(name)
	require.ErrorIs(t, err, vfs.ErrLocked)
	require.ErrorContains(t, err, name)
	require.NoError(t, held.Close())
	again, err := fsys.Lock(name)
	require.NoError(t, err)
	require.NoError(t, again.Close())
	_, err = fsys.Stat(name)
	require.NoError(t, err, "the file stays")
	_, err = fsys.Lock(path.Join(dir, "missing", ".lock"))
	require.True(t, vfs.IsNotExist(err))
}

func testUsage(t *testing.T, fsys vfs.FS, dir string) {
	total, free, err := fsys.Usage(dir)
	require.NoError(t, err)
	require.Positive(t, free)
	require.GreaterOrEqual(t, total, free)
	_, _, err = fsys.Usage(path.Join(dir, "missing"))
	require.True(t, vfs.IsNotExist(err))
}

func testClosed(t *testing.T, fsys vfs.FS, dir string) {
	f, err := fsys.Create(path.Join(dir, "a"))
	require.NoError(t, err)
	require.NoError(t, f.Close())
	p := []byte{1}
	_, err = f.ReadAt(p, 0)
	require.ErrorIs(t, err, fs.ErrClosed)
	_, err = f.WriteAt(p, 0)
	require.ErrorIs(t, err, fs.ErrClosed)
	_, err = f.Size()
	require.True(t, errors.Is(err, fs.ErrClosed))
	require.ErrorIs(t, f.Truncate(0), fs.ErrClosed)
	require.ErrorIs(t, f.Sync(), fs.ErrClosed)
	require.ErrorIs(t, f.Close(), fs.ErrClosed)
}

func testRemovedFileStaysReadable(t *testing.T, fsys vfs.FS, dir string) {
	name := path.Join(dir, "a")
	write(t, fsys, name, "still here")
	f, err := fsys.Open(name)
	require.NoError(t, err)
	require.NoError(t, fsys.Remove(name))
	write(t, fsys, name, "another")
	require.Equal(t, "still here", contents(t, f))
	require.NoError(t, f.Close())
}

// testConcurrent has writers and readers on stripes of one file; the race detector and the stripes' contents judge.
func testConcurrent(t *testing.T, fsys vfs.FS, dir string) {
	const writers, rounds, stripe = 4, 50, 700 // not a divisor of a block
	f, err := fsys.Create(path.Join(dir, "a"))
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, f.Truncate(writers*stripe))
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			p := make([]byte, stripe)
			for round := range rounds {
				for i := range p {
					p[i] = byte(round)
				}
				if _, err := f.WriteAt(p, int64(w*stripe)); err != nil {
					t.Error(err)
				}
				if err := f.Sync(); err != nil && round%10 == 0 {
					t.Error(err)
				}
				if _, err := f.ReadAt(p, int64(w*stripe)); err != nil || p[0] != byte(round) || p[stripe-1] != byte(round) {
					t.Errorf("writer %d, round %d: read %d … %d: %v", w, round, p[0], p[stripe-1], err)
				}
			}
		})
	}
	group.Wait()
}

func testShared(t *testing.T, fsys vfs.FS, dir string) {
	name := path.Join(dir, "a")
	write(t, fsys, name, "text")
	f, err := fsys.Open(name)
	require.NoError(t, err)
	shared := vfs.Share(f)
	require.True(t, shared.Acquire())
	require.NoError(t, shared.Release())
	region := vfs.Region{File: shared, Pos: 1, Len: 2}
	p := make([]byte, region.Len)
	_, err = region.File.ReadAt(p, region.Pos)
	require.NoError(t, err)
	require.Equal(t, "ex", string(p))
	region.Release()
	require.False(t, shared.Acquire(), "the last holder has gone")
	_, err = f.ReadAt(p, 0)
	require.ErrorIs(t, err, fs.ErrClosed)
	require.Panics(t, func() { _ = shared.Release() })
	vfs.Region{}.Release()
}

func TestOSFilesCanBeSentBySendfile(t *testing.T) {
	name := path.Join(t.TempDir(), "a")
	write(t, vfs.OS(), name, "text")
	f, err := vfs.OS().Open(name)
	require.NoError(t, err)
	defer f.Close()
	backed, ok := f.(vfs.OSBacked)
	require.True(t, ok)
	require.Equal(t, name, backed.OSFile().Name())

	wrapped, err := errorfs.New(vfs.OS()).Open(name)
	require.NoError(t, err)
	defer wrapped.Close()
	_, ok = wrapped.(vfs.OSBacked)
	require.False(t, ok, "sendfile would go around the faults")
}
