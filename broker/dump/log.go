package dump

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"time"

	"highwater.dev/broker/metadata"
	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/vfs"
)

// log prints a segment: each batch, with --records its records. It goes on behind a batch that is damaged inside, and stops where the
// next batch cannot be found.
func (d *dumper) log(base model.Offset) error {
	d.printf("%s: log segment from offset %d, %d bytes\n", d.name, base, d.size)
	metadataLog := strings.HasPrefix(path.Base(path.Dir(d.name)), "__cluster_metadata-")
	var scan logScan
	expected, batches, records := base, 0, int64(0)
	for pos := int64(0); pos < d.size; pos += int64(scan.header.Size()) {
		if err := scan.read(d.file, pos, d.size); err != nil {
			return d.logEnd(pos, expected, err)
		}
		h := &scan.header
		d.batch(pos, h)
		if h.BaseOffset < expected {
			d.damaged(pos, "base offset %d is below %d, where the batch before it ends", h.BaseOffset, expected)
		}
		if crc := scan.batch.CRC(); crc != h.CRC {
			d.damaged(pos, "batch of offsets %d to %d: CRC-32C is 0x%08x, the header says 0x%08x", h.BaseOffset, h.LastOffset(), crc, h.CRC)
		} else if d.o.Records {
			d.records(pos, scan.batch, metadataLog)
		}
		expected = max(expected, h.NextOffset())
		batches++
		records += int64(h.Count)
	}
	d.printf("%s, %d records, next offset %d\n", counted(batches, "batch", "batches"), records, expected)
	return nil
}

// logEnd explains why no batch could be read at pos.
func (d *dumper) logEnd(pos int64, expected model.Offset, err error) error {
	zeros, readErr := onlyZeros(d.file, pos, d.size)
	switch {
	case readErr != nil:
		return readErr
	case zeros:
		d.printf("%d zero bytes from byte %d on: allocated ahead, not written; next offset %d\n", d.size-pos, pos, expected)
	case errors.Is(err, record.ErrShort):
		d.damaged(pos, "torn batch, after offset %d: %v; the %d bytes that are left are cut at the next start", expected-1, err, d.size-pos)
	case errors.Is(err, record.ErrMagic), errors.Is(err, record.ErrCorrupt):
		d.damaged(pos, "no batch here, after offset %d: %v; %d bytes from here on cannot be read", expected-1, err, d.size-pos)
	default:
		return err
	}
	return nil
}

// logScan reads a segment's batches into a buffer that it reuses.
type logScan struct {
	header record.Header
	batch  record.Batch
	buf    []byte
}

// read reads the whole batch at pos. Errors: those of record.ReadHeader, I/O.
func (s *logScan) read(f vfs.File, pos, size int64) error {
	if err := s.readHeader(f, pos, size); err != nil {
		return err
	}
	n := s.header.Size()
	if int64(n) > size-pos {
		return fmt.Errorf("%w: %d of %d bytes", record.ErrShort, size-pos, n)
	}
	if cap(s.buf) < n {
		s.buf = make([]byte, n)
	}
	s.batch = s.buf[:n]
	return readFull(f, s.batch, pos)
}

func (s *logScan) readHeader(f vfs.File, pos, size int64) error {
	if size-pos < record.HeaderSize {
		return fmt.Errorf("%w: %d bytes, a header has %d", record.ErrShort, size-pos, record.HeaderSize)
	}
	if cap(s.buf) < record.HeaderSize {
		s.buf = make([]byte, 64<<10)
	}
	if err := readFull(f, s.buf[:record.HeaderSize], pos); err != nil {
		return err
	}
	return record.ReadHeader(s.buf[:record.HeaderSize], &s.header)
}

