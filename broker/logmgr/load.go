package logmgr

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"highwater.dev/broker/commitlog"
	"highwater.dev/broker/commitlog/checkpoint"
	"highwater.dev/broker/model"
	"highwater.dev/broker/vfs"
)

const (
	metadataLog  = "__cluster_metadata-0" // quorumdrv's
	deleteSuffix = "-delete"
	straySuffix  = "-stray"
	futureSuffix = "-future" // Kafka's, of a partition that moves between dirs
)

// Load opens every partition on disk: all log dirs at once, num.recovery.threads.per.data.dir partitions of each
// at a time. known describes the partition that a folder's name says; a folder that it does not know or that belongs
// to another topic id is renamed to -stray and left alone. known is called from several goroutines. A
// partition that cannot be opened does not stop the others: Create reports it. Call Load once, before Get, Create
// and Delete. Error: a dir could not be read, or ErrDuplicate.
func (m *Manager) Load(known func(tp model.TopicPartition) (Topic, bool)) error {
	begin := m.o.Clock.Now()
	loads := make([]*dirLoad, len(m.dirs))
	errs := make([]error, len(m.dirs))
	var wg sync.WaitGroup
	for i, d := range m.dirs {
		loads[i] = &dirLoad{m: m, dir: d, known: known}
		wg.Go(func() { errs[i] = loads[i].prepare() })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := duplicates(loads); err != nil {
		return err
	}
	for i := range loads {
		wg.Go(func() { errs[i] = loads[i].run() })
	}
	wg.Wait()
	for _, l := range loads {
		m.logger.Info("log dir loaded", "dir", l.dir.path, "partitions", len(l.folders), "failed", l.failed.Load(),
			"cleanShutdown", l.dir.clean, "took", m.o.Clock.Now().Sub(begin).Round(time.Millisecond))
	}
	err := errors.Join(errs...)
	m.loaded = err == nil
	return err
}

// dirLoad is the loading of one log dir.
type dirLoad struct {
	m     *Manager
	dir   *LogDir
	known func(model.TopicPartition) (Topic, bool)

	recovery, starts checkpoint.Offsets
	folders          []model.TopicPartition
	failed           atomic.Int64
}

// prepare reads the dir's state and its list of folders. What was to be deleted when the broker stopped goes now.
func (l *dirLoad) prepare() error {
	fs, dir := l.m.o.FS, l.dir.path
	fail := func(err error) error { return fmt.Errorf("logmgr: load log dir %s: %w", dir, err) }
	var err error
	if _, l.dir.clean, err = checkpoint.ReadCleanShutdown(fs, dir); err != nil {
		return fail(err)
	}
	if err := checkpoint.RemoveCleanShutdown(fs, dir); err != nil {
		return fail(err)
	}
	l.recovery = l.offsets(checkpoint.RecoveryPoints)
	l.starts = l.offsets(checkpoint.LogStarts)
	names, err := fs.List(dir)
	if err != nil {
		return fail(err)
	}
	for _, name := range names {
		if info, err := fs.Stat(path.Join(dir, name)); err != nil || !info.Dir || name == metadataLog {
			continue
		}
		switch {
		case strings.HasSuffix(name, deleteSuffix):
			if err := fs.RemoveAll(path.Join(dir, name)); err != nil {
				return fail(err)
			}
		case strings.HasSuffix(name, straySuffix), strings.HasSuffix(name, futureSuffix):
			l.m.logger.Warn("folder is not served: nothing in the metadata refers to it", "folder", path.Join(dir, name))
		default:
			tp, ok := parseFolder(name)
			if !ok {
				l.m.logger.Warn("folder is not a partition's: left alone", "folder", path.Join(dir, name))
				continue
			}
			l.folders = append(l.folders, tp)
		}
	}
	return nil
}

// offsets reads a checkpoint. A damaged one only costs time: everything is scanned.
func (l *dirLoad) offsets(name string) checkpoint.Offsets {
	offsets, err := checkpoint.ReadOffsets(l.m.o.FS, l.dir.path, name)
	if err != nil {
		l.m.logger.Warn("checkpoint is unusable: logs are recovered from their beginning", "dir", l.dir.path, "error", err)
		return nil
	}
	return offsets
}

// parseFolder splits topic-partition at the last '-'.
func parseFolder(name string) (model.TopicPartition, bool) {
	i := strings.LastIndexByte(name, '-')
	if i <= 0 {
		return model.TopicPartition{}, false
	}
	n, err := strconv.ParseInt(name[i+1:], 10, 32)
	tp := model.TopicPartition{Topic: name[:i], Partition: int32(n)}
	return tp, err == nil && n >= 0 && tp.String() == name
}

func duplicates(loads []*dirLoad) error {
	where := map[model.TopicPartition]string{}
	for _, l := range loads {
		for _, tp := range l.folders {
			if other, ok := where[tp]; ok {
				return fmt.Errorf("%w: %v is in %s and in %s; move one of the folders away", ErrDuplicate, tp, other, l.dir.path)
			}
			where[tp] = l.dir.path
		}
	}
	return nil
}

// run opens the dir's partitions.
func (l *dirLoad) run() error {
	work := make(chan model.TopicPartition)
	var wg sync.WaitGroup
	var strays atomic.Int64
	for range max(1, l.m.o.Config.NumRecoveryThreadsPerDataDir) {
		wg.Go(func() {
			for tp := range work {
				if l.open(tp) {
					strays.Add(1)
				}
			}
		})
	}
	for _, tp := range l.folders {
		work <- tp
	}
	close(work)
	wg.Wait()
	var err error
	if strays.Load() > 0 {
		err = l.m.o.FS.SyncDir(l.dir.path)
	}
	entries := l.m.entriesOf(l.dir)
	if !maps.Equal(l.recovery, lines(entries, recoveryLine)) || !maps.Equal(l.starts, lines(entries, startLine)) {
		// A crash came between a change of a log, or its deletion, and the checkpoint after it.
		l.m.checkpointLogs(l.dir)
	}
	return err
}

// open opens one partition, or renames its folder when it is a stray.
func (l *dirLoad) open(tp model.TopicPartition) (stray bool) {
	t, ok := l.known(tp)
	if !ok {
		return l.stray(tp, "the metadata know no such partition")
	}
	dir := path.Join(l.dir.path, tp.String())
	id, err := checkpoint.ReadPartitionMetadata(l.m.o.FS, dir)
	switch {
	case vfs.IsNotExist(err):
		// A crash while the folder was made, or a folder older than topic ids: as in Kafka, it is this topic's.
		err = checkpoint.WritePartitionMetadata(l.m.o.FS, dir, t.ID)
	case err == nil && id != t.ID:
		return l.stray(tp, fmt.Sprintf("it belongs to topic id %v, and the topic's id is %v", id, t.ID))
	}
	e := &entry{dir: l.dir, err: err, recovery: l.recovery[tp], start: l.starts[tp]}
	if err == nil {
		e.log, e.err = l.openLog(dir, tp, t)
	}
	if e.err != nil {
		l.failed.Add(1)
		l.m.logger.Error("partition cannot be opened: it is offline until the broker starts again", "folder", dir, "error", e.err)
		e.err = fmt.Errorf("%w: open %s: %w", kerr.KafkaStorageError, dir, e.err)
	}
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	l.m.logs[tp] = e
	l.dir.count++
	return false
}

func (l *dirLoad) openLog(dir string, tp model.TopicPartition, t Topic) (*commitlog.Partition, error) {
	return commitlog.Open(l.m.o.FS, dir, tp, l.m.options(t, l.dir.clean, l.recovery[tp], l.starts[tp]))
}

func (l *dirLoad) stray(tp model.TopicPartition, why string) bool {
	to, err := l.m.rename(l.dir, tp, straySuffix)
	if err != nil {
		l.m.logger.Error("stray folder cannot be renamed; it is not served", "dir", l.dir.path, "partition", tp.String(), "error", err)
		return false
	}
	l.m.logger.Warn("stray folder set aside: it is not served, and kept until somebody deletes it",
		"partition", tp.String(), "why", why, "folder", to)
	return true
}
