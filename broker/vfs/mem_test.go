package vfs_test

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"highwater.dev/broker/clock"
	"highwater.dev/broker/vfs"
)

// keepNothing and keepAll are the two crashes without chance.
const keepNothing, keepAll = 0, 100

func mustOpen(t require.TestingT, m vfs.FS, name string) vfs.File {
	f, err := m.OpenReadWrite(name)
	require.NoError(t, err)
	return f
}

func put(t require.TestingT, f vfs.File, text string, off int64) {
	_, err := f.WriteAt([]byte(text), off)
	require.NoError(t, err)
}

func list(t *testing.T, m vfs.FS, dir string) []string {
	t.Helper()
	names, err := m.List(dir)
	require.NoError(t, err)
	return names
}

func TestCrashKeepsWhatWasSyncedAndNothingElse(t *testing.T) {
	m := vfs.NewMem()
	f := mustOpen(t, m, "a")
	put(t, f, "synced", 0)
	require.NoError(t, f.Sync())
	require.NoError(t, m.SyncDir("/"))
	put(t, f, "XX", 2)
	put(t, f, "tail", 6)

	require.Equal(t, "synced", read(t, m.CrashClone(1, keepNothing), "a"))
	require.Equal(t, "syXXedtail", read(t, m.CrashClone(1, keepAll), "a"))
	require.Equal(t, "syXXedtail", read(t, m, "a"), "the crash is the clone's")

	clone := m.CrashClone(1, keepAll)
	require.Equal(t, "syXXedtail", read(t, clone.CrashClone(1, keepNothing), "a"), "all in a clone is synced")
	put(t, f, "mem", 0)
	require.Equal(t, "syXXedtail", read(t, clone, "a"))
	put(t, mustOpen(t, clone, "a"), "clone", 0)
	require.Equal(t, "clonedtail", read(t, clone, "a"))
	require.Equal(t, "memXedtail", read(t, m, "a"), "the two share no bytes")
	require.Equal(t, "synced", read(t, m.CrashClone(1, keepNothing), "a"))
}

func TestCrashLosesNamesThatWereNotSynced(t *testing.T) {
	m := vfs.NewMem()
	write(t, m, "a", "1")
	require.Empty(t, list(t, m.CrashClone(1, keepNothing), "/"), "a file's own Sync does not keep its name")
	require.Equal(t, []string{"a"}, list(t, m.CrashClone(1, keepAll), "/"))
	require.NoError(t, m.SyncDir("/"))
	require.Equal(t, []string{"a"}, list(t, m.CrashClone(1, keepNothing), "/"))

	write(t, m, "b", "2")
	require.NoError(t, m.SyncDir("/"))
	require.NoError(t, m.Rename("b", "a"))
	require.Equal(t, []string{"a", "b"}, list(t, m.CrashClone(1, keepNothing), "/"))
	require.Equal(t, "1", read(t, m.CrashClone(1, keepNothing), "a"))
	require.Equal(t, "2", read(t, m.CrashClone(1, keepAll), "a"))
	require.NoError(t, m.SyncDir("/"))
	require.Equal(t, "2", read(t, m.CrashClone(1, keepNothing), "a"))
	require.Equal(t, []string{"a"}, list(t, m.CrashClone(1, keepNothing), "/"))

	require.NoError(t, m.Remove("a"))
	require.Equal(t, []string{"a"}, list(t, m.CrashClone(1, keepNothing), "/"))

	require.NoError(t, m.MkdirAll("x/y"))
	write(t, m, "x/y/c", "3")
	require.NoError(t, m.SyncDir("x/y"))
	require.Equal(t, []string{"a"}, list(t, m.CrashClone(1, keepNothing), "/"), "its parents' names are not synced")
	require.NoError(t, m.SyncDir("x"))
	require.NoError(t, m.SyncDir("/"))
	require.Equal(t, "3", read(t, m.CrashClone(1, keepNothing), "x/y/c"))
}

// TestCrashKeepsNamesAsAPrefix makes files in order: a crash leaves the first so many, and every number of them with some seed.
func TestCrashKeepsNamesAsAPrefix(t *testing.T) {
	m := vfs.NewMem()
	var all []string
	for i := range 5 {
		name := fmt.Sprintf("f%d", i)
		mustOpen(t, m, name)
		all = append(all, name)
	}
	seen := map[int]bool{}
	for seed := range uint64(500) {
		names := list(t, m.CrashClone(seed, 60), "/")
		require.True(t, slices.Equal(all[:len(names)], names), "%v", names)
		seen[len(names)] = true
	}
	require.Len(t, seen, 6)
}

