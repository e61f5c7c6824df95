package suite

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"time"

	"highwater.dev/broker/record"
	"highwater.dev/workbook/lab"
)

var (
	wire16 = lab.Invariant{ID: "WIRE-16", Sentence: "a fetch returns the batches from the one that holds its offset on, byte for byte, at least one of them whole"}
	wire17 = lab.Invariant{ID: "WIRE-17", Sentence: "max.bytes and the partition's limit hold for everything but the first batch of the first partition that has one"}
	wire18 = lab.Invariant{ID: "WIRE-18", Sentence: "an error is answered at once, whatever min.bytes asks for"}
	wire19 = lab.Invariant{ID: "WIRE-19", Sentence: "min.bytes counts over all partitions: a fetch is answered when that much is there, at once or when it is produced"}
	wire20 = lab.Invariant{ID: "WIRE-20", Sentence: "a fetch that finds too little is answered when max.wait.ms is over, not before"}
)

// Exercise 2.4: Fetch, over the wire.
var fetch = []lab.Test[Impl]{
	{Exercise: "2.4", Name: "fetch-reads-back", Kind: lab.Property, Invariant: wire16, Run: fetchReadsBack},
	{Exercise: "2.4", Name: "fetch-limits", Kind: lab.Public, Invariant: wire17, Run: fetchLimits},
	{Exercise: "2.4", Name: "fetch-errors-at-once", Kind: lab.Public, Invariant: wire18, Run: fetchErrors},
	{Exercise: "2.4", Name: "fetch-min-bytes", Kind: lab.Public, Invariant: wire19, Run: fetchMinBytes},
	{Exercise: "2.4", Name: "fetch-max-wait", Kind: lab.Public, Invariant: wire20, Run: fetchMaxWait},
}

// forEver is a max.wait.ms that no test waits for.
const forEver = 60_000

func fetchReadsBack(t *lab.T, impl Impl) {
	r := newRig(t, impl, nil)
	rng := rand.New(rand.NewPCG(t.Seed(), 0))
	c := r.dial()
	topic := c.newTopic()
	var batches []record.Batch
	var starts []int64
	end := int64(0)
	for range 12 {
		records := 1 + rng.IntN(4)
		b := batchOf(records, rng.IntN(300))
		c.produce(topic, append(record.Batch(nil), b...))
		batches, starts = append(batches, placed(b, end)), append(starts, end)
		end += int64(records)
	}
	versions := []int16{4, 5, 7, 9, 11}
	for from := range end {
		version := versions[rng.IntN(len(versions))]
		first := 0
		for first+1 < len(starts) && starts[first+1] <= from {
			first++
		}
		want := bytes.Join(asBytes(batches[first:]), nil)
		got := c.fetch(fetchRequest(version, 1, forEver, wanted{topic: topic, from: from, max: int32(1 + rng.IntN(2000))}))[0]
		if got.ErrorCode != 0 || got.HighWatermark != end {
			r.Fatalf("Fetch %d from %d: expected no error and high watermark %d, got error %d, high watermark %d", version, from, end, got.ErrorCode, got.HighWatermark)
		}
		if !bytes.HasPrefix(want, got.RecordBatches) || len(got.RecordBatches) < len(batches[first]) {
			at := 0
			for at < min(len(want), len(got.RecordBatches)) && want[at] == got.RecordBatches[at] {
				at++
			}
			r.Fatalf("Fetch %d from %d: expected the batch that begins at %d, whole, and what follows it; got %d bytes that differ from byte %d on:\n%s", version,
				from, starts[first], len(got.RecordBatches), at, lab.Picture(got.RecordBatches[:min(len(got.RecordBatches), 61)],
					[]lab.Field{{Name: "base offset", Len: 8}, {Name: "length", Len: 4}, {Name: "leader epoch", Len: 4}, {Name: "magic", Len: 1}, {Name: "crc", Len: 4}}, at))
		}
	}
}

