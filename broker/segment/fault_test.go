package segment_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/model"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/segment/logtest"
	"highwater.dev/broker/vfs"
)

// failing is a disk that answers err to the steps that match.
func failing(op, suffix string, err error) (*logtest.Tap, *atomic.Bool) {
	on := &atomic.Bool{}
	return &logtest.Tap{FS: vfs.NewMem(), Before: func(o, name string) error {
		if on.Load() && o == op && strings.HasSuffix(name, suffix) {
			return err
		}
		return nil
	}}, on
}

// TestDiskFull: reads go on, nothing half-written is served, and appends go on when there is room again.
func TestDiskFull(t *testing.T) {
	for _, step := range []struct{ op, suffix string }{{"write", ".log"}, {"create", ".log"}, {"write", ".index"}, {"open", ".timeindex"}} {
		t.Run(step.op+step.suffix, func(t *testing.T) {
			fs, full := failing(step.op, step.suffix, syscall.ENOSPC)
			w := newWorld(t, fs, dir, small)
			w.append(20)
			full.Store(true)
			refused := 0
			for range 40 {
				b := logtest.Random(w.rng, w.model.End(), 1000)
				if err := w.log.Append(b.Bytes); err != nil {
					require.ErrorIs(t, err, syscall.ENOSPC)
					refused++
				} else {
					w.model.Append(b)
				}
			}
			require.Positive(t, refused)
			w.model.Check(t, w.log)
			full.Store(false)
			w.append(40)
			require.NoError(t, w.log.Flush())
			w.model.Check(t, w.log)
			w.reopen(true)
			w.model.Check(t, w.log)
			for _, s := range w.log.Segments() {
				w.checkIndexes(s.BaseOffset, 200)
			}
			require.Empty(t, w.said.String())
		})
	}
}

// TestRestartOnAFullDisk: recovery needs no room.
func TestRestartOnAFullDisk(t *testing.T) {
	mem := vfs.NewMem()
	full := &atomic.Bool{}
	fs := &logtest.Tap{FS: mem, Before: func(op, _ string) error {
		if full.Load() && (op == "write" || op == "create") {
			return syscall.ENOSPC
		}
		return nil
	}}
	w := newWorld(t, fs, dir, small)
	w.append(60)
	full.Store(true)
	w.open() // killed, not closed
	w.model.Check(t, w.log)
	require.NoError(t, w.log.TrimTo(w.model.End()/2))
	w.model.TrimTo(w.model.End() / 2)
	w.model.Check(t, w.log)
	full.Store(false)
	w.append(10)
	require.NoError(t, w.log.Flush())
	w.opts.Start = w.model.Start
	w.reopen(true)
	w.model.Check(t, w.log)
	require.Empty(t, w.said.String())
}

// shortFS writes half of what it is asked to write to .log files and says so, while on is set.
type shortFS struct {
	vfs.FS
	on  *atomic.Bool
	err error
}

type shortFile struct {
	vfs.File
	fs *shortFS
}

func (s *shortFS) wrap(f vfs.File, err error) (vfs.File, error) { return &shortFile{f, s}, err }

func (s *shortFS) OpenReadWrite(name string) (vfs.File, error) {
	return s.wrap(s.FS.OpenReadWrite(name))
}
func (s *shortFS) Create(name string) (vfs.File, error) { return s.wrap(s.FS.Create(name)) }

func (f *shortFile) WriteAt(p []byte, off int64) (int, error) {
	if f.fs.on.Load() && strings.HasSuffix(f.Name(), ".log") {
		n, err := f.File.WriteAt(p[:len(p)/2], off)
		return n, errors.Join(err, f.fs.err)
	}
	return f.File.WriteAt(p, off)
}

