package conformance

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// fetch1 sends a fetch of one partition and returns that partition's answer.
func fetch1(t *testing.T, w *wire, version int16, req *kmsg.FetchRequest) kmsg.FetchResponseTopicPartition {
	t.Helper()
	resp := ask[*kmsg.FetchResponse](w, version, req)
	requireCode(t, nil, resp.ErrorCode, "fetch")
	require.Len(t, resp.Topics, 1)
	require.Len(t, resp.Topics[0].Partitions, 1)
	return resp.Topics[0].Partitions[0]
}

// filled is a topic whose partition 0 holds n batches of two records each, values "0" to "2n-1".
func filled(t *testing.T, addr string, n int) string {
	t.Helper()
	topic, w := createTopic(t, addr, 1, nil), dial(t, addr)
	for i := range n {
		sendOK(t, w, topic, int64(2*i), simpleBatch(fmt.Sprint(2*i), fmt.Sprint(2*i+1)))
	}
	return topic
}

func TestWireFetchBounds(t *testing.T) {
	addr := bootstrap(t)
	topic := filled(t, addr, 10)
	w := dial(t, addr)
	one := len(simpleBatch("0", "1").bytes())
	read := func(offset int64, partitionMax, responseMax int32) (int, kmsg.FetchResponseTopicPartition) {
		t.Helper()
		req := fetchRequest(topic, 0, offset)
		req.Topics[0].Partitions[0].PartitionMaxBytes, req.MaxBytes = partitionMax, responseMax
		p := fetch1(t, w, 11, req)
		requireCode(t, nil, p.ErrorCode, "fetch")
		return len(p.RecordBatches), p
	}
	got, p := read(0, 1<<20, 1<<20)
	require.GreaterOrEqual(t, got, 10*one)
	require.EqualValues(t, 20, p.HighWatermark)
	require.EqualValues(t, 20, p.LastStableOffset)
	require.Zero(t, p.LogStartOffset)
	got, _ = read(0, 1, 1<<20)
	require.Equal(t, one, got, "at least one whole batch, over the partition's limit")
	got, _ = read(0, 1<<20, 1)
	require.Equal(t, one, got, "and over the request's")
	got, _ = read(0, int32(one)*2+5, 1<<20)
	require.LessOrEqual(t, got, one*2+5, "a limit over one batch holds")
	require.GreaterOrEqual(t, got, one*2)
	_, p = read(3, 1, 1<<20) // in the middle of the second batch
	require.Equal(t, byte(2), p.RecordBatches[7], "the whole batch that holds the offset")
	got, p = read(20, 1<<20, 1<<20)
	require.Zero(t, got, "at the end there is nothing")
	require.EqualValues(t, 20, p.HighWatermark)
}

func TestWireFetchErrors(t *testing.T) {
	addr := bootstrap(t)
	topic := filled(t, addr, 2)
	w := dial(t, addr)
	at := func(offset int64) kmsg.FetchResponseTopicPartition {
		return fetch1(t, w, 11, fetchRequest(topic, 0, offset))
	}
	for _, offset := range []int64{5, 1_000_000, -1} {
		p := at(offset)
		requireCode(t, kerr.OffsetOutOfRange, p.ErrorCode, fmt.Sprint("offset ", offset))
		require.EqualValues(t, -1, p.HighWatermark)
	}
	requireCode(t, nil, at(4).ErrorCode, "the end is in range")
	requireCode(t, kerr.UnknownTopicOrPartition, fetch1(t, w, 11, fetchRequest(topicName(t), 0, 0)).ErrorCode, "unknown topic")
	requireCode(t, kerr.UnknownTopicOrPartition, fetch1(t, w, 11, fetchRequest(topic, 5, 0)).ErrorCode, "unknown partition")

	byID := fetchRequest("", 0, 0)
	byID.Topics[0].TopicID = [16]byte{9, 9, 9}
	requireCode(t, kerr.UnknownTopicID, fetch1(t, w, 13, byID).ErrorCode, "unknown topic id")
	byID.Topics[0].TopicID = topicID(t, addr, topic)
	requireCode(t, nil, fetch1(t, w, 13, byID).ErrorCode, "known topic id")

	epoch := func(current int32) int16 {
		req := fetchRequest(topic, 0, 0)
		req.Topics[0].Partitions[0].CurrentLeaderEpoch = current
		return fetch1(t, w, 11, req).ErrorCode
	}
	requireCode(t, nil, epoch(0), "the leader's epoch")
	requireCode(t, nil, epoch(-1), "no epoch")
	requireCode(t, kerr.UnknownLeaderEpoch, epoch(7), "an epoch to come")
}

