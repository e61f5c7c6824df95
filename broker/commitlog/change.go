package commitlog

import (
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"highwater.dev/broker/config"
	"highwater.dev/broker/model"
	"highwater.dev/broker/segment"
)

// DeleteRecords raises the log start offset to before, also into the middle of a segment, and returns it. Segments
// wholly below go. The caller has checked before against the high watermark. Not durable before logmgr checkpoints
// the log start offset. Errors: OFFSET_OUT_OF_RANGE above the log end, KAFKA_STORAGE_ERROR.
func (p *Partition) DeleteRecords(before model.Offset) (logStart model.Offset, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.writable(); err != nil {
		return p.StartOffset(), err
	}
	if end := p.EndOffset(); before < 0 || before > end {
		return p.StartOffset(), fmt.Errorf("%w: delete before %d, log ends at %d", kerr.OffsetOutOfRange, before, end)
	}
	err = p.trim(before)
	return p.StartOffset(), err
}

// trim raises the log start offset. What the deleted batches have told the producer table must be durable
// before they go: recovery could not find it again. It is in a snapshot where the first segment begins that stays. But a full disk
// is no obstacle: this is how it gets room. What cannot be flushed for want of room lies above the recovery point, where recovery finds
// it in the batches that are left; a snapshot for which there was no room is written when there is. The caller holds mu.
func (p *Partition) trim(to model.Offset) error {
	if err := p.FlushTo(to); err != nil && p.Failed() != nil {
		return err
	}
	afterwards, err := p.snapshotFor(to)
	if err != nil {
		return err
	}
	if err := p.syncSnapshots(); err != nil {
		return p.flushError(err)
	}
	if err := p.log.TrimTo(to); err != nil {
		return p.writeError(err)
	}
	start, _ := p.log.Bounds()
	p.epochs.TruncateStart(start)
	if afterwards == nil {
		return nil
	}
	p.stateMu.Lock()
	err = afterwards()
	p.stateMu.Unlock()
	if err != nil {
		p.logger.Warn("no producer snapshot where the log begins: a crash would forget the producers of what was deleted", "partition", p.tp.String(), "offset", to, "error", err)
	}
	if err := p.syncSnapshots(); err != nil {
		return p.flushError(err)
	}
	return nil
}

// snapshotFor sees to it that there is a valid snapshot where the segment begins that is the first one after a trim to to. A roll
// or a recovery without room has left it out. afterwards, if not nil, is to be called with stateMu when the trim has made room.
func (p *Partition) snapshotFor(to model.Offset) (afterwards func() error, err error) {
	if to == p.EndOffset() {
		return func() error { return p.takeSnapshot(to, true) }, p.snapshotAtEnd(to)
	}
	segments := p.log.Segments()
	first := segments[0].BaseOffset
	base := first
	for _, s := range segments {
		if s.BaseOffset <= to {
			base = s.BaseOffset
		}
	}
	if base == first {
		return nil, nil // none goes
	}
	p.stateMu.Lock()
	defer p.stateMu.Unlock()
	r, err := p.rebuild(base, base)
	if err != nil {
		return nil, storageError(err)
	}
	if r.from == base {
		return nil, nil
	}
	write := func() error { return p.writeSnapshot(r.table, base, true) }
	if write() == nil {
		return nil, nil
	}
	return write, nil
}

// snapshotAtEnd takes the snapshot that must outlive the whole log. Where there is no room for it, the segments before the
// active one go first, whose producers are in the active one's snapshot. When that does not help either the caller goes on without
// it: a crash in the moment until the active segment has made room would forget the producers, of which no record is left.
func (p *Partition) snapshotAtEnd(end model.Offset) error {
	if p.snapshot(end, false) == nil {
		return nil
	}
	if err := p.syncSnapshots(); err != nil {
		return p.flushError(err)
	}
	if err := p.log.TrimTo(model.Offset(p.activeBase.Load())); err != nil {
		return p.writeError(err)
	}
	if err := p.snapshot(end, false); err != nil {
		p.logger.Warn("no room for a producer snapshot; deleting records makes it", "partition", p.tp.String(), "offset", end, "error", err)
	}
	return nil
}

// snapshot is takeSnapshot for callers without stateMu.
func (p *Partition) snapshot(offset model.Offset, ofSegment bool) error {
	p.stateMu.Lock()
	defer p.stateMu.Unlock()
	return p.takeSnapshot(offset, ofSegment)
}

// Truncate removes every batch that ends above to, with what epochs, producers and transactions knew of them.
// A replica calls it to follow another leader. The caller then checkpoints the recovery point before it appends: a
// stale higher one would let a crash keep unflushed batches unchecked. Errors: KAFKA_STORAGE_ERROR.
func (p *Partition) Truncate(to model.Offset) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.writable(); err != nil {
		return err
	}
	if to >= p.EndOffset() {
		// A leader that was replaced before its first batch has left an epoch at the end.
		p.epochs.TruncateEnd(p.EndOffset())
		return nil
	}
	if err := p.rewind(to); err != nil {
		return p.fail(err)
	}
	p.lowerRecoveryPoint(to)
	if err := p.log.Truncate(to); err != nil {
		return p.writeError(err)
	}
	start, end := p.log.Bounds()
	p.lowerRecoveryPoint(end)
	p.epochs.TruncateEnd(end)
	p.epochs.TruncateStart(start)
	p.whole.Store(int64(end))
	segments := p.log.Segments()
	p.activeBase.Store(int64(segments[len(segments)-1].BaseOffset))
	p.stateMu.Lock()
	p.tableEnd = end
	p.tieSnapshots(segments)
	p.stateMu.Unlock()
	if err := p.txns.Truncate(end); err != nil {
		return p.fail(err)
	}
	return nil
}

