package suite

import (
	"encoding/binary"
	"fmt"
	"slices"

	"highwater.dev/broker/model"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/segment/logtest"
	"highwater.dev/workbook/lab"
)

// The index files' bytes are Apache Kafka's, and part of the seam once the log is closed: the broker, Kafka's own tools and the
// next Open read them. Which batches have an entry is the implementation's affair within index.interval.bytes.

// indexFile is a segment's index file as Kafka reads it: entries of a key of 4 or 8 bytes and a value of 4.
type indexFile struct {
	name     string
	bytes    []byte
	keyBytes int
}

func (x indexFile) width() int   { return x.keyBytes + 4 }
func (x indexFile) entries() int { return len(x.bytes) / x.width() }

func (x indexFile) entry(i int) (key, value int64) {
	b := x.bytes[i*x.width():]
	key = int64(int32(binary.BigEndian.Uint32(b)))
	if x.keyBytes == 8 {
		key = int64(binary.BigEndian.Uint64(b))
	}
	return key, int64(int32(binary.BigEndian.Uint32(b[x.keyBytes:])))
}

// wrong shows entry i and the one before it, with a caret at the key or the value.
func (x indexFile) wrong(i int, atValue bool, format string, args ...any) string {
	key, value := "relative offset", "position"
	if x.keyBytes == 8 {
		key, value = "timestamp", "relative offset"
	}
	entry := []lab.Field{{Name: key, Len: x.keyBytes}, {Name: value, Len: 4}}
	first := max(0, i-1)
	at := (i - first) * x.width()
	if atValue {
		at += x.keyBytes
	}
	shown := x.bytes[first*x.width() : min(len(x.bytes), (i+1)*x.width())]
	return fmt.Sprintf("%s, entry %d of %d: %s\n%s", x.name, i, x.entries(), fmt.Sprintf(format, args...), lab.Picture(shown, slices.Concat(entry, entry), at))
}

func (r *rig) indexFile(base model.Offset, suffix string, keyBytes int) indexFile {
	r.Helper()
	x := indexFile{segment.FileName(base, suffix), r.file(base, suffix), keyBytes}
	if len(x.bytes)%x.width() != 0 {
		r.Fatalf("%s has %d bytes after Close: entries have %d", x.name, len(x.bytes), x.width())
	}
	return x
}

// placed is a batch and where it begins in its segment's .log file.
type placed struct {
	logtest.Batch
	pos int64
}

func (r *rig) placedIn(s segment.Info) (all []placed) {
	pos := int64(0)
	for _, b := range r.model.Batches {
		if b.Base >= s.BaseOffset && b.Base < s.EndOffset {
			all = append(all, placed{b, pos})
			pos += int64(len(b.Bytes))
		}
	}
	return all
}

// checkOffsetIndex looks at a closed segment's .index file.
func (r *rig) checkOffsetIndex(s segment.Info) {
	r.Helper()
	x, batches, interval := r.indexFile(s.BaseOffset, ".index", 4), r.placedIn(s), int64(r.opts.Limits.IndexIntervalBytes)
	largest := int64(0)
	for _, b := range batches {
		largest = max(largest, int64(len(b.Bytes)))
	}
	before := int64(0) // where the batch of the entry before begins, or the file
	for i := range x.entries() {
		key, pos := x.entry(i)
		n := slices.IndexFunc(batches, func(b placed) bool { return b.pos == pos })
		switch {
		case n < 0:
			r.Fatalf("%s", x.wrong(i, true, "no batch begins at position %d", pos))
		case key != int64(batches[n].Next-1-s.BaseOffset):
			r.Fatalf("%s", x.wrong(i, false, "batch %d..%d begins at position %d, so its last offset less the segment's base offset %d is expected: %d, got %d",
				batches[n].Base, batches[n].Next-1, pos, s.BaseOffset, batches[n].Next-1-s.BaseOffset, key))
		case pos-before <= interval:
			r.Fatalf("%s", x.wrong(i, true, "only %d bytes behind the entry before; index.interval.bytes is %d, and it takes more", pos-before, interval))
		case pos-before > interval+largest:
			r.Fatalf("%s", x.wrong(i, true, "%d bytes of log have no entry; index.interval.bytes is %d, and the largest batch has %d", pos-before, interval, largest))
		}
		before = pos
	}
	if s.Bytes-before > interval+largest {
		r.Fatalf("%s has %d entries, the last for position %d of %d: %d bytes of log have no entry, and index.interval.bytes is %d",
			x.name, x.entries(), before, s.Bytes, s.Bytes-before, interval)
	}
}

