package commitlog

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"highwater.dev/broker/commitlog/checkpoint"
	"highwater.dev/broker/model"
	"highwater.dev/broker/producer"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/vfs"
)

const snapshotSuffix = ".snapshot"

// snapshot is a .snapshot file: the producer state before the batch at offset.
type snapshot struct {
	offset model.Offset
	// segment: a segment begins there, and the file stays as long as that segment.
	segment bool
	// synced: the file is durable.
	synced bool
	taken  uint64 // tells it from an earlier one at the same offset
}

// offsetsOf lists the files "%020d<suffix>" in dir, ascending.
func offsetsOf(names []string, suffix string) []model.Offset {
	var offsets []model.Offset
	for _, name := range names {
		digits, ok := strings.CutSuffix(name, suffix)
		if n, err := strconv.ParseInt(digits, 10, 64); ok && err == nil && len(digits) == 20 && n >= 0 {
			offsets = append(offsets, model.Offset(n))
		}
	}
	slices.Sort(offsets)
	return offsets
}

// load makes a table of the newest valid snapshot from first to limit, and says where that one lies; it deletes damaged ones. Without any the
// table is empty and at is 0. A snapshot below the first segment says nothing: it misses what deleted segments said after it, a marker
// perhaps, and a transaction that never ends would hold back every read_committed consumer. The caller holds stateMu or is alone.
func (p *Partition) load(first, limit model.Offset) (table producer.Table, at model.Offset, err error) {
	for i := len(p.snaps) - 1; i >= 0; i-- {
		s := p.snaps[i]
		if s.offset > limit || s.offset < first {
			continue
		}
		name := p.file(s.offset, snapshotSuffix)
		data, err := checkpoint.ReadFile(p.fs, name)
		if err == nil {
			table = p.opts.Components.NewTable()
			err = table.Load(data)
		}
		if err == nil {
			return table, s.offset, nil
		}
		if !errors.Is(err, producer.ErrSnapshot) && !errors.Is(err, checkpoint.ErrCorrupt) {
			return nil, 0, fmt.Errorf("commitlog: read %s: %w", name, err)
		}
		p.logger.Warn("deleting a damaged producer snapshot; an older one and the log rebuild it", "file", name, "error", err)
		if err := p.dropSnapshots(func(other snapshot) bool { return other.offset == s.offset }); err != nil {
			return nil, 0, err
		}
	}
	return p.opts.Components.NewTable(), 0, nil
}

// dropSnapshots deletes the snapshots that drop picks.
func (p *Partition) dropSnapshots(drop func(snapshot) bool) error {
	var errs []error
	p.snaps = slices.DeleteFunc(p.snaps, func(s snapshot) bool {
		if !drop(s) {
			return false
		}
		if err := p.fs.Remove(p.file(s.offset, snapshotSuffix)); err != nil && !vfs.IsNotExist(err) {
			errs = append(errs, err)
		}
		return true
	})
	return errors.Join(errs...)
}

// dropSnapshotsAbove deletes the snapshots above limit and makes that durable: one that came back after a crash
// would describe other records than the log then has at its offset.
func (p *Partition) dropSnapshotsAbove(limit model.Offset) error {
	before := len(p.snaps)
	if err := p.dropSnapshots(func(s snapshot) bool { return s.offset > limit }); err != nil {
		return err
	}
	if len(p.snaps) == before {
		return nil
	}
	return p.fs.SyncDir(p.dir)
}

// takeSnapshot writes the table as it is into the snapshot at offset, unless there is one at or above it. It is not
// durable before FlushTo. The caller holds stateMu.
func (p *Partition) takeSnapshot(offset model.Offset, ofSegment bool) error {
	if n := len(p.snaps); offset == 0 || n > 0 && p.snaps[n-1].offset >= offset {
		if n > 0 && p.snaps[n-1].offset == offset && ofSegment {
			p.snaps[n-1].segment = true
		}
		return nil
	}
	return p.writeSnapshot(p.table, offset, ofSegment)
}

// writeSnapshot writes table into the snapshot at offset. One that says the same already stays as it is. The caller holds stateMu or is alone.
func (p *Partition) writeSnapshot(table producer.Table, offset model.Offset, ofSegment bool) error {
	name, data := p.file(offset, snapshotSuffix), table.AppendSnapshot(nil)
	i, found := slices.BinarySearchFunc(p.snaps, offset, func(s snapshot, offset model.Offset) int { return cmp.Compare(s.offset, offset) })
	if found {
		// One that cannot be read is written anew.
		if old, err := checkpoint.ReadFile(p.fs, name); err == nil && bytes.Equal(old, data) {
			p.snaps[i].segment = p.snaps[i].segment || ofSegment
			return nil
		}
		p.snaps = slices.Delete(p.snaps, i, i+1)
	}
	f, err := p.fs.Create(name)
	if err == nil {
		_, err = f.WriteAt(data, 0)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		// Half a snapshot would only be found damaged later.
		_ = p.fs.Remove(name)
		return fmt.Errorf("commitlog: write %s: %w", name, err)
	}
	p.taken++
	p.snaps = slices.Insert(p.snaps, i, snapshot{offset: offset, segment: ofSegment, taken: p.taken})
	return nil
}

