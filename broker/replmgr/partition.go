package replmgr

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"

	"highwater.dev/broker/commitlog"
	"highwater.dev/broker/logmgr"
	"highwater.dev/broker/metadata"
	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
)

// Partition is a replica on this broker. It is safe for concurrent use.
type Partition struct {
	m     *Manager
	topic string
	id    model.TopicID
	index int32

	// mu is shared by appends and held alone by changes of state: an append never lands in an epoch that is over.
	mu    sync.RWMutex
	state atomic.Pointer[state]
	// hw is the high watermark.
	hw      atomic.Int64
	waiters waiters
}

// state is what Apply decides. It is never changed, only replaced.
type state struct {
	log    *commitlog.Partition // nil: see err
	dir    *logmgr.LogDir
	err    error // why there is no log: deleted, or it cannot be opened
	leader bool
	epoch  model.LeaderEpoch
	isr    int
	minISR int // min.insync.replicas, but not more than there are replicas
	// flushMessages is flush.messages: an append that leaves so many records unflushed flushes before its answer.
	flushMessages int64
	deletable     bool // cleanup.policy has delete
}

// Topic is the topic's name.
func (p *Partition) Topic() string { return p.topic }

// TopicID is the topic's id.
func (p *Partition) TopicID() model.TopicID { return p.id }

// Index is the partition's number.
func (p *Partition) Index() int32 { return p.index }

// LeaderEpoch is the present leader's epoch.
func (p *Partition) LeaderEpoch() model.LeaderEpoch { return p.state.Load().epoch }

// HighWatermark is the offset below which records are committed: consumers see nothing from it on.
func (p *Partition) HighWatermark() model.Offset { return model.Offset(p.hw.Load()) }

// Log is the partition's log; nil when it was deleted or cannot be opened.
func (p *Partition) Log() *commitlog.Partition { return p.state.Load().log }

// Err is nil when the partition can be used here: otherwise what every call answers (UNKNOWN_TOPIC_OR_PARTITION after
// its deletion, KAFKA_STORAGE_ERROR when its log cannot be opened).
func (p *Partition) Err() error { return p.state.Load().err }

// leading is the state when this broker leads in the epoch that the client believes in.
func (p *Partition) leading(current model.LeaderEpoch) (*state, error) {
	s := p.state.Load()
	switch {
	case s.err != nil:
		return s, s.err
	case current != model.NoLeaderEpoch && current < s.epoch:
		return s, kerr.FencedLeaderEpoch
	case current != model.NoLeaderEpoch && current > s.epoch:
		return s, kerr.UnknownLeaderEpoch
	case !s.leader:
		return s, kerr.NotLeaderForPartition
	}
	return s, nil
}

// Append appends a produced batch as leader. acks is 0, 1 or -1 (all). current is the leader epoch that the
// client believes in, or model.NoLeaderEpoch. It changes the batch (offsets, epoch) and keeps nothing of it. With
// flush.messages=1 the batch is fsynced, together with those of other producers, before Append returns.
//
// When Append has returned, records with acks=all are committed if HighWatermark is above Appended.Last; a caller that
// must wait does so with Watch. It allocates nothing but errors.
//
// Errors hold a *kerr.Error: NOT_ENOUGH_REPLICAS, NOT_LEADER_OR_FOLLOWER, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH,
// UNKNOWN_TOPIC_OR_PARTITION after a deletion, KAFKA_STORAGE_ERROR, and what commitlog.AppendAsLeader says of the batch
// (Appended.RecordErrors is set then).
func (p *Partition) Append(batch record.Batch, acks int16, current model.LeaderEpoch) (commitlog.Appended, error) {
	s, a, err := p.append(batch, acks, current)
	if err == nil && s.mustFlush(a.Last) {
		err = s.log.FlushTo(a.Last + 1)
	}
	if err != nil {
		return a, p.appendError(s, err)
	}
	p.commit(s, a.Last+1)
	return a, nil
}

