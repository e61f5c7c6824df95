// Given: no exercise is in this file. It was made from solutions/02-wire-protocol/handler.go by: go run . generate
// made: 305649dc71e06e3dbf517f7f29c01163b9c50127294c2aee21877dd77f9b3836

package wireprotocol

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"highwater.dev/broker/model"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/vfs"
	"highwater.dev/broker/wire"
)

const (
	nodeID    = 1
	clusterID = "highwater-chapter-02-a"
)

// Options are what a Broker is made of.
type Options struct {
	OpenLog    segment.Opener // chapter 01's
	FS         vfs.FS
	Dir        string // the partitions' folders lie in it
	Partitions int    // num.partitions of a topic that is made on demand
}

// Broker answers requests: a wire.Handler.
type Broker struct {
	topics topics
	host   string
	port   int32
}

// New returns a Broker without topics.
func New(o Options) *Broker {
	return &Broker{topics: topics{open: o.OpenLog, fs: o.FS, dir: o.Dir, partitions: o.Partitions, byName: map[string][]*partition{}}}
}

// Advertise says where clients reach the broker (advertised.listeners). It is called before any request is served.
func (b *Broker) Advertise(host string, port int32) { b.host, b.port = host, port }

// Close closes the logs. No request is in work any more.
func (b *Broker) Close() error {
	var errs []error
	for _, topic := range b.topics.names() {
		for _, p := range b.topics.get(topic) {
			errs = append(errs, p.log.Close())
		}
	}
	return errors.Join(errs...)
}

// Open implements wire.Handler.
func (b *Broker) Open(wire.Peer) wire.Session { return &session{broker: b} }

// session is one connection's: a seam.AsyncSession.
type session struct {
	broker    *Broker
	cancelled watchers // told when long polls are to end
}

// Cancel implements wire.Session.
func (s *session) Cancel() { s.cancelled.notify() }

// Close implements wire.Session.
func (s *session) Close() {}

// Serve implements wire.Session: it waits for the answer.
func (s *session) Serve(req *wire.Request, resp *wire.Response) error {
	answered := make(chan error, 1)
	s.ServeAsync(req, resp, func(err error) { answered <- err })
	return <-answered
}

// ServeAsync implements seam.AsyncSession.
func (s *session) ServeAsync(req *wire.Request, resp *wire.Response, done func(error)) {
	h := req.Header
	if h.Key == wire.ApiVersions {
		encode(resp, &h, apiVersions(&h))
		done(nil)
		return
	}
	body := kmsg.RequestForKey(h.Key)
	body.SetVersion(h.Version)
	if err := body.ReadFrom(req.Body); err != nil {
		done(fmt.Errorf("decode a request of API %d: %w", h.Key, err))
		return
	}
	switch q := body.(type) {
	case *kmsg.MetadataRequest:
		encode(resp, &h, s.broker.metadata(q))
	case *kmsg.ProduceRequest:
		answer := s.broker.produce(q)
		if resp.None = q.Acks == 0; !resp.None {
			encode(resp, &h, answer)
		}
	case *kmsg.ListOffsetsRequest:
		encode(resp, &h, s.broker.listOffsets(q))
	case *kmsg.FetchRequest:
		s.fetch(q, func(f fetched) {
			encodeFetch(resp, &h, q, f)
			done(nil)
		})
		return
	}
	done(nil)
}

// encode writes header and body. The body has the request's version unless it chose another (ApiVersions).
func encode(resp *wire.Response, h *wire.Header, answer kmsg.Response) {
	if h.Key != wire.ApiVersions {
		answer.SetVersion(h.Version)
	}
	BeginResponse(resp, h)
	resp.Buf = answer.AppendTo(resp.Buf)
}

// encodeFetch writes a Fetch response by hand, versions 4 to 11: the records stay in their files.
func encodeFetch(resp *wire.Response, h *wire.Header, q *kmsg.FetchRequest, f fetched) {
	BeginResponse(resp, h)
	i32 := func(v int) { resp.Buf = binary.BigEndian.AppendUint32(resp.Buf, uint32(v)) }
	i64 := func(v int64) { resp.Buf = binary.BigEndian.AppendUint64(resp.Buf, uint64(v)) }
	i16 := func(v int16) { resp.Buf = binary.BigEndian.AppendUint16(resp.Buf, uint16(v)) }
	i32(0) // throttled for 0 ms
	if h.Version >= 7 {
		i16(0) // error
		i32(0) // no session (KIP-227): each fetch names all its partitions
	}
	i32(len(q.Topics))
	next := 0
	for _, t := range q.Topics {
		i16(int16(len(t.Topic)))
		resp.Buf = append(resp.Buf, t.Topic...)
		i32(len(t.Partitions))
		for _, asked := range t.Partitions {
			p := f.partitions[next]
			next++
			i32(int(asked.Partition))
			i16(p.code)
			i64(p.end) // high watermark: one replica
			i64(p.end) // last stable offset: no transactions
			if h.Version >= 5 {
				i64(p.start)
			}
			i32(-1) // no list of aborted transactions
			if h.Version >= 11 {
				i32(-1) // no preferred read replica (KIP-392)
			}
			i32(int(p.region.Len))
			if p.region.Len > 0 {
				resp.AppendRegion(p.region)
			}
		}
	}
}

// listOffsets answers where a log begins (-2), ends (-1), and where the first record of a time or later is.
func (b *Broker) listOffsets(q *kmsg.ListOffsetsRequest) *kmsg.ListOffsetsResponse {
	answer := kmsg.NewPtrListOffsetsResponse()
	for _, t := range q.Topics {
		topic := kmsg.NewListOffsetsResponseTopic()
		topic.Topic = t.Topic
		for _, asked := range t.Partitions {
			found := kmsg.NewListOffsetsResponseTopicPartition()
			found.Partition, found.Offset, found.Timestamp = asked.Partition, -1, -1
			if p := b.topics.find(t.Topic, asked.Partition); p != nil {
				at, err := p.offsetFor(model.TimestampMs(asked.Timestamp))
				found.Offset, found.Timestamp, found.ErrorCode = int64(at.Offset), int64(at.Timestamp), codeOf(err)
			} else {
				found.ErrorCode = kerr.UnknownTopicOrPartition.Code
			}
			topic.Partitions = append(topic.Partitions, found)
		}
		answer.Topics = append(answer.Topics, topic)
	}
	return answer
}

func (p *partition) offsetFor(ts model.TimestampMs) (at segment.TimestampOffset, err error) {
	first, next := p.log.Bounds()
	at = segment.TimestampOffset{Offset: -1, Timestamp: -1}
	switch ts {
	case -1:
		at.Offset = next
	case -2:
		at.Offset = first
	default:
		if first, ok, failure := p.log.OffsetForTime(ts); ok || failure != nil {
			at, err = first, failure
		}
	}
	return at, err
}
