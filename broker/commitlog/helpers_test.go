package commitlog

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"

	"highwater.dev/broker/clock"
	"highwater.dev/broker/config"
	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/vfs"
)

var (
	testTP    = model.TopicPartition{Topic: "t", Partition: 0}
	testStart = time.UnixMilli(1_700_000_000_000)
)

// testTopic is Kafka's defaults with segments small enough to roll in a test.
func testTopic() config.Topic {
	return config.Topic{
		CleanupDelete: true, RetentionMs: -1, RetentionBytes: -1,
		SegmentBytes: 4096, SegmentMs: math.MaxInt64, SegmentIndexBytes: 10 << 20, IndexIntervalBytes: 256,
		MaxMessageBytes: 1 << 20, TimestampBeforeMaxMs: math.MaxInt64, TimestampAfterMaxMs: 3_600_000,
	}
}

func testOptions() Options {
	return Options{Topic: testTopic(), ProducerIDExpirationMs: 86_400_000, Clock: clock.NewManual(testStart)}
}

func open(t testing.TB, fs vfs.FS, dir string, o Options) *Partition {
	t.Helper()
	p, err := Open(fs, dir, testTP, o)
	require.NoError(t, err)
	return p
}

// batch makes a plain batch of n records of about size bytes each.
func batch(n, size int) record.Batch { return idempotent(model.NoProducerID, -1, -1, n, size) }

// idempotent makes a batch of a producer.
func idempotent(id model.ProducerID, epoch model.ProducerEpoch, sequence int32, n, size int) record.Batch {
	w := record.Builder{Idempotent: id != model.NoProducerID, ProducerID: id, ProducerEpoch: epoch, BaseSequence: sequence}
	for i := range n {
		w.Add(model.TimestampMs(testStart.UnixMilli()), fmt.Appendf(nil, "k%d", i), make([]byte, size))
	}
	return w.Batch()
}

// at gives a batch the offset and epoch that a leader gave it.
func at(b record.Batch, base model.Offset, epoch model.LeaderEpoch) record.Batch {
	b.SetBaseOffset(base)
	b.SetLeaderEpoch(epoch)
	return b
}

func transactional(id model.ProducerID, epoch model.ProducerEpoch, sequence int32, n int, base model.Offset) record.Batch {
	w := record.Builder{Transactional: true, Idempotent: true, ProducerID: id, ProducerEpoch: epoch, BaseSequence: sequence}
	for i := range n {
		w.Add(model.TimestampMs(testStart.UnixMilli()), nil, fmt.Appendf(nil, "v%d", i))
	}
	return at(w.Batch(), base, 0)
}

func marker(id model.ProducerID, epoch model.ProducerEpoch, commit bool, base model.Offset) record.Batch {
	m := record.EndTxnMarker{Commit: commit, CoordinatorEpoch: 7}
	return at(m.Batch(id, epoch, model.TimestampMs(testStart.UnixMilli())), base, 0)
}

// contents reads every batch's header from the log start on.
func contents(t require.TestingT, p *Partition) []record.Header {
	var headers []record.Header
	start, end := p.StartOffset(), p.EndOffset()
	require.NoError(t, p.scan(start, end, func(h *record.Header, _ record.Batch) { headers = append(headers, *h) }))
	return headers
}

// requireCode checks that err carries a Kafka error.
func requireCode(t require.TestingT, code string, err error) {
	var ke *kerr.Error
	require.ErrorAs(t, err, &ke)
	require.Equal(t, code, ke.Message)
}
