package api

import (
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"highwater.dev/broker/clock"
	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/replmgr"
	"highwater.dev/broker/wire"
)

// Produce, versions 3 to 13 (KIP-98 record batches, KIP-467 record errors, KIP-951 leader discovery, KIP-516 topic ids).
//
// Versions 0 to 2 are advertised for librdkafka's sake (KAFKA-18659) and close the connection. Each partition takes exactly one v2
// batch, which is checked and appended as it came. acks=1 answers when the leader has appended, acks=all when the high
// watermark has passed the records or after timeout.ms (REQUEST_TIMED_OUT: they may still commit). acks=0 gets no answer, and
// an error closes the connection, which is all a client can be told. zstd needs version 7 (UNSUPPORTED_COMPRESSION_TYPE).
//
// A partition that a request names twice is appended to and answered once, by what was said last. Transactional batches
// without a transactional.id refuse the whole request (TRANSACTIONAL_ID_AUTHORIZATION_FAILED).
//
// Left out: transactions. A transactional batch is INVALID_TXN_STATE, as from a producer that never enrolled the partition. No quotas: the
// throttle time is 0.

// produceState is what a connection keeps for its produce requests.
type produceState struct {
	req     wire.ProduceRequest
	enc     wire.ProduceResponse
	header  record.Header
	results []produceResult
	dups    repeats
	leaders endpointSet
	waiter  *replmgr.Waiter
	timer   pollTimer
}

// produceResult is one partition's outcome. Partition is set while acks=all waits for its high watermark to pass last.
type produceResult struct {
	wire.ProducePartitionResult
	repeated  bool // the request names the partition again further on, and that counts
	partition *replmgr.Partition
	last      model.Offset
}

// firstByID is the version of Produce and Fetch that names topics by id (KIP-516).
const firstByID = 13

func (s *session) produce(req *wire.Request, resp *wire.Response) error {
	p := &s.p
	if err := p.req.Decode(req.Header.Version, req.Body); err != nil {
		return err
	}
	waiting := s.appendAll(p)
	if p.req.Acks == 0 {
		resp.None = true
		return p.firstError()
	}
	if waiting > 0 {
		if err := s.awaitCommit(p, waiting); err != nil {
			return err
		}
	}
	wire.BeginResponse(resp, &req.Header)
	s.answerProduce(p, resp)
	return nil
}

// answerProduce writes the answer, each partition once.
func (s *session) answerProduce(p *produceState, resp *wire.Response) {
	topics := 0
	for i := range p.req.Topics() {
		if p.answered(p.req.Topic(i)) >= 0 {
			topics++
		}
	}
	p.enc.Begin(resp, p.req.Version, topics)
	p.leaders.list = p.leaders.list[:0]
	for i := range p.req.Topics() {
		t := p.req.Topic(i)
		n := p.answered(t)
		if n < 0 {
			continue
		}
		p.enc.Topic(t.Name, t.ID, n)
		for j := t.First; j < t.First+t.Count; j++ {
			r := &p.results[j]
			if r.repeated {
				continue
			}
			if p.req.Version >= 10 && r.ErrorCode == kerr.NotLeaderForPartition.Code {
				r.Leader = s.leaderOf(t.Name, t.ID, r.Index, &p.leaders)
			}
			p.enc.Partition(&r.ProducePartitionResult)
		}
	}
	p.enc.End(0, p.leaders.list)
}

// answered is how many of a topic's partitions are answered; -1 when all it has are answered further on.
func (p *produceState) answered(t wire.Topic) int {
	n := t.Count
	for j := t.First; j < t.First+t.Count; j++ {
		if p.results[j].repeated {
			n--
		}
	}
	if n == 0 && t.Count > 0 {
		return -1
	}
	return n
}

// appendAll appends every partition's batch and fills p.results. It returns how many wait for their high watermark.
func (s *session) appendAll(p *produceState) (waiting int) {
	q := &p.req
	refused := s.prepare(p)
	for i := range q.Topics() {
		t := q.Topic(i)
		for j := t.First; j < t.First+t.Count; j++ {
			r := &p.results[j]
			switch {
			case r.repeated:
			case refused != nil:
				s.refuse(r, refused)
			default:
				if err := s.appendOne(p, &t, q.Partition(j).Records, r); err != nil {
					s.refuse(r, err)
				} else if r.partition != nil {
					waiting++
				}
			}
		}
	}
	return waiting
}

// prepare makes p.results, and finds what refuses the whole request: transactional batches of a producer that says no
// transactional.id, as whom nobody can authorize it.
func (s *session) prepare(p *produceState) (refused error) {
	q := &p.req
	clear(p.results) // drops the last request's messages and partitions
	p.results = p.results[:0]
	several := q.Partitions() > 1
	for i := range q.Topics() {
		t := q.Topic(i)
		for j := t.First; j < t.First+t.Count; j++ {
			data := q.Partition(j)
			p.results = append(p.results, produceResult{ProducePartitionResult: wire.ProducePartitionResult{
				Index: data.Index, BaseOffset: model.NoOffset, AppendTime: model.NoTimestamp, LogStart: model.NoOffset, Leader: wire.NoLeader}})
			if !q.Transactional && record.ReadHeader(data.Records, &p.header) == nil && p.header.Attributes.Transactional() {
				refused = errNoTransaction
			}
			if several {
				if before, again := p.dups.put(&fetchKey{id: t.ID, topic: t.Name, index: data.Index}, j); again {
					p.results[before].repeated = true
				}
			}
		}
	}
	p.dups.reset()
	return refused
}

