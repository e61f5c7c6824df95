package commitlog

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/commitlog/checkpoint"
	"highwater.dev/broker/config"
	"highwater.dev/broker/epoch"
	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/vfs"
)

func TestAppendAsLeader(t *testing.T) {
	p := open(t, vfs.NewMem(), partitionDir, testOptions())
	a, err := p.AppendAsLeader(batch(3, 10), 4)
	require.NoError(t, err)
	require.Equal(t, Appended{Base: 0, Last: 2, AppendTime: model.NoTimestamp}, a)
	b := batch(2, 10)
	a, err = p.AppendAsLeader(b, 5)
	require.NoError(t, err)
	require.Equal(t, Appended{Base: 3, Last: 4, AppendTime: model.NoTimestamp}, a)
	var h record.Header
	require.NoError(t, record.ReadHeader(b, &h))
	require.Equal(t, model.Offset(3), h.BaseOffset, "written into the caller's buffer")
	require.Equal(t, model.LeaderEpoch(5), h.LeaderEpoch)
	require.Equal(t, []epoch.Entry{{Epoch: 4, Start: 0}, {Epoch: 5, Start: 3}}, p.Epochs())
	require.Len(t, contents(t, p), 2)
	e, end := p.EndOffsetForEpoch(4)
	require.Equal(t, model.LeaderEpoch(4), e)
	require.Equal(t, model.Offset(3), end)
	p.AssignEpoch(9)
	e, end = p.EndOffsetForEpoch(9)
	require.Equal(t, model.LeaderEpoch(9), e)
	require.Equal(t, model.Offset(5), end)
}

// TestAppendRefused: each refusal has Kafka's code, and nothing is appended.
func TestAppendRefused(t *testing.T) {
	compacted := testTopic()
	compacted.CleanupCompact, compacted.CleanupDelete = true, false
	small := testTopic()
	small.MaxMessageBytes = 200
	narrow := testTopic()
	narrow.SegmentBytes = 200
	stamped := func(ts model.TimestampMs) record.Batch {
		var w record.Builder
		w.Add(ts, []byte("k"), nil)
		return w.Batch()
	}
	broken := batch(1, 10)
	broken[len(broken)-1] ^= 1
	keyless := func() record.Batch {
		var w record.Builder
		w.Add(model.TimestampMs(testStart.UnixMilli()), nil, []byte("v"))
		return w.Batch()
	}
	for _, c := range []struct {
		name  string
		topic config.Topic
		batch record.Batch
		code  string
	}{
		{"crc", testTopic(), broken, "CORRUPT_MESSAGE"},
		{"cut", testTopic(), batch(1, 10)[:70], "INVALID_RECORD"},
		{"two batches", testTopic(), append(batch(1, 10), batch(1, 10)...), "INVALID_RECORD"},
		{"too large", small, batch(1, 200), "MESSAGE_TOO_LARGE"},
		{"larger than a segment", narrow, batch(1, 300), "RECORD_LIST_TOO_LARGE"},
		{"no key in a compacted topic", compacted, keyless(), "INVALID_RECORD"},
		{"from the future", testTopic(), stamped(model.TimestampMs(testStart.Add(2 * time.Hour).UnixMilli())), "INVALID_TIMESTAMP"},
		{"sequence gap", testTopic(), idempotent(1, 0, 5, 1, 10), "OUT_OF_ORDER_SEQUENCE_NUMBER"},
		{"fenced", testTopic(), idempotent(2, 2, 0, 1, 10), "INVALID_PRODUCER_EPOCH"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := testOptions()
			p := open(t, vfs.NewMem(), partitionDir, o)
			for _, b := range []record.Batch{idempotent(1, 0, 0, 3, 10), idempotent(2, 3, 0, 3, 10)} {
				_, err := p.AppendAsLeader(b, 0)
				require.NoError(t, err)
			}
			p.Reconfigure(c.topic)
			before := contents(t, p)
			_, err := p.AppendAsLeader(c.batch, 0)
			requireCode(t, c.code, err)
			require.NoError(t, p.Failed())
			require.Equal(t, before, contents(t, p))
		})
	}
}

