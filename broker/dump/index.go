package dump

import (
	"encoding/binary"
	"strings"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/vfs"
)

// Bytes of an index entry. All integers are big-endian.
//
//	.index      relative offset 4 · position 4
//	.timeindex  timestamp 8 · relative offset 4
//	.txnindex   version 2 · producer id 8 · first offset 8 · last offset 8 · last stable offset 8
const (
	offsetEntry = 8
	timeEntry   = 12
	txnEntry    = 34
)

// entries hands each entry to show, with its place in the file, until it meets zeros that go on to the end.
func (d *dumper) entries(what string, width int64, show func(at int64, e []byte)) error {
	d.printf("%s: %s, %d bytes\n", d.name, what, d.size)
	buf := make([]byte, width*1024)
	count := 0
	for at := int64(0); at+width <= d.size; {
		b := buf[:min(int64(len(buf)), (d.size-at)/width*width)]
		if err := readFull(d.file, b, at); err != nil {
			return err
		}
		for ; len(b) > 0; b, at = b[width:], at+width {
			if allZero(b[:width]) {
				zeros, err := onlyZeros(d.file, at, d.size)
				if err != nil {
					return err
				}
				if zeros {
					d.printf("%s; %d zero bytes from byte %d on: allocated ahead, not written\n", counted(count, "entry", "entries"), d.size-at, at)
					return nil
				}
			}
			show(at, b[:width])
			count++
		}
	}
	if rest := d.size % width; rest != 0 {
		d.damaged(d.size-rest, "%d bytes are left, an entry has %d", rest, width)
	}
	d.printf("%s\n", counted(count, "entry", "entries"))
	return nil
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

func (d *dumper) offsetIndex(base model.Offset) error {
	log, err := d.beside(".index")
	if err != nil {
		return err
	}
	defer log.close()
	lastOffset, lastPos := base-1, int64(-1)
	return d.entries("offset index", offsetEntry, func(at int64, e []byte) {
		offset := base + model.Offset(binary.BigEndian.Uint32(e))
		pos := int64(binary.BigEndian.Uint32(e[4:]))
		d.printf("offset %d: byte %d\n", offset, pos)
		if offset <= lastOffset || pos <= lastPos {
			d.damaged(at, "entry (offset %d, byte %d) does not lie above the one before it (offset %d, byte %d)", offset, pos, lastOffset, lastPos)
		}
		lastOffset, lastPos = offset, pos
		if log == nil {
			return
		}
		if pos >= log.size {
			d.damaged(at, "offset %d: byte %d is behind the log's end, %d", offset, pos, log.size)
			return
		}
		if err := log.scan.readHeader(log.file, pos, log.size); err != nil {
			d.damaged(at, "offset %d: no batch at byte %d of the log: %v", offset, pos, err)
		} else if found := log.scan.header.LastOffset(); found != offset {
			d.damaged(at, "offset %d: the batch at byte %d of the log ends at offset %d", offset, pos, found)
		}
	})
}

func (d *dumper) timeIndex(base model.Offset) error {
	log, err := d.beside(".timeindex")
	if err != nil {
		return err
	}
	defer log.close()
	lastOffset, lastTime := base-1, model.TimestampMs(-1)
	return d.entries("time index", timeEntry, func(at int64, e []byte) {
		ts := model.TimestampMs(binary.BigEndian.Uint64(e))
		offset := base + model.Offset(binary.BigEndian.Uint32(e[8:]))
		d.printf("%s (%d): offset %d\n", when(ts), ts, offset)
		if ts <= lastTime && lastTime >= 0 || offset < lastOffset {
			d.damaged(at, "entry (%d, offset %d) does not lie above the one before it (%d, offset %d)", ts, offset, lastTime, lastOffset)
		}
		lastOffset, lastTime = offset, ts
		if log != nil {
			d.checkTime(log, at, ts, offset)
		}
	})
}

// checkTime compares a time index entry with the log: the batch of its offset holds the timestamp, and none before it a
// larger one. Entries come in order, so the log is read once.
func (d *dumper) checkTime(log *neighbour, at int64, ts model.TimestampMs, offset model.Offset) {
	for log.pos < log.size {
		if err := log.scan.readHeader(log.file, log.pos, log.size); err != nil {
			d.damaged(at, "offset %d: the log cannot be read from byte %d on: %v", offset, log.pos, err)
			log.pos = log.size
			return
		}
		h := &log.scan.header
		log.largest = max(log.largest, h.MaxTimestamp)
		log.reached = h.LastOffset()
		log.pos += int64(h.Size())
		if log.reached >= offset {
			break
		}
	}
	switch {
	case log.reached < offset:
		d.damaged(at, "offset %d: the log ends at offset %d", offset, log.reached)
	case log.largest != ts:
		d.damaged(at, "offset %d: the largest timestamp of the log up to there is %d, the entry says %d", offset, log.largest, ts)
	}
}

// neighbour is the .log file beside an index.
type neighbour struct {
	file vfs.File
	size int64
	scan logScan

	pos     int64 // how far checkTime has read
	largest model.TimestampMs
	reached model.Offset
}

// beside opens the .log file that belongs to the index; nil unless --index-check asks for it.
func (d *dumper) beside(suffix string) (*neighbour, error) {
	if !d.o.IndexCheck {
		return nil, nil
	}
	at := strings.LastIndex(d.name, suffix)
	f, err := d.fs.Open(d.name[:at] + ".log" + d.name[at+len(suffix):])
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	return &neighbour{file: f, size: size, largest: model.NoTimestamp, reached: model.NoOffset,
		scan: logScan{buf: make([]byte, record.HeaderSize)}}, err
}

func (n *neighbour) close() {
	if n != nil {
		_ = n.file.Close() // opened for reading: nothing can be lost
	}
}

func (d *dumper) txnIndex() error {
	last := model.NoOffset
	return d.entries("index of aborted transactions", txnEntry, func(at int64, e []byte) {
		version := binary.BigEndian.Uint16(e)
		var f [4]int64
		for i := range f {
			f[i] = int64(binary.BigEndian.Uint64(e[2+8*i:]))
		}
		d.printf("producer %d: aborted offsets %d to %d, last stable offset %d\n", f[0], f[1], f[2], f[3])
		if version != 0 {
			d.damaged(at, "version %d, only 0 is known", version)
		}
		if f[1] > f[2] || model.Offset(f[2]) <= last {
			d.damaged(at, "offsets %d to %d after a transaction that ended at %d", f[1], f[2], last)
		}
		last = model.Offset(f[2])
	})
}