// appendOne checks what only the API can and appends the batch. r.partition is set when the answer must wait.
func (s *session) appendOne(p *produceState, t *wire.Topic, records []byte, r *produceResult) error {
	q := &p.req
	partition, err := s.partition(q.Version >= firstByID, t.Name, t.ID, r.Index)
	if err != nil {
		return err
	}
	if len(records) == 0 {
		return errNoBatch
	}
	if record.ReadHeader(records, &p.header) == nil {
		if q.Version < 7 && p.header.Attributes.Compression() == record.Zstd {
			return kerr.UnsupportedCompressionType
		}
		if p.header.Attributes.Transactional() {
			return errNotEnrolled
		}
	}
	if q.Acks < -1 || q.Acks > 1 {
		return kerr.InvalidRequiredAcks
	}
	done, err := partition.Append(records, q.Acks, model.NoLeaderEpoch)
	if err != nil {
		if len(done.RecordErrors) > 0 {
			r.RecordErrors, r.LogStart = recordErrors(done.RecordErrors), done.LogStart
		}
		return err
	}
	s.api.counters.producedBytes.Add(int64(len(records)))
	r.BaseOffset, r.AppendTime, r.LogStart = done.Base, done.AppendTime, done.LogStart
	if q.Acks == -1 && partition.HighWatermark() <= done.Last {
		r.partition, r.last = partition, done.Last
	}
	return nil
}

var (
	errNoBatch       = fmt.Errorf("%w: a partition's data must be one record batch", kerr.InvalidRecord)
	errNoTransaction = fmt.Errorf("%w: transactional records without a transactional.id", kerr.TransactionalIDAuthorizationFailed)
	errNotEnrolled   = fmt.Errorf("%w: transactions are not served; no partition is part of one", kerr.InvalidTxnState)
)

// recordErrors names the refused records (KIP-467).
func recordErrors(found []record.RecordError) []wire.RecordError {
	var errs []wire.RecordError
	for i := range found {
		errs = append(errs, wire.RecordError{Index: found[i].Index, Message: &found[i].Message})
	}
	return errs
}

// partition finds a partition by the topic's id or name.
func (s *session) partition(byID bool, name string, id model.TopicID, index int32) (*replmgr.Partition, error) {
	if byID {
		return s.api.Replicas.PartitionByID(id, index)
	}
	return s.api.Replicas.Partition(name, index)
}

// refuse turns r into an error's answer.
func (s *session) refuse(r *produceResult, err error) {
	r.ErrorCode, r.ErrorMessage = s.failure("Produce", err)
	r.BaseOffset, r.AppendTime = model.NoOffset, model.NoTimestamp
	s.api.counters.produceErrors.Inc()
}

// firstError is what closes the connection of an acks=0 producer.
func (p *produceState) firstError() error {
	for i := range p.results {
		if code := p.results[i].ErrorCode; code != 0 {
			return fmt.Errorf("api: acks=0 and partition %d failed: %w", p.results[i].Index, kerr.ErrorForCode(code))
		}
	}
	return nil
}

// awaitCommit waits until the high watermarks have passed the appended records, at most timeout.ms.
func (s *session) awaitCommit(p *produceState, waiting int) error {
	if p.waiter == nil {
		p.waiter = replmgr.NewWaiter()
	}
	p.timer.start(s.api.Clock, time.Duration(max(p.req.TimeoutMs, 0))*time.Millisecond)
	defer p.timer.stop()
	for i := range p.results {
		if p.results[i].partition != nil {
			p.results[i].partition.Watch(p.waiter)
		}
	}
	defer p.unwatch()
	for {
		for i := range p.results {
			if r := &p.results[i]; r.partition != nil && s.settled(r) {
				r.partition.Unwatch(p.waiter)
				r.partition = nil
				waiting--
			}
		}
		if waiting == 0 {
			return nil
		}
		select {
		case <-p.waiter.C():
		case <-p.timer.c:
			if p.timer.expired() {
				for i := range p.results {
					if r := &p.results[i]; r.partition != nil {
						s.refuse(r, kerr.RequestTimedOut)
					}
				}
				return nil
			}
		case <-s.cancelled:
			return errCancelled
		}
	}
}

func (p *produceState) unwatch() {
	for i := range p.results {
		if r := &p.results[i]; r.partition != nil {
			r.partition.Unwatch(p.waiter)
			r.partition = nil
		}
	}
}

// settled reports whether a waiting append is committed, or will not be for this client to see.
func (s *session) settled(r *produceResult) bool {
	if r.partition.HighWatermark() > r.last {
		return true
	}
	if err := r.partition.Log().Failed(); err != nil {
		s.refuse(r, errors.Join(kerr.KafkaStorageError, err))
		return true
	}
	return false
}

// pollTimer is a timer that a connection reuses without allocating.
type pollTimer struct {
	c     chan struct{}
	clock clock.Clock
	timer clock.Timer
	due   time.Time
}

// start has c receive once d has passed. A receive may also come from an earlier start: ask expired.
func (t *pollTimer) start(c clock.Clock, d time.Duration) {
	t.clock, t.due = c, c.Now().Add(d)
	if t.timer != nil {
		t.timer.Reset(d)
		return
	}
	t.c = make(chan struct{}, 1)
	t.timer = c.AfterFunc(d, func() {
		select {
		case t.c <- struct{}{}:
		default:
		}
	})
}

func (t *pollTimer) expired() bool { return !t.clock.Now().Before(t.due) }

func (t *pollTimer) stop() { t.timer.Stop() }