// tieSnapshots notes which snapshots belong to a segment and stay with it. The caller holds stateMu or is alone.
func (p *Partition) tieSnapshots(segments []segment.Info) {
	for i := range p.snaps {
		p.snaps[i].segment = slices.ContainsFunc(segments, func(s segment.Info) bool { return s.BaseOffset == p.snaps[i].offset })
	}
}

// syncSnapshots makes the snapshots taken so far durable and deletes those that neither belong to a segment nor are
// the latest. Errors as for sync.
func (p *Partition) syncSnapshots() error {
	p.stateMu.Lock()
	pending := slices.DeleteFunc(slices.Clone(p.snaps), func(s snapshot) bool { return s.synced })
	p.stateMu.Unlock()
	if len(pending) == 0 {
		return nil
	}
	for _, s := range pending {
		if err := syncFile(p.fs, p.file(s.offset, snapshotSuffix)); err != nil {
			return err
		}
	}
	if err := p.fs.SyncDir(p.dir); err != nil {
		return err
	}
	p.stateMu.Lock()
	defer p.stateMu.Unlock()
	latest := model.NoOffset
	for i := range p.snaps {
		// One that a truncation or a roll has taken beside this is not durable yet.
		if s := &p.snaps[i]; slices.ContainsFunc(pending, func(o snapshot) bool { return o.offset == s.offset && o.taken == s.taken }) {
			s.synced, latest = true, s.offset
		}
	}
	if err := p.dropSnapshots(func(s snapshot) bool { return !s.segment && s.offset < latest }); err != nil {
		return fmt.Errorf("%w: %w", errUnwritten, err)
	}
	return nil
}

// syncFile syncs a file by name. One that was removed meanwhile needs no sync. Errors as for sync.
func syncFile(fs vfs.FS, name string) error {
	f, err := fs.Open(name)
	if vfs.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errUnwritten, err)
	}
	return errors.Join(f.Sync(), f.Close())
}

// rebuilt is producer state that was read back.
type rebuilt struct {
	table   producer.Table
	from    model.Offset   // the snapshot it began with; 0 when there was none
	end     model.Offset   // the end of the last batch in it
	aborted []producer.Txn // that the batches from there on completed
}

// rebuild says what the batches that end at to or below lead to: from the newest snapshot at or below from, and the batches
// after that. The caller holds mu and stateMu, or is alone.
func (p *Partition) rebuild(from, to model.Offset) (r rebuilt, err error) {
	if r.table, r.from, err = p.load(p.log.Segments()[0].BaseOffset, from); err != nil {
		return r, err
	}
	r.end = r.from
	var markerErr error
	err = p.scan(r.from, to, func(h *record.Header, whole record.Batch) {
		if h.NextOffset() > to {
			return
		}
		txn, completed, err := apply(r.table, h, whole)
		if completed && txn.Aborted {
			r.aborted = append(r.aborted, txn)
		}
		markerErr = errors.Join(markerErr, err)
		r.end = h.NextOffset()
	})
	return r, errors.Join(err, markerErr)
}

// rebuildTable brings the table to what the batches that end at limit or below say. The caller holds mu.
func (p *Partition) rebuildTable(limit model.Offset) error {
	p.stateMu.Lock()
	defer p.stateMu.Unlock()
	r, err := p.rebuild(limit, limit)
	if err != nil {
		return err
	}
	p.table, p.tableEnd = r.table, r.end
	p.unstable.Store(true)
	return nil
}

// apply enters a batch that was read back into a table.
func apply(table producer.Table, h *record.Header, whole record.Batch) (producer.Txn, bool, error) {
	marker, err := parseMarker(h, whole)
	txn, completed := table.Apply(h, marker)
	return txn, completed, err
}

// SnapshotOffsets lists the producer snapshots on disk, ascending.
func (p *Partition) SnapshotOffsets() []model.Offset {
	p.stateMu.Lock()
	defer p.stateMu.Unlock()
	offsets := make([]model.Offset, len(p.snaps))
	for i, s := range p.snaps {
		offsets[i] = s.offset
	}
	return offsets
}
