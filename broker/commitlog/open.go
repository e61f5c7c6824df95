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
	p.topic.Store(&o.Topic)
	p.flush.done.L = &p.flush.mu
	p.txns = &txnIndexes{fs: fs, name: func(base model.Offset) string { return p.file(base, txnIndexSuffix) }}
	if err := fs.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("commitlog: make %s: %w", dir, err)
	}
	names, err := p.folder()
	if err != nil {
		return nil, err
	}
	replayFrom, err := p.prepare(names)
	if err != nil {
		return nil, err
	}
	p.log, err = o.Components.OpenLog(fs, dir, segment.Options{
		Limits: limits(&o.Topic, tp), Start: o.Start, RecoveryPoint: o.RecoveryPoint, Clean: o.Clean,
		Gaps:       o.Topic.CleanupCompact,
		ReplayFrom: replayFrom, Observer: observer{p}, Logger: o.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("commitlog: open %s: %w", tp, err)
	}
	if err := p.recovered(names); err != nil {
		return nil, fmt.Errorf("commitlog: open %s: %w", tp, errors.Join(err, p.log.Close()))
	}
	p.replay = nil
	return p, nil
}

// prepare loads what stands beside the log, as far as it can be trusted, and says from where batches must be
// replayed.
func (p *Partition) prepare(names []string) (replayFrom model.Offset, err error) {
	for _, offset := range offsetsOf(names, snapshotSuffix) {
		p.snaps = append(p.snaps, snapshot{offset: offset, synced: true})
	}
	trusted := maxOffset
	if !p.opts.Clean {
		trusted = p.opts.RecoveryPoint
	}
	if err := p.dropSnapshotsAbove(trusted); err != nil {
		return 0, err
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
	if _, known := p.epochs.Latest(); !known {
		return 0, nil
	}
	return p.tableEnd, nil
}

// recovered brings the state to the log as the segment log found or left it.
func (p *Partition) recovered(names []string) error {
	if p.replay.err != nil {
		return p.replay.err
	}
	start, end := p.log.Bounds()
	p.epochs.TruncateEnd(end)
	p.epochs.TruncateStart(start)
	infos := p.log.Segments()
	bases := make([]model.Offset, len(infos))
	for i, s := range infos {
		bases[i] = s.BaseOffset
	}
	p.activeBase = bases[len(bases)-1]
	if err := p.dropSnapshotsAbove(end); err != nil {
		return err
	}
	if p.loadedAt > end {
		p.logger.Warn("the log ends below its producer snapshot: rebuilding producer state", "partition", p.tp.String(), "snapshot", p.loadedAt, "end", end)
		if err := p.rebuildTable(end); err != nil {
			return err
		}
	}
	p.tableEnd = end
	p.unstable.Store(true)
	if err := p.recoverTxnIndexes(names, bases); err != nil {
		return err
	}
	// Kafka's rule for what an earlier run left: snapshots of segments, and the latest.
	for i := range p.snaps {
		_, p.snaps[i].segment = slices.BinarySearch(bases, p.snaps[i].offset)
	}
	if n := len(p.snaps); n > 0 {
		latest := p.snaps[n-1].offset
		if err := p.dropSnapshots(func(s snapshot) bool { return !s.segment && s.offset != latest }); err != nil {
			return err
		}
	}
	p.flush.point = end
	if !p.opts.Clean {
		p.flush.point = min(max(p.opts.RecoveryPoint, start), end)
		if p.replay.batches > 0 {
			return p.takeSnapshot(end, false)
		}
	}
	return nil
}

// recoverTxnIndexes loads the transaction index and makes its part above the loaded snapshot that of the batches
// that were replayed. A damaged index is rebuilt from the whole log.
func (p *Partition) recoverTxnIndexes(names []string, bases []model.Offset) error {
	var present []model.Offset
	for _, base := range offsetsOf(names, txnIndexSuffix) {
		if _, ok := slices.BinarySearch(bases, base); ok {
			present = append(present, base)
		}
	}
	from, aborted := p.loadedAt, p.replay.aborted
	err := p.txns.load(present)
	if errors.Is(err, errTxnIndex) {
		p.logger.Warn("rebuilding the transaction index from the log", "partition", p.tp.String(), "error", err)
		from, aborted, err = 0, nil, p.txns.drop(present)
		if err == nil {
			aborted, err = p.scanAborted()
		}
	}
	if err != nil {
		return err
	}
	if err := p.txns.truncate(from); err != nil {
		return err
	}
	_, end := p.log.Bounds()
	for _, txn := range aborted {
		i, found := slices.BinarySearch(bases, txn.Last)
		if !found {
			i--
		}
		if i < 0 || txn.Last >= end {
			continue
		}
		if err := p.txns.append(bases[i], txn); err != nil {
			return err
		}
	}
	return nil
}

// scanAborted finds the aborted transactions by reading the whole log.
func (p *Partition) scanAborted() ([]producer.Txn, error) {
	var (
		aborted []producer.Txn
		damage  error
		table   = p.opts.Components.NewTable()
	)
	start, end := p.log.Bounds()
	err := p.scan(start, end, func(h *record.Header, whole record.Batch) {
		marker, err := parseMarker(h, whole)
		damage = errors.Join(damage, err)
		if txn, completed := table.Apply(h, marker); completed && txn.Aborted {
			aborted = append(aborted, txn)
		}
	})
	return aborted, errors.Join(err, damage)
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
	p.activeBase = base
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
	if err = errors.Join(err, p.txns.remove(base)); err != nil {
		p.logger.Warn("files of a removed segment stay behind", "partition", p.tp.String(), "base", base, "error", err)
	}
}