func TestShortWrite(t *testing.T) {
	for _, cause := range []error{nil, syscall.ENOSPC} {
		fs := &shortFS{FS: vfs.NewMem(), on: &atomic.Bool{}, err: cause}
		w := newWorld(t, fs, dir, small)
		w.append(3)
		size := len(w.read(w.path(0, ".log")))
		fs.on.Store(true)
		require.Error(t, w.log.Append(logtest.Random(w.rng, w.model.End(), 1000).Bytes))
		require.Len(t, w.read(w.path(0, ".log")), size, "half a batch is left in the file")
		w.model.Check(t, w.log)
		fs.on.Store(false)
		w.append(3)
		w.model.Check(t, w.log)
		w.open()
		w.model.Check(t, w.log)
	}
}

// TestFailedForGood: a failed fsync, or a write that cannot be undone, ends appends until the log is opened again; reads go on.
func TestFailedForGood(t *testing.T) {
	check := func(t *testing.T, w *world, err error) {
		require.ErrorIs(t, err, segment.ErrFailed)
		require.ErrorIs(t, err, syscall.EIO)
		require.ErrorIs(t, w.log.Flush(), segment.ErrFailed)
		require.ErrorIs(t, w.log.Append(logtest.Random(w.rng, w.model.End(), 1000).Bytes), segment.ErrFailed)
		require.ErrorIs(t, w.log.Truncate(1), segment.ErrFailed)
		require.ErrorIs(t, w.log.TrimTo(1), segment.ErrFailed)
		w.model.Check(t, w.log)
		require.ErrorIs(t, w.log.Close(), segment.ErrFailed)
		require.ErrorIs(t, w.log.Append(logtest.Random(w.rng, w.model.End(), 1000).Bytes), segment.ErrClosed)
		_, rerr := w.log.Read(0, 1, 1)
		require.ErrorIs(t, rerr, segment.ErrClosed)
	}
	for _, step := range []struct{ op, suffix string }{{"sync", ".log"}, {"sync", ".index"}, {"sync", ".timeindex"}, {"syncdir", ""}} {
		t.Run(step.op+step.suffix, func(t *testing.T) {
			fs, bad := failing(step.op, step.suffix, syscall.EIO)
			w := newWorld(t, fs, dir, small)
			w.append(60)
			bad.Store(true)
			err := w.log.Flush()
			bad.Store(false) // the disk pretends to be well again: that proves nothing
			check(t, w, err)
		})
	}
	t.Run("truncate after a failed write", func(t *testing.T) {
		bad := &atomic.Bool{}
		fs := &logtest.Tap{FS: vfs.NewMem(), Before: func(op, _ string) error {
			if bad.Load() && (op == "write" || op == "truncate") {
				return syscall.EIO
			}
			return nil
		}}
		w := newWorld(t, fs, dir, small)
		w.append(3)
		bad.Store(true)
		err := w.log.Append(logtest.Random(w.rng, w.model.End(), 1000).Bytes)
		bad.Store(false)
		check(t, w, err)
	})
}

// TestAnySingleFault lets each step of a history fail once. The operation that meets the fault is refused, wholly, or the log
// has failed; and what is opened afterwards is what was promised.
func TestAnySingleFault(t *testing.T) {
	reached, done := 0, false
	at := 0
	for ; !done; at++ {
		step, hit := 0, ""
		fs := &logtest.Tap{FS: vfs.NewMem(), Before: func(op, name string) error {
			step++
			if step == at+1 {
				hit = fmt.Sprintf("step %d, %s of %s", at, op, name)
				return syscall.EIO
			}
			return nil
		}}
		w := &world{T: t, fs: fs, dir: dir, rng: rand.New(rand.NewPCG(7, 7)), opts: segment.Options{Limits: small, ReplayFrom: model.NoOffset}}
		var err error
		if w.log, err = segment.Open(fs, dir, w.opts); err != nil {
			require.ErrorIs(t, err, syscall.EIO)
			continue
		}
		if w.faultyHistory() {
			reached++
		}
		done = hit == ""
		fs.Before = nil
		w.opts.Start = w.model.Start
		w.open()
		logtest.ReadAll(t, w.log)
		w.model.CheckBounds(prefix{t, hit}, w.log)
		w.model.Check(prefix{t, hit}, w.log)
	}
	require.Greater(t, at, 120)
	require.Greater(t, reached, 100)
}