func asBytes(batches []record.Batch) (all [][]byte) {
	for _, b := range batches {
		all = append(all, b)
	}
	return all
}

// wholeBatches counts the batches in records; the last may be cut.
func wholeBatches(records []byte) (n int) {
	for len(records) >= 12 {
		size := 12 + int(binary.BigEndian.Uint32(records[8:]))
		if size > len(records) {
			break
		}
		records = records[size:]
		n++
	}
	return n
}

func fetchLimits(t *lab.T, impl Impl) {
	r := newRig(t, impl, nil)
	c := r.dial()
	empty, one, two := c.newTopic(), c.newTopic(), c.newTopic()
	size := len(batchOf(1, 1000))
	for range 4 {
		c.produce(one, batchOf(1, 1000))
		c.produce(two, batchOf(1, 1000))
	}
	for _, limits := range []struct {
		name                string
		maxBytes, partition int
		one, two            int // whole batches
	}{
		{"everything fits", 1 << 20, 1 << 20, 4, 4},
		{"max.bytes below a batch", 1, 1 << 20, 1, 0},
		{"the partitions' limits below a batch", 1 << 20, 1, 1, 0},
		{"max.bytes of two batches", 2 * size, 1 << 20, 2, 0},
		{"max.bytes of five batches", 5 * size, 1 << 20, 4, 1},
		{"three batches for each partition", 1 << 20, 3 * size, 3, 3},
	} {
		limit := int32(limits.partition)
		q := fetchRequest(11, 1, forEver, wanted{empty, 0, limit}, wanted{one, 0, limit}, wanted{two, 0, limit})
		q.MaxBytes = int32(limits.maxBytes)
		parts := c.fetch(q)
		got1, got2 := wholeBatches(parts[1].RecordBatches), wholeBatches(parts[2].RecordBatches)
		if got1 != limits.one || got2 != limits.two || len(parts[0].RecordBatches) != 0 {
			r.Fatalf("%s: max.bytes=%d, partition's limit %d, batches of %d bytes: expected 0, %d and %d whole batches, got %d, %d and %d",
				limits.name, limits.maxBytes, limits.partition, size, limits.one, limits.two, wholeBatches(parts[0].RecordBatches), got1, got2)
		}
		if n := len(parts[1].RecordBatches) + len(parts[2].RecordBatches); n > max(limits.maxBytes, size) {
			r.Fatalf("%s: max.bytes=%d, got %d bytes", limits.name, limits.maxBytes, n)
		}
	}
	// What max.bytes forbids is not waited for.
	q := fetchRequest(11, int32(10*size), forEver, wanted{topic: one})
	q.MaxBytes = int32(size)
	if got := wholeBatches(c.fetch(q)[0].RecordBatches); got != 1 {
		r.Fatalf("min.bytes above max.bytes: expected one batch, got %d", got)
	}
}

func fetchErrors(t *lab.T, impl Impl) {
	r := newRig(t, impl, nil)
	c := r.dial()
	topic, other := c.newTopic(), c.newTopic()
	c.produce(topic, batchOf(2, 10))
	for _, from := range []int64{3, 1000, -5} {
		parts := c.fetch(fetchRequest(11, 1<<20, forEver, wanted{topic: other}, wanted{topic: topic, from: from}))
		if parts[1].ErrorCode != offsetOutOfRange || parts[1].HighWatermark != -1 || parts[0].ErrorCode != 0 {
			r.Fatalf("a fetch from %d of a log that ends at 2, beside another: expected error %d and high watermark -1 there, got %+v", from, offsetOutOfRange, parts)
		}
	}
	// Apache Kafka waits when a partition is unknown and others are there; alone, or with enough beside it, it is answered.
	parts := c.fetch(fetchRequest(11, 1<<20, forEver, wanted{topic: r.topicName()}))
	if parts[0].ErrorCode != unknownTopicOrPartition || parts[0].HighWatermark != -1 {
		r.Fatalf("a topic that is not there: expected error %d and high watermark -1, got %+v", unknownTopicOrPartition, parts)
	}
	parts = c.fetch(fetchRequest(11, 1, forEver, wanted{topic: topic}, wanted{topic: r.topicName()}))
	if parts[1].ErrorCode != unknownTopicOrPartition || parts[0].ErrorCode != 0 || wholeBatches(parts[0].RecordBatches) != 1 {
		r.Fatalf("a topic that is not there, beside one that is: expected error %d and one batch, got %+v", unknownTopicOrPartition, parts)
	}
	if got := c.fetch(fetchRequest(11, 0, 0, wanted{topic: topic, from: 2}))[0]; got.ErrorCode != 0 || len(got.RecordBatches) != 0 {
		r.Fatalf("a fetch from the log's end: expected no records and no error, got %+v", got)
	}
}

