package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"sync"

	"highwater.dev/broker/model"
	"highwater.dev/broker/vfs"
)

// AbortedTxn is a transaction that was aborted: the batches of ProducerID from First to Last are not for
// consumers that read committed records only.
type AbortedTxn struct {
	ProducerID model.ProducerID
	First      model.Offset // of the transaction's first record
	Last       model.Offset // of its abort marker
	LastStable model.Offset // the last stable offset when the marker was written: no transaction that ended later began before it
}

// TxnIndex is a log's list of aborted transactions, kept in one .txnindex file for each segment that holds an
// abort marker. The log deletes the file with its segment. Safe for concurrent use.
type TxnIndex interface {
	// Append adds a transaction whose marker is in the segment that begins at base. Markers come in the order of
	// their offsets. Durable after Flush; on a full disk the entry waits in memory until then.
	Append(base model.Offset, t AbortedTxn) error
	// Collect appends to dst the aborted transactions that have records in [from, upTo).
	Collect(from, upTo model.Offset, dst []AbortedTxn) []AbortedTxn
	// Truncate forgets the transactions whose marker is at to or above.
	Truncate(to model.Offset) error
	// Removed forgets the transactions of a segment that the log has deleted, with its file.
	Removed(base model.Offset)
	// Flush makes everything appended before the call durable. ErrFailed: an fsync failed, and the log folder is not to be
	// used. After another error nothing is in doubt: the entries that could not be written wait for the next Flush.
	Flush() error
	Close() error
}

// txnEntrySize is the size of an entry: version int16, producer id, first, last and last stable offset int64 each.
const txnEntrySize = 34

func (t AbortedTxn) encode() (b [txnEntrySize]byte) {
	binary.BigEndian.PutUint64(b[2:], uint64(t.ProducerID))
	binary.BigEndian.PutUint64(b[10:], uint64(t.First))
	binary.BigEndian.PutUint64(b[18:], uint64(t.Last))
	binary.BigEndian.PutUint64(b[26:], uint64(t.LastStable))
	return b
}

// decodeTxn returns false for an entry of a version that is not known or that contradicts itself: a marker comes after
// the records that it ends, which also tells zeros that a power cut left from an entry.
func decodeTxn(b []byte) (t AbortedTxn, ok bool) {
	t = AbortedTxn{
		ProducerID: model.ProducerID(binary.BigEndian.Uint64(b[2:])),
		First:      model.Offset(binary.BigEndian.Uint64(b[10:])),
		Last:       model.Offset(binary.BigEndian.Uint64(b[18:])),
		LastStable: model.Offset(binary.BigEndian.Uint64(b[26:])),
	}
	return t, binary.BigEndian.Uint16(b) == 0 && t.First >= 0 && t.First < t.Last
}

// txnIndex keeps all entries in memory: aborted transactions are few beside the batches they spoil.
type txnIndex struct {
	fs  vfs.FS
	dir string

	// Collect takes mu only, which is not held over I/O; whoever changes something holds io, and for entries both, in this order.
	io      sync.Mutex
	mu      sync.Mutex
	entries []txnEntry // ascending by Last
	written int        // entries that are in their files; the rest waits
	failed  error      // of an fsync
	file    vfs.File   // of the segment appended to last; nil when none
	base    model.Offset
	size    int64 // of file
	dirty   bool
	made    bool // file's name may not be durable
}

type txnEntry struct {
	AbortedTxn
	base model.Offset
}

// OpenTxnIndex reads the .txnindex files in dir. damaged is NoOffset when all is well. Otherwise a file was torn: the
// transactions whose marker is at damaged or above are not in the index, and the caller appends them again from the log.
func OpenTxnIndex(fs vfs.FS, dir string) (x TxnIndex, damaged model.Offset, err error) {
	t := &txnIndex{fs: fs, dir: dir}
	names, err := fs.List(dir)
	if err != nil {
		return nil, model.NoOffset, err
	}
	damaged = model.NoOffset
	for _, name := range names {
		base, suffix, ok := parseName(name)
		if !ok || suffix != txnIndexSuffix {
			continue
		}
		if damaged >= 0 {
			// Behind a torn file nothing is to be trusted.
			if err := fs.Remove(filePath(dir, base, suffix)); err != nil {
				return nil, damaged, err
			}
			continue
		}
		if damaged, err = t.loadFile(base); err != nil {
			return nil, damaged, fmt.Errorf("read %s: %w", name, err)
		}
	}
	return t, damaged, nil
}

// loadFile reads one file and cuts it at the first bad entry.
func (t *txnIndex) loadFile(base model.Offset) (damaged model.Offset, err error) {
	f, err := t.fs.OpenReadWrite(filePath(t.dir, base, txnIndexSuffix))
	if err != nil {
		return model.NoOffset, err
	}
	defer closeFile(f)
	size, err := f.Size()
	if err != nil {
		return model.NoOffset, err
	}
	good, last := int64(0), base-1
	var b [txnEntrySize]byte
	for ; good+txnEntrySize <= size; good += txnEntrySize {
		if err := readFull(f, b[:], good); err != nil {
			return model.NoOffset, err
		}
		e, ok := decodeTxn(b[:])
		if !ok || e.Last <= last {
			break
		}
		last = e.Last
		t.entries = append(t.entries, txnEntry{AbortedTxn: e, base: base})
		t.written++
	}
	if good == size {
		return model.NoOffset, nil
	}
	return last + 1, errors.Join(f.Truncate(good), f.Sync())
}

