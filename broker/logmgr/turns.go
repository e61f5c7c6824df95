package logmgr

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"highwater.dev/broker/commitlog"
	"highwater.dev/broker/commitlog/checkpoint"
	"highwater.dev/broker/model"
)

// task is something that is done again and again.
type task struct {
	every time.Duration
	next  time.Time
	run   func(now time.Time)
}

func (m *Manager) schedule() {
	c := m.o.Config
	now := m.o.Clock.Now()
	add := func(everyMs int64, run func(time.Time)) {
		if everyMs > 0 && everyMs < math.MaxInt64 {
			m.tasks = append(m.tasks, task{every: duration(everyMs), next: now.Add(duration(c.LogInitialTaskDelayMs)), run: run})
		}
	}
	add(c.LogRetentionCheckIntervalMs, m.retain)
	add(c.LogFlushSchedulerIntervalMs, m.flushAged)
	add(c.LogFlushOffsetCheckpointIntervalMs, m.checkpointRecovery)
	add(c.LogStartOffsetCheckpointIntervalMs, m.checkpointStarts)
	add(c.HighWatermarkCheckpointIntervalMs, m.checkpointHighWatermarks)
	add(c.ProducerIDExpirationCheckIntervalMs, m.expireProducers)
}

// duration makes milliseconds a Duration; what is too long for one is as good as never.
func duration(ms int64) time.Duration {
	return time.Duration(min(ms, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
}

// Turn does what is due and returns when the next thing will be. One goroutine at a time calls it: the one that
// Start makes, or the simulator.
func (m *Manager) Turn(now time.Time) (next time.Time) {
	m.removeDoomed(now)
	next = now.Add(time.Hour)
	for i := range m.tasks {
		t := &m.tasks[i]
		if !t.next.After(now) {
			t.run(now)
			t.next = now.Add(t.every)
		}
		next = earlier(next, t.next)
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, x := range m.doomed {
		next = earlier(next, x.at)
	}
	return next
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// Start runs the turns on a goroutine, until Close. Call it once, after Load.
func (m *Manager) Start() {
	m.stopped = make(chan struct{})
	go m.loop()
}

func (m *Manager) loop() {
	defer close(m.stopped)
	for {
		now := m.o.Clock.Now()
		timer := m.o.Clock.AfterFunc(m.Turn(now).Sub(now), m.signal)
		<-m.wake
		timer.Stop()
		m.mu.RLock()
		closed := m.closed
		m.mu.RUnlock()
		if closed {
			return
		}
	}
}

func (m *Manager) signal() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// each calls f with the logs of the online dirs, in the order of their names, without holding mu. It looks at each log's
// health on the way.
func (m *Manager) each(f func(*commitlog.Partition)) {
	m.mu.RLock()
	all := make([]*entry, 0, len(m.logs))
	for _, tp := range m.sorted() {
		all = append(all, m.logs[tp])
	}
	m.mu.RUnlock()
	for _, e := range all {
		if e.log == nil || e.dir.Err() != nil {
			continue
		}
		f(e.log)
		if err := e.log.Failed(); err != nil {
			m.offline(e.dir, err)
		}
	}
}

func compare(a, b model.TopicPartition) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
}

// retain applies retention.ms, retention.bytes and the log start offset (log.retention.check.interval.ms).
func (m *Manager) retain(now time.Time) {
	m.each(func(log *commitlog.Partition) {
		n, err := log.Retain(now, m.highWatermark(log))
		if n > 0 {
			m.logger.Info("retention removed segments", "partition", log.TopicPartition().String(), "segments", n,
				"logStart", log.StartOffset())
		}
		if err != nil {
			m.logger.Error("retention failed", "partition", log.TopicPartition().String(), "error", err)
		}
	})
}

// flushAged flushes the logs whose oldest unflushed record is older than flush.ms, as well as it can be known: a log
// that had something unflushed at the last look, flush.ms ago or more (log.flush.scheduler.interval.ms).
func (m *Manager) flushAged(now time.Time) {
	m.each(func(log *commitlog.Partition) {
		ms := log.Config().FlushMs
		if ms == math.MaxInt64 || log.RecoveryPoint() >= log.EndOffset() {
			return
		}
		m.flush(log, log.EndOffset())
	})
}

func (m *Manager) flush(log *commitlog.Partition, to model.Offset) {
	if err := log.FlushTo(to); err != nil {
		m.logger.Error("flush failed", "partition", log.TopicPartition().String(), "error", err)
	}
}

func (m *Manager) expireProducers(now time.Time) {
	m.each(func(log *commitlog.Partition) { log.ExpireProducers(now) })
}

// checkpointRecovery flushes the segments that are not written to any more, so that a crash costs at most the scan of
// one segment for each partition, and writes the recovery points (log.flush.offset.checkpoint.interval.ms).
func (m *Manager) checkpointRecovery(time.Time) {
	m.each(func(log *commitlog.Partition) {
		segments := log.Segments()
		if active := segments[len(segments)-1].BaseOffset; log.RecoveryPoint() < active {
			m.flush(log, active)
		}
	})
	m.checkpoint(checkpoint.RecoveryPoints, recoveryPoint)
}

func (m *Manager) checkpointStarts(time.Time) { m.checkpoint(checkpoint.LogStarts, logStart) }

func (m *Manager) checkpointHighWatermarks(time.Time) {
	m.checkpoint(checkpoint.HighWatermarks, m.highWatermarkLine)
}

func recoveryPoint(log *commitlog.Partition) (model.Offset, bool) { return log.RecoveryPoint(), true }

// logStart is a line only where the first segment's name does not tell.
func logStart(log *commitlog.Partition) (model.Offset, bool) {
	start := log.StartOffset()
	return start, start > log.Segments()[0].BaseOffset
}

func (m *Manager) highWatermarkLine(log *commitlog.Partition) (model.Offset, bool) {
	return m.highWatermark(log), true
}

// checkpoint writes one of the offset checkpoints of every online dir.
func (m *Manager) checkpoint(name string, line func(*commitlog.Partition) (model.Offset, bool)) {
	for _, d := range m.dirs {
		if d.Err() != nil {
			continue
		}
		if err := m.checkpointDir(d, name, line); err != nil {
			m.offline(d, err)
		}
	}
}

func (m *Manager) checkpointDir(d *LogDir, name string, line func(*commitlog.Partition) (model.Offset, bool)) error {
	offsets := checkpoint.Offsets{}
	for _, log := range m.logsOf(d) {
		if o, ok := line(log); ok {
			offsets[log.TopicPartition()] = o
		}
	}
	return checkpoint.WriteOffsets(m.o.FS, d.path, name, offsets)
}

func (m *Manager) logsOf(d *LogDir) []*commitlog.Partition {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var logs []*commitlog.Partition
	for _, e := range m.logs {
		if e.dir == d && e.log != nil {
			logs = append(logs, e.log)
		}
	}
	return logs
}

// closeDir closes a dir's logs, num.recovery.threads.per.data.dir at a time, and writes what the next start reads.
func (m *Manager) closeDir(d *LogDir) error {
	logs := m.logsOf(d)
	starts := checkpoint.Offsets{}
	marks := checkpoint.Offsets{}
	for _, log := range logs {
		tp := log.TopicPartition()
		marks[tp] = m.highWatermark(log)
		if o, ok := logStart(log); ok {
			starts[tp] = o
		}
	}
	err := m.closeLogs(logs)
	if offline := d.Err(); offline != nil || err != nil {
		return fmt.Errorf("logmgr: log dir %s was not shut down cleanly: %w", d.path, errors.Join(offline, err))
	}
	if !m.loaded {
		// A start that failed early. The checkpoints and the missing clean mark of the run before it still hold.
		return nil
	}
	recovery := checkpoint.Offsets{}
	for _, log := range logs {
		recovery[log.TopicPartition()] = log.RecoveryPoint()
	}
	for _, c := range []struct {
		name    string
		offsets checkpoint.Offsets
	}{{checkpoint.RecoveryPoints, recovery}, {checkpoint.LogStarts, starts}, {checkpoint.HighWatermarks, marks}} {
		if err := checkpoint.WriteOffsets(m.o.FS, d.path, c.name, c.offsets); err != nil {
			return err
		}
	}
	return checkpoint.WriteCleanShutdown(m.o.FS, d.path, checkpoint.NoBrokerEpoch)
}

func (m *Manager) closeLogs(logs []*commitlog.Partition) error {
	work := make(chan *commitlog.Partition)
	var mu sync.Mutex
	var errs []error
	var wg sync.WaitGroup
	for range max(1, m.o.Config.NumRecoveryThreadsPerDataDir) {
		wg.Go(func() {
			for log := range work {
				if err := log.Close(); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
				}
			}
		})
	}
	for _, log := range logs {
		work <- log
	}
	close(work)
	wg.Wait()
	return errors.Join(errs...)
}
