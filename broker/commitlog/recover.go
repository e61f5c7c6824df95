package commitlog

import (
	"errors"
	"slices"

	"highwater.dev/broker/epoch"
	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
)

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
	p.activeBase.Store(int64(infos[len(infos)-1].BaseOffset))
	p.flush.point = end
	if !p.opts.Clean {
		p.flush.point = min(max(p.opts.RecoveryPoint, start), end)
	}
	if err := p.recoverTxnIndex(infos); err != nil {
		return err
	}
	if err := p.recoverTable(infos[0].BaseOffset, end); err != nil {
		return err
	}
	p.tableEnd = end
	p.whole.Store(int64(end))
	p.unstable.Store(true)
	if !p.opts.Clean && p.replay.batches > 0 {
		if err := p.takeSnapshot(end, false); err != nil {
			// A full disk must not keep a log from being opened: the next recovery replays the same batches.
			p.logger.Warn("no producer snapshot after recovery", "partition", p.tp.String(), "offset", end, "error", err)
		}
	}
	// Kafka's rule for what an earlier run left: snapshots of segments, and the latest.
	p.tieSnapshots(infos)
	latest := model.NoOffset
	for _, s := range p.snaps {
		if s.synced {
			latest = s.offset
		}
	}
	return p.dropSnapshots(func(s snapshot) bool { return !s.segment && s.offset < latest })
}

// recoverTable keeps what the replay made of the snapshot that it began with, if that one lies in the log as it is now. The snapshots above
// go, but for those that the replay took: it has said the same again, and they may be damaged. Otherwise the newest valid snapshot
// in the log says what deleted segments said of producers, and the batches after that one the rest. It holds nothing that the log has
// lost: Truncate and recovery delete the snapshots above a cut first.
func (p *Partition) recoverTable(first, end model.Offset) error {
	if err := p.dropSnapshotsAbove(end); err != nil {
		return err
	}
	from := p.replay.from
	inside := first <= from && from <= end
	err := p.dropSnapshots(func(s snapshot) bool {
		return s.offset < first || inside && s.offset > from && !slices.Contains(p.replay.written, s.offset)
	})
	if err != nil || inside {
		return err
	}
	p.logger.Warn("rebuilding producer state from the snapshots and batches that are left", "partition", p.tp.String(), "snapshot", from, "first", first, "end", end)
	return p.rebuildTable(end)
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

// recoverTxnIndex makes the part of the transaction index above the recovery point that of the batches that
// were replayed. Damage below is mended from the log.
func (p *Partition) recoverTxnIndex(infos []segment.Info) error {
	end, txns := p.EndOffset(), p.replay.aborted
	from := end
	if !p.opts.Clean {
		from = min(max(p.replay.from, p.opts.RecoveryPoint), end)
	}
	if p.damaged != model.NoOffset && p.damaged < from {
		p.logger.Warn("rebuilding the transaction index from the log", "partition", p.tp.String(), "damagedFrom", p.damaged)
		r, err := p.rebuild(p.damaged, end)
		if err != nil {
			return err
		}
		from, txns = p.damaged, r.aborted
	}
	if err := p.txns.Truncate(from); err != nil {
		return err
	}
	for _, txn := range txns {
		if txn.Last < from || txn.Last >= end {
			continue
		}
		i, found := slices.BinarySearchFunc(infos, txn.Last, func(s segment.Info, o model.Offset) int { return int(s.BaseOffset - o) })
		if !found {
			i--
		}
		if i < 0 {
			continue // its segment is gone
		}
		if err := p.txns.Append(infos[i].BaseOffset, aborted(txn)); err != nil {
			return err
		}
	}
	if err := unlessFailed(p.txns.Flush()); err != nil {
		if !errors.Is(err, errUnwritten) {
			return err
		}
		// A full disk: the entries wait for the next flush, and until then the next recovery finds them in the batches again.
		p.flush.point = min(p.flush.point, from)
		p.logger.Warn("transaction index is not written yet", "partition", p.tp.String(), "recoveryPoint", p.flush.point, "error", err)
	}
	return nil
}