func (p *Partition) append(batch record.Batch, acks int16, current model.LeaderEpoch) (*state, commitlog.Appended, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	s, err := p.leading(current)
	if err != nil {
		return s, commitlog.Appended{}, err
	}
	if acks == -1 && s.isr < s.minISR {
		return s, commitlog.Appended{}, kerr.NotEnoughReplicas
	}
	if err := s.dir.Err(); err != nil {
		return s, commitlog.Appended{}, fmt.Errorf("%w: log dir %s is offline: %w", kerr.KafkaStorageError, s.dir.Path(), err)
	}
	a, err := s.log.AppendAsLeader(batch, s.epoch)
	return s, a, err
}

// mustFlush says whether the records up to last must be fsynced before they are acknowledged. A duplicate counts
// too: the append that it repeats may still wait for its fsync.
func (s *state) mustFlush(last model.Offset) bool {
	return s.flushMessages == 1 || int64(last+1-s.log.RecoveryPoint()) >= s.flushMessages
}

// appendError looks whether the disk has failed, which the others who use it must hear of.
func (p *Partition) appendError(s *state, err error) error {
	if s.log == nil {
		return err
	}
	if s.log.Failed() != nil {
		p.m.o.Logs.Failed(s.log)
		p.waiters.wake()
	}
	// An append that a deletion overtook found a closed log.
	if now := p.state.Load(); now.err != nil {
		return now.err
	}
	return err
}

// commit raises the high watermark after an append: with one replica, what is in the log is committed. Below
// min.insync.replicas nothing is (KIP-966).
func (p *Partition) commit(s *state, to model.Offset) {
	if s.isr < s.minISR {
		return
	}
	for {
		hw := p.hw.Load()
		if int64(to) <= hw {
			return
		}
		if p.hw.CompareAndSwap(hw, int64(to)) {
			p.waiters.wake()
			return
		}
	}
}

// DeleteRecords raises the log start offset to before (-1: the high watermark) and returns the log start offset.
// OFFSET_OUT_OF_RANGE below 0 or above the high watermark, POLICY_VIOLATION when cleanup.policy lacks delete.
func (p *Partition) DeleteRecords(before model.Offset) (model.Offset, error) {
	s, err := p.leading(model.NoLeaderEpoch)
	if err != nil {
		return model.NoOffset, err
	}
	hw := p.HighWatermark()
	if before == -1 {
		before = hw
	}
	if !s.deletable {
		return model.NoOffset, fmt.Errorf("%w: records of %s-%d cannot be deleted: its cleanup.policy is not delete",
			kerr.PolicyViolation, p.topic, p.index)
	}
	if before < 0 || before > hw {
		return model.NoOffset, fmt.Errorf("%w: delete before %d, high watermark is %d", kerr.OffsetOutOfRange, before, hw)
	}
	start, err := s.log.DeleteRecords(before)
	if err != nil {
		return model.NoOffset, p.appendError(s, err)
	}
	return start, nil
}

// newState makes the state that the metadata describe for a partition on disk.
func newState(log *commitlog.Partition, dir *logmgr.LogDir, part *metadata.Partition, node model.NodeID) *state {
	t := log.Config()
	return &state{
		log: log, dir: dir, leader: part.Leader == node, epoch: part.LeaderEpoch,
		isr: len(part.ISR), minISR: min(t.MinInsyncReplicas, len(part.Replicas)),
		flushMessages: t.FlushMessages, deletable: t.CleanupDelete,
	}
}

// replace makes next the state, and tells those who wait.
func (p *Partition) replace(next *state) {
	p.mu.Lock()
	was := p.state.Load()
	if next.err == nil && next.leader && (was == nil || was.epoch < next.epoch || !was.leader) {
		next.log.AssignEpoch(next.epoch)
	}
	p.state.Store(next)
	p.mu.Unlock()
	if next.err == nil {
		p.commit(next, next.log.EndOffset())
	}
	p.waiters.wake()
}
