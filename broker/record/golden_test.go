package record

import (
	"bufio"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// goldenBatches reads testdata/kafka-4.3.txt: a name and a batch in hexadecimal on each line, as Apache Kafka 4.3's
// own Java classes (MemoryRecordsBuilder, MemoryRecords.withEndTransactionMarker) wrote them.
func goldenBatches(t *testing.T) map[string]Batch {
	f, err := os.Open("testdata/kafka-4.3.txt")
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	out := map[string]Batch{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		name, text, ok := strings.Cut(lines.Text(), " ")
		require.True(t, ok)
		b, err := hex.DecodeString(text)
		require.NoError(t, err)
		out[name] = b
	}
	require.NoError(t, lines.Err())
	return out
}

// goldenBuilder makes what Kafka's classes were asked for: offset 42, a transactional producer, four records.
func goldenBuilder(c Compression) *Builder {
	w := &Builder{
		Compression: c, BaseOffset: 42, LeaderEpoch: 9, Transactional: true,
		Idempotent: true, ProducerID: 1234, ProducerEpoch: 5, BaseSequence: 77,
	}
	w.Add(1700000000000, []byte("key 0"), []byte("value 0"))
	w.Add(1700000000123, nil, []byte("no key"), RecordHeader{[]byte("h1"), []byte("v1")}, RecordHeader{[]byte("h2"), nil})
	w.Add(1699999999999, []byte("tombstone"), nil)
	w.Add(1700000000001, []byte{}, []byte(strings.Repeat("x", 300)))
	return w
}

func TestReadsKafkasBatches(t *testing.T) {
	golden := goldenBatches(t)
	require.Len(t, golden, 7)
	for _, c := range codecs {
		b := golden[c.String()]
		ours := goldenBuilder(c).Batch()
		var h, want Header
		found, err := Validate(b, Rules{Internal: true}, &h)
		require.NoError(t, err, c.String())
		require.Equal(t, Found{MaxTimestamp: 1700000000123}, found)
		require.NoError(t, ReadHeader(ours, &want))
		want.Length, want.CRC = h.Length, h.CRC // codecs differ in how well they compress
		require.Equal(t, want, h)
		if c == None {
			require.Equal(t, b, ours, "the same bytes")
		}

		var theirs, mine []Record
		require.NoError(t, V2.Each(b, func(r *Record) bool { theirs = append(theirs, cloneRecord(r)); return true }))
		require.NoError(t, V2.Each(ours, func(r *Record) bool { mine = append(mine, cloneRecord(r)); return true }))
		require.Equal(t, mine, theirs, c.String())
		require.Len(t, theirs, 4)
		require.Nil(t, theirs[1].Key)
		require.Equal(t, "value 0", string(theirs[0].Value))
	}
}

func cloneRecord(r *Record) Record {
	var again Record
	b := AppendRecord(nil, r)
	_, p := varint32(b, 0)
	if !again.parse(b[p:]) {
		panic("a record that was read does not encode")
	}
	return again
}

func TestWritesKafkasMarkers(t *testing.T) {
	golden := goldenBatches(t)
	for name, m := range map[string]EndTxnMarker{
		"commit": {Commit: true, CoordinatorEpoch: 3}, "abort": {CoordinatorEpoch: 4},
	} {
		b := m.Batch(1234, 5, 1700000000000)
		b.SetLeaderEpoch(9)
		b.SetBaseOffset(100)
		if name == "abort" {
			b.SetBaseOffset(101)
		}
		require.Equal(t, golden[name], b, name)
	}
}
