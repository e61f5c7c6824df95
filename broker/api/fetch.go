package api

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"highwater.dev/broker/commitlog"
	"highwater.dev/broker/model"
	"highwater.dev/broker/replmgr"
	"highwater.dev/broker/vfs"
	"highwater.dev/broker/wire"
)

// Fetch, versions 4 to 18 (KIP-98 isolation, KIP-227 sessions, KIP-320 epochs, KIP-516 topic ids, KIP-595 divergence, KIP-903
// replica state, KIP-951 leader discovery).
//
// The answer is regions of files, never bytes read here. Partitions are read in the request's order, or in a session's, which
// moves those that had data to the end. max.bytes of the request (at most fetch.max.bytes) and of each partition hold except that
// the first partition with data gives one whole batch whatever its size. A first batch may begin below the fetch offset and a small last one
// may be cut: nothing is rewritten. read_committed ends at the last stable offset and lists aborted transactions of the
// returned range; read_uncommitted lists none.
//
// The answer waits up to max.wait.ms for min.bytes. It goes out earlier when a partition fails or diverges, or when one
// has filled its own maximum, comes to a segment's end, or has a batch for which no room is left: more would never fit.
//
// Left out: fetches of other brokers, which read above the high watermark: NOT_LEADER_OR_FOLLOWER, as for any broker that is
// no replica of the partition; preferred read replicas (there is one replica), the replica directory id (only KRaft's own quorum has one), throttling.

// fetchState is what a connection keeps for its fetch requests.
type fetchState struct {
	req     wire.FetchRequest
	enc     wire.FetchResponse
	result  wire.FetchPartitionResult
	items   []fetchItem
	dups    repeats
	aborted []wire.AbortedTxn
	read    replmgr.ReadRequest
	found   replmgr.ReadResult
	leaders endpointSet
	waiter  *replmgr.Waiter
	timer   pollTimer

	session *fetchSession // of an incremental fetch
	bytes   int           // of records in the regions of items
	ready   bool          // an error, a divergence, a filled partition or the end of a sealed segment: the answer must not wait
}

// fetchItem is one partition of the fetch in work.
type fetchItem struct {
	fetchAsk
	cached    *fetchCached // of an incremental fetch
	partition *replmgr.Partition
	answer    fetchAnswer
}

// fetchAnswer is what one partition gave.
type fetchAnswer struct {
	errorCode     int16
	region        vfs.Region
	highWatermark model.Offset
	lastStable    model.Offset
	logStart      model.Offset
	aborted       [2]int // range of fetchState.aborted
	diverging     bool
	cut           wire.EpochEnd // where the fetcher must truncate to, when diverging
}

// maxFetchBytes bounds the records of one answer whatever the configs say: a frame's length has 31 bits.
const maxFetchBytes = 1 << 30

func (s *session) fetch(req *wire.Request, resp *wire.Response) error {
	f := &s.f
	if err := f.req.Decode(req.Header.Version, req.Body); err != nil {
		return err
	}
	defer f.release()
	if refused := s.fetchContext(f); refused != nil {
		s.emptyFetch(f, req, resp, refused)
		return nil
	}
	s.resolve(f)
	s.readAll(f)
	if !f.enough() {
		if err := s.poll(f); err != nil {
			return err
		}
	}
	s.answerFetch(f, req, resp)
	return nil
}

// fetchContext fills f.items from the request and, when it continues one, the session.
func (s *session) fetchContext(f *fetchState) *kerr.Error {
	q := &f.req
	f.items, f.session = f.items[:0], nil
	byID := q.Version >= firstByID
	if q.SessionEpoch == sessionInitialEpoch || q.SessionEpoch == sessionFinalEpoch {
		if q.SessionID != 0 {
			s.api.sessions.remove(q.SessionID)
		}
		f.fullFetch()
		return nil
	}
	fs, refused := s.api.sessions.find(s.nowMs(), q.SessionID, q.SessionEpoch, byID)
	if refused != nil {
		return refused
	}
	defer fs.mu.Unlock()
	for i := range q.Topics() {
		t := q.Topic(i)
		for j := t.First; j < t.First+t.Count; j++ {
			ask := askOf(&t, &q.Partitions[j])
			fs.put(&ask)
		}
	}
	for i := range q.ForgottenTopics() {
		t := q.ForgottenTopic(i)
		for j := t.First; j < t.First+t.Count; j++ {
			fs.forget(fetchKey{id: t.ID, topic: t.Name, index: q.Forgotten[j]})
		}
	}
	if q.Topics() > 0 || q.ForgottenTopics() > 0 {
		if s.api.sessions.resized(fs, len(fs.byKey)) {
			return nil // nothing is left of it: an empty answer without a session
		}
	}
	for c := fs.ring.next; c != &fs.ring; c = c.next {
		f.items = append(f.items, fetchItem{fetchAsk: c.fetchAsk, cached: c})
	}
	f.session = fs
	return nil
}

