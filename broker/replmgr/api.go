package replmgr

import (
	"log/slog"

	"highwater.dev/broker/clock"
	"highwater.dev/broker/commitlog"
	"highwater.dev/broker/config"
	"highwater.dev/broker/logmgr"
	"highwater.dev/broker/metadata"
	"highwater.dev/broker/metrics"
	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/vfs"
)

// Options of a Manager. NodeID, Logs and Config are needed.
type Options struct {
	NodeID  model.NodeID
	Logs    *logmgr.Manager
	Config  *config.Server
	Clock   clock.Clock
	Logger  *slog.Logger      // may be nil
	Metrics *metrics.Registry // may be nil
}

// Manager knows the partitions that this broker holds.
type Manager struct{ o Options }

// New makes a Manager without partitions.
func New(o Options) *Manager { return &Manager{o: o} }

// Apply brings the partitions in line with the image. records are those that were replayed since the last Apply; the
// first call, with nil, loads all partitions from disk. Calls come one at a time.
func (m *Manager) Apply(image *metadata.Image, records []metadata.Record) error { return nil }

// Partition finds a partition by its topic's name. UNKNOWN_TOPIC_OR_PARTITION when it is not here.
func (m *Manager) Partition(topic string, index int32) (*Partition, error) { return nil, nil }

// PartitionByID finds a partition by its topic's id. UNKNOWN_TOPIC_ID when no such topic is here, and
// UNKNOWN_TOPIC_OR_PARTITION when the topic has no such partition here.
func (m *Manager) PartitionByID(id model.TopicID, index int32) (*Partition, error) { return nil, nil }

// Each calls f with every partition, in no order that means anything.
func (m *Manager) Each(f func(*Partition)) {}

// Partition is a replica on this broker.
type Partition struct{}

// Topic is the topic's name.
func (p *Partition) Topic() string { return "" }

// TopicID is the topic's id.
func (p *Partition) TopicID() model.TopicID { return model.TopicID{} }

// Index is the partition's number.
func (p *Partition) Index() int32 { return 0 }

// LeaderEpoch is the present leader's epoch.
func (p *Partition) LeaderEpoch() model.LeaderEpoch { return 0 }

// HighWatermark is the offset below which records are committed: consumers see nothing from it on.
func (p *Partition) HighWatermark() model.Offset { return 0 }

// Log is the partition's log.
func (p *Partition) Log() *commitlog.Partition { return nil }

// Append appends a produced batch as leader. acks is 0, 1 or -1 (all). current is the leader epoch the
// client believes in, or model.NoLeaderEpoch. It changes the batch (offsets, epoch) and keeps nothing of it.
//
// Errors hold a *kerr.Error: NOT_ENOUGH_REPLICAS, NOT_LEADER_OR_FOLLOWER, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH,
// KAFKA_STORAGE_ERROR, and what commitlog says of the batch. When Append has returned, records with acks=all are
// committed if HighWatermark is above Appended.Last; a caller that must wait does so with Watch.
func (p *Partition) Append(batch record.Batch, acks int16, current model.LeaderEpoch) (commitlog.Appended, error) {
	return commitlog.Appended{}, nil
}

// ReadRequest asks for a partition's records.
type ReadRequest struct {
	From                 model.Offset
	MaxBytes             int
	MinOne               bool              // a first batch over MaxBytes comes whole; otherwise nothing comes
	Current, LastFetched model.LeaderEpoch // model.NoLeaderEpoch: unknown
	Committed            bool              // read_committed: up to the last stable offset, with aborted transactions
	Replica              model.NodeID      // -1: a consumer
}

// ReadResult is filled by Read. It is reused: Aborted keeps its memory.
type ReadResult struct {
	Region        vfs.Region // the caller releases it
	HighWatermark model.Offset
	LastStable    model.Offset
	LogStart      model.Offset
	Aborted       []commitlog.AbortedTxn // with Committed only
	// Diverging is set (DivergingEpoch not model.NoLeaderEpoch) when LastFetched tells that the fetcher's log
	// left this one's history: it must truncate to DivergingEnd first (KIP-595). Region is empty then.
	DivergingEpoch model.LeaderEpoch
	DivergingEnd   model.Offset
}

// Read finds the bytes of the records from q.From on and fills res. OFFSET_OUT_OF_RANGE, NOT_LEADER_OR_FOLLOWER,
// FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH, KAFKA_STORAGE_ERROR; the offsets in res are also set with
// OFFSET_OUT_OF_RANGE.
func (p *Partition) Read(q *ReadRequest, res *ReadResult) error { return nil }

// ListOffset answers ListOffsets for one timestamp: a time in ms, or -1 latest, -2 earliest, -3 max timestamp,
// -4 earliest local, -5 latest tiered. committed is isolation level read_committed: the latest
// offset is the last stable one then. Not found: Offset and Timestamp are -1.
func (p *Partition) ListOffset(ts model.TimestampMs, committed bool, current model.LeaderEpoch) (segment.TimestampOffset, error) {
	return segment.TimestampOffset{}, nil
}

// EpochEnd answers OffsetForLeaderEpoch: the largest epoch not above e that the log knows, and its end offset; -1, -1 when
// there is none.
func (p *Partition) EpochEnd(current, e model.LeaderEpoch) (model.LeaderEpoch, model.Offset, error) {
	return 0, 0, nil
}

// DeleteRecords raises the log start offset to before (-1: the high watermark) and returns the new one.
// OFFSET_OUT_OF_RANGE above the high watermark, POLICY_VIOLATION when cleanup.policy is not delete.
func (p *Partition) DeleteRecords(before model.Offset) (model.Offset, error) { return 0, nil }

// Waiter is woken by partitions. One connection reuses one.
type Waiter struct{ c chan struct{} }

// NewWaiter makes a Waiter.
func NewWaiter() *Waiter { return &Waiter{c: make(chan struct{}, 1)} }

// C receives after a watched partition changed. It may also receive once for a change before the last Unwatch.
func (w *Waiter) C() <-chan struct{} { return w.c }

// Wake makes C receive, as a partition would.
func (w *Waiter) Wake() {
	select {
	case w.c <- struct{}{}:
	default:
	}
}

// Watch has w woken whenever the high watermark moves, the leader epoch changes, the log fails or the partition is
// deleted, until Unwatch. Watch first, then read or look at HighWatermark, then wait: no wake-up is lost so.
func (p *Partition) Watch(w *Waiter) {}

// Unwatch ends Watch. A waiter that does not watch is no error.
func (p *Partition) Unwatch(w *Waiter) {}
