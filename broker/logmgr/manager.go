package logmgr

import (
	"log/slog"

	"highwater.dev/broker/clock"
	"highwater.dev/broker/commitlog"
	"highwater.dev/broker/config"
	"highwater.dev/broker/metrics"
	"highwater.dev/broker/model"
	"highwater.dev/broker/vfs"
)

// Options say which log dirs a Manager owns. FS, Config and Clock are needed.
type Options struct {
	FS         vfs.FS
	Config     *config.Server // log.dirs, node.id, intervals
	Components commitlog.Components
	Seed       uint64 // of the ids given to a new cluster and new log dirs
	Clock      clock.Clock
	Logger     *slog.Logger      // may be nil
	Metrics    *metrics.Registry // may be nil
}

// Manager owns the logs of all partitions of this broker.
type Manager struct{ o Options }

// Topic is what Load needs to know of a partition's topic.
type Topic struct {
	ID     model.TopicID
	Config config.Topic
}

// Open locks the log dirs and checks or writes their meta.properties. It loads no partition: see Load.
func Open(o Options) (*Manager, error) { return &Manager{o: o}, nil }

// Load opens every partition on disk, log.dirs in parallel and num.recovery.threads.per.data.dir partitions of each
// at once. known describes the partition that a folder's name says; a folder that it does not know, or that
// belongs to another topic id, is renamed to -stray and left alone. Call it once, before Get, Create and Delete.
func (m *Manager) Load(known func(tp model.TopicPartition) (Topic, bool)) error { return nil }

// ClusterID is the cluster's id, generated at first start.
func (m *Manager) ClusterID() string { return "" }

// MetadataDir is the log dir for __cluster_metadata-0: metadata.log.dir, or the first log dir.
func (m *Manager) MetadataDir() string { return "" }

// Get finds a partition's log; nil when there is none.
func (m *Manager) Get(tp model.TopicPartition) *commitlog.Partition { return nil }

// Create makes a partition's log, or returns the one that is there with the same topic id.
func (m *Manager) Create(tp model.TopicPartition, t Topic) (*commitlog.Partition, error) {
	return nil, nil
}

// Delete takes a partition's log away: it is closed and renamed now and deleted after file.delete.delay.ms.
func (m *Manager) Delete(tp model.TopicPartition) error { return nil }

// Start runs the background turns on one goroutine.
func (m *Manager) Start() {}

// Dir describes a log dir for DescribeLogDirs.
type Dir struct {
	Path        string
	Total, Free int64 // bytes of the volume; -1 when unknown
	Err         error // not nil: the dir is offline
	Logs        []*commitlog.Partition
}

// Dirs describes the log dirs, in the order of log.dirs.
func (m *Manager) Dirs() []Dir { return nil }

// Close stops the turns, closes all logs, writes the checkpoints and .kafka_cleanshutdown, and unlocks.
func (m *Manager) Close() error { return nil }
