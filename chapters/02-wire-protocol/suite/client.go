package suite

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/workbook/lab"
)

// rig is a broker under test and what a test does with it.
type rig struct {
	*lab.T
	running *Running
	topics  int
	run     string // makes topics' names new in every run: Apache Kafka keeps them
}

func newRig(t *lab.T, impl Impl, open segment.Opener) *rig {
	t.Helper()
	r := &rig{T: t, running: impl.Start(t, open), run: strings.ToLower(rand.Text()[:8])}
	t.Cleanup(func() { _ = r.running.Stop() }) // a failed stop is a test of its own
	return r
}

// Fatalf ends the test, as not started where a stub is the reason.
func (r *rig) Fatalf(format string, args ...any) {
	r.Helper()
	if stub := r.running.Stub(); stub != nil {
		panic(stub)
	}
	r.T.Fatalf(format, args...)
}

func (r *rig) topicName() string {
	r.topics++
	return fmt.Sprintf("chapter02-%s-%d", r.run, r.topics)
}

// client is one connection to a broker.
type client struct {
	rig  *rig
	conn net.Conn
	next int32 // correlation id
}

func (r *rig) dial() *client {
	r.Helper()
	conn := mustDial(r, r.running.Addr)
	r.Cleanup(func() { _ = conn.Close() })
	return &client{rig: r, conn: conn}
}

// send writes a request and returns its correlation id.
func (c *client) send(q kmsg.Request) int32 {
	c.rig.Helper()
	c.next++
	formatter := kmsg.NewRequestFormatter(kmsg.FormatterClientID("chapter-02"))
	if _, err := c.conn.Write(formatter.AppendRequest(nil, q, c.next)); err != nil {
		c.rig.Fatalf("send a request of API %d: %v", q.Key(), err)
	}
	return c.next
}

// frame reads one frame.
func (c *client) frame() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(c.conn, head[:]); err != nil {
		return nil, err
	}
	frame := make([]byte, min(binary.BigEndian.Uint32(head[:]), 64<<20))
	_, err := io.ReadFull(c.conn, frame)
	return frame, err
}

// receive reads the response to the request with the correlation id into the kind that q has.
func (c *client) receive(q kmsg.Request, correlation int32) kmsg.Response {
	c.rig.Helper()
	frame, err := c.frame()
	if err != nil {
		c.rig.Fatalf("API %d, version %d: no response: %v", q.Key(), q.GetVersion(), err)
	}
	if len(frame) < 4 || int32(binary.BigEndian.Uint32(frame)) != correlation {
		c.rig.Fatalf("API %d, version %d: expected the response with correlation id %d first, got\n%s", q.Key(), q.GetVersion(), correlation,
			lab.Picture(frame[:min(len(frame), 32)], []lab.Field{{Name: "correlation id", Len: 4}}, 0))
	}
	body := frame[4:]
	if q.IsFlexible() && q.Key() != 18 {
		if len(body) == 0 || body[0] != 0 {
			c.rig.Fatalf("API %d, version %d: expected a response header without tagged fields, got\n%s", q.Key(), q.GetVersion(),
				lab.Picture(frame[:min(len(frame), 32)], []lab.Field{{Name: "correlation id", Len: 4}, {Name: "tagged fields", Len: 1}}, 4))
		}
		body = body[1:]
	}
	answer := q.ResponseKind()
	if err := answer.ReadFrom(body); err != nil {
		c.rig.Fatalf("API %d, version %d: the response cannot be decoded: %v\n%s", q.Key(), q.GetVersion(), err,
			lab.Picture(body[:min(len(body), 64)], nil, -1))
	}
	return answer
}

// ask sends a request and reads its response.
func (c *client) ask(q kmsg.Request) kmsg.Response {
	c.rig.Helper()
	return c.receive(q, c.send(q))
}

// metadata asks about topics; none is null: all.
func (c *client) metadata(version int16, create bool, names ...string) *kmsg.MetadataResponse {
	c.rig.Helper()
	q := kmsg.NewPtrMetadataRequest()
	q.Version, q.AllowAutoTopicCreation = version, create
	for _, name := range names {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(name)
		q.Topics = append(q.Topics, t)
	}
	return c.ask(q).(*kmsg.MetadataResponse)
}

const leaderNotAvailable = 5

// created makes a topic, by a Metadata request of the version, and waits for its leader: Apache Kafka makes topics in the
// background, and tells of them a little before they can be used.
func (c *client) created(version int16, name string) string {
	c.rig.Helper()
	for begin := time.Now(); time.Since(begin) < patience; {
		t := c.metadata(version, version >= 4, name).Topics
		if len(t) == 1 && t[0].ErrorCode == 0 && len(t[0].Partitions) > 0 {
			if c.leads(name) {
				return name
			}
			continue
		}
		if len(t) != 1 || t[0].ErrorCode != leaderNotAvailable && t[0].ErrorCode != unknownTopicOrPartition {
			c.rig.Fatalf("Metadata, a topic to be created: expected it, got %+v", t)
		}
	}
	c.rig.Fatalf("Metadata: the topic %s has no leader", name)
	return ""
}

