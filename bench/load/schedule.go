package load

import (
	"context"
	"time"
)

// schedule says when each record is due and which are measured. Producer p of P sends records p, p+P, p+2P …
type schedule struct {
	start       time.Time
	measureFrom time.Time // records due from here on are measured
	end         time.Time // no record is due from here on; zero: records rules
	records     int64     // measured records of each producer; 0: end rules
	rate        float64   // records a second of all producers; 0: due when asked
	producers   int
}

func newSchedule(o Options, start time.Time) schedule {
	s := schedule{start: start, measureFrom: start.Add(o.WarmUp), rate: o.Rate, producers: o.producers()}
	if o.Duration > 0 {
		s.end = s.measureFrom.Add(o.Duration)
	} else {
		s.records = o.Bytes / int64(o.RecordBytes) / int64(s.producers)
	}
	return s
}

// due is when the n-th record of a producer is due; now is only called without a rate.
func (s schedule) due(producer int, n int64, now func() time.Time) time.Time {
	if s.rate == 0 {
		return now()
	}
	number := float64(n*int64(s.producers) + int64(producer))
	return s.start.Add(time.Duration(number * float64(time.Second) / s.rate))
}

func (s schedule) measured(due time.Time) bool { return !due.Before(s.measureFrom) }

// over says that a record due then, after so many measured ones of its producer, is not sent any more.
func (s schedule) over(due time.Time, measured int64) bool {
	if s.records > 0 {
		return measured >= s.records
	}
	return !due.Before(s.end)
}

// done is the share of the run that is over, 0 to 1. The share of a run that ends by records counts no warm-up.
func (s schedule) done(now time.Time, measured int64) float64 {
	if s.records > 0 {
		return min(1, float64(measured)/float64(s.records*int64(s.producers)))
	}
	return min(1, now.Sub(s.start).Seconds()/s.end.Sub(s.start).Seconds())
}

// sleepUntil returns at due or soon after, or when ctx ends.
func sleepUntil(ctx context.Context, due time.Time) error {
	for {
		wait := time.Until(due)
		switch {
		case wait <= 0:
			return ctx.Err()
		case wait < timerSlack:
			sleepShort(wait)
		default:
			select {
			case <-time.After(wait - timerSlack):
			case <-ctx.Done():
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
}
