package logmgr

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"path"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"highwater.dev/broker/clock"
	"highwater.dev/broker/commitlog"
	"highwater.dev/broker/config"
	"highwater.dev/broker/model"
	"highwater.dev/broker/vfs"
)

// ErrDuplicate says that two log dirs hold the same partition.
var ErrDuplicate = errors.New("logmgr: partition is in two log dirs")

// Options say which log dirs a Manager owns. FS, Config and Clock are needed.
type Options struct {
	FS         vfs.FS
	Config     *config.Server // log.dirs, node.id, intervals
	Components commitlog.Components
	Seed       uint64 // of the ids that new clusters, log dirs and renamed folders get
	Clock      clock.Clock
	Logger     *slog.Logger // may be nil
}

// Manager owns the logs of all partitions of this broker. It is safe for concurrent use.
type Manager struct {
	o         Options
	logger    *slog.Logger
	dirs      []*LogDir
	metadata  *LogDir // for __cluster_metadata-0: one of dirs, or another one (metadata.log.dir), which holds no partitions
	clusterID string
	// unformatted are the dirs that lack a complete meta.properties, until FormatNew.
	unformatted []*LogDir
	rand        *rand.Rand // guarded by mu

	mu       sync.RWMutex
	logs     map[model.TopicPartition]*entry
	doomed   []doomed // folders to delete, in the order of their time
	closed   bool
	describe func(model.TopicPartition) (highWatermark model.Offset, ok bool)

	// checkpoints is held while a checkpoint is gathered and written: an older one must not replace a newer one.
	checkpoints sync.Mutex

	tasks   []task
	wake    chan struct{}
	stopped chan struct{}
	loaded  bool // Load has seen every partition: only then may Close say what the dirs hold
}

// LogDir is one of log.dirs.
type LogDir struct {
	path  string
	id    model.TopicID
	lock  io.Closer
	clean bool // the last shutdown was
	err   atomic.Pointer[error]
	count int // of logs; guarded by Manager.mu
}

// Path is the dir as log.dirs has it.
func (d *LogDir) Path() string { return d.path }

// Err is not nil when the dir is offline.
func (d *LogDir) Err() error {
	if err := d.err.Load(); err != nil {
		return *err
	}
	return nil
}

// entry is a partition on disk.
type entry struct {
	dir *LogDir
	log *commitlog.Partition // nil: it could not be opened
	err error                // why
	// recovery and start are what the checkpoints said when it could not be opened: they say so still.
	recovery, start model.Offset
}

// Topic is what opening a partition needs to know of its topic.
type Topic struct {
	ID     model.TopicID
	Config config.Topic
}

// Open locks the log dirs and checks or writes their meta.properties. It loads no partition: see Load.
// Errors say what is wrong with which dir and what to do; vfs.ErrLocked when another process has a dir.
func Open(o Options) (*Manager, error) {
	m := &Manager{
		o: o, logger: o.Logger, logs: map[model.TopicPartition]*entry{},
		rand: rand.New(rand.NewPCG(o.Seed, 0)), wake: make(chan struct{}, 1),
	}
	if m.logger == nil {
		m.logger = slog.New(slog.DiscardHandler)
	}
	for _, p := range o.Config.LogDirs {
		d, err := m.lockDir(p)
		if err != nil {
			return nil, errors.Join(err, m.unlock())
		}
		m.dirs = append(m.dirs, d)
	}
	for _, step := range []func() error{m.lockMetadata, m.findMetadata, m.identify} {
		if err := step(); err != nil {
			return nil, errors.Join(err, m.unlock())
		}
	}
	m.schedule()
	return m, nil
}

// lockDir makes and locks a dir that is none of m.dirs by its name.
func (m *Manager) lockDir(dir string) (*LogDir, error) {
	fs := m.o.FS
	if err := makeDir(fs, dir); err != nil {
		return nil, fmt.Errorf("logmgr: make log dir %s: %w", dir, err)
	}
	lock, err := fs.Lock(path.Join(dir, ".lock"))
	if errors.Is(err, vfs.ErrLocked) {
		also := ""
		if len(m.dirs) > 0 {
			also = ", or is another of this node's by a second name"
		}
		return nil, fmt.Errorf("logmgr: log dir %s is in use by another process%s: stop it, or give this node another log.dirs: %w", dir, also, err)
	}
	if err != nil {
		return nil, fmt.Errorf("logmgr: lock log dir %s: %w", dir, err)
	}
	return &LogDir{path: dir, lock: lock}, nil
}

// makeDir makes a folder and those above it that are missing, and makes their names durable.
func makeDir(fs vfs.FS, dir string) error {
	if _, err := fs.Stat(dir); err == nil || !vfs.IsNotExist(err) {
		return err
	}
	parent := path.Dir(dir)
	if parent != dir {
		if err := makeDir(fs, parent); err != nil {
			return err
		}
	}
	if err := fs.MkdirAll(dir); err != nil {
		return err
	}
	return fs.SyncDir(parent)
}

func (m *Manager) unlock() error {
	var errs []error
	for _, d := range m.held() {
		errs = append(errs, d.lock.Close())
	}
	return errors.Join(errs...)
}