func TestDuplicates(t *testing.T) {
	disk := vfs.NewMem()
	p := open(t, disk, partitionDir, testOptions())
	var sent []record.Batch
	for i := range int32(7) {
		b := idempotent(1, 0, i*3, 3, 10)
		sent = append(sent, append(record.Batch(nil), b...))
		_, err := p.AppendAsLeader(b, 0)
		require.NoError(t, err)
	}
	for i := 2; i < 7; i++ {
		a, err := p.AppendAsLeader(append(record.Batch(nil), sent[i]...), 0)
		require.NoError(t, err)
		require.Equal(t, Appended{Base: model.Offset(i * 3), Last: model.Offset(i*3 + 2), AppendTime: model.NoTimestamp, Duplicate: true}, a)
	}
	_, err := p.AppendAsLeader(append(record.Batch(nil), sent[1]...), 0)
	requireCode(t, "OUT_OF_ORDER_SEQUENCE_NUMBER", err)
	require.Equal(t, model.Offset(21), p.EndOffset())
	require.NoError(t, p.Close())
	o := testOptions()
	o.Clean = true
	p = open(t, disk, partitionDir, o)
	a, err := p.AppendAsLeader(append(record.Batch(nil), sent[6]...), 0)
	require.NoError(t, err)
	require.True(t, a.Duplicate, "the last batch is known after a clean restart")
	require.Equal(t, model.Offset(18), a.Base)
}

func TestLogAppendTime(t *testing.T) {
	o := testOptions()
	o.Topic.TimestampType = config.LogAppendTime
	p := open(t, vfs.NewMem(), partitionDir, o)
	now := model.TimestampMs(testStart.UnixMilli())
	var w record.Builder
	w.Idempotent, w.ProducerID, w.ProducerEpoch = true, 1, 0
	w.Add(5, []byte("k"), nil)
	b := w.Batch()
	again := append(record.Batch(nil), b...)
	a, err := p.AppendAsLeader(b, 0)
	require.NoError(t, err)
	require.Equal(t, now, a.AppendTime)
	h := contents(t, p)[0]
	require.True(t, h.Attributes.LogAppendTime())
	require.Equal(t, now, h.MaxTimestamp)
	require.Equal(t, h.CRC, b.CRC(), "the CRC was computed again")
	a, err = p.AppendAsLeader(again, 0)
	require.NoError(t, err)
	require.True(t, a.Duplicate)
	require.Equal(t, now, a.AppendTime, "the time of the first append")
	at, found, err := p.MaxTimestamp()
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, now, at.Timestamp)
}

// TestLyingMaxTimestamp: the header says what the records say, whatever the client wrote.
func TestLyingMaxTimestamp(t *testing.T) {
	p := open(t, vfs.NewMem(), partitionDir, testOptions())
	b := batch(2, 10)
	b.SetMaxTimestamp(77, false)
	_, err := p.AppendAsLeader(b, 0)
	require.NoError(t, err)
	require.Equal(t, model.TimestampMs(testStart.UnixMilli()), contents(t, p)[0].MaxTimestamp)
}

func TestMaxTimestampAfterDeleteRecords(t *testing.T) {
	p := open(t, vfs.NewMem(), partitionDir, testOptions())
	_, found, err := p.MaxTimestamp()
	require.NoError(t, err)
	require.False(t, found)
	for _, ts := range []model.TimestampMs{100, 900, 300, 200} {
		var w record.Builder
		w.Add(ts, []byte("k"), nil)
		_, err := p.AppendAsLeader(w.Batch(), 0)
		require.NoError(t, err)
	}
	at, found, err := p.MaxTimestamp()
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, model.Offset(1), at.Offset)
	_, err = p.DeleteRecords(2)
	require.NoError(t, err)
	at, found, err = p.MaxTimestamp()
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, model.Offset(2), at.Offset)
	require.Equal(t, model.TimestampMs(300), at.Timestamp)
}