// checkTimeIndex looks at a closed segment's .timeindex file.
func (r *rig) checkTimeIndex(s segment.Info) {
	r.Helper()
	x, batches := r.indexFile(s.BaseOffset, ".timeindex", 8), r.placedIn(s)
	before, latest := int64(model.NoTimestamp), int64(model.NoTimestamp)
	for i := range x.entries() {
		key, value := x.entry(i)
		n := slices.IndexFunc(batches, func(b placed) bool { return int64(b.Next-1-s.BaseOffset) == value })
		switch {
		case n < 0:
			r.Fatalf("%s", x.wrong(i, true, "no batch has the last offset %d+%d", s.BaseOffset, value))
		case int64(batches[n].Max) != key:
			r.Fatalf("%s", x.wrong(i, false, "the batch that ends at offset %d+%d has the largest time %d, the entry says %d", s.BaseOffset, value, batches[n].Max, key))
		case key <= before:
			r.Fatalf("%s", x.wrong(i, false, "time %d is not above the entry before's, %d: keys grow", key, before))
		}
		for _, b := range batches[:n] {
			if int64(b.Max) >= key {
				r.Fatalf("%s", x.wrong(i, false, "up to offset %d+%d nothing but its last batch has time %d or later; batch %d..%d has %d", s.BaseOffset, value, key, b.Base, b.Next-1, b.Max))
			}
		}
		before = key
	}
	if most := s.Bytes/int64(r.opts.Limits.IndexIntervalBytes) + 1; int64(x.entries()) > most {
		r.Fatalf("%s has %d entries for %d bytes of log: index.interval.bytes is %d, so one each, and one when the segment is sealed, are at most %d",
			x.name, x.entries(), s.Bytes, r.opts.Limits.IndexIntervalBytes, most)
	}
	for _, b := range batches {
		latest = max(latest, int64(b.Max))
	}
	if before != latest {
		r.Fatalf("%s has %d entries, the last of time %d: a sealed segment's last entry has its largest time, %d: retention reads it there", x.name, x.entries(), before, latest)
	}
}

// checkIndexFiles closes the log and looks at every segment's files.
func (r *rig) checkIndexFiles(checks ...func(segment.Info)) {
	r.Helper()
	infos := r.log.Segments()
	r.must("close", r.log.Close())
	for _, s := range infos {
		for _, check := range checks {
			check(s)
		}
	}
}

// manyTimes fills some segments with batches whose times go up and down, and stay the same for a while.
func (r *rig) manyTimes(batches int) {
	r.Helper()
	for i := range batches {
		t := model.TimestampMs(1000 + 10*(i-i%3) + (i*37)%50)
		r.append(20+30*(i%4), t, t-5, t)
	}
}

func indexBytes(t *lab.T, impl Impl) {
	for _, interval := range []int{100, 700} {
		r := newRig(t, impl, segment.Limits{SegmentBytes: 6000, IndexBytes: 1 << 20, IndexIntervalBytes: interval})
		r.manyTimes(60)
		r.checkIndexFiles(r.checkOffsetIndex, r.checkTimeIndex)
		r.opts.Clean = true
		r.open()
		r.checkMaxTimestamps("after close and open")
		r.check()
		r.must("close", r.log.Close())
		r.opts.Clean = false
		r.open() // the process ended without saying that it had closed the log: scanned, and made anew
		r.check()
		r.manyTimes(10)
		r.checkIndexFiles(r.checkOffsetIndex, r.checkTimeIndex)
	}
	// Four batches have exactly index.interval.bytes, and the first time there is has the key 0.
	size := len(logtest.Make(0, []model.TimestampMs{0, 0}, 50, 0).Bytes)
	r := newRig(t, impl, segment.Limits{SegmentBytes: 6000, IndexBytes: 1 << 20, IndexIntervalBytes: 4 * size})
	for range 60 {
		r.append(50, 0, 0)
	}
	r.checkIndexFiles(r.checkOffsetIndex, r.checkTimeIndex)
	r.opts.Clean = true
	r.open()
	r.checkMaxTimestamps("times of 0")
	r.check()
}

