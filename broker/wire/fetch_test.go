package wire

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"highwater.dev/broker/model"
	"highwater.dev/broker/vfs"
)

func drawFetchRequest(t *rapid.T, version int16) *kmsg.FetchRequest {
	i32 := func(label string) int32 { return rapid.Int32().Draw(t, label) }
	req := kmsg.NewPtrFetchRequest()
	req.Version = version
	if version >= 12 {
		req.ClusterID = drawStringPtr(t, "cluster")
	}
	if version <= 14 {
		req.ReplicaID = i32("replica")
	} else if rapid.Bool().Draw(t, "replica state") {
		req.ReplicaState.ID, req.ReplicaState.Epoch = i32("replica"), rapid.Int64().Draw(t, "replica epoch")
	}
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = i32("wait"), i32("min"), i32("max")
	req.IsolationLevel = rapid.Int8().Draw(t, "isolation")
	if version >= 7 {
		req.SessionID, req.SessionEpoch = i32("session"), i32("session epoch")
	}
	if version >= 11 {
		req.Rack = drawString(t, "rack")
	}
	for range rapid.IntRange(0, 3).Draw(t, "topics") {
		topic := kmsg.NewFetchRequestTopic()
		topic.Topic, topic.TopicID = drawTopic(t, version)
		for range rapid.IntRange(0, 3).Draw(t, "partitions") {
			topic.Partitions = append(topic.Partitions, drawFetchPartition(t, version))
		}
		req.Topics = append(req.Topics, topic)
	}
	for range rapid.IntRange(0, 3).Draw(t, "forgotten topics") {
		topic := kmsg.NewFetchRequestForgottenTopic()
		topic.Topic, topic.TopicID = drawTopic(t, version)
		topic.Partitions = rapid.SliceOfN(rapid.Int32(), 0, 3).Draw(t, "forgotten")
		req.ForgottenTopics = append(req.ForgottenTopics, topic)
	}
	return req
}

func drawTopic(t *rapid.T, version int16) (string, [16]byte) {
	if version >= 13 {
		return "", topicID(rapid.Byte().Draw(t, "id"))
	}
	return drawString(t, "topic"), [16]byte{}
}

func drawFetchPartition(t *rapid.T, version int16) kmsg.FetchRequestTopicPartition {
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition = rapid.Int32().Draw(t, "partition")
	p.CurrentLeaderEpoch = rapid.Int32().Draw(t, "epoch")
	p.FetchOffset = rapid.Int64().Draw(t, "offset")
	p.LastFetchedEpoch = rapid.Int32().Draw(t, "last epoch")
	p.LogStartOffset = rapid.Int64().Draw(t, "start")
	p.PartitionMaxBytes = rapid.Int32().Draw(t, "max")
	if version >= 17 && rapid.Bool().Draw(t, "directory") {
		p.ReplicaDirectoryID = topicID(3)
	}
	if version >= 18 && rapid.Bool().Draw(t, "hw") {
		p.HighWatermark = rapid.Int64().Draw(t, "hw value")
	}
	return p
}

// toKmsg turns what was decoded into kmsg's form, to encode and compare it.
func (q *FetchRequest) toKmsg() *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.Version = q.Version
	if q.HasClusterID {
		req.ClusterID = &q.ClusterID
	}
	if q.Version <= 14 {
		req.ReplicaID = int32(q.ReplicaID)
	} else {
		req.ReplicaState.ID, req.ReplicaState.Epoch = int32(q.ReplicaID), q.ReplicaEpoch
	}
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = q.MaxWaitMs, q.MinBytes, q.MaxBytes
	req.IsolationLevel, req.SessionID, req.SessionEpoch, req.Rack = q.IsolationLevel, q.SessionID, q.SessionEpoch, q.RackID
	for i := range q.Topics() {
		t := q.Topic(i)
		topic := kmsg.NewFetchRequestTopic()
		topic.Topic, topic.TopicID = t.Name, t.ID
		for _, in := range q.Partitions[t.First : t.First+t.Count] {
			p := kmsg.NewFetchRequestTopicPartition()
			p.Partition, p.CurrentLeaderEpoch, p.FetchOffset = in.Index, int32(in.CurrentLeaderEpoch), int64(in.FetchOffset)
			p.LastFetchedEpoch, p.LogStartOffset = int32(in.LastFetchedEpoch), int64(in.LogStartOffset)
			p.PartitionMaxBytes, p.HighWatermark = in.MaxBytes, int64(in.HighWatermark)
			topic.Partitions = append(topic.Partitions, p)
		}
		req.Topics = append(req.Topics, topic)
	}
	for i := range q.ForgottenTopics() {
		t := q.ForgottenTopic(i)
		topic := kmsg.NewFetchRequestForgottenTopic()
		topic.Topic, topic.TopicID = t.Name, t.ID
		topic.Partitions = q.Forgotten[t.First : t.First+t.Count]
		req.ForgottenTopics = append(req.ForgottenTopics, topic)
	}
	return req
}

