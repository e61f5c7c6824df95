package main

import (
	"encoding/binary"
	"errors"
	"path"
	"strconv"
	"strings"
	"sync"
	"testing"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/vfs"
	"highwater.dev/chapters/01-segment-log/suite"
)

// TestAlternatives shows that the suite asks for behaviour, not for the solution's design. linear answers each exercise otherwise:
// 1.1 through a struct and encoding/binary, with a CRC computed bit by bit, and parses all records before it yields one; 1.2 opens and closes
// its file for each append, does not fsync when it rolls, and gives up after any failed write; 1.3 and 1.5 keep every batch and every
// record's time in lists, searched from the front, and write the index files, which they never read, on Close, from these lists; 1.4 opens the file anew for each read; 1.6 scans everything on each open.
func TestAlternatives(t *testing.T) {
	suite.Run(t, suite.Impl{Name: "linear", Open: openLinear, Codec: structCodec{}})
}

// linear is a log that knows the place of each batch and the time of each record.
type linear struct {
	fs   vfs.FS
	dir  string
	o    segment.Options
	mu   sync.Mutex
	fail error

	start model.Offset
	files []*linearFile
}

type linearFile struct {
	base, next       model.Offset
	size             int64
	batches          []linearBatch
	entries          int   // that an index would have
	indexed          int64 // position of the last of them
	max              model.TimestampMs
	dirty, nameDirty bool
}

type linearBatch struct {
	h       record.Header
	pos     int64
	offsets []model.Offset
	times   []model.TimestampMs
}

func openLinear(fs vfs.FS, dir string, o segment.Options) (segment.Log, error) {
	l := &linear{fs: fs, dir: dir, o: o}
	names, err := fs.List(dir)
	if vfs.IsNotExist(err) {
		names, err = nil, errors.Join(fs.MkdirAll(dir), fs.SyncDir(path.Dir(dir)))
	}
	var torn error
	for _, name := range names {
		digits, isLog := strings.CutSuffix(name, ".log")
		base, perr := strconv.ParseInt(digits, 10, 64)
		if !isLog || perr != nil || err != nil {
			continue
		}
		f := &linearFile{base: model.Offset(base), next: model.Offset(base), max: model.NoTimestamp, dirty: true}
		if n := len(l.files); torn != nil || n > 0 && !o.Gaps && l.files[n-1].next != f.base {
			torn = record.ErrCorrupt
			err = fs.Remove(path.Join(dir, name)) // what remains has no hole: the files before it end earlier
			continue
		}
		l.files = append(l.files, f)
		torn, err = l.scan(f)
	}
	for err == nil && len(l.files) > 0 && l.end() < o.Start {
		err = l.remove(len(l.files) - 1)
	}
	if err == nil && len(l.files) == 0 {
		err = l.begin(max(0, o.Start))
	}
	if err == nil {
		l.start = max(o.Start, l.files[0].base)
		err = errors.Join(l.drop(), l.flush())
	}
	return l, err
}

// scan reads a whole file; torn says why it was cut.
func (l *linear) scan(f *linearFile) (torn, err error) {
	file, err := l.fs.OpenReadWrite(l.name(f.base))
	if err != nil {
		return nil, err
	}
	size, err := file.Size()
	b := make([]byte, size)
	if err == nil && size > 0 {
		_, err = file.ReadAt(b, 0)
	}
	for err == nil && f.size < size {
		var h record.Header
		rest := record.Batch(b[f.size:])
		if torn = (structCodec{}).ReadHeader(rest, &h); torn == nil && (h.Size() > len(rest) || h.BaseOffset < f.next) {
			torn = record.ErrShort
		}
		if torn == nil {
			rest = rest[:h.Size()]
			torn = structCodec{}.CheckCRC(rest)
		}
		if torn != nil {
			if l.o.Logger != nil {
				l.o.Logger.Warn("cut", "segment", f.base, "position", f.size, "bytes", size-f.size, "cause", torn)
			}
			err = file.Truncate(f.size)
			break
		}
		f.add(&h, rest, l.o.Limits.IndexIntervalBytes)
		if l.o.Observer != nil && h.NextOffset() > l.o.ReplayFrom && (!l.o.Clean || l.o.ReplayFrom >= 0) {
			if !h.Attributes.Control() {
				rest = nil
			}
			l.o.Observer.Batch(&h, rest)
		}
	}
	return torn, errors.Join(err, file.Close())
}

