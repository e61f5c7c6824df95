package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/broker/model"
	"highwater.dev/broker/wire"
)

// only is the one partition of an answer.
func only(t *testing.T, a *kmsg.FetchResponse) kmsg.FetchResponseTopicPartition {
	t.Helper()
	require.Zero(t, a.ErrorCode)
	require.Len(t, a.Topics, 1)
	require.Len(t, a.Topics[0].Partitions, 1)
	return a.Topics[0].Partitions[0]
}

func TestFetchEveryVersion(t *testing.T) {
	s := memory(t)
	id := s.create("t", 1)
	s.produce("t", "a", "b")
	s.produce("t", "c")
	for version := int16(4); version <= 18; version++ {
		for isolation := range int8(2) {
			q := fetchRequest("t", id, 1)
			q.IsolationLevel = isolation
			a := call[*kmsg.FetchResponse](s, q, version)
			p := only(t, a)
			require.Zero(t, p.ErrorCode)
			require.Equal(t, int64(3), p.HighWatermark)
			require.Equal(t, int64(3), p.LastStableOffset)
			got, next := values(t, p.RecordBatches)
			require.Equal(t, []string{"a", "b", "c"}, got, "the first batch comes whole, from below the fetch offset")
			require.Equal(t, model.Offset(3), next)
			if isolation == 0 {
				require.Nil(t, p.AbortedTransactions)
			} else {
				require.NotNil(t, p.AbortedTransactions)
				require.Empty(t, p.AbortedTransactions)
			}
			if version >= 5 {
				require.Zero(t, p.LogStartOffset)
			}
			if version >= 11 {
				require.Equal(t, int32(-1), p.PreferredReadReplica)
			}
			if version >= 13 {
				require.Equal(t, [16]byte(id), a.Topics[0].TopicID)
			}
			require.Zero(t, a.SessionID)
		}
	}
}

func TestFetchErrors(t *testing.T) {
	s := memory(t)
	id := s.create("t", 1)
	s.produce("t", "a")
	for _, c := range []struct {
		name    string
		version int16
		change  func(*kmsg.FetchRequest)
		want    *kerr.Error
	}{
		{"no such topic", 12, func(q *kmsg.FetchRequest) { q.Topics[0].Topic = "x" }, kerr.UnknownTopicOrPartition},
		{"no such id", 18, func(q *kmsg.FetchRequest) { q.Topics[0].TopicID = model.TopicID{1, 2} }, kerr.UnknownTopicID},
		{"no such partition", 18, func(q *kmsg.FetchRequest) { q.Topics[0].Partitions[0].Partition = 4 }, kerr.UnknownTopicOrPartition},
		{"above the end", 18, func(q *kmsg.FetchRequest) { q.Topics[0].Partitions[0].FetchOffset = 2 }, kerr.OffsetOutOfRange},
		{"below zero", 18, func(q *kmsg.FetchRequest) { q.Topics[0].Partitions[0].FetchOffset = -1 }, kerr.OffsetOutOfRange},
		{"unknown epoch", 18, func(q *kmsg.FetchRequest) { q.Topics[0].Partitions[0].CurrentLeaderEpoch = 9 }, kerr.UnknownLeaderEpoch},
		{"another broker", 14, func(q *kmsg.FetchRequest) { q.ReplicaID = 2 }, kerr.NotLeaderForPartition},
		{"another broker, by its state", 18, func(q *kmsg.FetchRequest) { q.ReplicaState.ID = 0 }, kerr.NotLeaderForPartition},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := fetchRequest("t", id, 0)
			q.MaxWaitMillis = 60_000 // an error is not waited for
			c.change(q)
			p := only(t, call[*kmsg.FetchResponse](s, q, c.version))
			require.Equal(t, c.want.Code, p.ErrorCode)
			require.Equal(t, int64(-1), p.HighWatermark)
			require.Empty(t, p.RecordBatches)
		})
	}
}

// Apache Kafka takes any negative epoch for an unknown one.
func TestFetchOfNegativeEpoch(t *testing.T) {
	s := memory(t)
	id := s.create("t", 1)
	s.produce("t", "a")
	q := fetchRequest("t", id, 0)
	q.Topics[0].Partitions[0].CurrentLeaderEpoch = -2
	p := only(t, call[*kmsg.FetchResponse](s, q, 18))
	require.Zero(t, p.ErrorCode)
	require.NotEmpty(t, p.RecordBatches)
}