// dropUnkept clears the one field that FetchRequest does not keep.
func dropUnkept(req *kmsg.FetchRequest) []byte {
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			req.Topics[i].Partitions[j].ReplicaDirectoryID = [16]byte{}
		}
	}
	return req.AppendTo(nil)
}

func TestFetchRequestAgreesWithKmsg(t *testing.T) {
	eachVersion(t, Fetch, func(t *testing.T, version int16) {
		var q FetchRequest
		rapid.Check(t, func(t *rapid.T) {
			req := drawFetchRequest(t, version)
			body := req.AppendTo(nil)
			want := dropUnkept(req)
			require.NoError(t, q.Decode(version, body))
			require.Equal(t, want, q.toKmsg().AppendTo(nil))
			require.NoError(t, q.Decode(version, append(body[:len(body):len(body)], "more"...)))
			require.Equal(t, want, q.toKmsg().AppendTo(nil))
			cut := rapid.IntRange(0, len(body)-1).Draw(t, "cut")
			require.ErrorIs(t, q.Decode(version, body[:cut]), ErrMalformed)
			require.Zero(t, q.Topics()+len(q.Partitions)+q.ForgottenTopics()+len(q.Forgotten))
		})
	})
}

// Fields that a version lacks have the values that mean "none", also after a request that had them.
func TestFetchRequestDefaults(t *testing.T) {
	var q FetchRequest
	full := kmsg.NewPtrFetchRequest()
	full.Version = 18
	cluster := "c"
	full.ClusterID, full.Rack, full.SessionID, full.SessionEpoch = &cluster, "r", 5, 6
	full.ReplicaState.ID, full.ReplicaState.Epoch = 3, 4
	require.NoError(t, q.Decode(18, full.AppendTo(nil)))
	require.Equal(t, model.NodeID(3), q.ReplicaID)
	require.EqualValues(t, 4, q.ReplicaEpoch)

	old := kmsg.NewPtrFetchRequest()
	old.Version = 4
	old.ReplicaID = -1
	old.Topics = []kmsg.FetchRequestTopic{{Topic: "t", Partitions: []kmsg.FetchRequestTopicPartition{{FetchOffset: 9}}}}
	require.NoError(t, q.Decode(4, old.AppendTo(nil)))
	require.False(t, q.HasClusterID)
	require.Equal(t, "", q.ClusterID+q.RackID)
	require.Equal(t, model.NoNode, q.ReplicaID)
	require.EqualValues(t, -1, q.ReplicaEpoch)
	require.EqualValues(t, 0, q.SessionID)
	require.EqualValues(t, -1, q.SessionEpoch)
	require.Equal(t, []FetchPartition{{
		CurrentLeaderEpoch: -1, FetchOffset: 9, LogStartOffset: -1, HighWatermark: NoHighWatermark, LastFetchedEpoch: -1,
	}}, q.Partitions)
}

func TestFetchRequestWithMalformedTags(t *testing.T) {
	req := kmsg.NewPtrFetchRequest()
	req.Version = 18
	body := req.AppendTo(nil)
	body = body[:len(body)-1] // no tags
	var q FetchRequest
	for name, tags := range map[string]string{
		"cluster id beyond its field": "\x01\x00\x02\x05a",
		"replica state cut":           "\x01\x01\x04\x00\x00\x00\x01",
		"lying count":                 "\xff\xff\xff\xff\x0f",
	} {
		require.ErrorIs(t, q.Decode(18, append(body[:len(body):len(body)], tags...)), ErrMalformed, name)
	}
	require.NoError(t, q.Decode(18, append(body[:len(body):len(body)], "\x01\x09\x02ab"...)), "unknown tags are skipped")
}

func drawFetchResult(t *rapid.T, i int) (p FetchPartitionResult, records []byte) {
	p = NewFetchPartitionResult(rapid.Int32().Draw(t, "index"))
	p.ErrorCode = rapid.Int16().Draw(t, "error")
	p.HighWatermark = model.Offset(rapid.Int64().Draw(t, "hw"))
	p.LastStable = model.Offset(rapid.Int64().Draw(t, "lso"))
	p.LogStart = model.Offset(rapid.Int64().Draw(t, "start"))
	p.PreferredReadReplica = model.NodeID(rapid.Int32().Draw(t, "preferred"))
	if rapid.Bool().Draw(t, "aborted") {
		p.Aborted = []AbortedTxn{}
		for n := range rapid.IntRange(0, 2).Draw(t, "aborted n") {
			p.Aborted = append(p.Aborted, AbortedTxn{ProducerID: model.ProducerID(n), FirstOffset: model.Offset(i)})
		}
	}
	if rapid.Bool().Draw(t, "diverging") {
		p.Diverging = EpochEnd{Epoch: 4, End: 99}
	}
	if rapid.Bool().Draw(t, "leader") {
		p.Leader = Leader{ID: 2, Epoch: 7}
	}
	if rapid.Bool().Draw(t, "records") {
		records = []byte(fmt.Sprintf("records of %d", i))
		p.Region = regionOf(records)
	}
	return p, records
}

