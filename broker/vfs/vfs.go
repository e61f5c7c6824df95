// Package vfs is the seam between the broker and its disk. Everything the broker keeps goes
// through FS, so the same code runs on the operating system's files and on an in-memory file
// system that loses, reorders and tears what was not synced.
package vfs

import (
	"errors"
	"io"
	"io/fs"
	"sync/atomic"
	"time"
)

// ErrLocked is returned by FS.Lock when another process, or another holder in this one, has the lock.
var ErrLocked = errors.New("vfs: locked by another process")

// FS is a file system. Names are slash-separated paths. Implementations are safe for concurrent use.
// A missing file is reported as an error that is fs.ErrNotExist.
type FS interface {
	// Open opens an existing file for reading.
	Open(name string) (File, error)
	// OpenReadWrite opens a file for reading and writing and makes an empty one where there is none.
	OpenReadWrite(name string) (File, error)
	// Create makes an empty file, cutting an existing one to zero length.
	Create(name string) (File, error)
	// Remove deletes one file or empty folder; RemoveAll a whole tree (no error when it is missing).
	Remove(name string) error
	RemoveAll(name string) error
	// Rename replaces newName atomically. It is durable only after SyncDir of both folders.
	Rename(oldName, newName string) error
	MkdirAll(dir string) error
	// List returns the names (not paths) in dir, sorted.
	List(dir string) ([]string, error)
	Stat(name string) (Info, error)
	// SyncDir makes created, renamed and removed names of dir durable.
	SyncDir(dir string) error
	// Lock takes an exclusive lock on the file name, making it where needed, until the Closer is
	// closed or the process ends. It does not wait: a held lock is ErrLocked.
	Lock(name string) (io.Closer, error)
	// Usage returns the capacity and the free space, in bytes, of the volume that holds dir.
	Usage(dir string) (total, free int64, err error)
}

// Info describes a file or folder.
type Info struct {
	Size    int64 // bytes
	ModTime time.Time
	Dir     bool
}

// File is an open file. ReadAt and WriteAt are safe for concurrent use.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Size is the file's length in bytes.
	Size() (int64, error)
	Truncate(size int64) error
	// Sync makes the file's contents durable (fsync). After an error the unsynced contents are
	// lost for good and a later Sync says nothing about them: never retry, never acknowledge.
	Sync() error
	Name() string
}

// IsNotExist reports whether err says that a file is missing.
func IsNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// SharedFile is an open file with a count of its holders: the last Release closes it. It lets a
// response be sent from a file that the log has already deleted or closed: a descriptor number that
// was closed and reused would serve another file's bytes.
type SharedFile struct {
	File
	holders atomic.Int32
}

// Share wraps f with one holder, the caller. It owns f from then on.
func Share(f File) *SharedFile {
	s := &SharedFile{File: f}
	s.holders.Store(1)
	return s
}

// Acquire adds a holder. It reports false when the last holder has already gone.
func (s *SharedFile) Acquire() bool {
	for {
		n := s.holders.Load()
		if n == 0 {
			return false
		}
		if s.holders.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Release gives up one hold; the last one closes the file.
func (s *SharedFile) Release() error {
	switch n := s.holders.Add(-1); {
	case n > 0:
		return nil
	case n == 0:
		return s.Close()
	default:
		panic("vfs: SharedFile released more often than acquired")
	}
}

// Region is a stretch of bytes in a file. It holds the file open: its receiver calls Release exactly once.
// The zero Region is empty and needs no Release.
type Region struct {
	File *SharedFile
	Pos  int64 // of the first byte in File
	Len  int64 // bytes
}

// Release gives up the region's hold on its file.
func (r Region) Release() {
	if r.File != nil {
		// A read-only hold: an error from close(2) loses nothing that was promised.
		_ = r.File.Release()
	}
}
