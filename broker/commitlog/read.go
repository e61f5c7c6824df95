package commitlog

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/vfs"
)

// Read returns whole batches from the one that holds offset from, as segment.Log does: no batch that starts at limit or
// above, at most maxBytes but always one batch. The caller releases the Region. Errors: OFFSET_OUT_OF_RANGE below the
// log start or above the log end, KAFKA_STORAGE_ERROR.
func (p *Partition) Read(from, limit model.Offset, maxBytes int) (vfs.Region, error) {
	r, err := p.log.Read(from, limit, maxBytes)
	if err != nil {
		return vfs.Region{}, readError(err)
	}
	return r, nil
}

// DropCut takes from r, which Read gave for from and cut at its maximum, the last batch that is not whole, where the log can tell
// cheaply: no client can use it, and it costs both sides (docs/adr/0004). At least one batch stays.
func (p *Partition) DropCut(r *vfs.Region, from model.Offset) {
	log, bounded := p.log.(segment.Bounder)
	if !bounded || r.Len == 0 {
		return
	}
	// An index that cannot be read only leaves the cut batch where it is.
	if n, err := log.Whole(from, *r); err == nil {
		r.Len = n
	}
}

// Sealed reports whether offset from lies in a segment that takes no more batches: a Read from there that ends below its
// limit and its maximum will not be longer later.
func (p *Partition) Sealed(from model.Offset) bool { return from < model.Offset(p.activeBase.Load()) }

func readError(err error) error {
	if errors.Is(err, segment.ErrOffsetOutOfRange) {
		return fmt.Errorf("%w: %w", kerr.OffsetOutOfRange, err)
	}
	return storageError(err)
}

// OffsetForTime finds the first record at or above the log start whose timestamp is ts or later.
func (p *Partition) OffsetForTime(ts model.TimestampMs) (segment.TimestampOffset, bool, error) {
	at, found, err := p.log.OffsetForTime(ts)
	if err != nil {
		return segment.TimestampOffset{}, false, readError(err)
	}
	return at, found, nil
}

// MaxTimestamp finds the first record with the log's largest timestamp; false when no record has one.
func (p *Partition) MaxTimestamp() (segment.TimestampOffset, bool, error) {
	largest := model.NoTimestamp
	for _, s := range p.log.Segments() {
		largest = max(largest, s.MaxTimestamp)
	}
	if largest == model.NoTimestamp {
		return segment.TimestampOffset{}, false, nil
	}
	at, found, err := p.OffsetForTime(largest)
	if found || err != nil {
		return at, found, err
	}
	// The segments' largest may belong to records that DeleteRecords hid: look at the batches that are left.
	largest = model.NoTimestamp
	start, end := p.log.Bounds()
	err = p.scan(start, end, func(h *record.Header, _ record.Batch) { largest = max(largest, h.MaxTimestamp) })
	if err != nil || largest == model.NoTimestamp {
		return segment.TimestampOffset{}, false, err
	}
	return p.OffsetForTime(largest)
}

// Aborted appends to dst the aborted transactions that overlap the offsets from <= o < upTo, in the order of their
// markers: what a read_committed Fetch response lists. It does no I/O.
func (p *Partition) Aborted(from, upTo model.Offset, dst []AbortedTxn) ([]AbortedTxn, error) {
	return p.txns.Collect(from, upTo, dst), nil
}

// AbortedIn appends to dst the aborted transactions that overlap r, which Read gave for from and limit: none that do is
// missing, and those that begin behind it only where the index cannot tell. Without aborted transactions between from and limit it
// does no I/O, nor when they all began before.
func (p *Partition) AbortedIn(r vfs.Region, from, limit model.Offset, dst []AbortedTxn) []AbortedTxn {
	if r.Len == 0 {
		return dst
	}
	before := len(dst)
	dst = p.txns.Collect(from, limit, dst)
	beyond := false
	for i := before; i < len(dst); i++ {
		beyond = beyond || dst[i].First > from
	}
	log, bounded := p.log.(segment.Bounder)
	if !beyond || !bounded {
		return dst
	}
	// An index that cannot be read only makes the list longer.
	if upTo, err := log.UpperBound(from, r); err == nil && upTo < limit {
		dst = p.txns.Collect(from, upTo, dst[:before])
	}
	return dst
}

// scan hands each batch that ends above from and starts below end to visit: its header, and its bytes when it is a
// control batch. Both are valid only during the call. It reads the files itself, since batches that the log start
// offset hides still say what producers did.
func (p *Partition) scan(from, end model.Offset, visit func(h *record.Header, whole record.Batch)) error {
	for _, s := range p.log.Segments() {
		if s.EndOffset <= from || s.BaseOffset >= end {
			continue
		}
		err := p.scanSegment(s, from, end, visit)
		if vfs.IsNotExist(err) {
			continue // retention was faster
		}
		if err != nil {
			return storageError(err)
		}
	}
	return nil
}

func (p *Partition) scanSegment(s segment.Info, from, end model.Offset, visit func(h *record.Header, whole record.Batch)) error {
	f, err := p.fs.Open(p.file(s.BaseOffset, ".log"))
	if err != nil {
		return err
	}
	// A read-only file: an error of close loses nothing.
	defer func() { _ = f.Close() }()
	var (
		head [record.HeaderSize]byte
		h    record.Header
	)
	for pos := int64(0); pos < s.Bytes; pos += int64(h.Size()) {
		if _, err := f.ReadAt(head[:], pos); err != nil {
			return fmt.Errorf("batch in %s at %d: %w", f.Name(), pos, err)
		}
		if err := record.ReadHeader(head[:], &h); err != nil {
			return fmt.Errorf("batch in %s at %d: %w", f.Name(), pos, err)
		}
		if h.BaseOffset >= end {
			return nil
		}
		if h.NextOffset() <= from {
			continue
		}
		var whole record.Batch
		if h.Attributes.Control() {
			whole = make(record.Batch, h.Size())
			if _, err := f.ReadAt(whole, pos); err != nil {
				return fmt.Errorf("control batch in %s at %d: %w", f.Name(), pos, err)
			}
		}
		visit(&h, whole)
	}
	return nil
}
