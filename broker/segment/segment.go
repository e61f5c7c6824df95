package segment

import (
	"math"
	"sync"
	"sync/atomic"

	"highwater.dev/broker/model"
	"highwater.dev/broker/vfs"
)

// segment is one .log file with its two indexes.
type segment struct {
	fs   vfs.FS
	dir  string
	base model.Offset

	offsets index
	times   index

	// Guarded by store.mu; written only by the goroutine that changes the log.
	size    int64        // bytes of whole batches in the .log file, all readable
	next    model.Offset // after the last batch; the base offset of the next segment
	flushed int64        // bytes of size that are durable
	sealed  bool         // no more appends; both index files are complete
	synced  bool         // sealed, and everything of it is durable
	cuts    int          // how often it was truncated: a Flush that overlaps one proves nothing

	// Only for the goroutine that changes the log.
	indexedAt int64             // position of the last batch in the offset index
	firstTs   model.TimestampMs // max timestamp of the first batch; NoTimestamp: none yet, or no timestamp
	firstRead bool              // firstTs is known
	timed     model.TimestampMs // of the last time index entry
	bare      bool              // on Open: an index file is missing
	recovered bool              // on Open: scanned, next is known from its batches

	maxMu    sync.Mutex
	max      TimeEntry // the largest timestamp, and the last offset of the first batch that has it
	maxKnown bool

	mending atomic.Bool // a reader is rebuilding the indexes

	fileMu sync.Mutex
	file   *vfs.SharedFile // the .log file, nil while not needed
	gone   bool            // removed from the log: do not open again
}

func newSegment(fs vfs.FS, dir string, base model.Offset) *segment {
	return &segment{
		fs: fs, dir: dir, base: base, next: base, firstTs: model.NoTimestamp, timed: model.NoTimestamp,
		max:     TimeEntry{Timestamp: model.NoTimestamp, Offset: base},
		offsets: index{fs: fs, dir: dir, base: base, width: offsetEntrySize},
		times:   index{fs: fs, dir: dir, base: base, width: timeEntrySize},
	}
}

func (s *segment) path(suffix string) string { return filePath(s.dir, s.base, suffix) }

// fits says whether offset can stand in this segment's indexes: relative offsets are 32 bits, signed.
func (s *segment) fits(offset model.Offset) bool { return offset-s.base <= math.MaxInt32 }

// acquire opens the .log file where needed and takes a hold on it. ErrOffsetOutOfRange when the
// segment was removed.
func (s *segment) acquire() (*vfs.SharedFile, error) {
	s.fileMu.Lock()
	defer s.fileMu.Unlock()
	if s.gone {
		return nil, ErrOffsetOutOfRange
	}
	if s.file == nil {
		f, err := s.fs.OpenReadWrite(s.path(logSuffix))
		if err != nil {
			return nil, err
		}
		s.file = vfs.Share(f)
	}
	s.file.Acquire()
	return s.file, nil
}

// closeLog gives up the segment's own hold on its .log file. gone: it is never opened again.
func (s *segment) closeLog(gone bool) {
	s.fileMu.Lock()
	defer s.fileMu.Unlock()
	s.gone = s.gone || gone
	if s.file != nil {
		_ = s.file.Release()
		s.file = nil
	}
}

// closeFiles gives up the files that are not in use; they are opened again when needed.
func (s *segment) closeFiles() {
	s.closeLog(false)
	s.offsets.close()
	s.times.close()
}

// discard gives up all files of a segment that leaves the log.
func (s *segment) discard() {
	s.closeLog(true)
	s.offsets.close()
	s.times.close()
}

// removeLog and removeRest delete the segment's files: the .log first, because index files without
// their .log are swept up by Open and the reverse costs a rebuild.
func (s *segment) removeLog() error {
	return ignoreMissing(s.fs.Remove(s.path(logSuffix)))
}

func (s *segment) removeRest() error {
	for _, suffix := range []string{indexSuffix, timeIndexSuffix, txnIndexSuffix} {
		if err := ignoreMissing(s.fs.Remove(s.path(suffix))); err != nil {
			return err
		}
	}
	return nil
}

// release gives up a hold that acquire gave. An error from close(2) loses nothing that was promised: Sync promises.
func release(f *vfs.SharedFile) { _ = f.Release() }

// closeFile closes a file that was only read, or written and synced.
func closeFile(f vfs.File) { _ = f.Close() }

func ignoreMissing(err error) error {
	if vfs.IsNotExist(err) {
		return nil
	}
	return err
}

// raiseMax takes note of a batch's largest timestamp.
func (s *segment) raiseMax(ts model.TimestampMs, last model.Offset) {
	s.maxMu.Lock()
	if ts > s.max.Timestamp {
		s.max = TimeEntry{Timestamp: ts, Offset: last}
	}
	s.maxMu.Unlock()
}

func (s *segment) setMax(e TimeEntry) {
	s.maxMu.Lock()
	s.max, s.maxKnown = e, true
	s.maxMu.Unlock()
}

// knownMax returns the segment's largest timestamp if it is in memory.
func (s *segment) knownMax() (TimeEntry, bool) {
	s.maxMu.Lock()
	defer s.maxMu.Unlock()
	return s.max, s.maxKnown
}

// addIndexEntries makes the entries for the batch at pos that ends at last, when more than interval bytes
// of log lie between it and the batch indexed before.
func (s *segment) addIndexEntries(pos int64, last model.Offset, interval int) {
	if pos-s.indexedAt <= int64(interval) {
		return
	}
	e := OffsetEntry{Offset: last, Position: pos}.encode(s.base)
	s.offsets.add(e[:])
	s.indexedAt = pos
	s.addTimeEntry()
}

// addTimeEntry makes a time index entry of the largest timestamp so far if it is above the last entry's.
func (s *segment) addTimeEntry() {
	s.maxMu.Lock()
	m := s.max
	s.maxMu.Unlock()
	if m.Timestamp <= s.timed {
		return
	}
	e := m.encode(s.base)
	s.times.add(e[:])
	s.timed = m.Timestamp
}

// positionOf looks the segment's offset index up: the last entry that is not above offset, of a batch at or before the one that
// holds offset. For offsets before the first entry it is the start of the file, with NoOffset. next is the segment's.
func (s *segment) positionOf(offset, next model.Offset) (OffsetEntry, error) {
	var e [timeEntrySize]byte
	ok, err := s.offsets.floor(int64(offset-s.base), 0, int64(next-s.base), &e)
	if err != nil || !ok {
		return OffsetEntry{Offset: model.NoOffset}, err
	}
	return decodeOffsetEntry(e[:], s.base), nil
}
