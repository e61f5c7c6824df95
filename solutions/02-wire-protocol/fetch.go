package wireprotocol

import (
	"errors"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/broker/clock"
	"highwater.dev/broker/model"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/vfs"
)

// fetched is what one look into the logs found: an answer to be.
type fetched struct {
	partitions []fetchedPartition // in the request's order
	bytes      int64              // in all regions
	failed     bool               // a partition has an error
}

// fetchedPartition is one partition's part.
type fetchedPartition struct {
	code       int16 // Kafka's error code
	start, end int64 // log start offset; the offset after the last record, here also high watermark and last stable offset
	region     vfs.Region
}

// release gives the regions up when the answer is not sent.
func (f *fetched) release() {
	for _, p := range f.partitions {
		p.region.Release()
	}
}

// read looks into each partition that q names.
func (b *Broker) read(q *kmsg.FetchRequest) (f fetched) {
	for _, t := range q.Topics {
		for _, asked := range t.Partitions {
			limit := min(int64(asked.PartitionMaxBytes), max(0, int64(q.MaxBytes)-f.bytes))
			p := b.topics.find(t.Topic, asked.Partition).read(model.Offset(asked.FetchOffset), limit, f.bytes == 0)
			f.bytes += p.region.Len
			f.failed = f.failed || p.code != 0
			f.partitions = append(f.partitions, p)
		}
	}
	return f
}

// read returns the batches from offset on, maxBytes at most, and the log's bounds. But with atLeastOne the first batch is whole,
// however large: a consumer would be stuck before it for ever (KIP-74). Log.Read returns one batch at least each time, so without
// atLeastOne a region that is too large is to be released and left out. An offset outside of the log is
// OFFSET_OUT_OF_RANGE, a partition that is not there (p is nil) UNKNOWN_TOPIC_OR_PARTITION, both with bounds of -1; codeOf knows other errors.
func (p *partition) read(offset model.Offset, maxBytes int64, atLeastOne bool) fetchedPartition {
	// BEGIN SOLUTION 2.4 read from the log and mind its errors and atLeastOne
	if p == nil {
		return fetchedPartition{code: kerr.UnknownTopicOrPartition.Code, start: -1, end: -1}
	}
	start, end := p.log.Bounds()
	region, err := p.log.Read(offset, end, int(maxBytes))
	if errors.Is(err, segment.ErrOffsetOutOfRange) {
		return fetchedPartition{code: kerr.OffsetOutOfRange.Code, start: -1, end: -1}
	}
	if region.Len > maxBytes && !atLeastOne {
		region.Release()
		region = vfs.Region{}
	}
	return fetchedPartition{code: codeOf(err), start: int64(start), end: int64(end), region: region}
	// END SOLUTION
}

// delayed is a fetch that waits for its bytes: an entry in what Apache Kafka calls the purgatory.
type delayed struct {
	look     func() fetched
	minBytes int64
	done     func(fetched)

	mu       sync.Mutex
	finished bool
	stops    []func() // end the watches and the timer
}

// try looks, and answers when there is enough, or something to say that is worth more than waiting (an error), or when forced. It
// answers once; who comes later finds it finished. Regions that are not part of an answer are released, and with the answer its
// watches and its timer end. done may be called with mu held.
func (d *delayed) try(force bool) {
	// BEGIN SOLUTION 2.4 look, decide, and finish at most once
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.finished {
		return
	}
	f := d.look()
	if f.bytes < d.minBytes && !f.failed && !force {
		f.release()
		return
	}
	d.finished = true
	for _, stop := range d.stops {
		stop()
	}
	d.done(f)
	// END SOLUTION
}

// fetch answers q through done, exactly once: at once where MinBytes are there or MaxWaitMillis is 0, and otherwise as soon as they
// have come, the time is up, or the session is cancelled. More than MaxBytes is not waited for. It does not block: whoever appends runs the answer.
func (s *session) fetch(q *kmsg.FetchRequest, done func(fetched)) {
	// BEGIN SOLUTION 2.4 try; watch each partition, the clock and s.cancelled; and mind what came between looking and watching
	d := &delayed{look: func() fetched { return s.broker.read(q) }, minBytes: int64(min(q.MinBytes, q.MaxBytes)), done: done}
	d.try(q.MaxWaitMillis <= 0)
	d.mu.Lock()
	if !d.finished {
		for _, t := range q.Topics {
			for _, asked := range t.Partitions {
				if part := s.broker.topics.find(t.Topic, asked.Partition); part != nil {
					d.stops = append(d.stops, part.appended.watch(func() { d.try(false) }))
				}
			}
		}
		timer := clock.Real().AfterFunc(time.Duration(q.MaxWaitMillis)*time.Millisecond, func() { d.try(true) })
		d.stops = append(d.stops, func() { timer.Stop() }, s.cancelled.watch(func() { d.try(true) }))
	}
	d.mu.Unlock()
	d.try(false)
	// END SOLUTION
}