func TestRenameIsOneStepInACrash(t *testing.T) {
	for _, target := range []string{"p/b", "q/b"} {
		t.Run(target, func(t *testing.T) {
			m := vfs.NewMem()
			require.NoError(t, m.MkdirAll("p"))
			require.NoError(t, m.MkdirAll("q"))
			write(t, m, "p/a", "new")
			write(t, m, target, "old")
			for _, dir := range []string{"/", "p", "q"} {
				require.NoError(t, m.SyncDir(dir))
			}
			require.NoError(t, m.Rename("p/a", target))
			outcomes := map[string]bool{}
			for seed := range uint64(100) {
				clone := m.CrashClone(seed, 50)
				_, err := clone.Stat("p/a")
				there := err == nil
				text := read(t, clone, target)
				require.Equal(t, there, text == "old", "the file has one name, and the target is never missing")
				outcomes[text] = true
			}
			require.Len(t, outcomes, 2)

			require.NoError(t, m.SyncDir("p"))
			if path.Dir(target) == "q" {
				require.Equal(t, "old", read(t, m.CrashClone(1, keepNothing), target), "both folders have to be synced")
				require.Equal(t, "new", read(t, m.CrashClone(1, keepNothing), "p/a"))
				write(t, m, "p/later", "")
				require.NoError(t, m.SyncDir("p"))
				require.Equal(t, []string{"a", "later"}, list(t, m.CrashClone(1, keepNothing), "p"))
				require.NoError(t, m.SyncDir("q"))
			}
			require.Equal(t, "new", read(t, m.CrashClone(1, keepNothing), target))
			_, err := m.CrashClone(1, keepNothing).Stat("p/a")
			require.ErrorIs(t, err, fs.ErrNotExist)
		})
	}
}

// TestCrashTearsBlocksAtSectors overwrites three blocks and looks at what is left: sectors are whole, some
// blocks are torn, and every block has all fates.
func TestCrashTearsBlocksAtSectors(t *testing.T) {
	const sector, block = 512, 4096
	m := vfs.NewMem()
	f := mustOpen(t, m, "a")
	put(t, f, strings.Repeat("o", 3*block), 0)
	require.NoError(t, f.Sync())
	require.NoError(t, m.SyncDir("/"))
	put(t, f, strings.Repeat("n", 3*block), 0)
	fates := map[string]int{}
	for seed := range uint64(300) {
		text := read(t, m.CrashClone(seed, 50), "a")
		require.Len(t, text, 3*block)
		for b := range 3 {
			part := text[b*block : (b+1)*block]
			for s := 0; s < block; s += sector {
				require.Equal(t, strings.Repeat(part[s:s+1], sector), part[s:s+sector])
			}
			switch strings.Count(part, "n") {
			case 0:
				fates["old"]++
			case block:
				fates["new"]++
			default:
				fates["torn"]++
			}
		}
	}
	require.Len(t, fates, 3)
	require.Greater(t, fates["torn"], 30)
}

func TestCrashMayGrowAFileWithZeros(t *testing.T) {
	m := vfs.NewMem()
	f := mustOpen(t, m, "a")
	put(t, f, "synced", 0)
	require.NoError(t, f.Sync())
	require.NoError(t, m.SyncDir("/"))
	put(t, f, strings.Repeat("n", 10000), 6)
	zeros, shorter, whole := 0, 0, 0
	for seed := range uint64(300) {
		text := read(t, m.CrashClone(seed, 50), "a")
		require.Equal(t, "synced", text[:6])
		require.GreaterOrEqual(t, 10006, len(text))
		require.Empty(t, strings.Trim(text[6:], "n\x00"))
		switch {
		case strings.Contains(text, "\x00"):
			zeros++
		case len(text) < 10006:
			shorter++
		default:
			whole++
		}
	}
	require.Greater(t, min(zeros, shorter, whole), 10, "zeros %d, shorter %d, whole %d", zeros, shorter, whole)
}

