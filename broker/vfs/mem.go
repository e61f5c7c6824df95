package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"highwater.dev/broker/clock"
)

// Mem is a file system in memory that knows what would survive a power cut. Make one with NewMem.
//
// Assumptions about the disk, which CrashClone turns into outcomes:
//
//  1. What a file held at its last successful Sync survives, until it is overwritten or cut off; size included.
//  2. Everything written or truncated since may be there or not, in any mixture: block (4 KiB) by block, and within
//     a block sector (512 bytes) by sector. A sector is whole: old or new. Bytes that the file grew by and that
//     did not arrive are zero, or the file is shorter.
//  3. Names: what SyncDir of the folder has not made durable happens as a prefix, in order, in each folder by itself.
//     A name is durable by its folder's SyncDir only, not by its file's Sync. A rename is one step; a rename from one
//     folder to another is kept only where both folders keep it.
//  4. A failed fsync (FailSync) loses the unsynced data for good: the pages are marked clean, reads give the old data
//     (of "Can Applications Recover from fsync Failures?", ATC 2020, the variant in which the loss shows at once).
//
// Mem is safe for concurrent use. CrashClone sees all files at one moment.
type Mem struct {
	// mu guards the tree of names, and is held for reading by whatever touches a file's contents,
	// so that who holds it for writing sees the whole disk standing still.
	mu     sync.RWMutex
	root   *node
	nextID uint64
	clock  clock.Clock
	locked map[*node]bool // files held by Lock
}

// NewMem returns an empty file system: a root folder.
func NewMem() *Mem {
	m := &Mem{clock: clock.Real(), locked: map[*node]bool{}}
	m.root = m.newNode(true)
	return m
}

// SetClock says where modification times come from; the operating system's clock otherwise. Call it first of all.
func (m *Mem) SetClock(c clock.Clock) { m.clock = c }

// node is a file or a folder, whatever names it has.
type node struct {
	id       uint64 // seeds the node's fate in a crash
	*content        // of a file
	*folder         // of a folder
}

// folder is a folder's names, now and on the disk. Guarded by Mem.mu.
type folder struct {
	names   map[string]*node
	durable map[string]*node
	journal []*change // since the last SyncDir, oldest first
	modTime time.Time
}

// change is one step in one or two folders that is not durable yet.
type change struct {
	edits  []edit
	synced map[*folder]bool // folders synced since; durable when all of edits' are
}

// edit makes name mean to in a folder; to is nil for removal. from is what it meant, where removal is part of a move.
type edit struct {
	in   *folder
	name string
	to   *node
}

func (m *Mem) newNode(dir bool) *node {
	m.nextID++
	n := &node{id: m.nextID}
	if dir {
		n.folder = &folder{names: map[string]*node{}, durable: map[string]*node{}, modTime: m.clock.Now()}
		return n
	}
	n.content = &content{modTime: m.clock.Now()}
	return n
}

// record applies edits to the names and notes them as one step that is not durable.
func (m *Mem) record(edits ...edit) {
	c := &change{edits: edits}
	for _, e := range edits {
		e.in.apply(e, e.in.names)
		e.in.modTime = m.clock.Now()
		if n := len(e.in.journal); n == 0 || e.in.journal[n-1] != c {
			e.in.journal = append(e.in.journal, c)
		}
	}
}

func (*folder) apply(e edit, names map[string]*node) {
	if e.to == nil {
		delete(names, e.name)
		return
	}
	names[e.name] = e.to
}