func fetchMinBytes(t *lab.T, impl Impl) {
	r := newRig(t, impl, nil)
	consumer, producer := r.dial(), r.dial()
	one, two := producer.newTopic(), producer.newTopic()
	batch := batchOf(2, 100)
	size := int32(len(batch))
	// Nothing is there: one produce is enough, or only two are. A round shows nothing when the fetch arrives after the last of them,
	// which a busy machine makes happen; so there are many, and the producer asks a few questions first.
	const rounds = 20
	for round := range rounds {
		from, enough := int64(2*round), []int32{1, 2 * size}[round%2]
		q := fetchRequest(11, enough, forEver, wanted{topic: one, from: from}, wanted{topic: two, from: from})
		id := consumer.send(q)
		producer.chat()
		producer.produce(one, batchOf(2, 100))
		if enough == 1 {
			parts := consumer.fetched(q, consumer.receive(q, id))
			if wholeBatches(parts[0].RecordBatches) != 1 {
				r.Fatalf("min.bytes=1, a batch was produced: expected it, got %d bytes", len(parts[0].RecordBatches))
			}
			producer.produce(two, batchOf(2, 100))
			continue
		}
		producer.produce(two, batchOf(2, 100))
		parts := consumer.fetched(q, consumer.receive(q, id))
		if got1, got2 := wholeBatches(parts[0].RecordBatches), wholeBatches(parts[1].RecordBatches); got1 != 1 || got2 != 1 {
			r.Fatalf("min.bytes=%d, batches of %d bytes in two partitions: expected both, got %d and %d", enough, size, got1, got2)
		}
	}
	// Enough is there already, in two partitions together.
	consumer.fetch(fetchRequest(11, 2*rounds*size, forEver, wanted{topic: one}, wanted{topic: two}))
}

func fetchMaxWait(t *lab.T, impl Impl) {
	r := newRig(t, impl, nil)
	c := r.dial()
	topic := c.newTopic()
	batch := batchOf(1, 10)
	c.produce(topic, batch)
	for _, from := range []int64{0, 1} { // too little, and nothing
		const wait = 120
		begin := time.Now()
		got := c.fetch(fetchRequest(11, 1000, wait, wanted{topic: topic, from: from}))[0]
		if took := time.Since(begin); took < (wait-5)*time.Millisecond {
			r.Fatalf("min.bytes=1000 and too little there: answered after %v, max.wait.ms is %d", took, wait)
		}
		if want := 1 - int(from); got.ErrorCode != 0 || wholeBatches(got.RecordBatches) != want {
			r.Fatalf("at the end of max.wait.ms: expected what is there, %d batches, got %+v", want, got)
		}
	}
	if got := c.fetch(fetchRequest(11, 1000, 0, wanted{topic: topic}))[0]; wholeBatches(got.RecordBatches) != 1 {
		r.Fatalf("max.wait.ms=0: expected what is there at once, got %+v", got)
	}
}
