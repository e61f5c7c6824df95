// Package errorfs makes a file system fail on purpose. FS wraps any vfs.FS, shows every operation to Rules, and
// turns an operation into the Fault that the first matching rule gives. It also counts operations, so that a test can
// cut the power at each of them in turn: CrashAt(n), run, then vfs.Mem.CrashClone.
//
// It never decides by itself, and owns no data. Invariants: an operation that is made to fail before it begins does
// not reach the wrapped file system; a Sync that is made to fail loses the unsynced data, where the wrapped file is a
// vfs.SyncFailer; the same rules, seeds and order of operations give the same faults.
package errorfs

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"highwater.dev/broker/vfs"
)

// ErrCrashed is what every operation answers after the crash that CrashAt arranged.
var ErrCrashed = errors.New("errorfs: the power was cut")

// Kind is what an operation does.
type Kind uint8

// The kinds of operations. Those from Create on change the disk, and are what Changes counts.
const (
	Open Kind = iota
	Read
	Size
	Stat
	List
	Lock
	Usage
	Create // and OpenReadWrite, which may make a file
	Write
	Truncate
	Sync
	Remove // and RemoveAll
	Rename
	Mkdir
	SyncDir
)

var kindNames = [...]string{"open", "read", "size", "stat", "list", "lock", "usage",
	"create", "write", "truncate", "sync", "remove", "rename", "mkdir", "syncdir"}

// String is the kind in lower case.
func (k Kind) String() string { return kindNames[k] }

// Op is one operation as rules see it. Close is not one: it does not fail, and gives files back after a crash too.
type Op struct {
	Kind    Kind
	Name    string // of the file or folder; the old one of a rename
	NewName string // of a rename
	Offset  int64  // of a read or write; the size of a truncate
	Len     int    // of a read or write
	N       int64  // the operation's number, from 1
}

// Fault is what happens instead. The zero Fault is none.
type Fault struct {
	Err error
	// Short, on a write or read, is how many bytes are done before Err. Ignored on others.
	Short int
}

// Rule looks at an operation and may give a fault. Rules are called one at a time.
type Rule func(Op) Fault

// FS is a vfs.FS with faults. It is safe for concurrent use, as far as the wrapped one is.
type FS struct {
	base vfs.FS

	mu      sync.Mutex
	rules   []Rule
	ops     int64
	changes int64
	crashAt int64 // the change from which on nothing happens; 0 never
	crashed bool
}

var _ vfs.FS = (*FS)(nil)

// New wraps base. The first of rules that gives a fault decides.
func New(base vfs.FS, rules ...Rule) *FS { return &FS{base: base, rules: rules} }

// SetRules replaces the rules. Without any, nothing fails.
func (f *FS) SetRules(rules ...Rule) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = rules
}

// Ops is how many operations there were, of every kind, failed ones included.
func (f *FS) Ops() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ops
}

// Changes is how many operations there were that change the disk. A run has Changes()+1 different crash points.
func (f *FS) Changes() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changes
}

// CrashAt cuts the power just before the nth change to the disk (from 1, counted from New): it and every operation
// after it, reads too, answer ErrCrashed and do nothing. 0 is never.
func (f *FS) CrashAt(n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.crashAt = n
}

// Crashed says whether the crash has happened.
func (f *FS) Crashed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.crashed
}

// fault counts the operation and decides about it.
func (f *FS) fault(op Op) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ops++
	op.N = f.ops
	if op.Kind >= Create {
		f.changes++
		f.crashed = f.crashed || f.crashAt > 0 && f.changes >= f.crashAt
	}
	if f.crashed {
		return Fault{Err: wrap(op, ErrCrashed)}
	}
	for _, rule := range f.rules {
		if fault := rule(op); fault.Err != nil {
			fault.Err = wrap(op, fault.Err)
			return fault
		}
	}
	return Fault{}
}

func wrap(op Op, err error) error { return fmt.Errorf("%s %s: %w", op.Kind, op.Name, err) }

// Open implements vfs.FS.
func (f *FS) Open(name string) (vfs.File, error) { return f.open(Open, name, f.base.Open) }

// OpenReadWrite implements vfs.FS.
func (f *FS) OpenReadWrite(name string) (vfs.File, error) {
	return f.open(Create, name, f.base.OpenReadWrite)
}

// Create implements vfs.FS.
func (f *FS) Create(name string) (vfs.File, error) { return f.open(Create, name, f.base.Create) }