func TestFetchLimits(t *testing.T) {
	s := memory(t)
	id := s.create("t", 3)
	big := strings.Repeat("x", 1000)
	for partition := range int32(3) {
		for range 3 {
			a := call[*kmsg.ProduceResponse](s, produceRequest("t", id, 1, partition, batch(big)), 9)
			require.Zero(t, a.Topics[0].Partitions[0].ErrorCode)
		}
	}
	one := int32(len(batch(big)))
	all := func(maxBytes, partitionMax int32) (sizes []int) {
		q := fetchRequest("t", id, 0)
		q.MaxBytes = maxBytes
		q.Topics[0].Partitions[0].PartitionMaxBytes = partitionMax
		for i := int32(1); i < 3; i++ {
			p := q.Topics[0].Partitions[0]
			p.Partition = i
			q.Topics[0].Partitions = append(q.Topics[0].Partitions, p)
		}
		a := call[*kmsg.FetchResponse](s, q, 18)
		require.Len(t, a.Topics[0].Partitions, 3)
		for _, p := range a.Topics[0].Partitions {
			sizes = append(sizes, len(p.RecordBatches))
		}
		return sizes
	}
	require.Equal(t, []int{int(one), 0, 0}, all(10, 10), "one whole batch over any limit, once")
	require.Equal(t, []int{int(3 * one), int(3 * one), int(3 * one)}, all(1<<20, 1<<20))
	require.Equal(t, []int{int(one), int(one), int(one)}, all(1<<20, one), "the partitions' own limit")
	sizes := all(4*one, 1<<20)
	require.Equal(t, int(3*one), sizes[0], "earlier partitions go first")
	require.LessOrEqual(t, sizes[0]+sizes[1]+sizes[2], int(4*one))
}

// poll serves q in a goroutine of its own.
func poll(s *server, q *kmsg.FetchRequest, version int16) (answers chan *kmsg.FetchResponse, session wire.Session) {
	session = s.open("PLAINTEXT")
	answers = make(chan *kmsg.FetchResponse, 1)
	r := request(s.t, q, version)
	go func() {
		defer session.Close()
		defer close(answers)
		var resp wire.Response
		defer resp.Reset()
		if err := session.Serve(r, &resp); err == nil {
			answers <- decode[*kmsg.FetchResponse](s.t, r, &resp)
		}
	}()
	return answers, session
}

// waiting blocks until a long poll has set its timer.
func (s *server) waiting(pending int) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return s.clock.Pending() == pending }, 5*time.Second, time.Millisecond)
}