func readFull(f vfs.File, b []byte, pos int64) error {
	n, err := f.ReadAt(b, pos)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// onlyZeros reports whether the file holds nothing but zeros from pos on.
func onlyZeros(f vfs.File, pos, size int64) (bool, error) {
	buf := make([]byte, 64<<10)
	for pos < size {
		b := buf[:min(int64(len(buf)), size-pos)]
		if err := readFull(f, b, pos); err != nil {
			return false, err
		}
		for _, c := range b {
			if c != 0 {
				return false, nil
			}
		}
		pos += int64(len(b))
	}
	return true, nil
}

// batch prints a batch's header in one line.
func (d *dumper) batch(pos int64, h *record.Header) {
	stamp := "CreateTime"
	if h.Attributes.LogAppendTime() {
		stamp = "LogAppendTime"
	}
	d.printf("byte %d: offsets %d to %d, %s, %d bytes, %s, %s %s, leader epoch %d, crc 0x%08x",
		pos, h.BaseOffset, h.LastOffset(), plural(int(h.Count), "record"), h.Size(), h.Attributes.Compression(), stamp, when(h.MaxTimestamp),
		h.LeaderEpoch, h.CRC)
	if h.ProducerID != model.NoProducerID {
		d.printf(", producer %d epoch %d", h.ProducerID, h.ProducerEpoch)
		if h.BaseSequence >= 0 {
			d.printf(" sequences %d to %d", h.BaseSequence, h.LastSequence())
		}
	}
	if h.Attributes.Transactional() {
		d.printf(", transactional")
	}
	if h.Attributes.Control() {
		d.printf(", control")
	}
	if h.Attributes&record.DeleteHorizonFlag != 0 {
		d.printf(", delete horizon %s", when(h.BaseTimestamp))
	}
	d.printf("\n")
}

// records prints a batch's records and checks that they are what the header says.
func (d *dumper) records(pos int64, batch record.Batch, metadataLog bool) {
	var it record.Iterator
	defer it.Close()
	if err := it.Reset(batch); err != nil {
		d.damaged(pos, "records: %v", err)
		return
	}
	last := int32(-1)
	for it.Next() {
		r := &it.Record
		if r.OffsetDelta <= last || r.OffsetDelta > it.Header().LastOffsetDelta {
			d.damaged(pos, "record with offset delta %d after %d in a batch that ends at %d", r.OffsetDelta, last, it.Header().LastOffsetDelta)
		}
		last = r.OffsetDelta
		d.printf("  offset %d: %s, key %s, value %s", it.Offset(), when(it.Timestamp()), length(r.Key), length(r.Value))
		if n := len(r.Headers); n > 0 {
			d.printf(", %s", plural(n, "header"))
		}
		switch {
		case it.Header().Attributes.Control():
			d.control(pos, r)
		case metadataLog:
			d.metadata(r)
		case d.o.Values:
			d.printf("\n    key %s\n    value %s", text(r.Key), text(r.Value))
			for _, h := range r.Headers {
				d.printf("\n    header %s = %s", text(h.Key), text(h.Value))
			}
		}
		d.printf("\n")
	}
	if err := it.Err(); err != nil {
		d.damaged(pos, "record %d of %d: %v", last+1, it.Header().Count, err)
	}
}

// controlNames are Kafka's control records.
var controlNames = map[record.ControlType]string{
	record.ControlAbort: "ABORT", record.ControlCommit: "COMMIT", record.ControlLeaderChange: "LEADER_CHANGE",
	record.ControlSnapshotHeader: "SNAPSHOT_HEADER", record.ControlSnapshotFooter: "SNAPSHOT_FOOTER",
	record.ControlKRaftVersion: "KRAFT_VERSION", record.ControlKRaftVoters: "KRAFT_VOTERS",
}

func (d *dumper) control(pos int64, r *record.Record) {
	kind, err := record.ParseControlKey(r.Key)
	if err != nil {
		d.printf("\n")
		d.damaged(pos, "control record: %v", err)
		return
	}
	name, known := controlNames[kind]
	if !known {
		name = fmt.Sprintf("of type %d", kind)
	}
	d.printf(", control record %s", name)
	marker, ends, err := record.ParseEndTxnMarker(r.Key, r.Value)
	if err != nil {
		d.printf("\n")
		d.damaged(pos, "control record %s: %v", name, err)
	} else if ends {
		d.printf(", coordinator epoch %d", marker.CoordinatorEpoch)
	}
}

// metadata prints a record of the metadata log. One that is not Highwater's is Apache Kafka's: plain.
func (d *dumper) metadata(r *record.Record) {
	m, err := metadata.ParseRecord(r.Value)
	switch {
	case err == nil:
		d.printf("\n    %s", metadata.Text(m))
	case d.o.Values:
		d.printf("\n    value %s (not a record of Highwater's: %v)", text(r.Value), err)
	}
}

// when is a timestamp in milliseconds, and what it means.
func when(ts model.TimestampMs) string {
	if ts < 0 {
		return strconv.FormatInt(int64(ts), 10) + " (none)"
	}
	return time.UnixMilli(int64(ts)).UTC().Format("2006-01-02T15:04:05.000Z")
}

func length(b []byte) string {
	if b == nil {
		return "null"
	}
	return plural(len(b), "byte")
}

// text quotes bytes; what is not printable is escaped.
func text(b []byte) string {
	if b == nil {
		return "null"
	}
	return strconv.Quote(string(b))
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
