package commitlog

import (
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/vfs"
)

// TestConcurrentUse appends with four idempotent producers while others read, flush, trim, look up times and ask for
// state; the race detector watches. In the end every acknowledged batch is there once, in its producer's order.
func TestConcurrentUse(t *testing.T) {
	const producers, batches = 4, 150
	o := testOptions()
	o.Topic.SegmentBytes = 4096
	p := open(t, vfs.NewMem(), partitionDir, o)
	stop := make(chan struct{})
	var background, writers sync.WaitGroup
	repeat := func(do func()) {
		background.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					do()
				}
			}
		})
	}
	var failure errorList
	repeat(func() { failure.add(p.FlushTo(p.EndOffset())) })
	repeat(func() {
		_, err := p.Retain(testStart, p.RecoveryPoint())
		failure.add(err)
		p.LastStableOffset(p.EndOffset())
		p.Producers()
		p.ExpireProducers(testStart)
		p.EndOffsetForEpoch(0)
	})
	repeat(func() {
		_, _, err := p.MaxTimestamp()
		failure.add(err)
	})
	repeat(func() { failure.add(readAll(p)) })
	for id := range model.ProducerID(producers) {
		writers.Go(func() {
			for i := range int32(batches) {
				a, err := p.AppendAsLeader(idempotent(id, 0, i*2, 2, 40), 0)
				failure.add(err)
				if a.Duplicate {
					failure.add(errors.New("a first attempt was taken for a duplicate"))
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	background.Wait()
	require.NoError(t, errors.Join(failure.errs...))
	require.Equal(t, model.Offset(producers*batches*2), p.EndOffset())
	next := map[model.ProducerID]int32{}
	for _, h := range contents(t, p) {
		require.Equal(t, next[h.ProducerID], h.BaseSequence)
		next[h.ProducerID] += h.Count
	}
	require.NoError(t, p.Close())
}

// readAll reads from the log start to the end as it is now.
func readAll(p *Partition) error {
	for from, end := p.StartOffset(), p.EndOffset(); from < end; {
		r, err := p.Read(from, end, 2000)
		if errors.Is(err, kerr.OffsetOutOfRange) {
			return nil
		}
		if err != nil {
			return err
		}
		b := make([]byte, r.Len)
		_, err = r.File.ReadAt(b, r.Pos)
		r.Release()
		if err != nil {
			return err
		}
		var h record.Header
		for record.ReadHeader(b, &h) == nil && h.Size() <= len(b) {
			if record.Batch(b[:h.Size()]).CRC() != h.CRC {
				return errors.New("a reader saw a batch with a wrong CRC")
			}
			b, from = b[h.Size():], h.NextOffset()
		}
	}
	return nil
}

type errorList struct {
	mu   sync.Mutex
	errs []error
}

func (l *errorList) add(err error) {
	if err != nil {
		l.mu.Lock()
		l.errs = append(l.errs, err)
		l.mu.Unlock()
	}
}