// clean makes a name relative to the root, without a slash at either end; "" is the root.
func clean(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

func failure(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// find returns the node of that name; its errors are bare, for failure to dress.
func (m *Mem) find(name string) (*node, error) {
	n := m.root
	for rest := clean(name); rest != ""; {
		var first string
		first, rest, _ = strings.Cut(rest, "/")
		if n.folder == nil {
			return nil, syscall.ENOTDIR
		}
		if n = n.names[first]; n == nil {
			return nil, syscall.ENOENT
		}
	}
	return n, nil
}

// lookup is find with its errors dressed.
func (m *Mem) lookup(op, name string) (*node, error) {
	n, err := m.find(name)
	if err != nil {
		return nil, failure(op, name, err)
	}
	return n, nil
}

// lookupFolder is lookup of what has to be a folder.
func (m *Mem) lookupFolder(op, name string) (*folder, error) {
	n, err := m.lookup(op, name)
	if err != nil {
		return nil, err
	}
	if n.folder == nil {
		return nil, failure(op, name, syscall.ENOTDIR)
	}
	return n.folder, nil
}

// parent finds the folder that holds name, and name's last element; its errors are bare.
func (m *Mem) parent(name string) (*folder, string, error) {
	cleaned := clean(name)
	if cleaned == "" {
		return nil, "", syscall.EINVAL
	}
	dir, base := path.Split(cleaned)
	n, err := m.find(dir)
	if err != nil {
		return nil, "", err
	}
	if n.folder == nil {
		return nil, "", syscall.ENOTDIR
	}
	return n.folder, base, nil
}

// Open implements FS.
func (m *Mem) Open(name string) (File, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	n, err := m.lookup("open", name)
	if err != nil {
		return nil, err
	}
	if n.folder != nil {
		return nil, failure("open", name, syscall.EISDIR)
	}
	return &memFile{mem: m, node: n, name: name, readOnly: true}, nil
}

// OpenReadWrite implements FS.
func (m *Mem) OpenReadWrite(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.openOrMake(name)
}

func (m *Mem) openOrMake(name string) (*memFile, error) {
	dir, base, err := m.parent(name)
	if err != nil {
		return nil, failure("open", name, err)
	}
	n := dir.names[base]
	if n == nil {
		n = m.newNode(false)
		m.record(edit{dir, base, n})
	}
	if n.folder != nil {
		return nil, failure("open", name, syscall.EISDIR)
	}
	return &memFile{mem: m, node: n, name: name}, nil
}

// Create implements FS.
func (m *Mem) Create(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, err := m.openOrMake(name)
	if err != nil {
		return nil, err
	}
	f.node.truncate(0, m.clock.Now())
	return f, nil
}

// Remove implements FS.
func (m *Mem) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base, err := m.parent(name)
	if err != nil {
		return failure("remove", name, err)
	}
	n := dir.names[base]
	if n == nil {
		return failure("remove", name, syscall.ENOENT)
	}
	if n.folder != nil && len(n.names) > 0 {
		return failure("remove", name, syscall.ENOTEMPTY)
	}
	m.record(edit{dir, base, nil})
	return nil
}

// RemoveAll implements FS.
func (m *Mem) RemoveAll(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base, err := m.parent(name)
	if errors.Is(err, syscall.ENOENT) {
		return nil
	}
	if err != nil {
		return failure("removeall", name, err)
	}
	if n := dir.names[base]; n != nil {
		m.removeTree(n)
		m.record(edit{dir, base, nil})
	}
	return nil
}

func (m *Mem) removeTree(n *node) {
	if n.folder == nil {
		return
	}
	for _, name := range sortedNames(n.names) {
		m.removeTree(n.names[name])
		m.record(edit{n.folder, name, nil})
	}
}

// Rename implements FS.
func (m *Mem) Rename(oldName, newName string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	fail := func(err error) error { return &os.LinkError{Op: "rename", Old: oldName, New: newName, Err: err} }
	from, oldBase, err := m.parent(oldName)
	if err != nil {
		return fail(err)
	}
	to, newBase, err := m.parent(newName)
	if err != nil {
		return fail(err)
	}
	n, replaced := from.names[oldBase], to.names[newBase]
	switch {
	case n == nil:
		return fail(syscall.ENOENT)
	case replaced != nil && replaced.folder != nil: // as os.Rename has it, even when it is empty
		return fail(syscall.EEXIST)
	case n == replaced:
		return nil
	case n.folder != nil && strings.HasPrefix(clean(newName)+"/", clean(oldName)+"/"):
		return fail(syscall.EINVAL)
	case replaced != nil && n.folder != nil:
		return fail(syscall.ENOTDIR)
	}
	m.record(edit{from, oldBase, nil}, edit{to, newBase, n})
	return nil
}

// MkdirAll implements FS.
func (m *Mem) MkdirAll(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.root
	for rest := clean(dir); rest != ""; {
		var first string
		first, rest, _ = strings.Cut(rest, "/")
		next := n.names[first]
		if next == nil {
			next = m.newNode(true)
			m.record(edit{n.folder, first, next})
		}
		if next.folder == nil {
			return failure("mkdir", dir, syscall.ENOTDIR)
		}
		n = next
	}
	return nil
}

// List implements FS.
func (m *Mem) List(dir string) ([]string, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	f, err := m.lookupFolder("list", dir)
	if err != nil {
		return nil, err
	}
	return sortedNames(f.names), nil
}

func sortedNames(names map[string]*node) []string {
	sorted := make([]string, 0, len(names))
	for name := range names {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	return sorted
}

// Stat implements FS.
func (m *Mem) Stat(name string) (Info, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	n, err := m.lookup("stat", name)
	if err != nil {
		return Info{}, err
	}
	if n.folder != nil {
		return Info{ModTime: n.folder.modTime, Dir: true}, nil
	}
	size, modTime := n.info()
	return Info{Size: size, ModTime: modTime}, nil
}

// SyncDir implements FS.
func (m *Mem) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, err := m.lookupFolder("syncdir", dir)
	if err != nil {
		return err
	}
	f.sync()
	return nil
}

// sync makes the journal durable, up to the first move whose other folder has not been synced.
func (f *folder) sync() {
	for _, c := range f.journal {
		if c.synced == nil {
			c.synced = map[*folder]bool{}
		}
		c.synced[f] = true
	}
	f.settle()
}

// settle moves what is durable from the front of the journal into the durable names.
func (f *folder) settle() {
	for len(f.journal) > 0 && f.journal[0].isDurable() {
		for _, e := range f.journal[0].edits {
			if e.in == f {
				f.apply(e, f.durable)
			}
		}
		f.journal = f.journal[1:]
	}
}

func (c *change) isDurable() bool {
	for _, e := range c.edits {
		if !c.synced[e.in] {
			return false
		}
	}
	return true
}

// Lock implements FS.
func (m *Mem) Lock(name string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, err := m.openOrMake(name)
	if err != nil {
		return nil, err
	}
	if m.locked[f.node] {
		return nil, fmt.Errorf("lock %s: %w", name, ErrLocked)
	}
	m.locked[f.node] = true
	return &memLock{mem: m, node: f.node}, nil
}

type memLock struct {
	mem  *Mem
	node *node
	done atomic.Bool
}

func (l *memLock) Close() error {
	if l.done.Swap(true) {
		return fs.ErrClosed
	}
	l.mem.mu.Lock()
	defer l.mem.mu.Unlock()
	delete(l.mem.locked, l.node)
	return nil
}

// memCapacity is what Usage claims: a disk that is never full. Let errorfs inject ENOSPC.
const memCapacity = 1 << 40

// Usage implements FS: the sizes of all named files count as used.
func (m *Mem) Usage(dir string) (total, free int64, err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if _, err := m.lookup("usage", dir); err != nil {
		return 0, 0, err
	}
	return memCapacity, memCapacity - used(m.root), nil
}

func used(n *node) int64 {
	if n.folder == nil {
		size, _ := n.info()
		return size
	}
	var sum int64
	for _, child := range n.names {
		sum += used(child)
	}
	return sum
}