// prefix says which fault it was.
type prefix struct {
	*testing.T
	hit string
}

func (p prefix) Fatalf(format string, args ...any) {
	p.Helper()
	p.T.Fatalf("%s: %s", p.hit, fmt.Sprintf(format, args...))
}

// faultyHistory appends, flushes and trims until something fails for good, and reports whether something did not work.
func (w *world) faultyHistory() (fault bool) {
	for i := range 100 {
		var err error
		switch {
		case i%9 == 8:
			err = w.log.Flush()
		case i%20 == 19:
			to := w.model.End() / 2
			err = w.log.TrimTo(to)
			w.model.TrimTo(to)
		default:
			b := logtest.Random(w.rng, w.model.End(), 1000)
			if err = w.log.Append(b.Bytes); err == nil {
				w.model.Append(b)
			}
		}
		if err != nil {
			require.ErrorIs(w, err, syscall.EIO)
			fault = true
		}
		if errors.Is(err, segment.ErrFailed) {
			return true
		}
	}
	return fault
}

// countFS counts the open files.
type countFS struct {
	vfs.FS
	open atomic.Int64
}

type countFile struct {
	vfs.File
	fs *countFS
}

func (c *countFS) wrap(f vfs.File, err error) (vfs.File, error) {
	if err == nil {
		c.open.Add(1)
	}
	return &countFile{f, c}, err
}
func (c *countFS) Open(name string) (vfs.File, error) { return c.wrap(c.FS.Open(name)) }
func (c *countFS) OpenReadWrite(name string) (vfs.File, error) {
	return c.wrap(c.FS.OpenReadWrite(name))
}
func (c *countFS) Create(name string) (vfs.File, error) { return c.wrap(c.FS.Create(name)) }
func (f *countFile) Close() error                       { f.fs.open.Add(-1); return f.File.Close() }

// TestIdleFiles: an idle log has one open file at most, whatever was read; a closed one none.
func TestIdleFiles(t *testing.T) {
	fs := &countFS{FS: vfs.NewMem()}
	w := newWorld(t, fs, dir, small)
	require.LessOrEqual(t, fs.open.Load(), int64(1))
	w.append(100)
	w.model.Check(t, w.log)
	require.NoError(t, w.log.Flush())
	w.log.(segment.Idler).CloseIdle()
	require.LessOrEqual(t, fs.open.Load(), int64(1))
	w.model.Check(t, w.log)
	w.append(50)
	w.log.(segment.Idler).CloseIdle() // not flushed: what must be synced stays open
	require.NoError(t, w.log.Flush())
	w.log.(segment.Idler).CloseIdle()
	require.LessOrEqual(t, fs.open.Load(), int64(1))
	require.NoError(t, w.log.Truncate(w.model.End()-30))
	w.model.Truncate(w.model.End() - 30)
	require.NoError(t, w.log.TrimTo(40))
	w.model.TrimTo(40)
	w.model.Check(t, w.log)
	r, err := w.log.Read(40, 41, 1)
	require.NoError(t, err)
	require.NoError(t, w.log.Close())
	require.Equal(t, int64(1), fs.open.Load(), "the region's file")
	r.Release()
	require.Zero(t, fs.open.Load())
	w.opts.Start = 40
	for _, clean := range []bool{true, false} {
		w.opts.Clean = clean
		w.open()
		w.log.(segment.Idler).CloseIdle()
		require.LessOrEqual(t, fs.open.Load(), int64(1))
		require.NoError(t, w.log.Close())
		require.Zero(t, fs.open.Load())
	}
}
