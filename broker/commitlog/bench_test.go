package commitlog

import (
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/clock"
	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/vfs"
)

func benchPartition(b *testing.B) *Partition {
	o := testOptions()
	o.Clock = clock.Real()
	o.Topic.SegmentBytes = 256 << 20
	o.Topic.IndexIntervalBytes = 4096
	o.Topic.TimestampAfterMaxMs = 1 << 60
	p := open(b, vfs.OS(), b.TempDir(), o)
	b.Cleanup(func() { require.NoError(b, p.Close()) })
	return p
}

// setSequence makes a batch its producer's next one without building it anew.
func setSequence(batch record.Batch, sequence int32) {
	batch[53], batch[54], batch[55], batch[56] = byte(sequence>>24), byte(sequence>>16), byte(sequence>>8), byte(sequence)
	crc := batch.CRC()
	batch[17], batch[18], batch[19], batch[20] = byte(crc>>24), byte(crc>>16), byte(crc>>8), byte(crc)
}

func BenchmarkAppendAsLeader(b *testing.B) { b.Run("batch=16KiB", appendAsLeader) }

func appendAsLeader(b *testing.B) {
	p := benchPartition(b)
	const records = 16
	batch := idempotent(1, 0, 0, records, 1012)
	b.SetBytes(int64(len(batch)))
	b.ReportAllocs()
	sequence := int32(0)
	for b.Loop() {
		// The client's part of the work: a new sequence, a new CRC, no base offset.
		batch.SetBaseOffset(0)
		setSequence(batch, sequence)
		if _, err := p.AppendAsLeader(batch, 0); err != nil {
			b.Fatal(err)
		}
		sequence = (sequence + records) & 0x7fffffff
	}
}

func BenchmarkRead(b *testing.B) {
	p := benchPartition(b)
	for range 4096 {
		_, err := p.AppendAsLeader(batch(16, 1012), 0)
		require.NoError(b, err)
	}
	end := p.EndOffset()
	b.ReportAllocs()
	i := model.Offset(0)
	for b.Loop() {
		r, err := p.Read(i%end, end, 1<<20)
		if err != nil {
			b.Fatal(err)
		}
		r.Release()
		i += 997
	}
}
