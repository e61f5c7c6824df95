package commitlog

import (
	"errors"
	"fmt"
	"log/slog"
	"path"
	"slices"

	"highwater.dev/broker/commitlog/checkpoint"
	"highwater.dev/broker/epoch"
	"highwater.dev/broker/model"
	"highwater.dev/broker/producer"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/vfs"
)

func (c Components) withDefaults() Components {
	if c.OpenLog == nil {
		c.OpenLog = segment.Open
	}
	if c.OpenEpochs == nil {
		c.OpenEpochs = epoch.Open
	}
	if c.NewTable == nil {
		c.NewTable = producer.New
	}
	if c.OpenTxnIndex == nil {
		c.OpenTxnIndex = segment.OpenTxnIndex
	}
	return c
}

// replay is what Open gathers while the segment log reports batches.
type replay struct {
	aborted []producer.Txn
	batches int
	err     error // of a control batch that cannot be read
}

// Open opens the partition in folder dir of fs, making it where it is missing, and recovers it unless the
// last shutdown was clean. It owns the folder until Close.
func Open(fs vfs.FS, dir string, tp model.TopicPartition, o Options) (*Partition, error) {
	o.Components = o.Components.withDefaults()
	p := &Partition{fs: fs, dir: dir, tp: tp, opts: o, logger: o.Logger, replay: &replay{}}
	if p.logger == nil {
		p.logger = slog.New(slog.DiscardHandler)
	}
	p.topic.Store(&p.opts.Topic)
	p.flush.done.L = &p.flush.mu
	names, err := p.folder()
	if err != nil {
		return nil, err
	}
	replayFrom, err := p.prepare(names)
	if err != nil {
		return nil, err
	}
	p.txns, p.damaged, err = o.Components.OpenTxnIndex(fs, dir)
	if err != nil {
		return nil, fmt.Errorf("commitlog: open %s: %w", tp, err)
	}
	p.log, err = o.Components.OpenLog(fs, dir, segment.Options{
		Limits: limits(&o.Topic, tp), Start: o.Start, RecoveryPoint: o.RecoveryPoint, Clean: o.Clean,
		Gaps:       o.Topic.CleanupCompact,
		ReplayFrom: replayFrom, Observer: observer{p}, Logger: o.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("commitlog: open %s: %w", tp, errors.Join(err, p.txns.Close()))
	}
	if err := p.recovered(); err != nil {
		return nil, fmt.Errorf("commitlog: open %s: %w", tp, errors.Join(err, p.closeFiles()))
	}
	p.replay = nil
	return p, nil
}

// folder lists the partition's folder, after making it durably where it is missing.
func (p *Partition) folder() ([]string, error) {
	names, err := p.fs.List(p.dir)
	if vfs.IsNotExist(err) {
		err = p.fs.MkdirAll(p.dir)
		if err == nil {
			err = p.fs.SyncDir(path.Dir(p.dir))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("commitlog: folder %s: %w", p.dir, err)
	}
	return names, nil
}

// prepare loads what stands beside the log, as far as it can be trusted, and says from where batches must be
// replayed.
func (p *Partition) prepare(names []string) (replayFrom model.Offset, err error) {
	trusted := maxOffset
	if !p.opts.Clean {
		trusted = p.opts.RecoveryPoint
		if bases := offsetsOf(names, ".log"); len(bases) > 0 {
			// Segments are only deleted after what lies below them is durable: see trim.
			trusted = max(trusted, bases[0])
		}
	}
	for _, offset := range offsetsOf(names, snapshotSuffix) {
		p.snaps = append(p.snaps, snapshot{offset: offset, synced: offset <= trusted})
	}
	if err := p.loadTable(trusted); err != nil {
		return 0, err
	}
	p.epochs, err = p.opts.Components.OpenEpochs(p.fs, path.Join(p.dir, epoch.FileName))
	if err != nil && !errors.Is(err, checkpoint.ErrCorrupt) {
		return 0, err
	}
	if err != nil {
		p.logger.Warn("leader epochs are rebuilt from the log", "partition", p.tp.String(), "error", err)
	}
	// Entries above what was flushed describe batches that may be gone; those that are there bring them back.
	p.epochs.TruncateEnd(trusted)
	return p.tableEnd, nil
}

// recovered brings the state to the log as the segment log found or left it.
func (p *Partition) recovered() error {
	if p.replay.err != nil {
		return p.replay.err
	}
	start, end := p.log.Bounds()
	if err := p.recoverEpochs(start, end); err != nil {
		return err
	}
	infos := p.log.Segments()
	bases := make([]model.Offset, len(infos))
	for i, s := range infos {
		bases[i] = s.BaseOffset
	}
	p.activeBase.Store(int64(bases[len(bases)-1]))
	if err := p.dropSnapshotsAbove(end); err != nil {
		return err
	}
	if p.loadedAt > end {
		p.logger.Warn("the log ends below its producer snapshot: rebuilding producer state", "partition", p.tp.String(), "snapshot", p.loadedAt, "end", end)
		if err := p.rebuildTable(end); err != nil {
			return err
		}
	}
	if err := p.recoverTxnIndex(bases); err != nil {
		return err
	}
	if err := p.bridge(bases[0], end); err != nil {
		return err
	}
	p.tableEnd = end
	p.unstable.Store(true)
	// Kafka's rule for what an earlier run left: snapshots of segments, and the latest.
	p.tieSnapshots(infos)
	latest := model.NoOffset
	for _, s := range p.snaps {
		if s.synced {
			latest = s.offset
		}
	}
	if err := p.dropSnapshots(func(s snapshot) bool { return !s.segment && s.offset < latest }); err != nil {
		return err
	}
	p.flush.point = end
	if !p.opts.Clean {
		p.flush.point = min(max(p.opts.RecoveryPoint, start), end)
		if p.replay.batches > 0 {
			if err := p.takeSnapshot(end, false); err != nil {
				// A full disk must not keep a log from being opened: the next recovery replays the same batches.
				p.logger.Warn("no producer snapshot after recovery", "partition", p.tp.String(), "offset", end, "error", err)
			}
		}
	}
	return nil
}

// bridge handles the snapshots above the recovery point. They are not needed, and go, as long as the one that was loaded reaches the first
// segment: replayed batches say more than a snapshot does. But a stop or a flush deletes the one before when a newer one is
// durable, and the power may go before the recovery point is checkpointed. What deleted segments said of producers is then only in
// the newer one. It holds nothing that the log has lost: Truncate and recovery delete the snapshots above a cut first.
func (p *Partition) bridge(first, end model.Offset) error {
	newest := model.NoOffset
	if n := len(p.snaps); n > 0 {
		newest = p.snaps[n-1].offset
	}
	switch {
	case p.opts.Clean || newest <= p.loadedAt:
		return nil
	case p.loadedAt < first:
		return p.rebuildTable(end)
	default:
		return p.dropSnapshotsAbove(p.loadedAt)
	}
}

// recoverEpochs fits the epoch cache to the log's bounds. Where it begins above the log start (its file was lost, or
// knows of a trim that the log start checkpoint does not), the batches below say what is missing.
func (p *Partition) recoverEpochs(start, end model.Offset) error {
	p.epochs.TruncateEnd(end)
	p.epochs.TruncateStart(start)
	known := p.epochs.Entries()
	first := end
	if len(known) > 0 {
		first = known[0].Start
	}
	if first <= start {
		return nil
	}
	var missing []epoch.Entry
	err := p.scan(start, first, func(h *record.Header, _ record.Batch) {
		if n := len(missing); n == 0 || missing[n-1].Epoch < h.LeaderEpoch {
			missing = append(missing, epoch.Entry{Epoch: h.LeaderEpoch, Start: max(start, h.BaseOffset)})
		}
	})
	for _, e := range append(missing, known...) {
		p.epochs.Assign(e.Epoch, e.Start)
	}
	return err
}

// recoverTxnIndex makes the part of the transaction index above the loaded snapshot that of the batches that
// were replayed, durably: a snapshot taken later would hide that it is missing. Damage below is mended from the log.
func (p *Partition) recoverTxnIndex(bases []model.Offset) error {
	from, txns := p.loadedAt, p.replay.aborted
	if p.damaged != model.NoOffset && p.damaged < from {
		p.logger.Warn("rebuilding the transaction index from the log", "partition", p.tp.String(), "damagedFrom", p.damaged)
		var err error
		if txns, err = p.abortedSince(p.damaged); err != nil {
			return err
		}
		from = p.damaged
	}
	if err := p.txns.Truncate(from); err != nil {
		return err
	}
	end := p.EndOffset()
	for _, txn := range txns {
		if txn.Last < from || txn.Last >= end {
			continue
		}
		i, found := slices.BinarySearch(bases, txn.Last)
		if !found {
			i--
		}
		if i < 0 {
			continue // its segment is gone
		}
		if err := p.txns.Append(bases[i], aborted(txn)); err != nil {
			return err
		}
	}
	return p.txns.Flush()
}

// abortedSince finds the aborted transactions whose marker is at from or above, by reading the log. The producer table
// is as before afterwards.
func (p *Partition) abortedSince(from model.Offset) ([]producer.Txn, error) {
	table, tableEnd := p.table, p.tableEnd
	p.replay.aborted = nil
	if err := p.loadTable(from); err != nil {
		return nil, err
	}
	err := p.scan(p.tableEnd, p.EndOffset(), p.applyScanned)
	p.table, p.tableEnd = table, tableEnd
	return p.replay.aborted, errors.Join(err, p.replay.err)
}

// observer hears of the log's changes for the partition.
type observer struct{ p *Partition }

// Batch enters replayed batches into epochs and table; appended ones are entered by append.
func (o observer) Batch(h *record.Header, whole record.Batch) {
	p := o.p
	if p.replay == nil {
		return
	}
	p.replay.batches++
	if latest, known := p.epochs.Latest(); !known || h.LeaderEpoch > latest.Epoch {
		p.epochs.Assign(h.LeaderEpoch, h.BaseOffset)
	}
	if h.NextOffset() > p.tableEnd {
		p.applyScanned(h, whole)
		p.tableEnd = h.NextOffset()
	}
}

// applyScanned enters a batch that was read back into the table.
func (p *Partition) applyScanned(h *record.Header, whole record.Batch) {
	marker, err := parseMarker(h, whole)
	if err != nil && p.replay != nil {
		p.replay.err = errors.Join(p.replay.err, err)
	}
	if txn, completed := p.table.Apply(h, marker); completed && txn.Aborted && p.replay != nil {
		p.replay.aborted = append(p.replay.aborted, txn)
	}
}

// Rolled takes a snapshot where a segment begins: recovery of that segment starts from it. Without one, which only a full
// disk explains, recovery starts earlier.
func (o observer) Rolled(base model.Offset) {
	p := o.p
	if p.replay != nil {
		return
	}
	p.activeBase.Store(int64(base))
	p.stateMu.Lock()
	defer p.stateMu.Unlock()
	p.tableEnd = max(p.tableEnd, base)
	if err := p.takeSnapshot(base, true); err != nil {
		p.logger.Warn("no producer snapshot at the roll; recovery would start from an older one", "partition", p.tp.String(), "offset", base, "error", err)
	}
}

// Removed deletes what belongs to a segment that is gone.
func (o observer) Removed(base model.Offset) {
	p := o.p
	p.stateMu.Lock()
	err := p.dropSnapshots(func(s snapshot) bool { return s.offset == base })
	p.stateMu.Unlock()
	p.txns.Removed(base)
	if err != nil {
		p.logger.Warn("files of a removed segment stay behind", "partition", p.tp.String(), "base", base, "error", err)
	}
}