func TestLongPoll(t *testing.T) {
	s := memory(t)
	id := s.create("t", 1)
	idle := s.clock.Pending()

	t.Run("data", func(t *testing.T) {
		q := fetchRequest("t", id, 0)
		q.MaxWaitMillis = 30_000
		answers, _ := poll(s, q, 18)
		s.waiting(idle + 1)
		s.produce("t", "a")
		got, _ := values(t, only(t, <-answers).RecordBatches)
		require.Equal(t, []string{"a"}, got)
	})
	t.Run("min bytes", func(t *testing.T) {
		q := fetchRequest("t", id, 1)
		q.MaxWaitMillis, q.MinBytes = 30_000, int32(len(batch("b"))+1)
		answers, _ := poll(s, q, 18)
		s.waiting(idle + 1)
		s.produce("t", "b")
		require.Empty(t, answers)
		s.produce("t", "c")
		got, _ := values(t, only(t, <-answers).RecordBatches)
		require.Equal(t, []string{"b", "c"}, got)
	})
	t.Run("time", func(t *testing.T) {
		q := fetchRequest("t", id, 3)
		q.MaxWaitMillis = 500
		answers, _ := poll(s, q, 18)
		s.waiting(idle + 1)
		s.clock.Advance(499 * time.Millisecond)
		require.Empty(t, answers)
		s.clock.Advance(time.Millisecond)
		require.Empty(t, only(t, <-answers).RecordBatches)
	})
	t.Run("time, with less than min bytes", func(t *testing.T) {
		q := fetchRequest("t", id, 2)
		q.MaxWaitMillis, q.MinBytes = 500, 1<<19
		answers, _ := poll(s, q, 18)
		s.waiting(idle + 1)
		s.clock.Advance(500 * time.Millisecond)
		got, _ := values(t, only(t, <-answers).RecordBatches)
		require.Equal(t, []string{"c"}, got)
	})
	t.Run("a full partition", func(t *testing.T) {
		q := fetchRequest("t", id, 0)
		q.MaxWaitMillis, q.MinBytes = 30_000, 1<<19
		q.Topics[0].Partitions[0].PartitionMaxBytes = 10
		a := call[*kmsg.FetchResponse](s, q, 18)
		require.NotEmpty(t, only(t, a).RecordBatches)
	})
	t.Run("a full partition whose last batch would be cut", func(t *testing.T) {
		large := s.create("large", 1)
		for range 3 {
			s.produce("large", strings.Repeat("x", 40_000))
		}
		q := fetchRequest("large", large, 0)
		q.MaxWaitMillis, q.MinBytes = 30_000, 1<<19
		q.Topics[0].Partitions[0].PartitionMaxBytes = 70_000
		a := call[*kmsg.FetchResponse](s, q, 18)
		require.Len(t, only(t, a).RecordBatches, len(batch(strings.Repeat("x", 40_000))), "one batch and nothing of the next")
	})
	t.Run("a batch that does not fit beside another", func(t *testing.T) {
		q := fetchRequest("left", s.create("left", 1), 0)
		q.Topics = append(q.Topics, fetchRequest("right", s.create("right", 1), 0).Topics...)
		s.produce("left", strings.Repeat("x", 40_000))
		s.produce("right", strings.Repeat("x", 40_000))
		q.MaxWaitMillis, q.MinBytes, q.MaxBytes = 30_000, 60_000, 60_000
		a := call[*kmsg.FetchResponse](s, q, 18)
		require.Len(t, a.Topics, 2)
		require.NotEmpty(t, a.Topics[0].Partitions[0].RecordBatches)
		require.Empty(t, a.Topics[1].Partitions[0].RecordBatches, "it comes first in the next answer")
	})
	t.Run("a segment's end", func(t *testing.T) {
		small := s.create("small", 1, "internal.segment.bytes", "100")
		for _, v := range []string{"a", "b", "c"} { // a batch a segment
			s.produce("small", v)
		}
		q := fetchRequest("small", small, 0)
		q.MaxWaitMillis, q.MinBytes = 30_000, 1<<19
		answers, _ := poll(s, q, 18)
		select {
		case a := <-answers:
			got, _ := values(t, only(t, a).RecordBatches)
			require.Equal(t, []string{"a"}, got)
		case <-time.After(10 * time.Second):
			require.Fail(t, "it waits for bytes that the region can never have")
		}
	})
	t.Run("cancel", func(t *testing.T) {
		q := fetchRequest("t", id, 3)
		q.MaxWaitMillis = 30_000
		answers, session := poll(s, q, 18)
		s.waiting(idle + 1)
		session.Cancel()
		session.Cancel()
		_, answered := <-answers
		require.False(t, answered)
	})
	t.Run("deleted", func(t *testing.T) {
		q := fetchRequest("t", id, 3)
		q.MaxWaitMillis = 30_000
		answers, _ := poll(s, q, 18)
		s.waiting(idle + 1)
		gone := kmsg.NewPtrDeleteTopicsRequest()
		gone.Topics = append(gone.Topics, kmsg.DeleteTopicsRequestTopic{TopicID: id})
		require.Zero(t, call[*kmsg.DeleteTopicsResponse](s, gone, 6).Topics[0].ErrorCode)
		require.NotZero(t, only(t, <-answers).ErrorCode)
	})
}

// openSession makes a fetch session over partitions 0..n-1 of topic t and returns its id.
func openSession(s *server, id model.TopicID, n int32, version int16) int32 {
	s.t.Helper()
	q := fetchRequest("t", id, 0)
	q.SessionEpoch = 0
	for i := int32(1); i < n; i++ {
		p := q.Topics[0].Partitions[0]
		p.Partition = i
		q.Topics[0].Partitions = append(q.Topics[0].Partitions, p)
	}
	a := call[*kmsg.FetchResponse](s, q, version)
	require.Zero(s.t, a.ErrorCode)
	require.NotZero(s.t, a.SessionID)
	require.Len(s.t, a.Topics[0].Partitions, int(n), "a full fetch answers everything")
	return a.SessionID
}

