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
// markers: what a read_committed Fetch response lists. It costs nothing when the partition has none.
func (p *Partition) Aborted(from, upTo model.Offset, dst []AbortedTxn) ([]AbortedTxn, error) {
	dst, err := p.txns.collect(from, upTo, dst)
	if err != nil {
		return dst, storageError(err)
	}
	return dst, nil
}

// scanBytes is how much of the log one region of a scan covers; only headers and control batches are read of it.
const scanBytes = 64 << 20

// scan hands each batch that ends above from and starts below end to visit: its header, and its bytes when it is a
// control batch. Both are valid only during the call.
func (p *Partition) scan(from, end model.Offset, visit func(h *record.Header, whole record.Batch)) error {
	for from < end {
		r, err := p.log.Read(from, end, scanBytes)
		if err != nil {
			return readError(err)
		}
		next, err := scanRegion(r, from, visit)
		r.Release()
		if err != nil {
			return storageError(err)
		}
		if next <= from {
			return nil // nothing is left below end
		}
		from = next
	}
	return nil
}

// scanRegion returns the first offset after the last whole batch.
func scanRegion(r vfs.Region, from model.Offset, visit func(h *record.Header, whole record.Batch)) (model.Offset, error) {
	var (
		head [record.HeaderSize]byte
		h    record.Header
		next = from
	)
	for pos := int64(0); r.Len-pos >= record.HeaderSize; pos += int64(h.Size()) {
		if _, err := r.File.ReadAt(head[:], r.Pos+pos); err != nil {
			return next, err
		}
		if err := record.ReadHeader(head[:], &h); err != nil {
			return next, fmt.Errorf("batch after offset %d in %s at %d: %w", next, r.File.Name(), r.Pos+pos, err)
		}
		if r.Len-pos < int64(h.Size()) {
			return next, nil
		}
		if h.NextOffset() <= from {
			continue
		}
		var whole record.Batch
		if h.Attributes.Control() {
			whole = make(record.Batch, h.Size())
			if _, err := r.File.ReadAt(whole, r.Pos+pos); err != nil {
				return next, err
			}
		}
		visit(&h, whole)
		next = h.NextOffset()
	}
	return next, nil
}
