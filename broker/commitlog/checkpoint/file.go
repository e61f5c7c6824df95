package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"path"

	"highwater.dev/broker/vfs"
)

// ErrCorrupt says that a file does not have the format that its name promises. It is wrapped with file and line.
var ErrCorrupt = errors.New("checkpoint: damaged file")

// ErrNotReplaced says that Replace has not touched the file: what stood there stands, now and after a crash. Only the
// new contents could not be written, for want of room most often.
var ErrNotReplaced = errors.New("checkpoint: file not replaced")

// maxFileBytes bounds what ReadFile reads: a checkpoint of 100,000 partitions has less than 30 MiB.
const maxFileBytes = 64 << 20

// Replace makes data the contents of the file name, atomically and durably: it writes name.tmp, syncs it,
// renames it over name and syncs the folder. After an error the old contents stand; the new ones may stand
// after a crash when only the last step failed. Errors: ErrNotReplaced, unless an fsync failed.
func Replace(fs vfs.FS, name string, data []byte) error {
	tmp := name + ".tmp"
	if err := write(fs, tmp, data); err != nil {
		// The half-written file is of no use; the next Replace would overwrite it anyway.
		_ = fs.Remove(tmp)
		return fmt.Errorf("checkpoint: write %s: %w", tmp, err)
	}
	if err := fs.Rename(tmp, name); err != nil {
		return fmt.Errorf("%w: rename %s: %w", ErrNotReplaced, tmp, err)
	}
	if err := fs.SyncDir(path.Dir(name)); err != nil {
		return fmt.Errorf("checkpoint: sync folder of %s: %w", name, err)
	}
	return nil
}

func write(fs vfs.FS, name string, data []byte) error {
	f, err := fs.Create(name)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotReplaced, err)
	}
	if _, err := f.WriteAt(data, 0); err != nil {
		return fmt.Errorf("%w: %w", ErrNotReplaced, errors.Join(err, f.Close()))
	}
	return errors.Join(f.Sync(), f.Close())
}

// ReadFile returns the whole contents of a small file. A missing file is an error that vfs.IsNotExist knows.
func ReadFile(fs vfs.FS, name string) ([]byte, error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	// A read-only file: an error of close loses nothing.
	defer func() { _ = f.Close() }()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > maxFileBytes {
		return nil, fmt.Errorf("%w: %s has %d bytes", ErrCorrupt, name, size)
	}
	data := make([]byte, size)
	n, err := f.ReadAt(data, 0)
	if err != nil && (n < len(data) || !errors.Is(err, io.EOF)) {
		return nil, fmt.Errorf("checkpoint: read %s: %w", name, err)
	}
	return data, nil
}
