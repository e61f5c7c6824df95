package commitlog

import (
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

// loadTable fills the table from the newest valid snapshot at or below limit, deletes damaged ones, and leaves the
// table empty when none is left. The caller holds stateMu or is alone.
func (p *Partition) loadTable(limit model.Offset) error {
	p.table, p.tableEnd, p.loadedAt = p.opts.Components.NewTable(), 0, 0
	for i := len(p.snaps) - 1; i >= 0; i-- {
		if p.snaps[i].offset > limit {
			continue
		}
		name := p.file(p.snaps[i].offset, snapshotSuffix)
		data, err := checkpoint.ReadFile(p.fs, name)
		if err == nil {
			err = p.table.Load(data)
		}
		if err == nil {
			p.tableEnd, p.loadedAt = p.snaps[i].offset, p.snaps[i].offset
			return nil
		}
		if !errors.Is(err, producer.ErrSnapshot) && !errors.Is(err, checkpoint.ErrCorrupt) {
			return fmt.Errorf("commitlog: read %s: %w", name, err)
		}
		p.logger.Warn("deleting a damaged producer snapshot; an older one and the log rebuild it", "file", name, "error", err)
		if err := p.dropSnapshots(func(s snapshot) bool { return s.offset == p.snaps[i].offset }); err != nil {
			return err
		}
	}
	p.table = p.opts.Components.NewTable()
	return nil
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
	name := p.file(offset, snapshotSuffix)
	f, err := p.fs.Create(name)
	if err == nil {
		_, err = f.WriteAt(p.table.AppendSnapshot(nil), 0)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		// Half a snapshot would only be found damaged later.
		_ = p.fs.Remove(name)
		return fmt.Errorf("commitlog: write %s: %w", name, err)
	}
	p.snaps = append(p.snaps, snapshot{offset: offset, segment: ofSegment})
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
	var pending []model.Offset
	for _, s := range p.snaps {
		if !s.synced {
			pending = append(pending, s.offset)
		}
	}
	p.stateMu.Unlock()
	if len(pending) == 0 {
		return nil
	}
	for _, offset := range pending {
		if err := syncFile(p.fs, p.file(offset, snapshotSuffix)); err != nil {
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
		if slices.Contains(pending, p.snaps[i].offset) {
			p.snaps[i].synced, latest = true, p.snaps[i].offset
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

// rebuildTable brings the table to what the batches that end at limit or below say: from the newest snapshot at or below
// limit, and the batches after that. The caller holds mu.
func (p *Partition) rebuildTable(limit model.Offset) error {
	p.stateMu.Lock()
	defer p.stateMu.Unlock()
	if err := p.loadTable(limit); err != nil {
		return err
	}
	p.unstable.Store(true)
	return p.scan(p.tableEnd, limit, func(h *record.Header, whole record.Batch) {
		if h.NextOffset() <= limit {
			p.applyScanned(h, whole)
			p.tableEnd = h.NextOffset()
		}
	})
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