// next continues a session with these partitions changed.
func next(s *server, id, epoch int32, version int16, change func(*kmsg.FetchRequest)) *kmsg.FetchResponse {
	s.t.Helper()
	q := fetchRequest("t", model.TopicID{}, 0)
	q.Topics, q.SessionID, q.SessionEpoch = nil, id, epoch
	if change != nil {
		change(q)
	}
	return call[*kmsg.FetchResponse](s, q, version)
}

func TestFetchSession(t *testing.T) {
	for _, version := range []int16{7, 12, 13, 18} {
		t.Run(fmt.Sprint("version ", version), func(t *testing.T) {
			s := memory(t)
			id := s.create("t", 3)
			session := openSession(s, id, 3, version)

			a := next(s, session, 1, version, nil)
			require.Zero(t, a.ErrorCode)
			require.Equal(t, session, a.SessionID)
			require.Empty(t, a.Topics, "nothing new")

			s.produce("t", "a")
			p := only(t, next(s, session, 2, version, nil))
			require.Zero(t, p.Partition)
			require.Equal(t, int64(1), p.HighWatermark)

			moved := func(q *kmsg.FetchRequest) { q.Topics = fetchRequest("t", id, 1).Topics }
			require.Empty(t, next(s, session, 3, version, moved).Topics, "the offset moved, nothing is there yet")

			forget := func(q *kmsg.FetchRequest) {
				q.ForgottenTopics = append(q.ForgottenTopics, kmsg.FetchRequestForgottenTopic{Topic: "t", TopicID: id, Partitions: []int32{0}})
			}
			require.Empty(t, next(s, session, 4, version, forget).Topics)
			s.produce("t", "b")
			require.Empty(t, next(s, session, 5, version, nil).Topics, "a forgotten partition is not fetched")

			require.Equal(t, kerr.InvalidFetchSessionEpoch.Code, next(s, session, 5, version, nil).ErrorCode)
			require.Equal(t, kerr.FetchSessionIDNotFound.Code, next(s, session+1, 1, version, nil).ErrorCode)

			end := next(s, session, -1, version, moved)
			require.Zero(t, end.SessionID)
			require.Len(t, end.Topics, 1, "the last fetch of a session is a full one")
			require.Equal(t, kerr.FetchSessionIDNotFound.Code, next(s, session, 6, version, nil).ErrorCode)
		})
	}
}

func TestFetchSessionChangesFromNamesToIDs(t *testing.T) {
	s := memory(t)
	id := s.create("t", 1)
	session := openSession(s, id, 1, 12)
	require.Equal(t, kerr.FetchSessionTopicIDError.Code, next(s, session, 1, 13, nil).ErrorCode)
}

func TestFetchSessionTellsErrorsAndTheirEnd(t *testing.T) {
	s := memory(t)
	id := s.create("t", 1)
	session := openSession(s, id, 1, 13)
	gone := kmsg.NewPtrDeleteTopicsRequest()
	gone.Topics = append(gone.Topics, kmsg.DeleteTopicsRequestTopic{TopicID: id})
	require.Zero(t, call[*kmsg.DeleteTopicsResponse](s, gone, 6).Topics[0].ErrorCode)
	s.create("t", 1) // the same name, another topic
	for i := range int32(2) {
		require.Equal(t, kerr.UnknownTopicID.Code, only(t, next(s, session, 1+i, 13, nil)).ErrorCode)
	}
}

func TestFetchSessionMovesBusyPartitionsToTheEnd(t *testing.T) {
	s := memory(t)
	id := s.create("t", 2)
	session := openSession(s, id, 2, 18)
	for _, partition := range []int32{0, 1} {
		require.Zero(t, call[*kmsg.ProduceResponse](s, produceRequest("t", id, 1, partition, batch("x")), 9).Topics[0].Partitions[0].ErrorCode)
	}
	order := func(epoch int32) (partitions []int32) {
		a := next(s, session, epoch, 18, func(q *kmsg.FetchRequest) { q.MaxBytes = 10 })
		for _, p := range a.Topics[0].Partitions {
			if len(p.RecordBatches) > 0 {
				partitions = append(partitions, p.Partition)
			}
		}
		return partitions
	}
	require.Equal(t, []int32{0}, order(1))
	require.Equal(t, []int32{1}, order(2), "a partition that had data lets the others go first")
	require.Equal(t, []int32{0}, order(3))
}