func TestWireFetchDivergence(t *testing.T) {
	addr := bootstrap(t)
	topic := filled(t, addr, 2)
	req := fetchRequest(topic, 0, 2)
	req.Topics[0].Partitions[0].LastFetchedEpoch = 0
	p := fetch1(t, dial(t, addr), 12, req)
	requireCode(t, nil, p.ErrorCode, "fetch")
	require.EqualValues(t, -1, p.DivergingEpoch.Epoch, "the follower's epoch agrees")
	require.NotEmpty(t, p.RecordBatches)
}

// TestWireFetchWaits: with too little to read the answer waits for max.wait.ms, never less, and a produce wakes it.
func TestWireFetchWaits(t *testing.T) {
	addr := bootstrap(t)
	topic := filled(t, addr, 1)
	w := dial(t, addr)
	wait := func(offset int64, minBytes, millis int32) (time.Duration, []byte) {
		t.Helper()
		req := fetchRequest(topic, 0, offset)
		req.MinBytes, req.MaxWaitMillis = minBytes, millis
		begun := time.Now()
		p := fetch1(t, w, 11, req)
		requireCode(t, nil, p.ErrorCode, "fetch")
		return time.Since(begun), p.RecordBatches
	}
	took, got := wait(2, 1, 250)
	require.GreaterOrEqual(t, took, 250*time.Millisecond, "nothing there: all of max.wait.ms")
	require.Empty(t, got)
	took, got = wait(0, 1<<20, 250)
	require.GreaterOrEqual(t, took, 250*time.Millisecond, "too little there: all of max.wait.ms, then what there is")
	require.NotEmpty(t, got)
	took, got = wait(0, 1, 10_000)
	require.Less(t, took, 5*time.Second, "enough there: at once")
	require.NotEmpty(t, got)
	took, _ = wait(2, 0, 10_000)
	require.Less(t, took, 5*time.Second, "min.bytes 0 waits for nothing")

	req := fetchRequest(topic, 0, 2)
	req.MinBytes, req.MaxWaitMillis = 1, 14_000
	req.SetVersion(11)
	begun := time.Now()
	w.write(w.request(req))
	sendOK(t, dial(t, addr), topic, 2, simpleBatch("woken"))
	resp := w.answer(req, 0).(*kmsg.FetchResponse)
	require.Less(t, time.Since(begun), 10*time.Second, "a produce wakes the reader")
	require.NotEmpty(t, resp.Topics[0].Partitions[0].RecordBatches)

	// An error does not wait for its time either.
	bad := fetchRequest(topic, 0, 99)
	bad.MinBytes, bad.MaxWaitMillis = 1, 14_000
	begun = time.Now()
	requireCode(t, kerr.OffsetOutOfRange, fetch1(t, w, 11, bad).ErrorCode, "out of range")
	require.Less(t, time.Since(begun), 10*time.Second)
}

// TestWireFetchOrder: the first partition with data gets at least a batch, whatever the limit, and the others share what is left.
func TestWireFetchOrder(t *testing.T) {
	addr := bootstrap(t)
	first, second := filled(t, addr, 3), filled(t, addr, 3)
	empty := createTopic(t, addr, 1, nil)
	req := fetchRequest(empty, 0, 0)
	req.Topics = append(req.Topics, fetchRequest(second, 0, 0).Topics[0], fetchRequest(first, 0, 0).Topics[0])
	req.MaxBytes = 1
	resp := ask[*kmsg.FetchResponse](dial(t, addr), 11, req)
	sizes := map[string]int{}
	for _, rt := range resp.Topics {
		sizes[rt.Topic] = len(rt.Partitions[0].RecordBatches)
	}
	require.Equal(t, map[string]int{empty: 0, second: len(simpleBatch("0", "1").bytes()), first: 0}, sizes)
}

// session is a fetch session under test.
type session struct {
	t  *testing.T
	w  *wire
	id int32
	ep int32
}

// fetch sends an incremental fetch: partitions named are added or changed, those forgotten leave.
func (s *session) fetch(topics []kmsg.FetchRequestTopic, forgotten ...kmsg.FetchRequestForgottenTopic) *kmsg.FetchResponse {
	s.t.Helper()
	req := fetchRequest("", 0, 0)
	req.SessionID, req.SessionEpoch, req.Topics, req.ForgottenTopics = s.id, s.ep, topics, forgotten
	s.ep++
	return ask[*kmsg.FetchResponse](s.w, 11, req)
}

