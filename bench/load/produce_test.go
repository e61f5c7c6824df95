package load

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
)

// stub is a server that acknowledges at once, but for one stall, during which it takes nothing.
type stub struct {
	stallAt   int
	stall     time.Duration
	refuse    error // every second record
	records   []*kgo.Record
	at        []time.Time
	committed []int // records in each committed transaction
	open      int
}

func (s *stub) Produce(_ context.Context, r *kgo.Record, promise func(*kgo.Record, error)) {
	if len(s.records) == s.stallAt {
		time.Sleep(s.stall) // virtual time
	}
	s.records, s.at = append(s.records, r), append(s.at, time.Now())
	s.open++
	if s.refuse != nil && len(s.records)%2 == 0 {
		promise(r, s.refuse)
		return
	}
	promise(r, nil)
}

func (s *stub) Flush(context.Context) error { return nil }

func (s *stub) BeginTransaction() error { s.open = 0; return nil }

func (s *stub) EndTransaction(context.Context, kgo.TransactionEndTry) error {
	s.committed = append(s.committed, s.open)
	return nil
}

// virtually sleeps by a bubble's clock, which a sleep in the kernel does not know.
func virtually(ctx context.Context, due time.Time) error {
	select {
	case <-time.After(time.Until(due)):
	case <-ctx.Done():
	}
	return ctx.Err()
}

func produceTo(t *testing.T, s *stub, o Options) *producer {
	t.Helper()
	require.NoError(t, o.Validate())
	p := &producer{
		plan: newSchedule(o, time.Now()), to: s, topic: "t", partitions: 4, payloads: [][]byte{make([]byte, o.RecordBytes)}, stamped: true,
		run: 7, sleepUntil: virtually, nextKey: o.Keys.picker(0), perTxn: o.TransactionRecords, tally: newTally(),
	}
	require.NoError(t, p.send(t.Context()))
	return p
}

// A server that stalls for 200 ms delays every record that was due in that time: 200 of 2,000, evenly between 0 and 200 ms. A
// generator that waits for answers would have seen one slow record.
func TestStallShowsInThePercentiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Defaults()
		o.Rate, o.WarmUp, o.Duration = 1000, 0, 2*time.Second
		p := produceTo(t, &stub{stallAt: 500, stall: 200 * time.Millisecond}, o)
		require.EqualValues(t, 2000, p.ack.Count())
		require.LessOrEqual(t, Percentile(p.ack, 89), time.Millisecond)
		require.InDelta(t, 100, Percentile(p.ack, 95).Milliseconds(), 3)
		require.InDelta(t, 180, Percentile(p.ack, 99).Milliseconds(), 3)
		require.InDelta(t, 200, p.ack.Max().Milliseconds(), 1)
	})
}

func TestRecordsAreSentWhenDueAndWarmUpIsNotMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Defaults()
		o.Rate, o.WarmUp, o.Duration, o.Keys = 100, time.Second, 2*time.Second, Keys{"sequential", 3}
		s, start := &stub{stallAt: -1}, time.Now()
		p := produceTo(t, s, o)
		require.Len(t, s.records, 300)
		require.EqualValues(t, 300, p.acked.Load())
		require.EqualValues(t, 200, p.ackedMeasured.Load())
		require.EqualValues(t, 200, p.ack.Count())
		for i, r := range s.records {
			due := start.Add(time.Duration(i) * 10 * time.Millisecond)
			at, ours := stampOf(r.Value, 7)
			require.True(t, ours)
			require.True(t, at.Equal(due), "record %d", i)
			require.Less(t, s.at[i].Sub(due), time.Millisecond)
			require.GreaterOrEqual(t, s.at[i].Sub(due), time.Duration(0))
			require.Equal(t, []string{"0000000000000000", "0000000000000001", "0000000000000002"}[i%3], string(r.Key))
		}
		_, ours := stampOf(s.records[0].Value, 8)
		require.False(t, ours)
	})
}

// The producers' records interleave to one schedule.
func TestProducersShareTheRate(t *testing.T) {
	o := Defaults()
	o.Rate, o.Producers, o.WarmUp = 1000, 4, 0
	plan := newSchedule(o, time.Unix(0, 0))
	for n := range int64(5) {
		for p := range 4 {
			require.Equal(t, time.Duration(n*4+int64(p))*time.Millisecond, plan.due(p, n, nil).Sub(plan.start))
		}
	}
}

func TestBytesEndTheRun(t *testing.T) {
	o := Defaults()
	o.WarmUp, o.Duration, o.Bytes = 0, 0, 64<<10
	s := &stub{stallAt: -1}
	produceTo(t, s, o)
	require.Len(t, s.records, 64)
	require.EqualValues(t, 1, s.records[1].Partition)
}

func TestFailuresAreCounted(t *testing.T) {
	o := Defaults()
	o.WarmUp, o.Duration, o.Bytes = 0, 0, 64<<10
	broken := errors.New("the disk is full")
	p := produceTo(t, &stub{stallAt: -1, refuse: broken}, o)
	require.EqualValues(t, 32, p.failed.Load())
	require.EqualValues(t, 32, p.acked.Load())
	require.ErrorIs(t, *p.firstFailure.Load(), broken)
	result := (&running{o: o, plan: p.plan, producers: []*producer{p}}).result([]topic{{partitions: 4}}, nil, 0)
	require.ErrorIs(t, result.Err(), broken)
	require.ErrorContains(t, result.Err(), "32 records failed")
}

func TestTransactionsHaveSoManyRecords(t *testing.T) {
	o := Defaults()
	o.WarmUp, o.Duration, o.Bytes, o.TransactionRecords = 0, 0, 25<<10, 10
	s := &stub{stallAt: -1}
	produceTo(t, s, o)
	require.Equal(t, []int{10, 10, 5}, s.committed)
}

func TestAnEndedContextEndsTheProducer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 450*time.Millisecond)
		defer cancel()
		o := Defaults()
		o.Rate = 10
		p := &producer{plan: newSchedule(o, time.Now()), to: &stub{stallAt: -1}, sleepUntil: virtually, partitions: 1, payloads: [][]byte{nil}, tally: newTally()}
		require.ErrorIs(t, p.send(ctx), context.DeadlineExceeded)
		require.EqualValues(t, 5, p.acked.Load()) // due at 0, 100 … 400 ms
	})
}
