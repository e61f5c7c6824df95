package segment_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/segment/logtest"
	"highwater.dev/broker/vfs"
)

// FuzzOpen opens a folder with any bytes in two segments' files. It must not panic, and after recovery serve good batches only;
// the second recovery must find what the first left. mend gives whatever looks like a batch the right CRC, so that strange fields
// get past it.
func FuzzOpen(f *testing.F) {
	var log []byte
	end := model.Offset(0)
	for range 4 {
		b := logtest.Make(end, []model.TimestampMs{1000, 1001}, 30, 0)
		log, end = append(log, b.Bytes...), b.Next
	}
	entry := func(last, pos uint32) []byte {
		return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, last), pos)
	}
	size := uint32(len(log) / 4)
	timeEntry := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, 1001), 1)
	f.Add(log, entry(5, 2*size), timeEntry, log[:100], true, false)
	f.Add(log, append(entry(5, 2*size), make([]byte, 64)...), append(timeEntry, make([]byte, 24)...), []byte(nil), true, false)
	f.Add(append(log, make([]byte, 200)...), []byte("nonsense"), []byte("nonsense"), log, false, true)
	f.Fuzz(func(t *testing.T, log, index, timeIndex, second []byte, clean, mend bool) {
		if mend {
			log, second = mendCRCs(log), mendCRCs(second)
		}
		fs := vfs.NewMem()
		if err := fs.MkdirAll(dir); err != nil {
			t.Fatal(err)
		}
		w := world{T: t, fs: fs, dir: dir}
		for _, base := range []model.Offset{0, 8} {
			if base == 8 {
				log = second
			}
			w.write(w.path(base, ".log"), log)
			w.write(w.path(base, ".index"), index)
			w.write(w.path(base, ".timeindex"), timeIndex)
		}
		opts := segment.Options{ReplayFrom: 0, Gaps: mend, Observer: deaf{}, Clean: clean}
		if l, err := segment.Open(fs, dir, opts); err == nil && clean {
			touch(l)
		}
		opts.Clean = false
		l, err := segment.Open(fs, dir, opts)
		if err != nil {
			t.Fatalf("recovery: %v", err)
		}
		found := len(logtest.ReadAll(t, l))
		touch(l)
		if l, err = segment.Open(fs, dir, opts); err != nil {
			t.Fatalf("second recovery: %v", err)
		}
		if again := len(logtest.ReadAll(t, l)); again != found {
			t.Fatalf("recovery found %d batches, a second one %d", found, again)
		}
		_, end := l.Bounds()
		if end < 1<<62 {
			if err := l.Append(logtest.Make(end, []model.TimestampMs{5}, 3, 0).Bytes); err != nil {
				t.Fatalf("append after recovery: %v", err)
			}
		}
	})
}

// mendCRCs returns b with the right CRC in every batch.
func mendCRCs(b []byte) []byte {
	b = bytes.Clone(b)
	for rest, h := b, (record.Header{}); record.ReadHeader(rest, &h) == nil && h.Size() <= len(rest); rest = rest[h.Size():] {
		binary.BigEndian.PutUint32(rest[17:], record.Batch(rest[:h.Size()]).CRC())
	}
	return b
}

type deaf struct{}

func (deaf) Batch(*record.Header, record.Batch) {}
func (deaf) Rolled(model.Offset)                {}
func (deaf) Removed(model.Offset)               {}

// touch uses a log whose bytes are not to be trusted: errors are fine, panics and endless loops are not.
func touch(l segment.Log) {
	start, end := l.Bounds()
	l.Segments()
	for _, from := range []model.Offset{start, start + 1, start + (end-start)/2, end - 1, end} {
		if r, err := l.Read(from, end, 100); err == nil {
			r.Release()
		}
	}
	for _, ts := range []model.TimestampMs{-1, 0, 1000, 1 << 60} {
		_, _, _ = l.OffsetForTime(ts)
	}
}