func TestAppendAsFollower(t *testing.T) {
	p := open(t, vfs.NewMem(), partitionDir, testOptions())
	two := append(at(batch(2, 10), 0, 1), at(batch(2, 10), 5, 3)...) // a gap, as compaction leaves it
	cut := append(two, at(batch(2, 10), 7, 3)[:40]...)
	require.NoError(t, p.AppendAsFollower(cut))
	require.Equal(t, model.Offset(7), p.EndOffset())
	require.Equal(t, []epoch.Entry{{Epoch: 1, Start: 0}, {Epoch: 3, Start: 5}}, p.Epochs())
	require.Error(t, p.AppendAsFollower(at(batch(1, 10), 6, 3)), "below the end")
	bad := at(batch(1, 10), 7, 3)
	bad[len(bad)-1] ^= 1
	requireCode(t, "CORRUPT_MESSAGE", p.AppendAsFollower(bad))
	require.Equal(t, model.Offset(7), p.EndOffset())
	_, err := p.Read(8, math.MaxInt64, 100)
	requireCode(t, "OFFSET_OUT_OF_RANGE", err)
}

func TestLastStableOffset(t *testing.T) {
	p := open(t, vfs.NewMem(), partitionDir, testOptions())
	require.Equal(t, model.Offset(0), p.LastStableOffset(0))
	require.NoError(t, p.AppendAsFollower(at(batch(2, 10), 0, 0)))
	require.NoError(t, p.AppendAsFollower(transactional(7, 0, 0, 2, 2)))
	require.NoError(t, p.AppendAsFollower(at(batch(1, 10), 4, 0)))
	require.Equal(t, model.Offset(2), p.LastStableOffset(5))
	require.NoError(t, p.AppendAsFollower(marker(7, 0, false, 5)))
	require.Equal(t, model.Offset(2), p.LastStableOffset(5), "the marker is not below the high watermark")
	require.Equal(t, model.Offset(6), p.LastStableOffset(6))
	require.False(t, p.unstable.Load())
	aborted, err := p.Aborted(0, 6, nil)
	require.NoError(t, err)
	require.Equal(t, []AbortedTxn{{ProducerID: 7, First: 2, Last: 5, LastStable: 6}}, aborted)
	require.NoError(t, p.AppendAsFollower(transactional(7, 0, 2, 2, 6)))
	require.NoError(t, p.AppendAsFollower(at(batch(1, 10), 8, 0)))
	_, err = p.DeleteRecords(7)
	require.NoError(t, err)
	require.Equal(t, model.Offset(7), p.LastStableOffset(9), "not below the log start")
}

func TestExpireProducers(t *testing.T) {
	p := open(t, vfs.NewMem(), partitionDir, testOptions())
	_, err := p.AppendAsLeader(idempotent(1, 0, 0, 1, 1), 0)
	require.NoError(t, err)
	p.ExpireProducers(testStart.Add(24*time.Hour - time.Millisecond))
	require.Len(t, p.Producers(), 1)
	p.ExpireProducers(testStart.Add(24 * time.Hour))
	require.Empty(t, p.Producers())
	_, err = p.AppendAsLeader(idempotent(1, 0, 50, 1, 1), 0)
	require.NoError(t, err, "an unknown producer goes on anywhere")
}

// TestStaleEpochEntry: an entry above the recovery point may be of batches that an earlier crash took. Those that are there
// count, also when they are of the same epoch.
func TestStaleEpochEntry(t *testing.T) {
	disk := vfs.NewMem()
	p := open(t, disk, partitionDir, testOptions())
	for i := range 4 {
		_, err := p.AppendAsLeader(batch(1, 10), model.LeaderEpoch(4+min(i, 1)))
		require.NoError(t, err)
	}
	want := []epoch.Entry{{Epoch: 4, Start: 0}, {Epoch: 5, Start: 1}}
	require.Equal(t, want, p.Epochs())
	stale := []epoch.Entry{{Epoch: 4, Start: 0}, {Epoch: 5, Start: 3}}
	require.NoError(t, checkpoint.Replace(disk, partitionDir+"/"+epoch.FileName, epoch.Append(nil, stale)))
	p = open(t, disk, partitionDir, testOptions())
	require.Equal(t, want, p.Epochs())
}
