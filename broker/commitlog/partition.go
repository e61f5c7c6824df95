package commitlog

import (
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"highwater.dev/broker/clock"
	"highwater.dev/broker/config"
	"highwater.dev/broker/epoch"
	"highwater.dev/broker/model"
	"highwater.dev/broker/producer"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/vfs"
)

const (
	maxOffset    = model.Offset(math.MaxInt64)
	maxTimestamp = model.TimestampMs(math.MaxInt64)
)

// ErrClosed says that the partition was closed. It comes inside a KAFKA_STORAGE_ERROR.
var ErrClosed = errors.New("commitlog: partition is closed")

// Components are the factories of what a Partition composes; nil means the broker's own.
type Components struct {
	OpenLog    segment.Opener
	OpenEpochs func(fs vfs.FS, path string) (epoch.Cache, error)
	NewTable   func() producer.Table
	// OpenTxnIndex is described with segment.OpenTxnIndex.
	OpenTxnIndex func(fs vfs.FS, dir string) (x segment.TxnIndex, damaged model.Offset, err error)
}

// Options say how to open a partition. Topic and Clock are needed.
type Options struct {
	Topic      config.Topic
	Components Components
	// Clean: the last shutdown closed every log (.kafka_cleanshutdown); nothing is scanned.
	Clean bool
	// RecoveryPoint and Start come from the log directory's checkpoints: below the first everything was flushed;
	// the second is the log start offset, 0 when it was not in the checkpoint.
	RecoveryPoint, Start model.Offset
	// ProducerIDExpirationMs is producer.id.expiration.ms; ExpireProducers goes by it.
	ProducerIDExpirationMs int64
	Clock                  clock.Clock
	Logger                 *slog.Logger // may be nil
}

// Partition is one partition's log. It is safe for concurrent use.
type Partition struct {
	fs     vfs.FS
	dir    string
	tp     model.TopicPartition
	opts   Options
	logger *slog.Logger
	topic  atomic.Pointer[config.Topic]

	log    segment.Log
	epochs epoch.Cache
	txns   segment.TxnIndex

	mu     sync.Mutex // orders changes to the log
	header record.Header
	closed bool
	// activeBase is where the active segment begins; written under mu.
	activeBase atomic.Int64
	// whole is up to where everything is known of what is in the log: in epochs, table and transaction index too. Written under mu.
	whole atomic.Int64

	// stateMu guards the table and the snapshots' list.
	stateMu  sync.Mutex
	table    producer.Table
	tableEnd model.Offset // the table holds every batch below it
	damaged  model.Offset // from where Open found the transaction index damaged; NoOffset when all is well
	snaps    []snapshot   // files there are, oldest first
	taken    uint64       // how many snapshots were written
	// unstable: a transaction is open, or decided but perhaps not below the high watermark.
	unstable atomic.Bool

	replay *replay // not nil while Open runs

	flush  flushState
	failed atomic.Pointer[error]
}

// Appended says where a produced batch is.
type Appended struct {
	Base, Last model.Offset
	// AppendTime is the batch's time with LogAppendTime, NoTimestamp with CreateTime.
	AppendTime model.TimestampMs
	LogStart   model.Offset
	// Duplicate: the batch was appended before, at Base; nothing was written now.
	Duplicate bool
	// RecordErrors comes beside an error and names refused records (KIP-467).
	RecordErrors []record.RecordError
}

// AbortedTxn is an aborted transaction, as Fetch responses list them for read_committed.
type AbortedTxn = segment.AbortedTxn

// TopicPartition is the partition's name.
func (p *Partition) TopicPartition() model.TopicPartition { return p.tp }

// Dir is the partition's folder.
func (p *Partition) Dir() string { return p.dir }

// Config is the topic's present configuration.
func (p *Partition) Config() config.Topic { return *p.topic.Load() }

// Reconfigure makes a changed topic configuration effective: from the next append on.
func (p *Partition) Reconfigure(t config.Topic) {
	p.topic.Store(&t)
	if tunable, ok := p.log.(segment.Tunable); ok {
		tunable.SetLimits(limits(&t, p.tp))
	}
}

// limits translates a topic's configuration. segment.jitter.ms spreads the partitions' rolls over time: each
// partition's share follows from its name, so that it is the same after a restart.
func limits(t *config.Topic, tp model.TopicPartition) segment.Limits {
	segmentMs := int64(t.SegmentMs)
	if jitter := min(int64(t.SegmentJitterMs), segmentMs-1); jitter > 0 {
		h := fnv.New32a()
		// A hash in memory cannot fail to write.
		_, _ = h.Write([]byte(tp.String()))
		segmentMs -= int64(h.Sum32()) % jitter
	}
	return segment.Limits{
		SegmentBytes: int(t.SegmentBytes), SegmentMs: segmentMs,
		IndexBytes: int(t.SegmentIndexBytes), IndexIntervalBytes: int(t.IndexIntervalBytes),
	}
}

