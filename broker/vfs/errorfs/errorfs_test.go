package errorfs_test

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/vfs"
	"highwater.dev/broker/vfs/errorfs"
)

func open(t *testing.T, fsys vfs.FS, name string) vfs.File {
	t.Helper()
	f, err := fsys.OpenReadWrite(name)
	require.NoError(t, err)
	return f
}

func size(t *testing.T, f vfs.File) int64 {
	t.Helper()
	n, err := f.Size()
	require.NoError(t, err)
	return n
}

func TestFailChoosesByKindNameAndNumber(t *testing.T) {
	fsys := errorfs.New(vfs.NewMem(), errorfs.Fail(syscall.EIO, errorfs.Kinds(errorfs.Write), errorfs.Base("*.log"), errorfs.Nth(2)))
	log, index := open(t, fsys, "a/../1.log"), open(t, fsys, "1.index")
	write := func(f vfs.File) error { _, err := f.WriteAt([]byte("ab"), 0); return err }
	require.NoError(t, write(log))
	require.NoError(t, write(index))
	require.NoError(t, log.Sync())
	err := write(log)
	require.ErrorIs(t, err, syscall.EIO)
	require.ErrorContains(t, err, "write a/../1.log")
	require.NoError(t, write(index))
	require.NoError(t, write(log), "only the second")
}

// TestEveryOperationCanFail fails each kind in turn and looks that it did not reach the disk.
func TestEveryOperationCanFail(t *testing.T) {
	type ops struct {
		fs   vfs.FS
		file vfs.File
	}
	first := func(_ any, err error) error { return err }
	run := map[errorfs.Kind]func(o ops) error{
		errorfs.Open:     func(o ops) error { return first(o.fs.Open("d/f")) },
		errorfs.Read:     func(o ops) error { return first(o.file.ReadAt(make([]byte, 1), 0)) },
		errorfs.Size:     func(o ops) error { return first(o.file.Size()) },
		errorfs.Stat:     func(o ops) error { return first(o.fs.Stat("d/f")) },
		errorfs.List:     func(o ops) error { return first(o.fs.List("d")) },
		errorfs.Lock:     func(o ops) error { return first(o.fs.Lock("d/lock")) },
		errorfs.Usage:    func(o ops) error { _, _, err := o.fs.Usage("d"); return err },
		errorfs.Create:   func(o ops) error { return first(o.fs.Create("d/new")) },
		errorfs.Write:    func(o ops) error { return first(o.file.WriteAt([]byte("x"), 0)) },
		errorfs.Truncate: func(o ops) error { return o.file.Truncate(1) },
		errorfs.Sync:     func(o ops) error { return o.file.Sync() },
		errorfs.Remove:   func(o ops) error { return errors.Join(o.fs.Remove("d/f"), o.fs.RemoveAll("d")) },
		errorfs.Rename:   func(o ops) error { return o.fs.Rename("d/f", "d/g") },
		errorfs.Mkdir:    func(o ops) error { return o.fs.MkdirAll("d/e") },
		errorfs.SyncDir:  func(o ops) error { return o.fs.SyncDir("d") },
	}
	for kind := errorfs.Open; kind <= errorfs.SyncDir; kind++ {
		t.Run(kind.String(), func(t *testing.T) {
			mem := vfs.NewMem()
			fsys := errorfs.New(mem)
			require.NoError(t, fsys.MkdirAll("d"))
			o := ops{fsys, open(t, fsys, "d/f")}
			_, err := o.file.WriteAt([]byte("kept"), 0)
			require.NoError(t, err)
			require.NoError(t, o.file.Sync())

			changes, all := fsys.Changes(), fsys.Ops()
			fsys.SetRules(errorfs.Fail(syscall.ENOSPC, errorfs.Kinds(kind)))
			require.ErrorIs(t, run[kind](o), syscall.ENOSPC)
			require.Greater(t, fsys.Ops(), all)
			require.Equal(t, kind >= errorfs.Create, fsys.Changes() > changes)

			fsys.SetRules()
			names, err := mem.List("d")
			require.NoError(t, err)
			require.Equal(t, []string{"f"}, names)
			p := make([]byte, 4)
			_, err = o.file.ReadAt(p, 0)
			require.NoError(t, err)
			require.Equal(t, "kept", string(p))
			require.NoError(t, run[kind](o), "without the rule it works")
		})
	}
}