// fullFetch fills f.items from a request that names all it wants. What it wants of a partition that it names twice
// is what it says last.
func (f *fetchState) fullFetch() {
	q := &f.req
	several := len(q.Partitions) > 1
	for i := range q.Topics() {
		t := q.Topic(i)
		for j := t.First; j < t.First+t.Count; j++ {
			ask := askOf(&t, &q.Partitions[j])
			if several {
				if before, again := f.dups.put(&ask.fetchKey, len(f.items)); again {
					f.items[before].fetchAsk = ask
					f.dups.put(&ask.fetchKey, before)
					continue
				}
			}
			f.items = append(f.items, fetchItem{fetchAsk: ask})
		}
	}
	f.dups.reset()
}

func askOf(t *wire.Topic, p *wire.FetchPartition) fetchAsk {
	return fetchAsk{fetchKey: fetchKey{id: t.ID, topic: t.Name, index: p.Index}, offset: p.FetchOffset, maxBytes: p.MaxBytes,
		currentEpoch: max(p.CurrentLeaderEpoch, model.NoLeaderEpoch), lastEpoch: p.LastFetchedEpoch}
}

func (s *session) nowMs() int64 { return s.api.Clock.Now().UnixMilli() }

// resolve finds the partitions once per request.
func (s *session) resolve(f *fetchState) {
	byID := f.req.Version >= firstByID
	for i := range f.items {
		it := &f.items[i]
		var err error
		it.partition, err = s.partition(byID, it.topic, it.id, it.index)
		if err == nil && f.req.ReplicaID >= 0 {
			err = kerr.NotLeaderForPartition
		}
		if f.wrongIsolation() || err == nil && it.maxBytes < 0 {
			err = kerr.UnknownServerError // as Apache Kafka, whose readers throw
		}
		if err != nil {
			it.partition = nil
			it.answer = failedFetch(codeOf(err))
		}
	}
}

func (f *fetchState) wrongIsolation() bool {
	return f.req.IsolationLevel != 0 && f.req.IsolationLevel != readCommitted
}

func failedFetch(code int16) fetchAnswer {
	return fetchAnswer{errorCode: code, highWatermark: model.NoOffset, lastStable: model.NoOffset, logStart: model.NoOffset}
}

// readAll reads every partition anew, inside the limits.
func (s *session) readAll(f *fetchState) {
	f.release()
	q := &f.req
	f.bytes, f.ready, f.aborted = 0, false, f.aborted[:0]
	budget := int(min(q.MaxBytes, int32(s.api.Config.FetchMaxBytes), maxFetchBytes))
	minOne := true
	for i := range f.items {
		it := &f.items[i]
		if it.partition == nil {
			f.ready = true
			continue
		}
		limit := max(min(int(it.maxBytes), budget), 0)
		f.read = replmgr.ReadRequest{From: it.offset, MaxBytes: limit, MinOne: minOne, Current: it.currentEpoch,
			LastFetched: it.lastEpoch, Committed: q.IsolationLevel == readCommitted, Replica: q.ReplicaID}
		s.readOne(f, it)
		if n := int(it.answer.region.Len); n > 0 {
			minOne = false
			budget = max(budget-n, 0)
			f.bytes += n
		}
		f.ready = f.ready || f.found.Full || it.answer.errorCode != 0 || it.answer.diverging
	}
}

// readOne reads one partition as f.read says.
func (s *session) readOne(f *fetchState, it *fetchItem) {
	err := it.partition.Read(&f.read, &f.found)
	found := &f.found
	if err != nil {
		code, _ := s.failure("Fetch", err)
		if code == kerr.KafkaStorageError.Code && f.req.Version <= 5 {
			code = kerr.NotLeaderForPartition.Code // clients of version 5 do not know the other (KIP-112)
		}
		it.answer = failedFetch(code)
		return
	}
	it.answer = fetchAnswer{region: found.Region, highWatermark: found.HighWatermark, lastStable: found.LastStable, logStart: found.LogStart}
	if found.DivergingEpoch != model.NoLeaderEpoch {
		it.answer.diverging = true
		it.answer.cut = wire.EpochEnd{Epoch: found.DivergingEpoch, End: found.DivergingEnd}
	}
	if f.read.Committed {
		it.answer.aborted = f.keepAborted(found.Aborted)
	}
}

