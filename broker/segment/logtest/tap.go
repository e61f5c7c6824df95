package logtest

import "highwater.dev/broker/vfs"

// Tap is a file system that says before each step that changes the disk, or makes a change durable, which step it is. When
// Before returns an error the step is not done and fails with it.
type Tap struct {
	vfs.FS
	Before func(op, name string) error
}

func (t *Tap) before(op, name string) error {
	if t.Before == nil {
		return nil
	}
	return t.Before(op, name)
}

// OpenReadWrite implements vfs.FS.
func (t *Tap) OpenReadWrite(name string) (vfs.File, error) {
	if err := t.before("open", name); err != nil {
		return nil, err
	}
	return t.wrap(t.FS.OpenReadWrite(name))
}

// Create implements vfs.FS.
func (t *Tap) Create(name string) (vfs.File, error) {
	if err := t.before("create", name); err != nil {
		return nil, err
	}
	return t.wrap(t.FS.Create(name))
}

func (t *Tap) wrap(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &tapFile{File: f, tap: t}, nil
}

// Remove implements vfs.FS.
func (t *Tap) Remove(name string) error {
	if err := t.before("remove", name); err != nil {
		return err
	}
	return t.FS.Remove(name)
}

// Rename implements vfs.FS.
func (t *Tap) Rename(oldName, newName string) error {
	if err := t.before("rename", newName); err != nil {
		return err
	}
	return t.FS.Rename(oldName, newName)
}

// SyncDir implements vfs.FS.
func (t *Tap) SyncDir(dir string) error {
	if err := t.before("syncdir", dir); err != nil {
		return err
	}
	return t.FS.SyncDir(dir)
}

type tapFile struct {
	vfs.File
	tap *Tap
}

func (f *tapFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.tap.before("write", f.Name()); err != nil {
		return 0, err
	}
	return f.File.WriteAt(p, off)
}

func (f *tapFile) Truncate(size int64) error {
	if err := f.tap.before("truncate", f.Name()); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *tapFile) Sync() error {
	if err := f.tap.before("sync", f.Name()); err != nil {
		return err
	}
	return f.File.Sync()
}