// leads reports whether the broker leads partition 0 of the topic.
func (c *client) leads(name string) bool {
	c.rig.Helper()
	q := kmsg.NewPtrListOffsetsRequest()
	q.Version, q.ReplicaID = 1, -1
	q.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: name, Partitions: []kmsg.ListOffsetsRequestTopicPartition{{Timestamp: -1}}}}
	answer := c.ask(q).(*kmsg.ListOffsetsResponse)
	return len(answer.Topics) == 1 && len(answer.Topics[0].Partitions) == 1 && answer.Topics[0].Partitions[0].ErrorCode == 0
}

// newTopic makes a topic with a new name.
func (c *client) newTopic() string {
	c.rig.Helper()
	return c.created(8, c.rig.topicName())
}

// chat asks a few questions, so that the broker has had time to read what another connection sent before.
func (c *client) chat() {
	c.rig.Helper()
	q := kmsg.NewPtrApiVersionsRequest()
	for range 5 {
		c.ask(q)
	}
}

// batchOf makes a batch of records with values of size bytes.
func batchOf(records, size int) record.Batch {
	var b record.Builder
	for i := range records {
		b.Add(model.TimestampMs(1_700_000_000_000+int64(i)), []byte{byte(i)}, make([]byte, size))
	}
	return b.Batch()
}

// placed is batch as a broker serves it from base on.
func placed(batch record.Batch, base int64) record.Batch {
	b := append(record.Batch(nil), batch...)
	b.SetBaseOffset(model.Offset(base))
	b.SetLeaderEpoch(0)
	return b
}

// part is a batch for partition 0 of a topic.
type part struct {
	topic string
	batch record.Batch
}

func produceRequest(version, acks int16, parts ...part) *kmsg.ProduceRequest {
	q := kmsg.NewPtrProduceRequest()
	q.Version, q.Acks, q.TimeoutMillis = version, acks, int32(patience.Milliseconds())
	for _, part := range parts {
		t, p := kmsg.NewProduceRequestTopic(), kmsg.NewProduceRequestTopicPartition()
		t.Topic, p.Records = part.topic, part.batch
		t.Partitions = append(t.Partitions, p)
		q.Topics = append(q.Topics, t)
	}
	return q
}

// produce appends a batch and returns its base offset.
func (c *client) produce(topic string, batch record.Batch) int64 {
	c.rig.Helper()
	answer := c.ask(produceRequest(8, 1, part{topic, batch})).(*kmsg.ProduceResponse)
	if len(answer.Topics) != 1 || len(answer.Topics[0].Partitions) != 1 || answer.Topics[0].Partitions[0].ErrorCode != 0 {
		c.rig.Fatalf("Produce: expected one partition without error, got %+v", answer.Topics)
	}
	return answer.Topics[0].Partitions[0].BaseOffset
}

// wanted is partition 0 of a topic from an offset on.
type wanted struct {
	topic string
	from  int64
	max   int32 // bytes; 0: as many as there are
}

// fetchRequest asks for the partitions; the limits of the request are the caller's.
func fetchRequest(version int16, minBytes, maxWaitMs int32, from ...wanted) *kmsg.FetchRequest {
	q := kmsg.NewPtrFetchRequest()
	q.Version, q.MinBytes, q.MaxWaitMillis, q.MaxBytes = version, minBytes, maxWaitMs, 32<<20
	q.ReplicaID, q.SessionID, q.SessionEpoch = -1, 0, -1 // a consumer, without a session
	for _, w := range from {
		t, p := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
		t.Topic, p.FetchOffset, p.PartitionMaxBytes = w.topic, w.from, 16<<20
		if w.max > 0 {
			p.PartitionMaxBytes = w.max
		}
		p.CurrentLeaderEpoch = -1
		t.Partitions = append(t.Partitions, p)
		q.Topics = append(q.Topics, t)
	}
	return q
}

// fetched returns the partitions of an answer, in the request's order.
func (c *client) fetched(q *kmsg.FetchRequest, answer kmsg.Response) []kmsg.FetchResponseTopicPartition {
	c.rig.Helper()
	var parts []kmsg.FetchResponseTopicPartition
	topics := answer.(*kmsg.FetchResponse).Topics
	for _, asked := range q.Topics {
		for _, t := range topics {
			if t.Topic == asked.Topic {
				parts = append(parts, t.Partitions...)
			}
		}
	}
	if len(parts) != len(q.Topics) {
		c.rig.Fatalf("Fetch: expected %d partitions, got %+v", len(q.Topics), topics)
	}
	return parts
}

// fetch asks and returns the partitions.
func (c *client) fetch(q *kmsg.FetchRequest) []kmsg.FetchResponseTopicPartition {
	c.rig.Helper()
	return c.fetched(q, c.ask(q))
}