// openSession starts a session over partitions 0 of topics, each from offset 0.
func openSession(t *testing.T, addr string, topics ...string) (*session, *kmsg.FetchResponse) {
	t.Helper()
	s := &session{t: t, w: dial(t, addr)}
	var wanted []kmsg.FetchRequestTopic
	for _, topic := range topics {
		wanted = append(wanted, fetchRequest(topic, 0, 0).Topics[0])
	}
	resp := s.fetch(wanted)
	requireCode(t, nil, resp.ErrorCode, "session")
	require.NotZero(t, resp.SessionID, "a broker with room opens a session")
	s.id = resp.SessionID
	return s, resp
}

func TestWireFetchSessions(t *testing.T) {
	addr := bootstrap(t)
	busy, idle := filled(t, addr, 2), createTopic(t, addr, 1, nil)
	s, resp := openSession(t, addr, busy, idle)
	require.Len(t, resp.Topics, 2, "the first answer names every partition")

	resp = s.fetch([]kmsg.FetchRequestTopic{fetchRequest(busy, 0, 4).Topics[0]}) // moved to the end
	requireCode(t, nil, resp.ErrorCode, "incremental")
	require.Equal(t, s.id, resp.SessionID)
	require.Empty(t, resp.Topics, "what did not change is left out")

	sendOK(t, dial(t, addr), idle, 0, simpleBatch("a"))
	resp = s.fetch(nil)
	require.Len(t, resp.Topics, 1, "what changed is there")
	require.Equal(t, idle, resp.Topics[0].Topic)
	require.NotEmpty(t, resp.Topics[0].Partitions[0].RecordBatches)

	resp = s.fetch(nil, kmsg.FetchRequestForgottenTopic{Topic: idle, Partitions: []int32{0}})
	require.Empty(t, resp.Topics, "what is forgotten is gone")
	sendOK(t, dial(t, addr), idle, 1, simpleBatch("b"))
	require.Empty(t, s.fetch(nil).Topics)
	sendOK(t, dial(t, addr), busy, 4, simpleBatch("c"))
	require.Len(t, s.fetch(nil).Topics, 1)

	missing := fetchRequest(topicName(t), 0, 0).Topics[0]
	resp = s.fetch([]kmsg.FetchRequestTopic{missing})
	require.Len(t, resp.Topics, 2, "an error is always named, and so is data not yet passed")

	s.ep = -1 // ends it
	resp = s.fetch(nil)
	requireCode(t, nil, resp.ErrorCode, "closing")
	require.Zero(t, resp.SessionID)
	s.ep = 9
	requireCode(t, kerr.FetchSessionIDNotFound, s.fetch(nil).ErrorCode, "a closed session")
}

func TestWireFetchSessionErrors(t *testing.T) {
	addr := bootstrap(t)
	topic := filled(t, addr, 1)
	s, _ := openSession(t, addr, topic)
	s.ep = 7
	resp := s.fetch(nil)
	requireCode(t, kerr.InvalidFetchSessionEpoch, resp.ErrorCode, "an epoch ahead")
	require.Empty(t, resp.Topics)
	s.ep = 1
	requireCode(t, nil, s.fetch(nil).ErrorCode, "the session lives on")
	s.ep = 1
	requireCode(t, kerr.InvalidFetchSessionEpoch, s.fetch(nil).ErrorCode, "an epoch twice")

	unknown := &session{t: t, w: dial(t, addr), id: 0x7eadbeef, ep: 1}
	requireCode(t, kerr.FetchSessionIDNotFound, unknown.fetch(nil).ErrorCode, "an unknown session")

	none := &session{t: t, w: dial(t, addr), ep: -1}
	resp = none.fetch(fetchRequest(topic, 0, 0).Topics)
	requireCode(t, nil, resp.ErrorCode, "without a session")
	require.Zero(t, resp.SessionID)
	require.Len(t, resp.Topics, 1)

	// A session belongs to nobody's connection.
	other := &session{t: t, w: dial(t, addr), id: s.id, ep: 2}
	requireCode(t, nil, other.fetch(nil).ErrorCode, "from another connection")
}

