package suite

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/workbook/lab"
)

// Kafka's error codes.
const (
	corruptMessage          = 2
	offsetOutOfRange        = 1
	unknownTopicOrPartition = 3
	invalidTopic            = 17
	invalidRequiredAcks     = 21
	invalidRecord           = 87
)

var (
	wire11 = lab.Invariant{ID: "WIRE-11", Sentence: "Metadata names every partition's leader at an address that clients reach"}
	wire12 = lab.Invariant{ID: "WIRE-12", Sentence: "a topic is made only when the request allows it and its name is legal"}
	wire13 = lab.Invariant{ID: "WIRE-13", Sentence: "records get the next offsets, without a gap and without a repetition, also under concurrent producers"}
	wire14 = lab.Invariant{ID: "WIRE-14", Sentence: "each partition of a request succeeds or fails for itself, in the request's order"}
	wire15 = lab.Invariant{ID: "WIRE-15", Sentence: "a damaged batch is refused whole and takes no offset"}
)

// Exercise 2.3: Metadata and Produce.
var produce = []lab.Test[Impl]{
	{Exercise: "2.3", Name: "metadata-leads-to-the-broker", Kind: lab.Public, Invariant: wire11, Run: metadataLeads},
	{Exercise: "2.3", Name: "topics-on-demand", Kind: lab.Public, Invariant: wire12, Run: topicsOnDemand},
	{Exercise: "2.3", Name: "offsets-in-a-row", Kind: lab.Property, Invariant: wire13, Run: offsetsInARow},
	{Exercise: "2.3", Name: "each-for-itself", Kind: lab.Public, Invariant: wire14, Run: eachForItself},
	{Exercise: "2.3", Name: "damaged-batches", Kind: lab.Fault, Invariant: wire15, Run: damagedBatches},
	{Exercise: "2.3", Name: "invalid-batches", Kind: lab.Fault, Invariant: wire15, Run: invalidBatches},
}

func metadataLeads(t *lab.T, impl Impl) {
	r := newRig(t, impl, nil)
	c := r.dial()
	one, two := c.newTopic(), c.newTopic()
	for _, version := range []int16{1, 4, 7, 8, 9} {
		answer := c.metadata(version, false, two, one)
		if len(answer.Brokers) != 1 || answer.ControllerID != answer.Brokers[0].NodeID {
			r.Fatalf("Metadata %d: expected one broker that is the controller, got %+v, controller %d", version, answer.Brokers, answer.ControllerID)
		}
		b := answer.Brokers[0]
		if addr := net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port))); addr != r.running.Addr {
			r.Fatalf("Metadata %d: the broker at %s says that it is at %s", version, r.running.Addr, addr)
		}
		if len(answer.Topics) != 2 || *answer.Topics[0].Topic != two && *answer.Topics[1].Topic != two {
			r.Fatalf("Metadata %d: expected the topics %s and %s, got %+v", version, two, one, answer.Topics)
		}
		for _, topic := range answer.Topics {
			if topic.ErrorCode != 0 || len(topic.Partitions) == 0 {
				r.Fatalf("Metadata %d: expected partitions and no error, got %+v", version, topic)
			}
			for _, p := range topic.Partitions {
				if p.Leader != b.NodeID || len(p.Replicas) != 1 || len(p.ISR) != 1 {
					r.Fatalf("Metadata %d: expected broker %d as leader and only replica, got %+v", version, b.NodeID, p)
				}
			}
		}
	}
	all := map[string]bool{}
	for _, topic := range c.metadata(8, false).Topics {
		all[*topic.Topic] = true
	}
	if !all[one] || !all[two] {
		r.Fatalf("Metadata with a null list: expected all topics, %s and %s among them, got %v", one, two, all)
	}
	none := kmsg.NewPtrMetadataRequest()
	none.Version, none.Topics = 8, []kmsg.MetadataRequestTopic{}
	if got := c.ask(none).(*kmsg.MetadataResponse).Topics; len(got) != 0 {
		r.Fatalf("Metadata with an empty list: expected no topic, got %+v", got)
	}
}

