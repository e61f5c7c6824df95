package logmgr

import (
	"errors"
	"fmt"
	"path"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"

	"highwater.dev/broker/commitlog"
	"highwater.dev/broker/commitlog/checkpoint"
	"highwater.dev/broker/model"
)

// creation is one partition that CreateAll makes.
type creation struct {
	tp  model.TopicPartition
	dir *LogDir
	log *commitlog.Partition
	err error
}

// CreateAll is Create for many partitions of one topic: it waits for the disk once, not once for each. errs has
// one error or nil for each of tps.
func (m *Manager) CreateAll(t Topic, tps []model.TopicPartition) (errs []error) {
	errs = make([]error, len(tps))
	all := make([]creation, 0, len(tps))
	place := make([]int, 0, len(tps)) // in errs
	m.mu.Lock()
	for i, tp := range tps {
		if e := m.logs[tp]; e != nil {
			errs[i] = e.err
			continue
		}
		d := m.emptiest()
		if d == nil {
			errs[i] = fmt.Errorf("%w: every log dir is offline", kerr.KafkaStorageError)
			continue
		}
		d.count++
		all, place = append(all, creation{tp: tp, dir: d}), append(place, i)
	}
	m.mu.Unlock()
	m.parallel(len(all), func(i int) { all[i].log, all[i].err = m.create(all[i].dir, all[i].tp, t) })
	m.syncCreated(all)
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, c := range all {
		if c.err != nil {
			c.dir.count--
			errs[place[i]] = fmt.Errorf("%w: create %v in %s: %w", kerr.KafkaStorageError, c.tp, c.dir.path, c.err)
			continue
		}
		m.logs[c.tp] = &entry{dir: c.dir, log: c.log}
	}
	return errs
}

// create makes the folder, names its topic and opens an empty log. The caller syncs the dir.
func (m *Manager) create(d *LogDir, tp model.TopicPartition, t Topic) (*commitlog.Partition, error) {
	dir := path.Join(d.path, tp.String())
	if _, err := m.o.FS.Stat(dir); err == nil {
		// What could not be renamed when it was deleted, or found to be a stray: another topic's records.
		to, err := m.rename(d, tp, straySuffix)
		if err != nil {
			return nil, err
		}
		m.logger.Warn("folder of an earlier partition set aside: it is kept until somebody deletes it", "folder", to)
	}
	if err := m.o.FS.MkdirAll(dir); err != nil {
		return nil, err
	}
	if err := checkpoint.WritePartitionMetadata(m.o.FS, dir, t.ID); err != nil {
		return nil, err
	}
	return commitlog.Open(m.o.FS, dir, tp, m.options(t, true, 0, 0))
}

// syncCreated makes the new folders' names durable, before anybody can append: a flush of a log does not do it.
func (m *Manager) syncCreated(all []creation) {
	for _, d := range m.dirs {
		synced, err := false, error(nil)
		for i := range all {
			c := &all[i]
			if c.dir != d || c.err != nil {
				continue
			}
			if !synced {
				synced, err = true, m.o.FS.SyncDir(d.path)
			}
			if err != nil {
				c.err = errors.Join(err, c.log.Close())
			}
		}
	}
}

// parallel calls f(0) to f(n-1), several at a time: what they wait for is the disk, which syncs many files in the time
// of one. With num.recovery.threads.per.data.dir=1 it is one at a time and in order, as a simulator needs it.
func (m *Manager) parallel(n int, f func(int)) {
	workers := m.o.Config.NumRecoveryThreadsPerDataDir
	if workers > 1 {
		workers = min(workers*8, n)
	}
	if workers <= 1 {
		for i := range n {
			f(i)
		}
		return
	}
	work := make(chan int)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range work {
				f(i)
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	wg.Wait()
}
