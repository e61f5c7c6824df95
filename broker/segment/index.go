package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"highwater.dev/broker/model"
	"highwater.dev/broker/vfs"
)

// Sizes of index entries in bytes; doc.go has the pictures.
const (
	offsetEntrySize = 8
	timeEntrySize   = 12

	// tailEntries is how many new entries wait in memory before they are written together.
	tailEntries = 128
	// pageBytes is how much of an index file a look-up reads at once, rounded down to whole entries.
	pageBytes = 4096
)

// errIndex says that an index file is not what its segment's batches say. The index is rebuilt.
var errIndex = errors.New("segment: index is damaged")

// errUnwritten says that a rebuilt index is in memory only.
var errUnwritten = errors.New("segment: index is not written")

// index is one index file of one segment: entries of one width, in ascending order of their key. New
// entries wait in tail until they are written; tail goes on where the file's entries end.
//
// add, write, cut and reset belong to the goroutine that changes the log. Look-ups, sync and close may run beside it.
type index struct {
	fs    vfs.FS
	dir   string
	base  model.Offset
	width int // offsetEntrySize or timeEntrySize

	mu     sync.Mutex
	file   *vfs.SharedFile // nil while not needed
	loaded bool            // written is known
	// written counts the valid entries in the file. Invariant: the file's bytes behind them (zeros that
	// Apache Kafka allocated) are cut before the first write.
	written int
	tail    []byte
	dirty   bool // written to since the last sync
	// found: the file was there when the log was opened after a clean shutdown, so its name is durable. Only list writes it.
	found bool
}

func (x *index) name() string {
	if x.width == offsetEntrySize {
		return filePath(x.dir, x.base, indexSuffix)
	}
	return filePath(x.dir, x.base, timeIndexSuffix)
}

// open opens the file, which stays open until close. The caller holds mu.
func (x *index) open() error {
	if x.file != nil {
		return nil
	}
	f, err := x.fs.OpenReadWrite(x.name())
	if err != nil {
		return err
	}
	x.file = vfs.Share(f)
	return nil
}

// load finds out how many entries the file holds. The caller holds mu.
func (x *index) load() error {
	if x.loaded {
		return nil
	}
	if err := x.open(); err != nil {
		return err
	}
	size, err := x.file.Size()
	if err != nil {
		return err
	}
	n, err := x.validEntries(int(size) / x.width)
	if err != nil {
		return err
	}
	if pad := size - int64(n)*int64(x.width); pad > 0 {
		// Apache Kafka allocates index files ahead and trims them on close: after a kill the tail is zeros.
		if err := x.file.Truncate(size - pad); err != nil {
			return err
		}
	}
	x.written, x.loaded = n, true
	return nil
}

// validEntries finds the first of n entries that is all zeros: no real entry is. (A batch that is
// indexed does not start at position 0; a time entry of time 0 for the base offset is not worth keeping.)
func (x *index) validEntries(n int) (int, error) {
	lo, hi := 0, n
	var e [timeEntrySize]byte
	for lo < hi {
		mid := (lo + hi) / 2
		if err := readFull(x.file, e[:x.width], int64(mid)*int64(x.width)); err != nil {
			return 0, err
		}
		if e == [timeEntrySize]byte{} {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo, nil
}

// add appends one entry; it reaches the file with the next write. An index that cannot be written (a full
// disk) keeps its entries in memory: append goes on, roll and close report the error.
func (x *index) add(entry []byte) {
	x.mu.Lock()
	if x.tail == nil {
		x.tail = make([]byte, 0, tailEntries*x.width)
	}
	x.tail = append(x.tail, entry...)
	full := len(x.tail) >= tailEntries*x.width
	x.mu.Unlock()
	if full {
		_ = x.write()
	}
}

// write writes the waiting entries, and makes an empty file when there is none.
func (x *index) write() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.found && len(x.tail) == 0 {
		return nil
	}
	if err := x.load(); err != nil {
		return err
	}
	if err := x.open(); err != nil {
		return err
	}
	if len(x.tail) == 0 {
		return nil
	}
	x.dirty = true
	if n, err := x.file.WriteAt(x.tail, int64(x.written)*int64(x.width)); err != nil {
		return fmt.Errorf("write %s: %w", x.name(), err)
	} else if n != len(x.tail) {
		return fmt.Errorf("write %s: %w", x.name(), io.ErrShortWrite)
	}
	x.written += len(x.tail) / x.width
	x.tail = x.tail[:0]
	return nil
}

// count returns the number of entries.
func (x *index) count() (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.load(); err != nil {
		return 0, err
	}
	return x.entries(), nil
}

// entries is how many there are. The caller holds mu and has called load.
func (x *index) entries() int { return x.written + len(x.tail)/x.width }

// last reads the last entry into e. ok is false when there is none.
func (x *index) last(e *[timeEntrySize]byte) (ok bool, err error) {
	n, err := x.count()
	if err != nil || n == 0 {
		return false, err
	}
	return true, x.at(n-1, e)
}

// at reads entry i into e.
func (x *index) at(i int, e *[timeEntrySize]byte) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.entry(i, e)
}

