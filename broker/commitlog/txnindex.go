package commitlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"sort"
	"sync"

	"highwater.dev/broker/model"
	"highwater.dev/broker/producer"
	"highwater.dev/broker/vfs"
)

const (
	txnIndexSuffix = ".txnindex"
	// An entry is version 2 (0) · producer id 8 · first offset 8 · last offset 8 · last stable offset 8, big-endian.
	txnEntrySize = 34
)

// errTxnIndex: a .txnindex file is damaged; it is rebuilt from the log.
var errTxnIndex = errors.New("commitlog: damaged transaction index")

// txnIndexes are the .txnindex files of a partition: for each segment the transactions whose abort marker it holds. Most
// partitions have none, and then nothing here does I/O. Safe for concurrent use; appends come one at a time.
type txnIndexes struct {
	fs   vfs.FS
	name func(base model.Offset) string

	mu    sync.RWMutex
	files []txnIndex // by segment base, ascending; only those that exist
}

type txnIndex struct {
	base    model.Offset
	size    int64
	last    model.Offset // marker of the last entry
	dirty   bool
	created bool // the name may not be durable
}

// load checks the files of these segments.
func (t *txnIndexes) load(bases []model.Offset) error {
	for _, base := range bases {
		entries, err := t.read(base)
		if vfs.IsNotExist(err) {
			continue // recovery removed the segment and began it again
		}
		if err != nil {
			return err
		}
		x := txnIndex{base: base, size: int64(len(entries)) * txnEntrySize, last: model.NoOffset}
		if n := len(entries); n > 0 {
			x.last = entries[n-1].Last
		}
		t.files = append(t.files, x)
	}
	return nil
}

// drop deletes the files of these segments.
func (t *txnIndexes) drop(bases []model.Offset) error {
	t.files = nil
	for _, base := range bases {
		if err := t.fs.Remove(t.name(base)); err != nil && !vfs.IsNotExist(err) {
			return err
		}
	}
	return nil
}

// read returns a file's entries. Errors: errTxnIndex, I/O.
func (t *txnIndexes) read(base model.Offset) ([]AbortedTxn, error) {
	name := t.name(base)
	f, err := t.fs.Open(name)
	if err != nil {
		return nil, err
	}
	// A read-only file: an error of close loses nothing.
	defer func() { _ = f.Close() }()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	data := make([]byte, size)
	if n, err := f.ReadAt(data, 0); err != nil && !(errors.Is(err, io.EOF) && n == len(data)) {
		return nil, err
	}
	return parseTxnIndex(data, base, name)
}

// parseTxnIndex decodes a .txnindex file.
func parseTxnIndex(data []byte, base model.Offset, name string) ([]AbortedTxn, error) {
	if len(data)%txnEntrySize != 0 {
		return nil, fmt.Errorf("%w: %s has %d bytes", errTxnIndex, name, len(data))
	}
	entries := make([]AbortedTxn, 0, len(data)/txnEntrySize)
	last := base - 1
	for b := data; len(b) > 0; b = b[txnEntrySize:] {
		e := AbortedTxn{
			ProducerID: model.ProducerID(binary.BigEndian.Uint64(b[2:])), First: model.Offset(binary.BigEndian.Uint64(b[10:])),
			Last: model.Offset(binary.BigEndian.Uint64(b[18:])), LastStable: model.Offset(binary.BigEndian.Uint64(b[26:])),
		}
		if binary.BigEndian.Uint16(b) != 0 || e.Last <= last || e.First < 0 || e.First > e.Last {
			return nil, fmt.Errorf("%w: %s, entry %d", errTxnIndex, name, len(entries))
		}
		last = e.Last
		entries = append(entries, e)
	}
	return entries, nil
}

func appendTxnEntry(dst []byte, e AbortedTxn) []byte {
	dst = binary.BigEndian.AppendUint16(dst, 0)
	dst = binary.BigEndian.AppendUint64(dst, uint64(e.ProducerID))
	dst = binary.BigEndian.AppendUint64(dst, uint64(e.First))
	dst = binary.BigEndian.AppendUint64(dst, uint64(e.Last))
	return binary.BigEndian.AppendUint64(dst, uint64(e.LastStable))
}

// append adds a transaction to the index of the segment that begins at base. Not durable before sync.
func (t *txnIndexes) append(base model.Offset, txn producer.Txn) (err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.files)
	if n == 0 || t.files[n-1].base < base {
		t.files = append(t.files, txnIndex{base: base, last: model.NoOffset, created: true})
		n++
	}
	x := &t.files[n-1]
	f, err := t.fs.OpenReadWrite(t.name(x.base))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	e := AbortedTxn{ProducerID: txn.ProducerID, First: txn.First, Last: txn.Last, LastStable: txn.LastStable}
	if _, err := f.WriteAt(appendTxnEntry(nil, e), x.size); err != nil {
		return err
	}
	x.size += txnEntrySize
	x.last, x.dirty = txn.Last, true
	return nil
}

// collect is Partition.Aborted.
func (t *txnIndexes) collect(from, upTo model.Offset, dst []AbortedTxn) ([]AbortedTxn, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	i := sort.Search(len(t.files), func(i int) bool { return t.files[i].last >= from })
	for _, x := range t.files[i:] {
		entries, err := t.read(x.base)
		if vfs.IsNotExist(err) {
			continue
		}
		if err != nil {
			return dst, err
		}
		for _, e := range entries {
			if e.Last >= from && e.First < upTo {
				dst = append(dst, e)
			}
			// Every transaction that ends later begins at this entry's last stable offset or above.
			if e.LastStable >= upTo {
				return dst, nil
			}
		}
	}
	return dst, nil
}

// truncate removes the entries whose marker is at to or above.
func (t *txnIndexes) truncate(to model.Offset) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := len(t.files) - 1; i >= 0 && t.files[i].last >= to; i-- {
		x := &t.files[i]
		entries, err := t.read(x.base)
		if err != nil {
			return err
		}
		keep, _ := slices.BinarySearchFunc(entries, to, func(e AbortedTxn, to model.Offset) int { return int(min(1, max(-1, e.Last-to))) })
		if keep == 0 {
			if err := t.fs.Remove(t.name(x.base)); err != nil {
				return err
			}
			t.files = t.files[:i]
			continue
		}
		if err := truncateFile(t.fs, t.name(x.base), int64(keep)*txnEntrySize); err != nil {
			return err
		}
		x.size, x.last, x.dirty = int64(keep)*txnEntrySize, entries[keep-1].Last, true
	}
	return nil
}

func truncateFile(fs vfs.FS, name string, size int64) error {
	f, err := fs.OpenReadWrite(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Close())
}

// remove deletes the index of a segment that is gone.
func (t *txnIndexes) remove(base model.Offset) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.files {
		if t.files[i].base == base {
			t.files = slices.Delete(t.files, i, i+1)
			if err := t.fs.Remove(t.name(base)); err != nil && !vfs.IsNotExist(err) {
				return err
			}
			return nil
		}
	}
	return nil
}

// sync makes all entries durable.
func (t *txnIndexes) sync() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.files {
		x := &t.files[i]
		if !x.dirty {
			continue
		}
		if err := syncFile(t.fs, t.name(x.base)); err != nil {
			return err
		}
		if x.created {
			if err := t.fs.SyncDir(path.Dir(t.name(x.base))); err != nil {
				return err
			}
		}
		x.dirty, x.created = false, false
	}
	return nil
}