// ClusterID is the cluster's id: that of the log dirs, or a new one when no dir had one.
func (m *Manager) ClusterID() string { return m.clusterID }

// MetadataDir is the log dir for __cluster_metadata-0: metadata.log.dir, or else the first of log.dirs.
func (m *Manager) MetadataDir() string { return m.metadata.path }

// Get finds a partition's log; nil when it is not here or cannot be opened.
func (m *Manager) Get(tp model.TopicPartition) *commitlog.Partition {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if e := m.logs[tp]; e != nil {
		return e.log
	}
	return nil
}

// DirOf is the log dir of a partition that is here; nil otherwise.
func (m *Manager) DirOf(tp model.TopicPartition) *LogDir {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if e := m.logs[tp]; e != nil {
		return e.dir
	}
	return nil
}

// Create makes a partition's log, in the online log dir with the fewest partitions, or returns the one that is
// there. KAFKA_STORAGE_ERROR: the disk refuses, or the log that is there could not be opened.
func (m *Manager) Create(tp model.TopicPartition, t Topic) (*commitlog.Partition, error) {
	if err := m.CreateAll(t, []model.TopicPartition{tp})[0]; err != nil {
		return nil, err
	}
	return m.Get(tp), nil
}

func (m *Manager) emptiest() *LogDir {
	var best *LogDir
	for _, d := range m.dirs {
		if d.Err() == nil && (best == nil || d.count < best.count) {
			best = d
		}
	}
	return best
}

func (m *Manager) options(t Topic, clean bool, recoveryPoint, start model.Offset) commitlog.Options {
	return commitlog.Options{
		Topic: t.Config, Components: m.o.Components, Clean: clean, RecoveryPoint: recoveryPoint, Start: start,
		ProducerIDExpirationMs: m.o.Config.ProducerIDExpirationMs, Clock: m.o.Clock, Logger: m.logger,
	}
}

// Dir describes a log dir for DescribeLogDirs.
type Dir struct {
	Path        string
	Total, Free int64 // bytes of the volume; -1 when unknown
	Err         error // not nil: the dir is offline
	Logs        []*commitlog.Partition
}

// Dirs describes the log dirs, in the order of log.dirs; logs in the order of their names.
func (m *Manager) Dirs() []Dir {
	dirs := make([]Dir, len(m.dirs))
	for i, d := range m.dirs {
		dirs[i] = Dir{Path: d.path, Err: d.Err()}
		var err error
		if dirs[i].Total, dirs[i].Free, err = m.o.FS.Usage(d.path); err != nil {
			dirs[i].Total, dirs[i].Free = -1, -1
		}
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, tp := range m.sorted() {
		if e := m.logs[tp]; e.log != nil {
			i := slices.Index(m.dirs, e.dir)
			dirs[i].Logs = append(dirs[i].Logs, e.log)
		}
	}
	return dirs
}

// sorted are the partitions that are here, by name. The caller holds mu.
func (m *Manager) sorted() []model.TopicPartition {
	tps := make([]model.TopicPartition, 0, len(m.logs))
	for tp := range m.logs {
		tps = append(tps, tp)
	}
	slices.SortFunc(tps, compare)
	return tps
}

// Failed takes the dir of a log offline whose Failed is not nil. Who sees the failure first calls it; the turns do too.
func (m *Manager) Failed(log *commitlog.Partition) {
	err := log.Failed()
	d := m.DirOf(log.TopicPartition())
	if err != nil && d != nil {
		m.offline(d, err)
	}
}

// offline marks a dir. Its logs stay readable.
func (m *Manager) offline(d *LogDir, err error) {
	if d.err.CompareAndSwap(nil, &err) {
		m.logger.Error("log dir is offline: no appends to its partitions until the broker starts again",
			"dir", d.path, "error", err)
	}
}

// SetHighWatermarks tells the manager where to ask for high watermarks, for retention and for their
// checkpoint. Call it before Load; without it, a log's end counts as its high watermark.
func (m *Manager) SetHighWatermarks(f func(model.TopicPartition) (model.Offset, bool)) {
	m.describe = f
}

func (m *Manager) highWatermark(log *commitlog.Partition) model.Offset {
	if m.describe != nil {
		if hw, ok := m.describe(log.TopicPartition()); ok {
			return hw
		}
	}
	return log.EndOffset()
}

// Close stops the turns, flushes and closes all logs, writes the checkpoints and .kafka_cleanshutdown, and unlocks the
// dirs. A dir with an error gets no clean mark: it is recovered at the next start.
func (m *Manager) Close() error {
	m.mu.Lock()
	was := m.closed
	m.closed = true
	m.mu.Unlock()
	if was {
		return nil
	}
	m.signal()
	if m.stopped != nil {
		<-m.stopped
	}
	start := m.o.Clock.Now()
	errs := make([]error, len(m.dirs))
	var wg sync.WaitGroup
	for i, d := range m.dirs {
		wg.Go(func() { errs[i] = m.closeDir(d) })
	}
	wg.Wait()
	m.logger.Info("logs closed", "partitions", len(m.logs), "took", m.o.Clock.Now().Sub(start).Round(time.Millisecond))
	return errors.Join(append(errs, m.unlock())...)
}