func (t *txnIndex) Append(base model.Offset, a AbortedTxn) error {
	t.io.Lock()
	defer t.io.Unlock()
	if n := len(t.entries); n > 0 && t.entries[n-1].Last >= a.Last {
		return fmt.Errorf("%w: abort marker at %d after one at %d", ErrOutOfOrder, a.Last, t.entries[n-1].Last)
	}
	t.setEntries(append(t.entries, txnEntry{AbortedTxn: a, base: base}))
	if err := t.write(); errors.Is(err, ErrFailed) {
		return err
	}
	return nil
}

// setEntries is for those that hold io.
func (t *txnIndex) setEntries(entries []txnEntry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entries = entries
}

// write puts the entries that wait into their files.
func (t *txnIndex) write() error {
	for ; t.written < len(t.entries); t.written++ {
		e := &t.entries[t.written]
		if err := t.use(e.base); err != nil {
			return err
		}
		b := e.encode()
		n, err := t.file.WriteAt(b[:], t.size)
		if err == nil && n < len(b) {
			err = io.ErrShortWrite
		}
		if err != nil {
			// A part that stays behind is overwritten by the next attempt, or found damaged after a crash.
			return errors.Join(err, t.file.Truncate(t.size))
		}
		t.size, t.dirty = t.size+txnEntrySize, true
	}
	return nil
}

// use makes the segment's file the open one.
func (t *txnIndex) use(base model.Offset) error {
	if t.file != nil && t.base == base {
		return nil
	}
	if err := t.sync(); err != nil {
		return err
	}
	f, err := t.fs.OpenReadWrite(filePath(t.dir, base, txnIndexSuffix))
	if err != nil {
		return err
	}
	size, err := f.Size()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	t.closeFile()
	t.file, t.base, t.size, t.made = f, base, size, size == 0
	return nil
}

func (t *txnIndex) Collect(from, upTo model.Offset, dst []AbortedTxn) []AbortedTxn {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := sort.Search(len(t.entries), func(i int) bool { return t.entries[i].Last >= from })
	for _, e := range t.entries[i:] {
		if e.First < upTo {
			dst = append(dst, e.AbortedTxn)
		}
		if e.LastStable >= upTo {
			break
		}
	}
	return dst
}

func (t *txnIndex) Truncate(to model.Offset) error {
	t.io.Lock()
	defer t.io.Unlock()
	i := sort.Search(len(t.entries), func(i int) bool { return t.entries[i].Last >= to })
	gone := t.entries[i:]
	for len(gone) > 0 {
		base := gone[0].base
		n := 0
		for n < len(gone) && gone[n].base == base {
			n++
		}
		gone = gone[n:]
		keep := 0
		for j := i - 1; j >= 0 && t.entries[j].base == base; j-- {
			if j < t.written {
				keep++
			}
		}
		if err := t.cut(base, int64(keep)*txnEntrySize); err != nil {
			return err
		}
	}
	t.setEntries(t.entries[:i])
	t.written = min(t.written, i)
	return nil
}

// cut shortens the segment's file, if the log has not deleted it already.
func (t *txnIndex) cut(base model.Offset, size int64) error {
	if _, err := t.fs.Stat(filePath(t.dir, base, txnIndexSuffix)); vfs.IsNotExist(err) {
		return nil
	}
	if err := t.use(base); err != nil {
		return err
	}
	if err := t.file.Truncate(size); err != nil {
		return err
	}
	t.size, t.dirty = size, true
	return t.sync()
}

func (t *txnIndex) Removed(base model.Offset) {
	t.io.Lock()
	defer t.io.Unlock()
	for _, e := range t.entries[:t.written] {
		if e.base == base {
			t.written--
		}
	}
	t.mu.Lock()
	t.entries = slices.DeleteFunc(t.entries, func(e txnEntry) bool { return e.base == base })
	t.mu.Unlock()
	if t.file != nil && t.base == base {
		t.closeFile()
		t.dirty = false
	}
}

func (t *txnIndex) Flush() error {
	t.io.Lock()
	defer t.io.Unlock()
	return t.flush()
}

func (t *txnIndex) flush() error {
	if err := t.write(); err != nil {
		return err
	}
	return t.sync()
}

// sync makes the open file durable.
func (t *txnIndex) sync() error {
	if t.failed != nil {
		return t.failed
	}
	if t.file == nil || !t.dirty {
		return nil
	}
	err := t.file.Sync()
	if err == nil && t.made {
		err = t.fs.SyncDir(t.dir)
	}
	if err != nil {
		t.failed = fmt.Errorf("%w: %w", ErrFailed, err)
		return t.failed
	}
	t.dirty, t.made = false, false
	return nil
}

func (t *txnIndex) closeFile() {
	if t.file != nil {
		_ = t.file.Close()
		t.file = nil
	}
}

func (t *txnIndex) Close() error {
	t.io.Lock()
	defer t.io.Unlock()
	err := t.flush()
	t.closeFile()
	return err
}