func TestFetchSessionCacheIsBounded(t *testing.T) {
	s := memory(t, "max.incremental.fetch.session.cache.slots", "2")
	id := s.create("t", 1)
	first := openSession(s, id, 1, 18)
	s.clock.Advance(time.Minute)
	second := openSession(s, id, 1, 18)
	q := fetchRequest("t", id, 0)
	q.SessionEpoch = 0
	require.Zero(t, call[*kmsg.FetchResponse](s, q, 18).SessionID, "both are in use")
	s.clock.Advance(61 * time.Second)
	require.NotZero(t, call[*kmsg.FetchResponse](s, q, 18).SessionID, "the first is idle for two minutes")
	require.Equal(t, kerr.FetchSessionIDNotFound.Code, next(s, first, 1, 18, nil).ErrorCode)
	require.Zero(t, next(s, second, 1, 18, nil).ErrorCode)
}

func TestFetchSessionTellsANewLogStart(t *testing.T) {
	s := memory(t)
	id := s.create("t", 1)
	s.produce("t", "a", "b")
	session := openSession(s, id, 1, 18)
	moved := func(q *kmsg.FetchRequest) { q.Topics = fetchRequest("t", id, 2).Topics }
	require.Empty(t, next(s, session, 1, 18, moved).Topics)
	q := kmsg.NewPtrDeleteRecordsRequest()
	q.Topics = append(q.Topics, kmsg.DeleteRecordsRequestTopic{Topic: "t", Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Offset: 1}}})
	require.Zero(t, call[*kmsg.DeleteRecordsResponse](s, q, 2).Topics[0].Partitions[0].ErrorCode)
	p := only(t, next(s, session, 2, 18, nil))
	require.Equal(t, int64(1), p.LogStartOffset)
	require.Empty(t, next(s, session, 3, 18, nil).Topics)
}

// TestFetchAPartitionTwice: a full fetch that names a partition twice gets it once, from where it says last.
func TestFetchAPartitionTwice(t *testing.T) {
	s := memory(t)
	id := s.create("t", 2)
	s.produce("t", "a")
	s.produce("t", "b")
	for _, version := range []int16{12, 13} {
		q := fetchRequest("t", id, 0)
		other, again := q.Topics[0].Partitions[0], q.Topics[0].Partitions[0]
		other.Partition, again.FetchOffset = 1, 1
		q.Topics[0].Partitions = append(q.Topics[0].Partitions, other, again)
		a := call[*kmsg.FetchResponse](s, q, version)
		require.Len(t, a.Topics, 1)
		require.Len(t, a.Topics[0].Partitions, 2)
		require.Zero(t, a.Topics[0].Partitions[0].Partition)
		kept, _ := values(t, a.Topics[0].Partitions[0].RecordBatches)
		require.Equal(t, []string{"b"}, kept)
	}
}

// TestFetchNonsense is answered as Apache Kafka 4.3 does, whose readers throw: an isolation level that there is not, and a
// negative maximum for a partition.
func TestFetchNonsense(t *testing.T) {
	s := memory(t)
	id := s.create("t", 1)
	s.produce("t", "a")
	unknown := kerr.UnknownServerError.Code
	for _, level := range []int8{2, -1} {
		for _, version := range []int16{4, 12} {
			q := fetchRequest("t", id, 0)
			q.IsolationLevel = level
			a := call[*kmsg.FetchResponse](s, q, version)
			require.Equal(t, unknown, a.Topics[0].Partitions[0].ErrorCode)
			require.Equal(t, version >= 7, a.ErrorCode == unknown)
		}
	}
	q := fetchRequest("t", id, 0)
	q.Topics[0].Partitions[0].PartitionMaxBytes = -1
	a := call[*kmsg.FetchResponse](s, q, 12)
	require.Zero(t, a.ErrorCode)
	require.Equal(t, unknown, a.Topics[0].Partitions[0].ErrorCode)
	require.Empty(t, a.Topics[0].Partitions[0].RecordBatches)
}
