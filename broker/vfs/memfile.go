package vfs

import (
	"io"
	"io/fs"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	blockBytes  = 4096 // arrives on the disk, or not, by itself
	sectorBytes = 512  // arrives whole, or not
)

// content is a file's bytes, now and as of the last Sync.
type content struct {
	mu          sync.RWMutex
	blocks      []block // as many as have bytes now or did at the last Sync
	dirty       []int32 // indexes of dirty blocks, each once, in no order
	size        int64
	durableSize int64 // at the last Sync
	lowestSize  int64 // the least that the file was cut to since
	modTime     time.Time
}

// block is up to blockBytes of a file; bytes missing at the end of data or durable are zero.
type block struct {
	data    []byte // now; written in place only while dirty
	durable []byte // at the last Sync; never written again, shared with data while not dirty, and with clones
	dirty   bool   // data and durable may differ
}

func (c *content) info() (size int64, modTime time.Time) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.size, c.modTime
}

func (c *content) readAt(p []byte, off int64) (int, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if off >= c.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), c.size-off))
	for done := 0; done < n; {
		at := off + int64(done)
		i, within := int(at/blockBytes), int(at%blockBytes)
		part := p[done:min(n, done+blockBytes-within)]
		copied := 0
		if i < len(c.blocks) && within < len(c.blocks[i].data) {
			copied = copy(part, c.blocks[i].data[within:])
		}
		clear(part[copied:])
		done += len(part)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (c *content) writeAt(p []byte, off int64, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.modTime = now
	c.size = max(c.size, off+int64(len(p)))
	for len(p) > 0 {
		i, within := int(off/blockBytes), int(off%blockBytes)
		part := p[:min(len(p), blockBytes-within)]
		b := c.own(i, within+len(part))
		copy(b.data[within:], part)
		p, off = p[len(part):], off+int64(len(part))
	}
}

// own returns block i, dirty and with at least length bytes of its own.
func (c *content) own(i, length int) *block {
	for len(c.blocks) <= i {
		c.blocks = append(c.blocks, block{})
	}
	b := &c.blocks[i]
	old := b.data
	if !b.dirty {
		b.dirty = true
		c.dirty = append(c.dirty, int32(i))
		b.data = nil
	}
	length = max(length, len(old))
	if b.data == nil || cap(b.data) < length {
		room := length
		if len(old) > 0 || b.data != nil { // it grows, so it will grow again
			room = min(2*length, blockBytes)
		}
		b.data = append(make([]byte, 0, room), old...)
	}
	if grown := len(b.data); grown < length {
		b.data = b.data[:length]
		clear(b.data[grown:])
	}
	return b
}

func (c *content) truncate(size int64, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.modTime = now
	if size < c.size {
		c.cut(size)
	}
	c.size = size
	c.lowestSize = min(c.lowestSize, size)
}

// cut makes every byte from size on zero.
func (c *content) cut(size int64) {
	first := int(size / blockBytes)
	if within := int(size % blockBytes); within > 0 {
		if first < len(c.blocks) && len(c.blocks[first].data) > within {
			b := c.own(first, within)
			b.data = b.data[:within]
		}
		first++
	}
	for i := first; i < len(c.blocks); i++ {
		if b := &c.blocks[i]; len(b.data) > 0 {
			if !b.dirty {
				b.dirty = true
				c.dirty = append(c.dirty, int32(i))
			}
			b.data = nil
		}
	}
}

// sync makes the contents durable.
func (c *content) sync() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, i := range c.dirty {
		b := &c.blocks[i]
		b.durable, b.dirty = b.data, false
	}
	c.durableSize = c.size
	c.settled()
}

// failSync throws away what is not durable.
func (c *content) failSync() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, i := range c.dirty {
		b := &c.blocks[i]
		b.data, b.dirty = b.durable, false
	}
	c.size = c.durableSize
	c.settled()
}

// settled notes that contents and durable contents are the same.
func (c *content) settled() {
	c.dirty = c.dirty[:0]
	c.lowestSize = c.size
	n := int((c.size + blockBytes - 1) / blockBytes)
	if n < len(c.blocks) {
		clear(c.blocks[n:])
		c.blocks = c.blocks[:n]
	}
}

// memFile is one opening of a file.
type memFile struct {
	mem      *Mem
	node     *node
	name     string
	readOnly bool
	closed   atomic.Bool
}

// SyncFailer is implemented by files that can show what a failed fsync does; errorfs calls it.
type SyncFailer interface {
	// FailSync loses what was written since the last Sync and forgets that there was anything: the file reads as it did
	// then, its old size too, and a later Sync succeeds and makes nothing of the lost data durable.
	FailSync()
}

// begin checks that the file is open, and holds the disk still against CrashClone. The caller ends it with mem.mu.RUnlock.
func (f *memFile) begin(op string, write bool) error {
	if f.closed.Load() {
		return failure(op, f.name, fs.ErrClosed)
	}
	if write && f.readOnly {
		return failure(op, f.name, syscall.EBADF)
	}
	f.mem.mu.RLock()
	return nil
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, failure("read", f.name, syscall.EINVAL)
	}
	if err := f.begin("read", false); err != nil {
		return 0, err
	}
	defer f.mem.mu.RUnlock()
	if len(p) == 0 {
		return 0, nil
	}
	return f.node.readAt(p, off)
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, failure("write", f.name, syscall.EINVAL)
	}
	if err := f.begin("write", true); err != nil {
		return 0, err
	}
	defer f.mem.mu.RUnlock()
	if len(p) > 0 { // an empty write does not make the file longer
		f.node.writeAt(p, off, f.mem.clock.Now())
	}
	return len(p), nil
}

func (f *memFile) Truncate(size int64) error {
	if size < 0 {
		return failure("truncate", f.name, syscall.EINVAL)
	}
	if err := f.begin("truncate", true); err != nil {
		return err
	}
	defer f.mem.mu.RUnlock()
	f.node.truncate(size, f.mem.clock.Now())
	return nil
}

func (f *memFile) Sync() error {
	if err := f.begin("sync", false); err != nil {
		return err
	}
	defer f.mem.mu.RUnlock()
	f.node.content.sync()
	return nil
}

func (f *memFile) FailSync() {
	f.mem.mu.RLock()
	defer f.mem.mu.RUnlock()
	f.node.failSync()
}

func (f *memFile) Size() (int64, error) {
	if err := f.begin("stat", false); err != nil {
		return 0, err
	}
	defer f.mem.mu.RUnlock()
	size, _ := f.node.info()
	return size, nil
}

func (f *memFile) Close() error {
	if f.closed.Swap(true) {
		return failure("close", f.name, fs.ErrClosed)
	}
	return nil
}

func (f *memFile) Name() string { return f.name }