func (f *linearFile) add(h *record.Header, b record.Batch, interval int) {
	batch := linearBatch{h: *h, pos: f.size}
	_ = structCodec{}.Each(b, func(r *record.Record) bool {
		batch.offsets = append(batch.offsets, h.BaseOffset+model.Offset(r.OffsetDelta))
		batch.times = append(batch.times, h.BaseTimestamp+model.TimestampMs(r.TimestampDelta))
		if h.Attributes.LogAppendTime() {
			batch.times[len(batch.times)-1] = h.MaxTimestamp
		}
		return true
	})
	if f.size-f.indexed > int64(interval) {
		f.entries, f.indexed = f.entries+1, f.size
	}
	f.batches = append(f.batches, batch)
	f.max = max(f.max, h.MaxTimestamp)
	f.size, f.next, f.dirty = f.size+int64(h.Size()), h.NextOffset(), true
}

func (l *linear) name(base model.Offset) string {
	return path.Join(l.dir, segment.FileName(base, ".log"))
}
func (l *linear) last() *linearFile { return l.files[len(l.files)-1] }
func (l *linear) end() model.Offset { return l.last().next }

func (l *linear) begin(base model.Offset) error {
	file, err := l.fs.OpenReadWrite(l.name(base))
	if err != nil {
		return err
	}
	l.files = append(l.files, &linearFile{base: base, next: base, max: model.NoTimestamp, dirty: true, nameDirty: true})
	if l.o.Observer != nil && len(l.files) > 1 {
		l.o.Observer.Rolled(base)
	}
	return file.Close()
}

func (l *linear) remove(i int) error {
	base := l.files[i].base
	l.files = append(l.files[:i:i], l.files[i+1:]...)
	if l.o.Observer != nil {
		l.o.Observer.Removed(base)
	}
	return errors.Join(l.fs.Remove(l.name(base)), l.fs.SyncDir(l.dir))
}

func (l *linear) drop() error {
	for len(l.files) > 1 && l.files[1].base <= l.start {
		if err := l.remove(0); err != nil {
			return err
		}
	}
	return nil
}

func (l *linear) Append(batch record.Batch) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var h record.Header
	if l.fail != nil {
		return l.fail
	} else if err := (structCodec{}).ReadHeader(batch, &h); err != nil {
		return err
	}
	limits, f := l.o.Limits, l.last()
	if h.Size() != len(batch) {
		return record.ErrCorrupt
	} else if h.BaseOffset < f.next {
		return segment.ErrOutOfOrder
	} else if len(batch) > limits.SegmentBytes {
		return segment.ErrBatchTooLarge
	}
	far := h.LastOffset()-f.base > 1<<31-1
	if full := f.size > 0 && (f.size+int64(len(batch)) > int64(limits.SegmentBytes) || (f.entries+2)*12 > limits.IndexBytes ||
		limits.SegmentMs > 0 && f.batches[0].h.MaxTimestamp >= 0 && int64(h.MaxTimestamp-f.batches[0].h.MaxTimestamp) > limits.SegmentMs); far || full {
		base := f.next
		if h.LastOffset()-base > 1<<31-1 {
			base = h.BaseOffset
		}
		if err := l.begin(base); err != nil {
			return err
		}
		f = l.last()
	}
	err := l.edit(f, func(file vfs.File) error {
		_, err := file.WriteAt(batch, f.size)
		if err != nil && file.Truncate(f.size) != nil {
			l.fail = segment.ErrFailed
		}
		return err
	})
	if err != nil {
		return err
	}
	f.add(&h, batch, limits.IndexIntervalBytes)
	if l.o.Observer != nil {
		l.o.Observer.Batch(&h, batch)
	}
	return nil
}

// edit opens a file for one change.
func (l *linear) edit(f *linearFile, change func(vfs.File) error) error {
	file, err := l.fs.OpenReadWrite(l.name(f.base))
	if err != nil {
		return err
	}
	return errors.Join(change(file), file.Close())
}

