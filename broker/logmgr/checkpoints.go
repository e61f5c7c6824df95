package logmgr

import (
	"errors"
	"fmt"
	"time"

	"highwater.dev/broker/commitlog"
	"highwater.dev/broker/commitlog/checkpoint"
	"highwater.dev/broker/model"
)

// checkpointRecovery flushes the segments that are not written to any more, so that a crash costs at most the scan of
// one segment for each partition, and writes the recovery points (log.flush.offset.checkpoint.interval.ms).
func (m *Manager) checkpointRecovery(time.Time) {
	m.each(func(log *commitlog.Partition) {
		segments := log.Segments()
		if active := segments[len(segments)-1].BaseOffset; log.RecoveryPoint() < active {
			m.flush(log, active)
		}
	})
	m.checkpoint(checkpoint.RecoveryPoints, recoveryLine)
}

func (m *Manager) checkpointStarts(time.Time) { m.checkpoint(checkpoint.LogStarts, startLine) }

func (m *Manager) checkpointHighWatermarks(time.Time) {
	m.checkpoint(checkpoint.HighWatermarks, m.highWatermarkLine)
}

// A line of a checkpoint for one partition; ok is false when it needs none.
type line func(*entry) (o model.Offset, ok bool)

func recoveryLine(e *entry) (model.Offset, bool) {
	if e.log == nil {
		return e.recovery, true
	}
	return e.log.RecoveryPoint(), true
}

// startLine is there only where the first segment's name does not tell.
func startLine(e *entry) (model.Offset, bool) {
	if e.log == nil {
		return e.start, e.start > 0
	}
	start := e.log.StartOffset()
	return start, start > e.log.Segments()[0].BaseOffset
}

func (m *Manager) highWatermarkLine(e *entry) (model.Offset, bool) {
	if e.log == nil {
		return 0, false
	}
	return m.highWatermark(e.log), true
}

// checkpoint writes one of the offset checkpoints of every online dir.
func (m *Manager) checkpoint(name string, l line) {
	for _, d := range m.dirs {
		m.checkpointDir(d, name, l)
	}
}

// checkpointDir writes one of a dir's offset checkpoints. Where that fails the old one stands, which only costs time after a crash as long
// as it is of the same logs: see checkpointLogs.
func (m *Manager) checkpointDir(d *LogDir, name string, l line) {
	if d.Err() != nil {
		return
	}
	m.checkpoints.Lock()
	defer m.checkpoints.Unlock()
	if err := checkpoint.WriteOffsets(m.o.FS, d.path, name, lines(m.entriesOf(d), l)); err != nil {
		m.logger.Error("checkpoint cannot be written: the next turn tries again", "dir", d.path, "checkpoint", name, "error", err)
	}
}

// checkpointLogs follows a change of the logs in a dir. What the checkpoints say of a log that is gone must not be there any more when one of its
// name is made and appended to: after a crash a log start offset behind its end would delete its records, and a recovery point would keep
// them from being checked.
func (m *Manager) checkpointLogs(d *LogDir) {
	m.checkpointDir(d, checkpoint.RecoveryPoints, recoveryLine)
	m.checkpointDir(d, checkpoint.LogStarts, startLine)
}

func lines(entries map[model.TopicPartition]*entry, l line) checkpoint.Offsets {
	offsets := make(checkpoint.Offsets, len(entries))
	for tp, e := range entries {
		if o, ok := l(e); ok {
			offsets[tp] = o
		}
	}
	return offsets
}

func (m *Manager) entriesOf(d *LogDir) map[model.TopicPartition]*entry {
	m.mu.RLock()
	defer m.mu.RUnlock()
	entries := map[model.TopicPartition]*entry{}
	for tp, e := range m.logs {
		if e.dir == d {
			entries[tp] = e
		}
	}
	return entries
}

// closeDir closes a dir's logs and writes what the next start reads.
func (m *Manager) closeDir(d *LogDir) error {
	entries := m.entriesOf(d)
	// A closed log does not answer any more: its lines are taken before, the recovery points after.
	starts, marks := lines(entries, startLine), lines(entries, m.highWatermarkLine)
	whole, err := m.closeLogs(d)
	if offline := d.Err(); offline != nil || err != nil {
		return fmt.Errorf("logmgr: log dir %s was not shut down cleanly: %w", d.path, errors.Join(offline, err))
	}
	if !m.loaded {
		// A start that failed early. The checkpoints and the missing clean mark of the run before it still hold.
		return nil
	}
	for _, c := range []struct {
		name    string
		offsets checkpoint.Offsets
	}{
		{checkpoint.RecoveryPoints, lines(entries, recoveryLine)},
		{checkpoint.LogStarts, starts},
		{checkpoint.HighWatermarks, marks},
	} {
		if err := checkpoint.WriteOffsets(m.o.FS, d.path, c.name, c.offsets); err != nil {
			return err
		}
	}
	if !whole {
		m.logger.Warn("log dir gets no clean shutdown mark: a partition that could not be opened must be recovered", "dir", d.path)
		return nil
	}
	return checkpoint.WriteCleanShutdown(m.o.FS, d.path, checkpoint.NoBrokerEpoch)
}

// closeLogs closes a dir's logs; whole is false when there is a partition that could not be opened.
func (m *Manager) closeLogs(d *LogDir) (whole bool, err error) {
	var logs []*commitlog.Partition
	whole = true
	m.mu.RLock()
	for _, tp := range m.sorted() {
		e := m.logs[tp]
		switch {
		case e.dir != d:
		case e.log == nil:
			whole = false
		default:
			logs = append(logs, e.log)
		}
	}
	m.mu.RUnlock()
	errs := make([]error, len(logs))
	m.parallel(len(logs), func(i int) { errs[i] = logs[i].Close() })
	return whole, errors.Join(errs...)
}