func TestWireListOffsets(t *testing.T) {
	addr := bootstrap(t)
	topic := createTopic(t, addr, 1, nil)
	w := dial(t, addr)
	times := func(times ...int64) *batch {
		b := simpleBatch(make([]string, len(times))...)
		b.records, b.maxTimestamp = nil, times[0]
		for i, at := range times {
			b.records = appendRecord(b.records, at-firstTimestamp, int64(i), nil, []byte("v"))
			b.maxTimestamp = max(b.maxTimestamp, at)
		}
		return b
	}
	const at = firstTimestamp
	sendOK(t, w, topic, 0, times(at, at+10, at+20))
	sendOK(t, w, topic, 3, times(at+100, at+50, at+60)) // not in order
	sendOK(t, w, topic, 6, times(at+30, at+90))
	for what, c := range map[string]struct{ ask, offset, timestamp int64 }{
		"earliest":               {-2, 0, -1},
		"latest":                 {-1, 8, -1},
		"greatest timestamp":     {-3, 3, at + 100},
		"before all":             {0, 0, at},
		"a record's own time":    {at + 10, 1, at + 10},
		"between two":            {at + 11, 2, at + 20},
		"in a later batch":       {at + 21, 3, at + 100},
		"the first, not nearest": {at + 55, 3, at + 100},
		"the last":               {at + 100, 3, at + 100},
		"after all":              {at + 101, -1, -1},
	} {
		p := listOffset(t, addr, 7, topic, 0, c.ask, -1)
		requireCode(t, nil, p.ErrorCode, what)
		require.Equal(t, []int64{c.offset, c.timestamp}, []int64{p.Offset, p.Timestamp}, what)
	}
	for version, special := range map[int16]int64{8: -4, 9: -5} { // earliest local, latest tiered: without tiering
		p := listOffset(t, addr, version, topic, 0, special, -1)
		requireCode(t, nil, p.ErrorCode, fmt.Sprint(special))
		require.Equal(t, map[int64]int64{-4: 0, -5: -1}[special], p.Offset)
	}
	require.EqualValues(t, 0, listOffset(t, addr, 7, topic, 0, -1, 0).LeaderEpoch)
	requireCode(t, kerr.UnknownLeaderEpoch, listOffset(t, addr, 7, topic, 0, -1, 5).ErrorCode, "an epoch to come")
	requireCode(t, kerr.UnknownTopicOrPartition, listOffset(t, addr, 7, topic, 4, -1, -1).ErrorCode, "unknown partition")
	requireCode(t, kerr.UnknownTopicOrPartition, listOffset(t, addr, 7, topicName(t), 0, -1, -1).ErrorCode, "unknown topic")

	empty := createTopic(t, addr, 1, nil)
	for special, want := range map[int64]int64{-1: 0, -2: 0, -3: -1, 0: -1} {
		require.Equalf(t, want, listOffset(t, addr, 7, empty, 0, special, -1).Offset, "empty, %d", special)
	}
}

func TestWireOffsetForLeaderEpoch(t *testing.T) {
	addr := bootstrap(t)
	topic := filled(t, addr, 3)
	at := func(topic string, partition, current, epoch int32) kmsg.OffsetForLeaderEpochResponseTopicPartition {
		t.Helper()
		p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
		p.Partition, p.CurrentLeaderEpoch, p.LeaderEpoch = partition, current, epoch
		req := kmsg.NewPtrOffsetForLeaderEpochRequest()
		req.ReplicaID = -1
		req.Topics = []kmsg.OffsetForLeaderEpochRequestTopic{{Topic: topic, Partitions: []kmsg.OffsetForLeaderEpochRequestTopicPartition{p}}}
		resp := ask[*kmsg.OffsetForLeaderEpochResponse](dial(t, addr), 4, req)
		require.Len(t, resp.Topics, 1)
		return resp.Topics[0].Partitions[0]
	}
	p := at(topic, 0, -1, 0)
	requireCode(t, nil, p.ErrorCode, "epoch 0")
	require.Equal(t, []int64{0, 6}, []int64{int64(p.LeaderEpoch), p.EndOffset}, "the epoch that is ends at the log's end")
	p = at(topic, 0, 0, 5)
	requireCode(t, nil, p.ErrorCode, "epoch 5")
	require.Equal(t, []int64{-1, -1}, []int64{int64(p.LeaderEpoch), p.EndOffset}, "an epoch to come has no end")
	requireCode(t, kerr.UnknownLeaderEpoch, at(topic, 0, 3, 0).ErrorCode, "asked by one who knows more")
	requireCode(t, kerr.UnknownTopicOrPartition, at(topic, 9, -1, 0).ErrorCode, "unknown partition")
	requireCode(t, kerr.UnknownTopicOrPartition, at(topicName(t), 0, -1, 0).ErrorCode, "unknown topic")
}