func TestCrashAfterACut(t *testing.T) {
	m := vfs.NewMem()
	f := mustOpen(t, m, "a")
	put(t, f, strings.Repeat("o", 9000), 0)
	require.NoError(t, f.Sync())
	require.NoError(t, m.SyncDir("/"))
	require.NoError(t, f.Truncate(5000))
	put(t, f, strings.Repeat("n", 1000), 5000)
	require.Equal(t, strings.Repeat("o", 9000), read(t, m.CrashClone(1, keepNothing), "a"))
	require.Equal(t, strings.Repeat("o", 5000)+strings.Repeat("n", 1000), read(t, m.CrashClone(1, keepAll), "a"))
	sizes := map[int]bool{}
	for seed := range uint64(300) {
		text := read(t, m.CrashClone(seed, 50), "a")
		require.Equal(t, strings.Repeat("o", 5000), text[:5000])
		sizes[len(text)] = true
		if len(text) == 9000 {
			require.NotContains(t, text, "n", "without the cut, nothing of what came after it is seen")
			continue
		}
		require.LessOrEqual(t, len(text), 6000)
		require.NotContains(t, text[5000:], "o", "what was cut off does not come back")
	}
	require.Contains(t, sizes, 5000)
	require.Contains(t, sizes, 6000)
	require.Contains(t, sizes, 9000)
}

func TestCutBlocksDoNotComeBackUnderAHole(t *testing.T) {
	m := vfs.NewMem()
	f := mustOpen(t, m, "a")
	put(t, f, strings.Repeat("o", 12000), 0)
	require.NoError(t, f.Sync())
	require.NoError(t, m.SyncDir("/"))
	require.NoError(t, f.Truncate(100))
	put(t, f, "n", 11999)
	for seed := range uint64(100) {
		text := read(t, m.CrashClone(seed, 50), "a")
		if strings.Contains(text, "n") || len(text) != 12000 {
			require.Equal(t, 100, strings.Count(text, "o"))
		}
	}
}

func TestFailedSyncLosesTheDataForGood(t *testing.T) {
	m := vfs.NewMem()
	f := mustOpen(t, m, "a")
	put(t, f, "synced", 0)
	require.NoError(t, f.Sync())
	require.NoError(t, m.SyncDir("/"))
	put(t, f, strings.Repeat("n", 5000), 2)
	require.NoError(t, f.Truncate(4))
	put(t, f, "mm", 3)
	f.(vfs.SyncFailer).FailSync()
	require.Equal(t, "synced", read(t, m, "a"), "the old bytes, and the old size")
	require.NoError(t, f.Sync(), "the pages are marked clean")
	require.Equal(t, "synced", read(t, m.CrashClone(1, keepAll), "a"))
	put(t, f, "later", 0)
	require.NoError(t, f.Sync())
	require.Equal(t, "laterd", read(t, m.CrashClone(1, keepNothing), "a"))
}

func TestCrashGivesUpLocksAndKeepsTimes(t *testing.T) {
	m := vfs.NewMem()
	hands := clock.NewManual(time.Unix(1000, 0))
	m.SetClock(hands)
	write(t, m, "a", "1")
	hands.Advance(time.Minute)
	_, err := m.Lock(".lock")
	require.NoError(t, err)
	clone := m.CrashClone(1, keepAll)
	_, err = clone.Lock(".lock")
	require.NoError(t, err)
	for name, want := range map[string]int64{"a": 1000, ".lock": 1060} {
		info, err := clone.Stat(name)
		require.NoError(t, err)
		require.Equal(t, time.Unix(want, 0), info.ModTime)
	}
}

func TestCrashIsReproducible(t *testing.T) {
	build := func() *vfs.Mem {
		m := vfs.NewMem()
		for i := range 10 {
			f := mustOpen(t, m, fmt.Sprintf("f%d", i))
			put(t, f, strings.Repeat("x", 3000*i), 0)
			if i == 4 {
				require.NoError(t, m.SyncDir("/"))
			}
		}
		return m
	}
	one, two := build().CrashClone(7, 50), build().CrashClone(7, 50)
	require.GreaterOrEqual(t, len(list(t, one, "/")), 5)
	require.Equal(t, list(t, one, "/"), list(t, two, "/"))
	for _, name := range list(t, one, "/") {
		require.Equal(t, read(t, one, name), read(t, two, name))
	}
}