func TestFailShortWritesAPart(t *testing.T) {
	lengths := map[int]bool{}
	fsys := errorfs.New(vfs.NewMem(), errorfs.FailShort(syscall.ENOSPC, 1, errorfs.Changing()))
	for i := range 40 {
		f := open(t, fsys, fmt.Sprintf("f%d", i))
		n, err := f.WriteAt([]byte("abc"), 0)
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.EqualValues(t, n, size(t, f))
		lengths[n] = true
	}
	require.Len(t, lengths, 4, "0 to 3 bytes, each some time")
}

func TestFailedSyncLosesUnsyncedData(t *testing.T) {
	fsys := errorfs.New(vfs.NewMem(), errorfs.Fail(syscall.EIO, errorfs.Kinds(errorfs.Sync), errorfs.Nth(2)))
	f := open(t, fsys, "a")
	_, err := f.WriteAt([]byte("one"), 0)
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	_, err = f.WriteAt([]byte("two"), 3)
	require.NoError(t, err)
	require.ErrorIs(t, f.Sync(), syscall.EIO)
	require.EqualValues(t, 3, size(t, f))
	require.NoError(t, f.Sync(), "the kernel has forgotten")
	require.EqualValues(t, 3, size(t, f))
}

// TestCrashAtEachChange cuts the power at each change of a small run, on a disk that keeps all that it was given.
func TestCrashAtEachChange(t *testing.T) {
	run := func(fsys *errorfs.FS) (done int) {
		steps := []func() error{
			func() error { return fsys.MkdirAll("d") },
			func() error { _, err := fsys.Create("d/a"); return err },
			func() error { _, err := fsys.Stat("d/a"); return err },
			func() error { return fsys.Rename("d/a", "d/b") },
			func() error { return fsys.SyncDir("d") },
		}
		for _, step := range steps {
			if err := step(); err != nil {
				if !errors.Is(err, errorfs.ErrCrashed) {
					panic(err)
				}
				return done
			}
			done++
		}
		return done
	}
	whole := errorfs.New(vfs.NewMem())
	require.Equal(t, 5, run(whole))
	require.EqualValues(t, 4, whole.Changes())
	require.EqualValues(t, 5, whole.Ops())
	require.False(t, whole.Crashed())

	stepsDone := []int{0, 1, 3, 4} // Stat changes nothing, so no crash falls on it
	for n := int64(1); n <= 4; n++ {
		mem := vfs.NewMem()
		fsys := errorfs.New(mem)
		fsys.CrashAt(n)
		require.Equal(t, stepsDone[n-1], run(fsys))
		require.True(t, fsys.Crashed())
		_, err := fsys.Stat("/")
		require.ErrorIs(t, err, errorfs.ErrCrashed, "reads fail, too")
		names, err := mem.CrashClone(1, 100).List("/")
		require.NoError(t, err)
		require.Equal(t, n > 1, len(names) == 1, "the change itself did not happen")
	}
}

// TestCrashDoesNotLoseMore: a Sync that the power cut prevents leaves the data to chance, and does not drop it for certain.
func TestCrashDoesNotLoseMore(t *testing.T) {
	mem := vfs.NewMem()
	fsys := errorfs.New(mem)
	f := open(t, fsys, "a")
	_, err := f.WriteAt([]byte("data"), 0)
	require.NoError(t, err)
	fsys.CrashAt(3)
	require.ErrorIs(t, f.Sync(), errorfs.ErrCrashed)
	require.NoError(t, f.Close(), "what was opened can be given back")
	info, err := mem.CrashClone(1, 100).Stat("a")
	require.NoError(t, err)
	require.EqualValues(t, 4, info.Size)
}

func TestPredicates(t *testing.T) {
	yes, no := func(errorfs.Op) bool { return true }, func(errorfs.Op) bool { return false }
	op := errorfs.Op{Kind: errorfs.Rename, Name: "d/a.tmp", NewName: "d/a"}
	require.True(t, errorfs.Any(no, yes)(op))
	require.False(t, errorfs.Any(no, no)(op))
	require.False(t, errorfs.All(yes, no)(op))
	require.False(t, errorfs.Not(yes)(op))
	require.True(t, errorfs.Base("a")(op))
	require.True(t, errorfs.Base("*.tmp")(op))
	require.False(t, errorfs.Base("b")(op))
	require.Panics(t, func() { errorfs.Base("[")(op) })
	from := errorfs.From(2)
	require.Equal(t, []bool{false, true, true}, []bool{from(op), from(op), from(op)})
	hits := 0
	one, two := errorfs.Random(3, 25), errorfs.Random(3, 25)
	for range 1000 {
		hit := one(op)
		require.Equal(t, hit, two(op), "a seed is a sequence")
		if hit {
			hits++
		}
	}
	require.InDelta(t, 250, hits, 60)
}
