package load

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// receipts is what all consumers together have received.
type receipts struct {
	run      uint64
	plan     schedule
	records  atomic.Int64 // of this run
	foreign  atomic.Int64 // of others, in the same topic
	measured atomic.Int64
	last     atomic.Int64 // receipt of a measured record, ns since 1970
	endToEnd *Histogram
}

// source is what a consumer reads; a *kgo.Client is one.
type source interface {
	PollFetches(ctx context.Context) kgo.Fetches
}

// receive reads until ctx ends. A record is received when the client hands it out: the records of one poll at one time.
func (r *receipts) receive(ctx context.Context, from source) error {
	for {
		fetches := from.PollFetches(ctx)
		now := time.Now()
		if ctx.Err() != nil {
			return nil
		}
		var failure error
		fetches.EachError(func(topic string, partition int32, err error) {
			failure = errors.Join(failure, fmt.Errorf("load: consume %s-%d: %w", topic, partition, err))
		})
		if failure != nil {
			return failure
		}
		fetches.EachRecord(func(record *kgo.Record) { r.take(record.Value, now) })
	}
}

func (r *receipts) take(value []byte, now time.Time) {
	due, ours := stampOf(value, r.run)
	if !ours {
		r.foreign.Add(1)
		return
	}
	if r.plan.measured(due) {
		r.measured.Add(1)
		r.last.Store(now.UnixNano())
		r.endToEnd.Record(now.Sub(due))
	}
	r.records.Add(1)
}

// share is the partitions of consumer number index of a subscription.
func (t topic) share(index, consumers int) []int32 {
	var mine []int32
	for p := int32(index); p < t.partitions; p += int32(consumers) {
		mine = append(mine, p)
	}
	return mine
}