// StartOffset is the log start offset: that of the first record that can be read.
func (p *Partition) StartOffset() model.Offset {
	start, _ := p.log.Bounds()
	return start
}

// EndOffset is the log end offset: that of the next record.
func (p *Partition) EndOffset() model.Offset {
	_, end := p.log.Bounds()
	return end
}

// LastStableOffset is how far read_committed may read under a high watermark: up to the first transaction
// that is open or not known to be decided.
func (p *Partition) LastStableOffset(highWatermark model.Offset) model.Offset {
	if !p.unstable.Load() {
		return highWatermark
	}
	p.stateMu.Lock()
	stable, settled := p.table.LastStable(highWatermark)
	p.unstable.Store(!settled)
	p.stateMu.Unlock()
	// A transaction that began below the log start offset holds it back no further than there.
	return max(stable, min(p.StartOffset(), highWatermark))
}

// Size is the bytes of all segments' .log files.
func (p *Partition) Size() int64 {
	var size int64
	for _, s := range p.log.Segments() {
		size += s.Bytes
	}
	return size
}

// Segments describes the segments, oldest first.
func (p *Partition) Segments() []segment.Info { return p.log.Segments() }

// AssignEpoch says that a leader of this epoch writes from the log end offset on. The leader's owner calls it when
// leadership begins, so that EndOffsetForEpoch knows the epoch before its first batch.
func (p *Partition) AssignEpoch(e model.LeaderEpoch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.epochs.Assign(e, p.EndOffset())
}

// EndOffsetForEpoch answers OffsetForLeaderEpoch: see epoch.Cache.
func (p *Partition) EndOffsetForEpoch(e model.LeaderEpoch) (model.LeaderEpoch, model.Offset) {
	return p.epochs.EndOffset(e, p.EndOffset())
}

// EpochAt is the leader epoch in which the record at o was written; NoLeaderEpoch when it is unknown.
func (p *Partition) EpochAt(o model.Offset) model.LeaderEpoch { return p.epochs.EpochAt(o) }

// LatestEpoch is the latest leader epoch that this log knows; NoLeaderEpoch when it knows none.
func (p *Partition) LatestEpoch() model.LeaderEpoch {
	e, _ := p.epochs.Latest()
	return e.Epoch
}

// Epochs returns a copy of the leader epoch cache.
func (p *Partition) Epochs() []epoch.Entry { return p.epochs.Entries() }

// Producers describes the producers that this log remembers, sorted by id.
func (p *Partition) Producers() []producer.State {
	p.stateMu.Lock()
	defer p.stateMu.Unlock()
	return p.table.Producers()
}

// ExpireProducers forgets producers idle for longer than producer.id.expiration.ms.
func (p *Partition) ExpireProducers(now time.Time) {
	p.stateMu.Lock()
	defer p.stateMu.Unlock()
	p.table.Expire(model.TimestampMs(now.UnixMilli()), p.opts.ProducerIDExpirationMs)
}

// Failed is not nil after a disk failure that leaves the files in doubt, a failed fsync first of all: the log
// directory must go offline. Reads of what is there still work.
func (p *Partition) Failed() error {
	if err := p.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// fail records the first disk failure and returns it as a KAFKA_STORAGE_ERROR.
func (p *Partition) fail(err error) error {
	if p.failed.CompareAndSwap(nil, &err) {
		p.logger.Error("partition failed: no appends until it is opened again", "partition", p.tp.String(), "error", err)
	}
	return storageError(err)
}

func storageError(err error) error { return fmt.Errorf("%w: %w", kerr.KafkaStorageError, err) }

// writeError judges the error of a change to the log: one that leaves it in doubt fails the partition.
func (p *Partition) writeError(err error) error {
	switch {
	case errors.Is(err, segment.ErrFailed):
		return p.fail(err)
	case errors.Is(err, segment.ErrBatchTooLarge):
		return fmt.Errorf("%w: %w", kerr.RecordListTooLarge, err)
	case errors.Is(err, segment.ErrOffsetOutOfRange):
		return fmt.Errorf("%w: %w", kerr.OffsetOutOfRange, err)
	default:
		return storageError(err)
	}
}

// writable is nil when changes are allowed. The caller holds mu.
func (p *Partition) writable() error {
	if p.closed {
		return storageError(ErrClosed)
	}
	if err := p.Failed(); err != nil {
		return storageError(err)
	}
	return nil
}

func (p *Partition) file(base model.Offset, suffix string) string {
	return path.Join(p.dir, fmt.Sprintf("%020d", int64(base))+suffix)
}
