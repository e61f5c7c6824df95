package logmgr

import (
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"highwater.dev/broker/model"
)

// doomed is a folder that is deleted at a time.
type doomed struct {
	path string
	at   time.Time
}

// Delete takes a partition's log away: it is closed and its folder renamed, durably, now; the folder is deleted after
// file.delete.delay.ms. A partition that is not here is no error.
func (m *Manager) Delete(tp model.TopicPartition) error {
	return m.DeleteAll([]model.TopicPartition{tp})
}

// DeleteAll is Delete for many partitions. One that fails does not stop the others.
func (m *Manager) DeleteAll(tps []model.TopicPartition) error {
	var gone []model.TopicPartition
	var entries []*entry
	m.mu.Lock()
	for _, tp := range tps {
		if e := m.logs[tp]; e != nil {
			delete(m.logs, tp)
			e.dir.count--
			gone, entries = append(gone, tp), append(entries, e)
		}
	}
	m.mu.Unlock()
	m.parallel(len(entries), func(i int) {
		if log := entries[i].log; log != nil {
			if err := log.Close(); err != nil {
				m.logger.Warn("deleted partition did not close cleanly", "partition", gone[i].String(), "error", err)
			}
		}
	})
	var errs []error
	renamed := map[*LogDir]bool{}
	for i, e := range entries {
		if err := m.doom(gone[i], e); err != nil {
			errs = append(errs, fmt.Errorf("%w: delete %v in %s: %w", kerr.KafkaStorageError, gone[i], e.dir.path, err))
		}
		renamed[e.dir] = true
	}
	for _, d := range m.dirs {
		if renamed[d] {
			errs = append(errs, m.o.FS.SyncDir(d.path))
			m.checkpointLogs(d)
		}
	}
	m.signal()
	return errors.Join(errs...)
}

// doom renames a closed partition's folder and says when it is deleted.
func (m *Manager) doom(tp model.TopicPartition, e *entry) error {
	delay := m.o.Config.TopicDefaults.FileDeleteDelayMs
	if e.log != nil {
		delay = e.log.Config().FileDeleteDelayMs
	}
	to, err := m.rename(e.dir, tp, deleteSuffix)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.doomed = append(m.doomed, doomed{path: to, at: m.o.Clock.Now().Add(duration(delay))})
	return nil
}

// maxName is how long a folder's name may be.
const maxName = 255

// rename gives a partition's folder a name that no other has. The caller syncs the dir.
func (m *Manager) rename(d *LogDir, tp model.TopicPartition, suffix string) (string, error) {
	m.mu.Lock()
	unique := fmt.Sprintf(".%016x%016x", m.rand.Uint64(), m.rand.Uint64())
	m.mu.Unlock()
	tail := fmt.Sprintf("-%d%s%s", tp.Partition, unique, suffix)
	topic := tp.Topic[:min(len(tp.Topic), maxName-len(tail))]
	to := path.Join(d.path, topic+tail)
	return to, m.o.FS.Rename(path.Join(d.path, tp.String()), to)
}

// removeDoomed deletes the folders that are due. A folder that cannot be deleted is tried again at the next start.
func (m *Manager) removeDoomed(now time.Time) {
	m.mu.Lock()
	var due []string
	left := m.doomed[:0]
	for _, x := range m.doomed {
		if x.at.After(now) {
			left = append(left, x)
		} else {
			due = append(due, x.path)
		}
	}
	m.doomed = left
	m.mu.Unlock()
	for _, p := range due {
		if err := m.o.FS.RemoveAll(p); err != nil {
			m.logger.Warn("deleted partition's folder cannot be removed; the next start tries again", "folder", p, "error", err)
		}
	}
}