func (f *FS) open(kind Kind, name string, open func(string) (vfs.File, error)) (vfs.File, error) {
	if fault := f.fault(Op{Kind: kind, Name: name}); fault.Err != nil {
		return nil, fault.Err
	}
	under, err := open(name)
	if err != nil {
		return nil, err
	}
	return &file{File: under, fs: f}, nil
}

// Remove implements vfs.FS.
func (f *FS) Remove(name string) error {
	if fault := f.fault(Op{Kind: Remove, Name: name}); fault.Err != nil {
		return fault.Err
	}
	return f.base.Remove(name)
}

// RemoveAll implements vfs.FS.
func (f *FS) RemoveAll(name string) error {
	if fault := f.fault(Op{Kind: Remove, Name: name}); fault.Err != nil {
		return fault.Err
	}
	return f.base.RemoveAll(name)
}

// Rename implements vfs.FS.
func (f *FS) Rename(oldName, newName string) error {
	if fault := f.fault(Op{Kind: Rename, Name: oldName, NewName: newName}); fault.Err != nil {
		return fault.Err
	}
	return f.base.Rename(oldName, newName)
}

// MkdirAll implements vfs.FS.
func (f *FS) MkdirAll(dir string) error {
	if fault := f.fault(Op{Kind: Mkdir, Name: dir}); fault.Err != nil {
		return fault.Err
	}
	return f.base.MkdirAll(dir)
}

// List implements vfs.FS.
func (f *FS) List(dir string) ([]string, error) {
	if fault := f.fault(Op{Kind: List, Name: dir}); fault.Err != nil {
		return nil, fault.Err
	}
	return f.base.List(dir)
}

// Stat implements vfs.FS.
func (f *FS) Stat(name string) (vfs.Info, error) {
	if fault := f.fault(Op{Kind: Stat, Name: name}); fault.Err != nil {
		return vfs.Info{}, fault.Err
	}
	return f.base.Stat(name)
}

// SyncDir implements vfs.FS.
func (f *FS) SyncDir(dir string) error {
	if fault := f.fault(Op{Kind: SyncDir, Name: dir}); fault.Err != nil {
		return fault.Err
	}
	return f.base.SyncDir(dir)
}

// Lock implements vfs.FS.
func (f *FS) Lock(name string) (io.Closer, error) {
	if fault := f.fault(Op{Kind: Lock, Name: name}); fault.Err != nil {
		return nil, fault.Err
	}
	return f.base.Lock(name)
}

// Usage implements vfs.FS.
func (f *FS) Usage(dir string) (total, free int64, err error) {
	if fault := f.fault(Op{Kind: Usage, Name: dir}); fault.Err != nil {
		return 0, 0, fault.Err
	}
	return f.base.Usage(dir)
}

// file is an open file with faults. It hides vfs.OSBacked: what is sent around it could not fail.
type file struct {
	vfs.File
	fs *FS
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	fault := f.fs.fault(Op{Kind: Read, Name: f.Name(), Offset: off, Len: len(p)})
	if fault.Err == nil {
		return f.File.ReadAt(p, off)
	}
	n, _ := f.File.ReadAt(p[:min(fault.Short, len(p))], off)
	return n, fault.Err
}

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	fault := f.fs.fault(Op{Kind: Write, Name: f.Name(), Offset: off, Len: len(p)})
	if fault.Err == nil {
		return f.File.WriteAt(p, off)
	}
	n, _ := f.File.WriteAt(p[:min(fault.Short, len(p))], off)
	return n, fault.Err
}

func (f *file) Size() (int64, error) {
	if fault := f.fs.fault(Op{Kind: Size, Name: f.Name()}); fault.Err != nil {
		return 0, fault.Err
	}
	return f.File.Size()
}

func (f *file) Truncate(size int64) error {
	if fault := f.fs.fault(Op{Kind: Truncate, Name: f.Name(), Offset: size}); fault.Err != nil {
		return fault.Err
	}
	return f.File.Truncate(size)
}

func (f *file) Sync() error {
	fault := f.fs.fault(Op{Kind: Sync, Name: f.Name()})
	if fault.Err == nil {
		return f.File.Sync()
	}
	if loser, ok := f.File.(vfs.SyncFailer); ok && !errors.Is(fault.Err, ErrCrashed) {
		loser.FailSync()
	}
	return fault.Err
}