func (p *FetchPartitionResult) toKmsg(records []byte) kmsg.FetchResponseTopicPartition {
	out := kmsg.NewFetchResponseTopicPartition()
	out.Partition, out.ErrorCode, out.HighWatermark = p.Index, p.ErrorCode, int64(p.HighWatermark)
	out.LastStableOffset, out.LogStartOffset = int64(p.LastStable), int64(p.LogStart)
	out.PreferredReadReplica = int32(p.PreferredReadReplica)
	if p.Aborted != nil {
		out.AbortedTransactions = []kmsg.FetchResponseTopicPartitionAbortedTransaction{}
	}
	for _, a := range p.Aborted {
		x := kmsg.NewFetchResponseTopicPartitionAbortedTransaction()
		x.ProducerID, x.FirstOffset = int64(a.ProducerID), int64(a.FirstOffset)
		out.AbortedTransactions = append(out.AbortedTransactions, x)
	}
	out.DivergingEpoch.Epoch, out.DivergingEpoch.EndOffset = int32(p.Diverging.Epoch), int64(p.Diverging.End)
	out.CurrentLeader.LeaderID, out.CurrentLeader.LeaderEpoch = int32(p.Leader.ID), int32(p.Leader.Epoch)
	out.RecordBatches = append([]byte{}, records...)
	return out
}

func TestFetchResponseAgreesWithKmsg(t *testing.T) {
	eachVersion(t, Fetch, func(t *testing.T, version int16) {
		rapid.Check(t, func(t *rapid.T) {
			want := kmsg.NewPtrFetchResponse()
			want.Version = version
			want.ThrottleMillis, want.ErrorCode, want.SessionID = 5, 6, 7
			var resp Response
			var e FetchResponse
			e.Begin(&resp, version, want.ThrottleMillis, want.ErrorCode, want.SessionID)
			var all int
			var size int64
			for i := range rapid.IntRange(0, 4).Draw(t, "topics") {
				topic := kmsg.NewFetchResponseTopic()
				topic.Topic, topic.TopicID = fmt.Sprintf("topic %d", i), topicID(byte(i))
				e.Topic(topic.Topic, topic.TopicID)
				// Counts around the one byte that is reserved for them.
				n := rapid.SampledFrom([]int{0, 1, 2, 126, 127, 128}).Draw(t, "partitions")
				p, records := drawFetchResult(t, i)
				for j := range n {
					p.Index, p.Region = int32(j), regionOf(records)
					e.Topic(topic.Topic, topic.TopicID) // again: goes on with the same
					e.Partition(&p)
					topic.Partitions = append(topic.Partitions, p.toKmsg(records))
					size += int64(len(records))
				}
				all += n
				if n > 0 {
					want.Topics = append(want.Topics, topic)
				}
			}
			endpoints := drawEndpoints(t)
			e.End(endpoints)
			if version >= 16 {
				for _, p := range endpoints {
					b := kmsg.NewFetchResponseBroker()
					b.NodeID, b.Host, b.Port, b.Rack = int32(p.ID), p.Host, p.Port, p.Rack
					want.Brokers = append(want.Brokers, b)
				}
			}
			require.Equal(t, want.AppendTo(nil), flatten(t, &resp))
			require.Equal(t, all, e.Partitions())
			require.Equal(t, size, e.Bytes())
		})
	})
}

// More topics than a one-byte count can say, after regions that have to move along.
func TestFetchResponseWithManyTopics(t *testing.T) {
	want := kmsg.NewPtrFetchResponse()
	want.Version = 18
	var resp Response
	var e FetchResponse
	e.Begin(&resp, 18, 0, 0, 0)
	for i := range 20_000 {
		topic := kmsg.NewFetchResponseTopic()
		topic.TopicID = [16]byte{byte(i), byte(i >> 8)}
		p := NewFetchPartitionResult(int32(i))
		var records []byte
		if i%1000 == 0 {
			records = []byte("records")
		}
		p.Region = regionOf(records)
		e.Topic("", topic.TopicID)
		e.Partition(&p)
		topic.Partitions = append(topic.Partitions, p.toKmsg(records))
		want.Topics = append(want.Topics, topic)
	}
	e.End(nil)
	require.Equal(t, want.AppendTo(nil), flatten(t, &resp))
}

func TestFetchResponseReleasesRegions(t *testing.T) {
	f := &bytesFile{b: []byte("abc")}
	shared := vfs.Share(f)
	require.True(t, shared.Acquire())
	var resp Response
	var e FetchResponse
	e.Begin(&resp, 18, 0, 0, 0)
	e.Topic("", topicID(1))
	p := NewFetchPartitionResult(0)
	p.Region = vfs.Region{File: shared, Len: 0}
	e.Partition(&p)
	p.Region = vfs.Region{File: shared, Len: 3}
	e.Partition(&p)
	require.Len(t, resp.Regions, 1, "an empty region is not sent")
	require.Zero(t, f.closed)
	resp.Reset()
	require.Equal(t, 1, f.closed, "and is released at once; the other with the response")
}
