package conformance

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/bench/peer"
)

// TestRestart stops or kills the broker and starts it on the same folder: what was acknowledged, decided or given away holds.
func TestRestart(t *testing.T) {
	for how, end := range map[string]func(*own) error{
		"stop": func(o *own) error { return o.Stop() }, "kill": func(o *own) error { return o.Kill() },
	} {
		t.Run(how, func(t *testing.T) {
			o := startOwn(t, targetName(), peer.Options{})
			before := prepareRestart(t, o.Addr)
			require.NoError(t, end(o))
			o.again()
			before.check(t, o.Addr, how)
		})
	}
}

// restarted is what must be found again.
type restarted struct {
	topic, cluster string
	id             [16]byte
	producer       int64
	last           *batch // the producer's last, at offset 4
	ids            map[int64]bool
	epoch          int32
	deleted        string
}

func prepareRestart(t *testing.T, addr string) *restarted {
	r := &restarted{topic: createTopic(t, addr, 3, map[string]string{"retention.ms": "-1"}), ids: map[int64]bool{}, deleted: createTopic(t, addr, 1, nil)}
	meta := metadataOf(t, addr, r.topic)
	r.id, r.cluster, r.epoch = meta.Topics[0].TopicID, *meta.ClusterID, meta.Topics[0].Partitions[0].LeaderEpoch
	r.producer, _ = initProducer(t, addr)
	r.ids[r.producer] = true
	w := dial(t, addr)
	sendOK(t, w, r.topic, 0, r.batch(0, "a", "b"))
	sendOK(t, w, r.topic, 2, r.batch(2, "c", "d"))
	r.last = r.batch(4, "e")
	sendOK(t, w, r.topic, 4, r.last)
	adm, ctx := kadm.NewClient(franz(t, addr)), testContext(t, 20*time.Second)
	removed, err := adm.DeleteRecords(ctx, kadm.Offsets{r.topic: {0: {Topic: r.topic, At: 3}}})
	require.NoError(t, err)
	require.NoError(t, removed.Error())
	_, err = adm.DeleteTopic(ctx, r.deleted)
	require.NoError(t, err)
	return r
}

// batch is the producer's, of now: Apache Kafka forgets at its start a producer whose last record's time is a day ago.
func (r *restarted) batch(sequence int32, values ...string) *batch {
	return simpleBatch(values...).by(r.producer, 0, sequence).with(func(b *batch) {
		b.firstTimestamp = time.Now().UnixMilli()
		b.maxTimestamp = b.firstTimestamp + int64(len(values)-1)*10
	})
}

func metadataOf(t *testing.T, addr, topic string) *kmsg.MetadataResponse {
	t.Helper()
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{{Topic: &topic}}
	resp := ask[*kmsg.MetadataResponse](dial(t, addr), 12, req)
	require.Len(t, resp.Topics, 1)
	return resp
}

func (r *restarted) check(t *testing.T, addr, how string) {
	require.Eventually(t, func() bool {
		return metadataOf(t, addr, r.topic).Topics[0].ErrorCode == 0 && listOffset(t, addr, 7, r.topic, 0, -1, -1).ErrorCode == 0
	}, 20*time.Second, 20*time.Millisecond, "the topic is led again")
	meta := metadataOf(t, addr, r.topic)
	require.Equal(t, r.cluster, *meta.ClusterID)
	require.Equal(t, r.id, meta.Topics[0].TopicID)
	require.Len(t, meta.Topics[0].Partitions, 3)
	for _, p := range meta.Topics[0].Partitions {
		require.GreaterOrEqual(t, p.LeaderEpoch, r.epoch, "a leader epoch never goes back")
	}
	requireCode(t, kerr.UnknownTopicOrPartition, metadataOf(t, addr, r.deleted).Topics[0].ErrorCode, "a deleted topic stays deleted")
	value, source := topicConfig(t, kadm.NewClient(franz(t, addr)), r.topic, "retention.ms")
	require.Equal(t, []string{"-1", "DYNAMIC_TOPIC_CONFIG"}, []string{value, source})

	require.EqualValues(t, 5, offsetOf(t, addr, r.topic, -1))
	start := offsetOf(t, addr, r.topic, -2)
	if how == "stop" { // after kill -9 it may go back, in Apache Kafka too: it is checkpointed once a minute
		require.EqualValues(t, 3, start, "the log start offset")
	}
	require.LessOrEqual(t, start, int64(3))
	w := dial(t, addr)
	got := fetch1(t, w, 11, fetchRequest(r.topic, 0, 3))
	requireCode(t, nil, got.ErrorCode, "fetch")
	require.EqualValues(t, 5, got.HighWatermark)

	sendOK(t, w, r.topic, 4, r.last) // a duplicate is known to be one
	requireCode(t, kerr.OutOfOrderSequenceNumber, send(t, w, r.topic, 9, r.batch(9, "gap").bytes()).ErrorCode, "a gap")
	sendOK(t, w, r.topic, 5, r.batch(5, "f"))
	for range 3 {
		id, _ := initProducer(t, addr)
		require.False(t, r.ids[id], "a producer id is not given again")
		r.ids[id] = true
	}
	epochEnd := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
	epochEnd.LeaderEpoch = meta.Topics[0].Partitions[0].LeaderEpoch
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	req.ReplicaID = -1
	req.Topics = []kmsg.OffsetForLeaderEpochRequestTopic{{Topic: r.topic, Partitions: []kmsg.OffsetForLeaderEpochRequestTopicPartition{epochEnd}}}
	end := ask[*kmsg.OffsetForLeaderEpochResponse](w, 4, req).Topics[0].Partitions[0]
	requireCode(t, nil, end.ErrorCode, "epoch")
	require.EqualValues(t, 6, end.EndOffset)
}