func topicsOnDemand(t *lab.T, impl Impl) {
	r := newRig(t, impl, nil)
	c := r.dial()
	missing := r.topicName()
	for _, version := range []int16{4, 8, 9, 4} { // the question alone makes nothing
		got := c.metadata(version, false, missing).Topics
		if len(got) != 1 || got[0].ErrorCode != unknownTopicOrPartition {
			r.Fatalf("Metadata %d, a topic that is not there, creation not allowed: expected error %d, got %+v", version, unknownTopicOrPartition, got)
		}
	}
	for _, name := range []string{"", ".", "..", "a/b", "no spaces", string(bytes.Repeat([]byte{'x'}, 250))} {
		got := c.metadata(8, true, name).Topics
		if len(got) != 1 || got[0].ErrorCode != invalidTopic {
			r.Fatalf("a topic named %q: expected error %d, got %+v", name, invalidTopic, got)
		}
	}
	c.created(8, missing)
	c.created(1, r.topicName()) // has no field that forbids creation
}

func offsetsInARow(t *lab.T, impl Impl) {
	r := newRig(t, impl, nil)
	rng := rand.New(rand.NewPCG(t.Seed(), 0))
	c := r.dial()
	topic, next := c.newTopic(), int64(0)
	var want []byte
	for range 20 {
		records := 1 + rng.IntN(5)
		batch := batchOf(records, rng.IntN(100))
		want = append(want, placed(batch, next)...)
		batch.SetLeaderEpoch(model.NoLeaderEpoch) // as producers do
		if got := c.produce(topic, batch); got != next {
			r.Fatalf("expected base offset %d, got %d", next, got)
		}
		next += int64(records)
	}
	read := c.fetch(fetchRequest(11, int32(len(want)), forEver, wanted{topic: topic}))[0].RecordBatches
	for at := range want {
		if at >= len(read) || read[at] != want[at] {
			r.Fatalf("reading back: expected %d bytes, as they were sent but for base offset and leader epoch 0; got %d that differ from byte %d on", len(want), len(read), at)
		}
	}
	// Now from several connections at once: each sends its batches without waiting.
	const producers, each = 6, 10
	topic = c.newTopic()
	var clients []*client
	var sent [producers][each]int32
	for range producers {
		clients = append(clients, r.dial())
	}
	for i := range each {
		for k, p := range clients {
			sent[k][i] = p.send(produceRequest(8, 1, part{topic, batchOf(2, 10)}))
		}
	}
	taken := map[int64]bool{}
	for k, p := range clients {
		last := int64(-1)
		for i := range each {
			answer := p.receive(produceRequest(8, 1), sent[k][i]).(*kmsg.ProduceResponse)
			got := answer.Topics[0].Partitions[0]
			if got.ErrorCode != 0 || taken[got.BaseOffset] || got.BaseOffset%2 != 0 || got.BaseOffset >= 2*producers*each || got.BaseOffset <= last {
				r.Fatalf("%d producers at once: after offset %d, batch %d of producer %d got error %d, base offset %d; taken are %v",
					producers, last, i, k, got.ErrorCode, got.BaseOffset, taken)
			}
			taken[got.BaseOffset], last = true, got.BaseOffset
		}
	}
}

