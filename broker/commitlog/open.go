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

	from    model.Offset   // where it began: the snapshot that was loaded; 0 when none was
	bases   []model.Offset // where segments begin that were not reached yet
	written []model.Offset // snapshots that were taken there
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
	bases, first, trusted := offsetsOf(names, ".log"), model.Offset(0), maxOffset
	for i, base := range bases {
		if i == 0 || base <= p.opts.Start {
			first = base // those before it go
		}
	}
	if !p.opts.Clean {
		// Segments are only deleted after a snapshot where the first one begins that stays is durable: see trim.
		trusted = max(p.opts.RecoveryPoint, first)
	}
	for _, offset := range offsetsOf(names, snapshotSuffix) {
		p.snaps = append(p.snaps, snapshot{offset: offset, synced: p.opts.Clean})
	}
	if p.table, p.tableEnd, err = p.load(first, trusted); err != nil {
		return 0, err
	}
	p.replay.from = p.tableEnd
	if p.tableEnd >= first {
		p.replay.bases = slices.DeleteFunc(bases, func(base model.Offset) bool { return base <= p.tableEnd })
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
		p.reach(h.BaseOffset)
		txn, completed, err := apply(p.table, h, whole)
		if completed && txn.Aborted {
			p.replay.aborted = append(p.replay.aborted, txn)
		}
		p.replay.err = errors.Join(p.replay.err, err)
		p.tableEnd = h.NextOffset()
	}
}

// reach takes the snapshots of the segments that begin at offset or below, as their rolls did: what was there may be damaged.
func (p *Partition) reach(offset model.Offset) {
	r := p.replay
	for len(r.bases) > 0 && r.bases[0] <= offset {
		base := r.bases[0]
		r.bases, r.written = r.bases[1:], append(r.written, base)
		if err := p.writeSnapshot(p.table, base, true); err != nil {
			p.logger.Warn("no producer snapshot of a recovered segment", "partition", p.tp.String(), "offset", base, "error", err)
		}
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