func (l *linear) Read(from, limit model.Offset, maxBytes int) (r vfs.Region, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(l.fail, segment.ErrClosed) {
		return r, l.fail
	} else if from < l.start || from > l.end() {
		return r, segment.ErrOffsetOutOfRange
	}
	for _, f := range l.files {
		for _, b := range f.batches {
			size := int64(b.h.Size())
			if b.h.LastOffset() < from || b.h.BaseOffset >= limit || from >= limit {
				continue
			}
			if r.Len == 0 {
				r.Pos, r.Len = b.pos, size
				continue
			}
			r.Len = min(r.Len+size, max(r.Len, int64(maxBytes)))
		}
		if r.Len > 0 {
			file, err := l.fs.Open(l.name(f.base))
			if err != nil {
				return vfs.Region{}, err
			}
			r.File = vfs.Share(file)
			return r, nil
		}
	}
	return r, nil
}

func (l *linear) OffsetForTime(ts model.TimestampMs) (at segment.TimestampOffset, found bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.files {
		for _, b := range f.batches {
			for i, offset := range b.offsets {
				if offset >= l.start && b.times[i] >= ts {
					return segment.TimestampOffset{Offset: offset, Timestamp: b.times[i], LeaderEpoch: b.h.LeaderEpoch}, true, nil
				}
			}
		}
	}
	return at, false, nil
}

func (l *linear) Truncate(to model.Offset) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if to >= l.end() {
		return nil
	}
	l.start = min(l.start, to)
	for len(l.files) > 1 && l.last().base > to {
		if err := l.remove(len(l.files) - 1); err != nil {
			return err
		}
	}
	f := l.last()
	kept, cut := 0, int64(0)
	for kept < len(f.batches) && f.batches[kept].h.LastOffset() < to {
		cut += int64(f.batches[kept].h.Size())
		kept++
	}
	*f = linearFile{base: f.base, next: f.base, max: model.NoTimestamp}
	observer := l.o.Observer
	l.o.Observer = nil // these are not new
	err := l.edit(f, func(file vfs.File) error { return errors.Join(file.Truncate(cut), file.Sync()) })
	if err == nil {
		_, err = l.scan(f)
	}
	l.o.Observer = observer
	if err == nil && len(l.files) == 1 && f.base != l.start && (f.next <= l.start || f.size == 0) {
		err = errors.Join(l.begin(l.start), l.remove(0))
	}
	return err
}

func (l *linear) TrimTo(start model.Offset) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if start > l.end() {
		return segment.ErrOffsetOutOfRange
	}
	if start == l.end() && l.last().size > 0 {
		if err := errors.Join(l.flush(), l.begin(start), l.flush()); err != nil {
			return err
		}
	}
	l.start = max(l.start, start)
	return l.drop()
}

func (l *linear) Flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.flush()
}

func (l *linear) flush() (err error) {
	for _, f := range l.files { // oldest first: what a power cut leaves has no hole
		if f.dirty {
			err = errors.Join(err, l.edit(f, vfs.File.Sync))
			f.dirty = err != nil
		}
	}
	return errors.Join(err, l.fs.SyncDir(l.dir))
}

func (l *linear) Bounds() (start, end model.Offset) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.start, l.end()
}

func (l *linear) Segments() (infos []segment.Info) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.files {
		infos = append(infos, segment.Info{BaseOffset: f.base, EndOffset: f.next, Bytes: f.size, MaxTimestamp: f.max})
	}
	return infos
}

func (l *linear) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.flush()
	for _, f := range l.files {
		offsets, times := f.indexes(int64(l.o.Limits.IndexIntervalBytes))
		err = errors.Join(err, l.write(segment.FileName(f.base, ".index"), offsets), l.write(segment.FileName(f.base, ".timeindex"), times))
	}
	l.fail = segment.ErrClosed
	return err
}

// indexes makes the index files' contents from the list of batches.
func (f *linearFile) indexes(interval int64) (offsets, times []byte) {
	indexed, at, latest, written := int64(0), uint32(0), model.NoTimestamp, model.NoTimestamp
	for i, b := range f.batches {
		last := uint32(b.h.LastOffset() - f.base)
		if b.pos-indexed > interval {
			offsets, indexed = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(offsets, last), uint32(b.pos)), b.pos
		}
		if b.h.MaxTimestamp > latest {
			latest, at = b.h.MaxTimestamp, last
		}
		if latest > written && (indexed == b.pos && b.pos > 0 || i+1 == len(f.batches)) {
			written = latest
			times = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(times, uint64(latest)), at)
		}
	}
	return offsets, times
}

func (l *linear) write(name string, content []byte) error {
	file, err := l.fs.Create(path.Join(l.dir, name))
	if err != nil {
		return err
	}
	_, err = file.WriteAt(content, 0)
	return errors.Join(err, file.Sync(), file.Close())
}