// entry is at for callers that hold mu.
func (x *index) entry(i int, e *[timeEntrySize]byte) error {
	if i >= x.written {
		copy(e[:], x.tail[(i-x.written)*x.width:][:x.width])
		return nil
	}
	if err := x.open(); err != nil {
		return err
	}
	return readFull(x.file, e[:x.width], int64(i)*int64(x.width))
}

// cut keeps the first n entries.
func (x *index) cut(n int) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.load(); err != nil {
		return err
	}
	if n >= x.written {
		x.tail = x.tail[:(n-x.written)*x.width]
		return nil
	}
	if err := x.open(); err != nil {
		return err
	}
	x.tail = x.tail[:0]
	x.written, x.dirty = n, true
	return x.file.Truncate(int64(n) * int64(x.width))
}

// reset empties the index, whatever the file holds.
func (x *index) reset() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.tail, x.written, x.loaded, x.dirty = x.tail[:0], 0, true, false
	if _, err := x.fs.Stat(x.name()); vfs.IsNotExist(err) {
		return nil // not made before there is something to write: the disk may be full
	}
	x.dirty = true
	if err := x.open(); err != nil {
		return err
	}
	return x.file.Truncate(0)
}

// replace makes entries the index's whole contents, durably. Entries that cannot be written (a full disk) stay in memory, and err says
// why, with errUnwritten: the next start finds an index that is missing or wrong.
func (x *index) replace(entries []byte) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	err := x.open()
	if err == nil {
		_, err = x.file.WriteAt(entries, 0)
	}
	if err != nil {
		x.tail, x.written, x.loaded = entries, 0, true
		if x.file != nil {
			err = errors.Join(err, x.file.Truncate(0))
		}
		return fmt.Errorf("%w: %w", errUnwritten, err)
	}
	if err := x.file.Truncate(int64(len(entries))); err != nil {
		return err
	}
	x.tail, x.written, x.loaded = x.tail[:0], len(entries)/x.width, true
	return x.file.Sync()
}

// sync makes the file's contents durable. Entries that wait in memory are not in it.
func (x *index) sync() error {
	x.mu.Lock()
	if !x.dirty {
		x.mu.Unlock()
		return nil
	}
	if err := x.open(); err != nil {
		x.mu.Unlock()
		return err
	}
	f := x.file
	f.Acquire()
	x.dirty = false
	x.mu.Unlock()
	err := f.Sync()
	_ = f.Release()
	if err != nil {
		return fmt.Errorf("sync %s: %w", x.name(), err)
	}
	return nil
}

// close gives up the open file; it is opened again when needed. An fsync error that is lost this way (the kernel
// reports it to files open at the time) leaves a damaged index, which look-ups notice.
func (x *index) close() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.file != nil {
		_ = x.file.Release()
		x.file = nil
	}
}

// takeTail hands the buffer of waiting entries to the next segment's index.
func (x *index) takeTail() []byte {
	x.mu.Lock()
	defer x.mu.Unlock()
	t := x.tail
	x.tail = nil
	return t[:0]
}

// entryKey is what an index is ordered by: the relative offset, or the timestamp.
func (x *index) entryKey(e []byte) int64 {
	if x.width == offsetEntrySize {
		return int64(int32(binary.BigEndian.Uint32(e)))
	}
	return int64(binary.BigEndian.Uint64(e))
}

// pagePool holds the buffers that look-ups read index pages and batch headers into.
var pagePool = sync.Pool{New: func() any { return new([pageBytes]byte) }}

// readFull fills b from f at pos; a file that ends before that is io.ErrUnexpectedEOF.
func readFull(f vfs.File, b []byte, pos int64) error {
	n, err := f.ReadAt(b, pos)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