// TestMemAgainstAModel runs random writes, cuts, syncs, failed syncs and crashes on one file beside two byte slices,
// what the file holds and what it held at the last sync.
func TestMemAgainstAModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := vfs.NewMem()
		f := mustOpen(t, m, "a")
		require.NoError(t, m.SyncDir("/"))
		now, synced := []byte{}, []byte{}
		next := byte(1)
		resize := func(size int) {
			for len(now) < size {
				now = append(now, 0)
			}
			now = now[:size]
		}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"write", "write", "cut", "sync", "fail", "crash"}).Draw(t, "step") {
			case "write":
				off, n := rapid.IntRange(0, 10000).Draw(t, "off"), rapid.IntRange(1, 6000).Draw(t, "len")
				put(t, f, strings.Repeat(string(rune(next)), n), int64(off))
				if len(now) < off+n {
					resize(off + n)
				}
				for i := range n {
					now[off+i] = next
				}
				next = next%100 + 1
			case "cut":
				size := rapid.IntRange(0, 12000).Draw(t, "size")
				require.NoError(t, f.Truncate(int64(size)))
				resize(size)
			case "sync":
				require.NoError(t, f.Sync())
				synced = slices.Clone(now)
			case "fail":
				f.(vfs.SyncFailer).FailSync()
				now = slices.Clone(synced)
			case "crash":
				require.Equal(t, synced, bytesOf(t, m.CrashClone(rapid.Uint64().Draw(t, "other seed"), keepNothing)))
				require.Equal(t, now, bytesOf(t, m.CrashClone(1, keepAll)))
				m = m.CrashClone(rapid.Uint64().Draw(t, "seed"), 50)
				f = mustOpen(t, m, "a")
				left := bytesOf(t, m)
				for i, b := range left {
					ok := b == 0 || i < len(now) && b == now[i] || i < len(synced) && b == synced[i]
					require.True(t, ok, "byte %d is %d, neither old nor new nor zero", i, b)
				}
				now, synced = left, slices.Clone(left)
			}
			require.Equal(t, now, bytesOf(t, m))
		}
	})
}

func bytesOf(t require.TestingT, m *vfs.Mem) []byte {
	f, err := m.Open("a")
	require.NoError(t, err)
	size, err := f.Size()
	require.NoError(t, err)
	b := make([]byte, size)
	_, err = f.ReadAt(b, 0)
	if size > 0 {
		require.NoError(t, err)
	}
	return b
}

// BenchmarkCrashClone is a disk as a crash test has it: 20 files of 64 KiB, each with an unsynced tail.
func BenchmarkCrashClone(b *testing.B) {
	m := vfs.NewMem()
	for i := range 20 {
		f := mustOpen(b, m, fmt.Sprintf("f%d", i))
		put(b, f, strings.Repeat("x", 64<<10), 0)
		require.NoError(b, f.Sync())
		put(b, f, strings.Repeat("y", 200), 64<<10)
	}
	require.NoError(b, m.SyncDir("/"))
	b.ReportAllocs()
	for seed := range uint64(b.N) {
		m.CrashClone(seed, 50)
	}
}

// BenchmarkAppendAndSync appends 200 bytes and syncs them, as a small flushed batch does.
func BenchmarkAppendAndSync(b *testing.B) {
	f := mustOpen(b, vfs.NewMem(), "a")
	p := make([]byte, 200)
	b.ReportAllocs()
	off := int64(0)
	for range b.N {
		if _, err := f.WriteAt(p, off); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
		off += 200
	}
}

// TestCrashSeesOneMoment has a writer that syncs a number to one file before it writes it to the next; no crash
// beside it finds the second file ahead of the first.
func TestCrashSeesOneMoment(t *testing.T) {
	m := vfs.NewMem()
	first, second := mustOpen(t, m, "first"), mustOpen(t, m, "second")
	require.NoError(t, m.SyncDir("/"))
	var group sync.WaitGroup
	done := make(chan struct{})
	group.Go(func() {
		defer close(done)
		for i := range byte(250) {
			for _, f := range []vfs.File{first, second} {
				if _, err := f.WriteAt([]byte{i + 1}, 0); err != nil {
					t.Error(err)
				}
				if err := f.Sync(); err != nil {
					t.Error(err)
				}
			}
		}
	})
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		clone := m.CrashClone(1, keepNothing)
		a, b := read(t, clone, "first")+"\x00", read(t, clone, "second")+"\x00"
		require.GreaterOrEqual(t, a[0], b[0])
	}
	group.Wait()
	require.Equal(t, "\xfa", read(t, m.CrashClone(1, keepNothing), "second"))
}
