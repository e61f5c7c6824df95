// This file is yours to edit. It was made from solutions/02-wire-protocol/fetch.go by: go run . generate
// made: 238142873522f3d0a89fbfce3b47cdc31ff1f2f6f21ed126092fe10fa6c99575

package wireprotocol

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
	"highwater.dev/broker/model"
	"highwater.dev/broker/vfs"
	"highwater.dev/workbook/lab"
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
	// TODO 2.4: read from the log and mind its errors and atLeastOne
	// Text: chapters/02-wire-protocol/README.md#exercise-2-4
	// Test: go run . test 2.4
	panic(lab.NotStarted("2.4"))
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
	// TODO 2.4: look, decide, and finish at most once
	// Text: chapters/02-wire-protocol/README.md#exercise-2-4
	// Test: go run . test 2.4
	panic(lab.NotStarted("2.4"))
}

// fetch answers q through done, exactly once: at once where MinBytes are there or MaxWaitMillis is 0, and otherwise as soon as they
// have come, the time is up, or the session is cancelled. More than MaxBytes is not waited for. It does not block: whoever appends runs the answer.
func (s *session) fetch(q *kmsg.FetchRequest, done func(fetched)) {
	// TODO 2.4: try; watch each partition, the clock and s.cancelled; and mind what came between looking and watching
	// Text: chapters/02-wire-protocol/README.md#exercise-2-4
	// Test: go run . test 2.4
	panic(lab.NotStarted("2.4"))
}
