package commitlog

import (
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/config"
	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/vfs"
)

var codecs = map[string]record.Compression{
	"uncompressed": record.None, "gzip": record.Gzip, "snappy": record.Snappy, "lz4": record.LZ4, "zstd": record.Zstd,
}

func compressedTopic(codec string) config.Topic {
	t := testTopic()
	t.CompressionType = codec
	t.CompressionGzipLevel, t.CompressionLz4Level, t.CompressionZstdLevel = -1, 9, 3
	return t
}

// TestCompressionType: what is stored has the topic's codec, the producer's fields and the records; a batch that has the
// codec already is stored byte for byte.
func TestCompressionType(t *testing.T) {
	for name, want := range codecs {
		for _, from := range codecs {
			t.Run(from.String()+" in a topic of "+name, func(t *testing.T) {
				o := testOptions()
				o.Topic = compressedTopic(name)
				p := open(t, vfs.NewMem(), partitionDir, o)
				_, err := p.AppendAsLeader(batch(2, 10), 1)
				require.NoError(t, err)
				w := record.Builder{Compression: from, Idempotent: true, ProducerID: 7, ProducerEpoch: 1, BaseSequence: 0}
				now := model.TimestampMs(testStart.UnixMilli())
				w.Add(now+5, nil, []byte("value"), record.RecordHeader{Key: []byte("h"), Value: nil})
				w.Add(now, []byte("key"), nil)
				w.Add(now+3, []byte("key"), make([]byte, 1000))
				// Of another level than the topic's, so that compressing it again would show.
				sent, err := record.Recompress(nil, w.Batch(), record.Target{Compression: from, Level: 1})
				require.NoError(t, err)
				a, err := p.AppendAsLeader(append(record.Batch(nil), sent...), 4)
				require.NoError(t, err)
				require.Equal(t, Appended{Base: 2, Last: 4, AppendTime: model.NoTimestamp}, a)

				stored := storedAt(t, p, 2)
				require.NoError(t, record.V2.CheckCRC(stored))
				var h, was record.Header
				require.NoError(t, record.ReadHeader(stored, &h))
				require.NoError(t, record.ReadHeader(sent, &was))
				require.Equal(t, want, h.Attributes.Compression())
				if from == want {
					require.Equal(t, []byte(at(sent, 2, 4)), []byte(stored))
				}
				was.BaseOffset, was.LeaderEpoch, was.Length, was.CRC = 2, 4, h.Length, h.CRC
				was.Attributes = record.Attributes(want)
				require.Equal(t, was, h)
				require.Equal(t, texts(t, sent), texts(t, stored))

				a, err = p.AppendAsLeader(w.Batch(), 4)
				require.NoError(t, err)
				require.True(t, a.Duplicate)
				require.Len(t, contents(t, p), 2)
			})
		}
	}
}

// storedAt reads the last batch back, which begins at o.
func storedAt(t *testing.T, p *Partition, o model.Offset) record.Batch {
	region, err := p.Read(o, p.EndOffset(), 1<<20)
	require.NoError(t, err)
	defer region.Release()
	b := make(record.Batch, region.Len)
	_, err = region.File.ReadAt(b, region.Pos)
	require.NoError(t, err)
	return b
}

func texts(t *testing.T, b record.Batch) (all []byte) {
	require.NoError(t, record.V2.Each(b, func(r *record.Record) bool {
		all = record.AppendRecord(all, r)
		return true
	}))
	return all
}

func TestCompressionKeepsAppendTime(t *testing.T) {
	o := testOptions()
	o.Topic = compressedTopic("lz4")
	o.Topic.TimestampType = config.LogAppendTime
	p := open(t, vfs.NewMem(), partitionDir, o)
	var w record.Builder
	w.Add(5, []byte("k"), nil)
	a, err := p.AppendAsLeader(w.Batch(), 0)
	require.NoError(t, err)
	require.Equal(t, model.TimestampMs(testStart.UnixMilli()), a.AppendTime)
	var h record.Header
	b := storedAt(t, p, 0)
	require.NoError(t, record.V2.CheckCRC(b))
	require.NoError(t, record.ReadHeader(b, &h))
	require.True(t, h.Attributes.LogAppendTime())
	require.Equal(t, record.LZ4, h.Attributes.Compression())
	require.Equal(t, a.AppendTime, h.MaxTimestamp)
	require.Equal(t, model.TimestampMs(5), h.BaseTimestamp)
}

// TestMaxMessageBytesTwice: as in Apache Kafka, a batch has to fit as it was sent and as it is stored.
func TestMaxMessageBytesTwice(t *testing.T) {
	for _, c := range []struct {
		name, topic string
		from        record.Compression
		code        string
	}{
		{"sent too large, stored small", "gzip", record.None, "MESSAGE_TOO_LARGE"},
		{"sent small, stored too large", "uncompressed", record.Gzip, "MESSAGE_TOO_LARGE"},
		{"small both times", "zstd", record.Gzip, ""},
		{"small, and stored as sent", "producer", record.Gzip, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := testOptions()
			o.Topic = compressedTopic(c.topic)
			o.Topic.MaxMessageBytes = 1000
			p := open(t, vfs.NewMem(), partitionDir, o)
			w := record.Builder{Compression: c.from}
			w.Add(model.TimestampMs(testStart.UnixMilli()), []byte("k"), make([]byte, 5000))
			_, err := p.AppendAsLeader(w.Batch(), 0)
			if c.code == "" {
				require.NoError(t, err)
				require.Len(t, contents(t, p), 1)
				return
			}
			requireCode(t, c.code, err)
			require.Empty(t, contents(t, p))
			require.NoError(t, p.Failed())
		})
	}
}
