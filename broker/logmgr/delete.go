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
	m.mu.Lock()
	e := m.logs[tp]
	if e == nil {
		m.mu.Unlock()
		return nil
	}
	delete(m.logs, tp)
	e.dir.count--
	m.mu.Unlock()

	var closing error
	delay := m.o.Config.TopicDefaults.FileDeleteDelayMs
	if e.log != nil {
		delay = e.log.Config().FileDeleteDelayMs
		closing = e.log.Close()
	}
	to, err := m.rename(e.dir, tp, deleteSuffix)
	if err == nil {
		err = m.o.FS.SyncDir(e.dir.path)
	}
	if err != nil {
		return fmt.Errorf("%w: delete %v in %s: %w", kerr.KafkaStorageError, tp, e.dir.path, errors.Join(err, closing))
	}
	m.mu.Lock()
	m.doomed = append(m.doomed, doomed{path: to, at: m.o.Clock.Now().Add(duration(delay))})
	m.mu.Unlock()
	m.signal()
	return nil
}

// maxName is how long a folder's name may be.
const maxName = 255

// rename gives a partition's folder a name that no other has. The caller syncs the dir.
func (m *Manager) rename(d *LogDir, tp model.TopicPartition, suffix string) (string, error) {
	m.mu.Lock()
	unique := fmt.Sprintf(".%016x%016x", m.rand.Uint64(), m.rand.Uint64())
	m.mu.Unlock()
	name := tp.String()
	tail := fmt.Sprintf("-%d%s%s", tp.Partition, unique, suffix)
	if topic := tp.Topic; len(topic)+len(tail) > maxName {
		name = topic[:maxName-len(tail)] + tail
	} else {
		name = topic + tail
	}
	to := path.Join(d.path, name)
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
