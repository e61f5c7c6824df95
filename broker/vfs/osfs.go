package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Permissions of what the broker makes: its owner writes, everybody may read, as Apache Kafka's.
const (
	filePerm fs.FileMode = 0o644
	dirPerm  fs.FileMode = 0o755
)

// OSBacked is implemented by files that are a descriptor of the operating system. The network sends regions
// of such files with sendfile; regions of all others it copies.
type OSBacked interface {
	// OSFile is the open file. It stays the vfs.File's own: do not close it, do not move its seek position.
	OSFile() *os.File
}

type osFS struct{}

// OS is the operating system's file system. Its errors carry the operation and the file's name
// (*fs.PathError, *os.LinkError).
func OS() FS { return osFS{} }

type osFile struct{ f *os.File }

var _ OSBacked = (*osFile)(nil)

func open(name string, flag int) (File, error) {
	f, err := os.OpenFile(filepath.FromSlash(name), flag, filePerm)
	if err != nil {
		return nil, err
	}
	return &osFile{f: f}, nil
}

func (osFS) Open(name string) (File, error) { return open(name, os.O_RDONLY) }

func (osFS) OpenReadWrite(name string) (File, error) { return open(name, os.O_RDWR|os.O_CREATE) }

func (osFS) Create(name string) (File, error) {
	return open(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
}

func (osFS) Remove(name string) error    { return os.Remove(filepath.FromSlash(name)) }
func (osFS) RemoveAll(name string) error { return os.RemoveAll(filepath.FromSlash(name)) }

func (osFS) Rename(oldName, newName string) error {
	return os.Rename(filepath.FromSlash(oldName), filepath.FromSlash(newName))
}

func (osFS) MkdirAll(dir string) error { return os.MkdirAll(filepath.FromSlash(dir), dirPerm) }

func (osFS) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(filepath.FromSlash(dir)) // sorted by name
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

func (osFS) Stat(name string) (Info, error) {
	st, err := os.Stat(filepath.FromSlash(name))
	if err != nil {
		return Info{}, err
	}
	return Info{Size: st.Size(), ModTime: st.ModTime(), Dir: st.IsDir()}, nil
}

func (osFS) SyncDir(dir string) error {
	d, err := os.Open(filepath.FromSlash(dir))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Lock uses flock(2): it belongs to the open file, so a second Lock fails in the same process too, and
// the kernel drops it when the process dies, however it dies. The file stays behind.
func (osFS) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(filepath.FromSlash(name), os.O_RDWR|os.O_CREATE, filePerm)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return f, nil
	}
	// The descriptor held nothing; what close(2) says about it does not matter.
	_ = f.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, fmt.Errorf("lock %s: %w", name, ErrLocked)
	}
	return nil, &fs.PathError{Op: "lock", Path: name, Err: err}
}

func (osFS) Usage(dir string) (total, free int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(filepath.FromSlash(dir), &st); err != nil {
		return 0, 0, &fs.PathError{Op: "statfs", Path: dir, Err: err}
	}
	// Bavail, not Bfree: what root keeps for itself is not free for the broker.
	return int64(st.Blocks) * int64(st.Bsize), int64(st.Bavail) * int64(st.Bsize), nil
}

func (f *osFile) OSFile() *os.File                         { return f.f }
func (f *osFile) Name() string                             { return f.f.Name() }
func (f *osFile) ReadAt(p []byte, off int64) (int, error)  { return f.f.ReadAt(p, off) }
func (f *osFile) WriteAt(p []byte, off int64) (int, error) { return f.f.WriteAt(p, off) }
func (f *osFile) Truncate(size int64) error                { return f.f.Truncate(size) }
func (f *osFile) Sync() error                              { return f.f.Sync() }
func (f *osFile) Close() error                             { return f.f.Close() }

func (f *osFile) Size() (int64, error) {
	st, err := f.f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}
