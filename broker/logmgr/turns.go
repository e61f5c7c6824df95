package logmgr

import (
	"cmp"
	"math"
	"time"

	"highwater.dev/broker/commitlog"
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
