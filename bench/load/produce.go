package load

import (
	"bytes"
	"context"
	"fmt"
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
	stamped    bool // somebody reads them: values carry when they were due
	sleepUntil func(ctx context.Context, due time.Time) error
	perTxn     int // records in a transaction; 0: none
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

// record makes the n-th record. Records are not used again: in memory that is written in order they cost less than in slots
// that acknowledgements have shuffled (0.3 µs each, measured).
func (p *producer) record(n int64, due time.Time) *kgo.Record {
	r := &kgo.Record{Topic: p.topic, Value: p.payloads[n%int64(len(p.payloads))], Context: context.Background()}
	if p.stamped {
		r.Value = bytes.Clone(r.Value)
		stamp(r.Value, p.run, due)
	}
	if p.plan.rate == 0 {
		r.Timestamp = due // now: the client need not look at the clock again
	}
	if p.nextKey == nil {
		r.Partition = int32((n + int64(p.index)) % int64(p.partitions))
	} else {
		r.Key = key(p.nextKey(n))
	}
	return r
}

// send sends the producer's records, each when it is due, and returns when each was acknowledged or has failed.
func (p *producer) send(ctx context.Context) error {
	if p.perTxn > 0 {
		if err := p.to.BeginTransaction(); err != nil {
			return fmt.Errorf("load: begin a transaction: %w", err)
		}
	}
	measured := int64(0)
	for n := int64(0); ctx.Err() == nil; n++ {
		due := p.plan.due(p.index, n, time.Now)
		if p.plan.over(due, measured) {
			break
		}
		if p.plan.rate > 0 {
			if err := p.sleepUntil(ctx, due); err != nil {
				return err
			}
		}
		if p.plan.measured(due) {
			measured++
		}
		p.to.Produce(ctx, p.record(n, due), func(_ *kgo.Record, err error) { p.done(due, time.Now(), err) })
		if p.perTxn > 0 && (n+1)%int64(p.perTxn) == 0 {
			if err := p.commit(ctx, true); err != nil {
				return err
			}
		}
	}
	if err := ctx.Err(); err != nil {
		return err
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