// rewind takes the producer table back to offset to, durably, while the batches that say how are still there: a log
// that is cut at its start loses those that its log start offset hides, too. The caller holds mu.
func (p *Partition) rewind(to model.Offset) error {
	p.stateMu.Lock()
	err := p.dropSnapshotsAbove(to)
	p.stateMu.Unlock()
	if err == nil {
		err = p.rebuildTable(to)
	}
	if err != nil {
		return err
	}
	// Where nothing is left above the log start, the log goes on there, empty: see segment.Log.
	at, start := p.tableEnd, p.StartOffset()
	if at <= start {
		at = min(to, start)
	}
	if err := p.snapshot(at, false); err != nil {
		// A full disk: the batches that stay rebuild the table. Only those that the log start offset hides do not.
		p.logger.Warn("no producer snapshot before a truncation", "partition", p.tp.String(), "offset", to, "error", err)
	}
	return p.syncSnapshots()
}

// Retain deletes what the topic's configuration does not keep, oldest segments first, and returns how many went:
// segments wholly below the log start offset; with cleanup.policy=delete also those beyond retention.bytes, and
// those whose newest record is older than retention.ms. Only segments wholly below the high watermark go; the active
// one is replaced by an empty one. now is the wall clock. Errors: KAFKA_STORAGE_ERROR.
func (p *Partition) Retain(now time.Time, highWatermark model.Offset) (removed int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.writable(); err != nil {
		return 0, err
	}
	segments := p.log.Segments()
	t := p.topic.Load()
	n := p.expired(segments, t, now, highWatermark)
	if n == 0 {
		return 0, nil
	}
	to := segments[n-1].EndOffset
	if n < len(segments) {
		to = segments[n].BaseOffset
	}
	if err := p.trim(to); err != nil {
		return 0, err
	}
	p.logger.Info("retention deleted segments", "partition", p.tp.String(), "segments", n, "logStart", to)
	return n, nil
}

// expired counts the segments from the oldest on that go, as Kafka's three rules say in turn: log start, size, time.
func (p *Partition) expired(segments []segment.Info, t *config.Topic, now time.Time, highWatermark model.Offset) int {
	start := p.StartOffset()
	var size int64
	for _, s := range segments {
		size += s.Bytes
	}
	n := 0
	count := func(goes func(i int) bool) {
		for n < len(segments) {
			last := n == len(segments)-1
			bound := segments[n].EndOffset
			if !last {
				bound = segments[n+1].BaseOffset
			}
			if last && segments[n].Bytes == 0 || highWatermark < bound || !goes(n) {
				return
			}
			size -= segments[n].Bytes
			n++
		}
	}
	count(func(i int) bool { return i+1 < len(segments) && segments[i+1].BaseOffset <= start })
	if !t.CleanupDelete {
		return n
	}
	if t.RetentionBytes >= 0 {
		count(func(i int) bool { return size-segments[i].Bytes >= t.RetentionBytes })
	}
	if t.RetentionMs >= 0 {
		count(func(i int) bool { return now.UnixMilli()-int64(p.newest(segments[i])) > t.RetentionMs })
	}
	return n
}

// newest is the time of a segment's newest record, or of its file's last change when no record has a timestamp.
func (p *Partition) newest(s segment.Info) model.TimestampMs {
	if s.MaxTimestamp >= 0 {
		return s.MaxTimestamp
	}
	info, err := p.fs.Stat(p.file(s.BaseOffset, ".log"))
	if err != nil {
		return maxTimestamp // unknown: it stays
	}
	return model.TimestampMs(info.ModTime.UnixMilli())
}

// Close flushes, takes a producer snapshot at the end of the log, and gives up the files; Regions handed out stay
// readable. After it, .kafka_cleanshutdown may say that this log needs no recovery, if Close returned nil.
func (p *Partition) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	if p.Failed() != nil {
		// What is on disk is in doubt: nothing is written any more.
		return errors.Join(p.Failed(), p.closeFiles())
	}
	end := p.EndOffset()
	// An epoch without a batch, which each start of a leader begins, means nothing to the next Open: it is not worth a new file.
	p.epochs.TruncateEnd(end)
	snapErr := p.snapshot(end, false)
	if _, err := p.sync(); err != nil {
		return errors.Join(p.flushError(err), snapErr, p.closeFiles())
	}
	if snapErr != nil {
		return errors.Join(storageError(snapErr), p.closeFiles())
	}
	p.flush.mu.Lock()
	p.flush.point = end
	p.flush.mu.Unlock()
	return p.closeFiles()
}

func (p *Partition) closeFiles() error { return errors.Join(p.log.Close(), p.txns.Close()) }
