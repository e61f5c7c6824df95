package load

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// sink is what a producer gives its records to; a *kgo.Client is one.
type sink interface {
	Produce(ctx context.Context, r *kgo.Record, promise func(*kgo.Record, error))
	Flush(ctx context.Context) error
	BeginTransaction() error
	EndTransaction(ctx context.Context, commit kgo.TransactionEndTry) error
}

// producer sends the records of its share of the schedule.
type producer struct {
	index      int
	run        uint64
	plan       schedule
	to         sink
	topic      string
	partitions int32
	nextKey    func(record int64) uint64 // nil: no keys, partitions in turn
	payloads   [][]byte
	perTxn     int // records in a transaction; 0: none
	slots      slots
	*tally
}

// tally is what a producer's records came to. ack holds the measured records only.
type tally struct {
	acked         atomic.Int64 // records
	ackedMeasured atomic.Int64
	failed        atomic.Int64
	firstFailure  atomic.Pointer[error]
	lastAck       atomic.Int64 // of a measured record, ns since 1970
	ack           *Histogram
}

func newTally() *tally { return &tally{ack: NewHistogram()} }

// slot is a record on its way. It is used again when its promise has been kept, so that the load costs little itself.
type slot struct {
	record  kgo.Record
	value   []byte
	key     []byte
	due     time.Time
	promise func(*kgo.Record, error)
}

// slots holds the free ones. There are never more than the client buffers, and one.
type slots struct {
	mu   sync.Mutex
	free []*slot
	made int
}

func (p *producer) take() *slot {
	p.slots.mu.Lock()
	defer p.slots.mu.Unlock()
	if n := len(p.slots.free); n > 0 {
		s := p.slots.free[n-1]
		p.slots.free = p.slots.free[:n-1]
		return s
	}
	s := &slot{value: append([]byte(nil), p.payloads[p.slots.made%len(p.payloads)]...)}
	p.slots.made++
	if p.nextKey != nil {
		s.key = make([]byte, keyBytes)
	}
	s.promise = func(_ *kgo.Record, err error) {
		p.done(s.due, time.Now(), err)
		p.slots.mu.Lock()
		p.slots.free = append(p.slots.free, s)
		p.slots.mu.Unlock()
	}
	return s
}

// done counts a record's outcome.
func (p *producer) done(due, now time.Time, err error) {
	if err != nil {
		p.failed.Add(1)
		p.firstFailure.CompareAndSwap(nil, &err)
		return
	}
	p.acked.Add(1)
	if p.plan.measured(due) {
		p.ackedMeasured.Add(1)
		p.lastAck.Store(now.UnixNano())
		p.ack.Record(now.Sub(due))
	}
}

// send sends the producer's records, each when it is due, and returns when each was acknowledged or has failed.
func (p *producer) send(ctx context.Context) error {
	if p.perTxn > 0 {
		if err := p.to.BeginTransaction(); err != nil {
			return fmt.Errorf("load: begin a transaction: %w", err)
		}
	}
	measured := int64(0)
	for n := int64(0); ; n++ {
		due := p.plan.due(p.index, n, time.Now)
		if p.plan.over(due, measured) {
			break
		}
		if err := sleepUntil(ctx, due); err != nil {
			return err
		}
		if p.plan.measured(due) {
			measured++
		}
		s := p.take()
		s.due = due
		stamp(s.value, p.run, due)
		s.record = kgo.Record{Topic: p.topic, Value: s.value}
		if p.nextKey == nil {
			s.record.Partition = int32((n + int64(p.index)) % int64(p.partitions))
		} else {
			putKey(s.key, p.nextKey(n))
			s.record.Key = s.key
		}
		p.to.Produce(ctx, &s.record, s.promise)
		if p.perTxn > 0 && (n+1)%int64(p.perTxn) == 0 {
			if err := p.commit(ctx, true); err != nil {
				return err
			}
		}
	}
	if p.perTxn > 0 {
		return p.commit(ctx, false)
	}
	return p.flush(ctx)
}

func (p *producer) flush(ctx context.Context) error {
	if err := p.to.Flush(ctx); err != nil {
		return fmt.Errorf("load: flush: %w", err)
	}
	return nil
}

// commit ends the transaction; another begins when there is more to send.
func (p *producer) commit(ctx context.Context, more bool) error {
	if err := p.flush(ctx); err != nil {
		return err
	}
	if err := p.to.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return fmt.Errorf("load: commit a transaction: %w", err)
	}
	if !more {
		return nil
	}
	if err := p.to.BeginTransaction(); err != nil {
		return fmt.Errorf("load: begin a transaction: %w", err)
	}
	return nil
}