func timeIndexBytes(t *lab.T, impl Impl) {
	r := newRig(t, impl, segment.Limits{SegmentBytes: 6000, IndexBytes: 1 << 20, IndexIntervalBytes: 300})
	r.manyTimes(60)
	r.checkIndexFiles(r.checkTimeIndex)
	r.opts.Clean = true
	r.open()
	r.check()
	r.append(10, 1) // late: the largest time is an older batch's
	r.append(10, 9000, 1)
	r.append(10, 9000)
	r.checkIndexFiles(r.checkTimeIndex)

	// Producers of old wrote no times: -1. A segment without any has no entry.
	r = newRig(t, impl, segment.Limits{SegmentBytes: 6000, IndexBytes: 1 << 20, IndexIntervalBytes: 300})
	for range 20 {
		r.append(100, model.NoTimestamp)
	}
	r.checkIndexFiles(r.checkTimeIndex)
	r.opts.Clean = true
	r.open()
	r.checkMaxTimestamps("batches without times")
	r.check()
}

// pad puts n bytes of zeros behind an index file.
func (r *rig) pad(base model.Offset, suffix string, n int) {
	r.putBehind(base, suffix, make([]byte, n))
}

func (r *rig) putBehind(base model.Offset, suffix string, b []byte) {
	r.Helper()
	f, err := r.disk.OpenReadWrite(dir + "/" + segment.FileName(base, suffix))
	r.must("open an index file", err)
	size, err := f.Size()
	r.must("look at its size", err)
	_, err = f.WriteAt(b, size)
	r.must("write behind its end", err)
	r.must("close it", f.Close())
}

func zerosBehindEntries(t *lab.T, impl Impl) {
	for _, interval := range []int{300, 1 << 20} { // some entries; and none but the last of the times
		r := newRig(t, impl, segment.Limits{SegmentBytes: 6000, IndexBytes: 1 << 20, IndexIntervalBytes: interval})
		r.manyTimes(60)
		infos := r.log.Segments()
		r.must("close", r.log.Close())
		for i, s := range infos {
			if i == 1 { // Kafka was killed before it wrote an entry
				r.wipe(s.BaseOffset, ".index")
				r.wipe(s.BaseOffset, ".timeindex")
			}
			r.pad(s.BaseOffset, ".index", 8*20)
			r.pad(s.BaseOffset, ".timeindex", 12*20)
		}
		r.opts.Clean = true
		r.open()
		r.checkMaxTimestamps("with zeros behind the entries")
		r.check()
		r.manyTimes(60)
		r.check()
		written := r.log.Segments()[len(infos)-1:] // what was sealed before need not be written again
		r.must("close", r.log.Close())
		for _, s := range written {
			r.checkOffsetIndex(s)
			r.checkTimeIndex(s)
		}
	}
}

// halfEntries leaves a part of an entry at the end of each index file.
func halfEntries(t *lab.T, impl Impl) {
	r := newRig(t, impl, segment.Limits{SegmentBytes: 6000, IndexBytes: 1 << 20, IndexIntervalBytes: 300})
	r.manyTimes(60)
	infos := r.log.Segments()
	r.must("close", r.log.Close())
	for _, s := range infos {
		r.putBehind(s.BaseOffset, ".index", []byte{0x7f, 0xff, 0xff, 0xff, 0x7f})
		r.putBehind(s.BaseOffset, ".timeindex", []byte{0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f})
	}
	r.opts.Clean = true
	r.open()
	r.checkMaxTimestamps("with a part of an entry at the end of the index files")
	r.check()
}

// wipe empties a file.
func (r *rig) wipe(base model.Offset, suffix string) {
	r.Helper()
	f, err := r.disk.Create(dir + "/" + segment.FileName(base, suffix))
	r.must("empty an index file", err)
	r.must("close it", f.Close())
}

func rebuiltIndexes(t *lab.T, impl Impl) {
	r := newRig(t, impl, segment.Limits{SegmentBytes: 6000, IndexBytes: 1 << 20, IndexIntervalBytes: 300})
	r.manyTimes(60)
	infos := r.log.Segments()
	r.must("close", r.log.Close())
	for i, s := range infos {
		for _, suffix := range []string{".index", ".timeindex"} {
			if i%2 == 0 {
				r.must("remove an index file", r.disk.Remove(dir+"/"+segment.FileName(s.BaseOffset, suffix)))
			} else {
				r.wipe(s.BaseOffset, suffix)
				r.pad(s.BaseOffset, suffix, 24)
			}
		}
	}
	r.open() // not cleanly closed: everything is scanned
	r.check()
	r.checkIndexFiles(r.checkOffsetIndex, r.checkTimeIndex)
	r.opts.Clean = true
	r.open()
	r.check()
}
