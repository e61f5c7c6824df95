package load

import (
	"errors"
	"fmt"
	"time"
)

// Result is what a run came to. Rates and latencies are of the measured part.
type Result struct {
	Options    Options
	Partitions int32 // of each topic

	Records  int64 // acknowledged
	Bytes    int64 // of their values
	Elapsed  time.Duration
	Failed   int64 // of all records sent, the warm-up's too
	Failure  error // the first
	Ack      *Histogram
	EndToEnd *Histogram // nil without consumers

	Received        int64         // measured records, by all subscriptions
	ReceivedElapsed time.Duration // from the measured part's begin to the last receipt
	Missing         int64         // acknowledged and not received, over all subscriptions
	Foreign         int64         // records of others that consumers met
	Drained         time.Duration // how long consumers took to catch up with the backlog; 0 without one, or when they did not

	Process *process // nil without a pid
}

func (r *running) result(topics []topic, used *process, drained time.Duration) *Result {
	res := &Result{Options: r.o, Partitions: topics[0].partitions, Ack: NewHistogram(), Process: used, Drained: drained}
	acked, last := int64(0), int64(0)
	for _, p := range r.producers {
		acked += p.acked.Load()
		res.Records += p.ackedMeasured.Load()
		res.Failed += p.failed.Load()
		last = max(last, p.lastAck.Load())
		res.Ack.merge(p.ack)
		if failure := p.firstFailure.Load(); failure != nil && res.Failure == nil {
			res.Failure = *failure
		}
	}
	res.Bytes = res.Records * int64(r.o.RecordBytes)
	res.Elapsed = r.sinceMeasured(last)
	if len(r.sources) > 0 {
		res.EndToEnd = r.receipts.endToEnd
		res.Received = r.receipts.measured.Load()
		res.ReceivedElapsed = r.sinceMeasured(r.receipts.last.Load())
		res.Missing = max(0, acked*int64(r.o.Subscriptions)-r.receipts.records.Load())
		res.Foreign = r.receipts.foreign.Load()
	}
	return res
}

// sinceMeasured is the time from the measured part's begin to a moment in ns since 1970; 0: there was none.
func (r *running) sinceMeasured(nanos int64) time.Duration {
	if nanos == 0 {
		return 0
	}
	return time.Unix(0, nanos).Sub(r.plan.measureFrom)
}

// Err says what of the load did not arrive, and is nil when all did.
func (r *Result) Err() error {
	var errs []error
	if r.Failed > 0 {
		errs = append(errs, fmt.Errorf("load: %d records failed; the first: %w", r.Failed, r.Failure))
	}
	if r.Missing > 0 {
		errs = append(errs, fmt.Errorf("load: %d acknowledged records did not reach the consumers, who had seen nothing new for %v", r.Missing, stalled))
	}
	if r.Records == 0 {
		errs = append(errs, errors.New("load: no record of the measured part was acknowledged"))
	}
	return errors.Join(errs...)
}