func eachForItself(t *lab.T, impl Impl) {
	r := newRig(t, impl, nil)
	c := r.dial()
	one, two := c.newTopic(), c.newTopic()
	for _, version := range []int16{3, 5, 7, 8, 9} {
		q := produceRequest(version, -1, part{one, batchOf(1, 1)}, part{r.topicName(), batchOf(1, 1)}, part{two, batchOf(1, 1)})
		outside := kmsg.NewProduceRequestTopicPartition()
		outside.Partition, outside.Records = 1000, batchOf(1, 1)
		q.Topics[2].Partitions = append(q.Topics[2].Partitions, outside)
		answer := c.ask(q).(*kmsg.ProduceResponse)
		if len(answer.Topics) != 3 {
			r.Fatalf("Produce %d: expected three topics, got %+v", version, answer.Topics)
		}
		got := map[string][]kmsg.ProduceResponseTopicPartition{}
		for _, topic := range answer.Topics {
			got[topic.Topic] = topic.Partitions
		}
		for i, want := range map[int][]int16{0: {0}, 1: {unknownTopicOrPartition}, 2: {0, unknownTopicOrPartition}} {
			partitions := got[q.Topics[i].Topic]
			if len(partitions) != len(want) {
				r.Fatalf("Produce %d: topic %d: expected %d partitions, got %+v", version, i, len(want), partitions)
			}
			for j, code := range want {
				for _, p := range partitions {
					if p.Partition == q.Topics[i].Partitions[j].Partition && (p.ErrorCode != code || (p.BaseOffset < 0) != (code != 0)) {
						r.Fatalf("Produce %d: topic %d, partition %d: expected error %d, and an offset only without one, got %+v", version, i, p.Partition, code, p)
					}
				}
			}
		}
	}
	answer := c.ask(produceRequest(8, 1, part{one, batchOf(1, 1)})).(*kmsg.ProduceResponse)
	if got := answer.Topics[0].Partitions[0]; got.ErrorCode != 0 || got.LogStartOffset != 0 {
		r.Fatalf("Produce 8, to a log that begins at 0: expected that log start offset, got %+v", got)
	}
	next := c.produce(one, batchOf(1, 1))
	for _, acks := range []int16{2, -2, 100} {
		answer := c.ask(produceRequest(8, acks, part{one, batchOf(1, 1)})).(*kmsg.ProduceResponse)
		if code := answer.Topics[0].Partitions[0].ErrorCode; code != invalidRequiredAcks {
			r.Fatalf("acks=%d: expected error %d, got %d", acks, invalidRequiredAcks, code)
		}
	}
	if got := c.produce(one, batchOf(1, 1)); got != next+1 {
		r.Fatalf("after requests with acks that do not exist: expected offset %d, got %d: they were appended", next+1, got)
	}
}

func damagedBatches(t *lab.T, impl Impl) {
	r := newRig(t, impl, nil)
	rng := rand.New(rand.NewPCG(t.Seed(), 0))
	c := r.dial()
	topic := c.newTopic()
	for i := range int64(20) {
		damaged := batchOf(3, 50)
		at := 21 + rng.IntN(len(damaged)-21) // what the CRC covers
		damaged[at] ^= 1 << rng.IntN(8)
		answer := c.ask(produceRequest(8, 1, part{topic, damaged})).(*kmsg.ProduceResponse)
		if got := answer.Topics[0].Partitions[0]; got.ErrorCode != corruptMessage || got.BaseOffset != -1 {
			r.Fatalf("a bit of byte %d of a batch flipped on its way: expected error %d and no base offset (-1), got %d, base offset %d\n%s", at, corruptMessage,
				got.ErrorCode, got.BaseOffset, lab.Picture(damaged[:61], nil, at))
		}
		if got := c.produce(topic, batchOf(1, 1)); got != i {
			r.Fatalf("after a damaged batch: expected base offset %d, got %d", i, got)
		}
	}
}

// invalidBatches: the CRC is right, and what it covers, or the base offset outside of it, is not a client's to say.
func invalidBatches(t *lab.T, impl Impl) {
	r := newRig(t, impl, nil)
	c := r.dial()
	topic := c.newTopic()
	elsewhere := batchOf(2, 10)
	elsewhere.SetBaseOffset(5)
	marker := record.Builder{Control: true}
	marker.Add(1_700_000_000_000, record.AppendControlKey(nil, record.ControlCommit), make([]byte, 6))
	counted := batchOf(2, 10)
	counted[60]++ // the number of records, of which the last offset says otherwise
	binary.BigEndian.PutUint32(counted[17:], counted.CRC())
	for i, bad := range []struct {
		why   string
		batch record.Batch
	}{
		{"a batch that says base offset 5", elsewhere},
		{"a control batch", marker.Batch()},
		{"a batch of 2 records that says 3", counted},
		{"two batches at once", append(batchOf(1, 10), batchOf(1, 10)...)},
		{"no batch", record.Batch{}},
	} {
		answer := c.ask(produceRequest(8, 1, part{topic, bad.batch})).(*kmsg.ProduceResponse)
		if got := answer.Topics[0].Partitions[0]; got.ErrorCode != invalidRecord || got.BaseOffset != -1 {
			r.Fatalf("%s, its CRC right: expected error %d and base offset -1, got %d and %d", bad.why, invalidRecord, got.ErrorCode, got.BaseOffset)
		}
		if got := c.produce(topic, batchOf(1, 1)); got != int64(i) {
			r.Fatalf("after %s: expected base offset %d, got %d", bad.why, i, got)
		}
	}
}