// keepAborted copies the list, which the next read overwrites, and returns where.
func (f *fetchState) keepAborted(list []commitlog.AbortedTxn) [2]int {
	from := len(f.aborted)
	for i := range list {
		f.aborted = append(f.aborted, wire.AbortedTxn{ProducerID: list[i].ProducerID, FirstOffset: list[i].First})
	}
	return [2]int{from, len(f.aborted)}
}

// enough reports whether the answer may go out now.
func (f *fetchState) enough() bool {
	return f.ready || f.req.MaxWaitMs <= 0 || len(f.items) == 0 || f.bytes >= int(min(f.req.MinBytes, f.req.MaxBytes))
}

// poll waits until there is enough or max.wait.ms has passed. It watches first and reads then, so no wake-up is lost.
func (s *session) poll(f *fetchState) error {
	if f.waiter == nil {
		f.waiter = replmgr.NewWaiter()
	}
	f.timer.start(s.api.Clock, time.Duration(f.req.MaxWaitMs)*time.Millisecond)
	defer f.timer.stop()
	for i := range f.items {
		f.items[i].partition.Watch(f.waiter)
	}
	defer func() {
		for i := range f.items {
			f.items[i].partition.Unwatch(f.waiter)
		}
	}()
	for {
		s.readAll(f)
		if f.enough() {
			return nil
		}
		select {
		case <-f.waiter.C():
		case <-f.timer.c:
			if f.timer.expired() {
				return nil
			}
		case <-s.cancelled:
			return fmt.Errorf("fetch: %w", errCancelled)
		}
	}
}

// release gives up the regions that did not go into a response.
func (f *fetchState) release() {
	for i := range f.items {
		f.items[i].answer.region.Release()
		f.items[i].answer.region = vfs.Region{}
	}
}

// close gives up what the connection holds.
func (f *fetchState) close() { f.release() }

// emptyFetch answers with an error for the whole request.
func (s *session) emptyFetch(f *fetchState, req *wire.Request, resp *wire.Response, reason *kerr.Error) {
	wire.BeginResponse(resp, &req.Header)
	f.enc.Begin(resp, f.req.Version, 0, reason.Code, 0)
	f.enc.End(nil)
}

// answerFetch writes the answer: everything without a session, and for a session's continuation what is news.
func (s *session) answerFetch(f *fetchState, req *wire.Request, resp *wire.Response) {
	q := &f.req
	sessionID := int32(0)
	switch {
	case f.session != nil:
		f.session.mu.Lock()
		defer f.session.mu.Unlock()
		if f.session.epoch != nextSessionEpoch(q.SessionEpoch) {
			s.emptyFetch(f, req, resp, kerr.InvalidFetchSessionEpoch) // another connection went on with it meanwhile
			return
		}
		sessionID = f.session.id
	case q.SessionEpoch == sessionInitialEpoch && q.Version >= 7:
		sessionID = s.api.sessions.open(s.nowMs(), q.Version >= firstByID, f.items)
	}
	wire.BeginResponse(resp, &req.Header)
	code := int16(0)
	if f.wrongIsolation() {
		code = kerr.UnknownServerError.Code
	}
	f.enc.Begin(resp, q.Version, 0, code, sessionID)
	f.leaders.list = f.leaders.list[:0]
	for i := range f.items {
		it := &f.items[i]
		if f.session != nil && !f.session.news(it.cached, &it.answer) {
			continue
		}
		f.enc.Topic(it.topic, it.id)
		f.result = wire.NewFetchPartitionResult(it.index)
		f.fill(it)
		if q.Version >= 16 && (it.answer.errorCode == kerr.NotLeaderForPartition.Code || it.answer.errorCode == kerr.FencedLeaderEpoch.Code) {
			f.result.Leader = s.leaderOf(it.topic, it.id, it.index, &f.leaders)
		}
		f.enc.Partition(&f.result) // owns the region now
		it.answer.region = vfs.Region{}
	}
	f.enc.End(f.leaders.list)
	s.api.counters.fetchedBytes.Add(f.enc.Bytes())
}

func (f *fetchState) fill(it *fetchItem) {
	r, a := &f.result, &it.answer
	r.ErrorCode, r.HighWatermark, r.LastStable, r.LogStart = a.errorCode, a.highWatermark, a.lastStable, a.logStart
	if a.diverging {
		r.Diverging = a.cut
	}
	if f.req.IsolationLevel == readCommitted && a.errorCode == 0 {
		if f.aborted == nil {
			f.aborted = make([]wire.AbortedTxn, 0, 8) // an empty list is not a null one
		}
		r.Aborted = f.aborted[a.aborted[0]:a.aborted[1]]
	}
	r.Region = a.region
}
