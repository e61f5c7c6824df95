package dump_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/commitlog/checkpoint"
	"highwater.dev/broker/dump"
	"highwater.dev/broker/epoch"
	"highwater.dev/broker/metadata"
	"highwater.dev/broker/model"
	"highwater.dev/broker/producer"
	"highwater.dev/broker/record"
	"highwater.dev/broker/vfs"
)

const base = 1_700_000_000_000

func put(t *testing.T, fs vfs.FS, name string, data []byte) {
	t.Helper()
	require.NoError(t, fs.MkdirAll(name[:strings.LastIndex(name, "/")]))
	f, err := fs.Create(name)
	require.NoError(t, err)
	_, err = f.WriteAt(data, 0)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func run(t *testing.T, fs vfs.FS, name string, o dump.Options) (string, error) {
	t.Helper()
	var out strings.Builder
	err := dump.File(fs, name, o, &out)
	return out.String(), err
}

// batches are two batches of two records each, at offsets 0 and 2.
func batches() []byte {
	var all []byte
	for i := range 2 {
		b := record.Builder{BaseOffset: model.Offset(2 * i), LeaderEpoch: 3, Compression: record.Compression(i * 4)}
		b.Add(model.TimestampMs(base+i), []byte("k"), []byte("one"), record.RecordHeader{Key: []byte("h"), Value: []byte("v")})
		b.Add(model.TimestampMs(base+i), nil, []byte("tw\x00"))
		all = b.AppendTo(all)
	}
	return all
}

const segmentName = "dir/t-0/00000000000000000000.log"

func TestLog(t *testing.T) {
	fs := vfs.NewMem()
	put(t, fs, segmentName, batches())
	out, err := run(t, fs, segmentName, dump.Options{})
	require.NoError(t, err)
	require.Contains(t, out, "byte 0: offsets 0 to 1, 2 records,")
	require.Contains(t, out, "zstd, CreateTime 2023-11-14T22:13:20.001Z, leader epoch 3")
	require.Contains(t, out, "2 batches, 4 records, next offset 4\n")
	require.NotContains(t, out, "key")
	out, err = run(t, fs, segmentName, dump.Options{Values: true})
	require.NoError(t, err)
	require.Contains(t, out, "  offset 3: 2023-11-14T22:13:20.001Z, key null, value 3 bytes\n    key null\n    value \"tw\\x00\"\n")
	require.Contains(t, out, "header \"h\" = \"v\"")
}

func TestDamagedLogs(t *testing.T) {
	whole := batches()
	first := int(binary.BigEndian.Uint32(whole[8:])) + record.LogOverhead
	for _, c := range []struct {
		name   string
		damage func([]byte) []byte
		want   string
	}{
		{"torn", func(b []byte) []byte { return b[:len(b)-1] }, "DAMAGED at byte 90: torn batch, after offset 1"},
		{"torn header", func(b []byte) []byte { return b[:first+20] }, "DAMAGED at byte 90: torn batch, after offset 1: record: batch is cut short: 20 bytes"},
		{"flipped", func(b []byte) []byte { b[first-1] ^= 1; return b }, "DAMAGED at byte 0: batch of offsets 0 to 1: CRC-32C is 0x"},
		{"magic", func(b []byte) []byte { b[first+16] = 1; return b }, "DAMAGED at byte 90: no batch here, after offset 1"},
		{"offsets", func(b []byte) []byte { b[first+7] = 1; return b }, "DAMAGED at byte 90: base offset 1 is below 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fs := vfs.NewMem()
			put(t, fs, segmentName, c.damage(append([]byte(nil), whole...)))
			out, err := run(t, fs, segmentName, dump.Options{Records: true})
			require.ErrorIs(t, err, dump.ErrDamaged)
			require.Contains(t, strings.ReplaceAll(out, "byte "+itoa(first), "byte 90"), c.want)
			require.Contains(t, out, "byte 0: offsets 0 to 1", "what can be read is printed")
		})
	}
	t.Run("behind a flipped bit it goes on", func(t *testing.T) {
		fs := vfs.NewMem()
		b := append([]byte(nil), whole...)
		b[first-1] ^= 1
		put(t, fs, segmentName, b)
		out, _ := run(t, fs, segmentName, dump.Options{})
		require.Contains(t, out, "2 batches, 4 records")
	})
	t.Run("allocated ahead", func(t *testing.T) {
		fs := vfs.NewMem()
		put(t, fs, segmentName, append(append([]byte(nil), whole...), make([]byte, 4096)...))
		out, err := run(t, fs, segmentName, dump.Options{})
		require.NoError(t, err)
		require.Contains(t, out, "4096 zero bytes from byte")
	})
}

func itoa(n int) string { return string(rune('0'+n/10%10)) + string(rune('0'+n%10)) }

func TestControlAndMetadataRecords(t *testing.T) {
	fs := vfs.NewMem()
	put(t, fs, segmentName, record.EndTxnMarker{Commit: true, CoordinatorEpoch: 8}.Batch(5, 1, base))
	out, err := run(t, fs, segmentName, dump.Options{Records: true})
	require.NoError(t, err)
	require.Contains(t, out, "producer 5 epoch 1")
	require.Contains(t, out, "control record COMMIT, coordinator epoch 8")

	name := "dir/__cluster_metadata-0/00000000000000000000.log"
	b := record.Builder{}
	b.Add(base, nil, metadata.AppendRecord(nil, metadata.TopicRecord{Name: "orders", ID: model.TopicID{1}}))
	b.Add(base, nil, []byte("\x01\x0c\x00 of Apache Kafka"))
	put(t, fs, name, b.Batch())
	out, err = run(t, fs, name, dump.Options{Values: true})
	require.NoError(t, err, "Apache Kafka's records are no damage")
	require.Contains(t, out, `{"type":"TOPIC","version":0,"data":{"name":"orders"`)
	require.Contains(t, out, "of Apache Kafka")
}

func TestIndexes(t *testing.T) {
	whole := batches()
	first := binary.BigEndian.Uint32(whole[8:]) + record.LogOverhead
	entry := func(offset, pos uint32) []byte {
		return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, offset), pos)
	}
	at := func(ts uint64, offset uint32) []byte {
		return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, ts), offset)
	}
	zeros := make([]byte, 120)
	for _, c := range []struct {
		name, suffix string
		data         []byte
		damaged      bool
		want         string
	}{
		{"good", ".index", entry(3, first), false, "offset 3: byte"},
		{"allocated ahead", ".index", append(entry(3, first), zeros...), false, "1 entry; 120 zero bytes from byte 8 on"},
		{"empty", ".index", nil, false, "0 entries"},
		{"wrong place", ".index", entry(3, first+1), true, "DAMAGED at byte 0: offset 3: no batch at byte"},
		{"wrong offset", ".index", entry(2, first), true, "DAMAGED at byte 0: offset 2: the batch at byte"},
		{"behind the log", ".index", entry(9, 100_000), true, "DAMAGED at byte 0: offset 9: byte 100000 is behind the log's end, "},
		{"order", ".index", append(entry(3, first), entry(1, 0)...), true, "DAMAGED at byte 8: entry (offset 1, byte 0) does not lie above"},
		{"order of positions", ".index", append(entry(1, first), entry(3, first)...), true, "DAMAGED at byte 8: entry (offset 3,"},
		{"a zero entry before others", ".index", append(entry(0, 0), entry(3, first)...), true, "DAMAGED at byte 0"},
		{"torn", ".index", entry(3, first)[:5], true, "DAMAGED at byte 0: 5 bytes are left"},
		{"good times", ".timeindex", append(at(base, 1), at(base+1, 3)...), false, "(1700000000001): offset 3"},
		{"allocated ahead", ".timeindex", append(at(base, 1), zeros...), false, "1 entry; 120 zero bytes from byte 12 on"},
		{"wrong time", ".timeindex", at(base+5, 1), true, "the largest timestamp of the log up to there is 1700000000000"},
		{"time behind the log", ".timeindex", at(base+1, 7), true, "DAMAGED at byte 0: offset 7: the log ends at offset 3"},
		{"order of times", ".timeindex", append(at(base+1, 3), at(base, 3)...), true, "DAMAGED at byte 12"},
	} {
		t.Run(c.suffix+" "+c.name, func(t *testing.T) {
			fs := vfs.NewMem()
			put(t, fs, segmentName, whole)
			name := strings.TrimSuffix(segmentName, ".log") + c.suffix
			put(t, fs, name, c.data)
			out, err := run(t, fs, name, dump.Options{IndexCheck: true})
			require.Equal(t, c.damaged, err != nil, "%v\n%s", err, out)
			require.Contains(t, out, c.want)
		})
	}
}

func TestTransactionIndex(t *testing.T) {
	name := "dir/t-0/00000000000000000000.txnindex"
	e := binary.BigEndian.AppendUint16(nil, 0)
	for _, v := range []uint64{7, 10, 20, 15} {
		e = binary.BigEndian.AppendUint64(e, v)
	}
	fs := vfs.NewMem()
	put(t, fs, name, e)
	out, err := run(t, fs, name, dump.Options{})
	require.NoError(t, err)
	require.Contains(t, out, "producer 7: aborted offsets 10 to 20, last stable offset 15")
	put(t, fs, name, append(e, e...))
	_, err = run(t, fs, name, dump.Options{})
	require.ErrorIs(t, err, dump.ErrDamaged)
}

func TestSmallFiles(t *testing.T) {
	fs := vfs.NewMem()
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"dir/t-0/00000000000000000009.snapshot": {producer.AppendSnapshot(nil, []producer.State{{ID: 4, Epoch: 2, LastSequence: 9, LastOffset: 8,
			LastDelta: 1, LastTimestamp: base, TxnStart: -1}}), "producer 4 epoch 2: last sequence 9, last offset 8, last batch of 2 records"},
		"dir/t-0/leader-epoch-checkpoint":   {epoch.Append(nil, []epoch.Entry{{Epoch: 1, Start: 5}}), "leader epoch 1 starts at offset 5"},
		"dir/replication-offset-checkpoint": {checkpoint.AppendOffsets(nil, checkpoint.Offsets{{Topic: "t", Partition: 3}: 12}), "t-3: 12"},
		"dir/t-0/partition.metadata":        {[]byte("version: 0\ntopic_id: " + model.TopicID{9}.String()), "topic id CQAAA"},
		"dir/meta.properties":               {checkpoint.AppendMeta(nil, checkpoint.Meta{ClusterID: "c", NodeID: 3}), "node 3, cluster c"},
		"dir/q/quorum-state":                {[]byte(`{"leaderId":1}`), `{"leaderId":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			put(t, fs, name, c.data)
			out, err := run(t, fs, name, dump.Options{})
			require.NoError(t, err)
			require.Contains(t, out, c.want)
			put(t, fs, name, append([]byte("x"), c.data...))
			out, err = run(t, fs, name, dump.Options{})
			require.ErrorIs(t, err, dump.ErrDamaged)
			require.Contains(t, out, "DAMAGED")
		})
	}
	put(t, fs, "dir/notes.txt", []byte("x"))
	_, err := run(t, fs, "dir/notes.txt", dump.Options{})
	require.ErrorIs(t, err, dump.ErrUnknown)
	_, err = run(t, fs, "dir", dump.Options{})
	require.ErrorIs(t, err, dump.ErrUnknown)
	require.ErrorContains(t, err, "dir is a folder; name the files in it")
	_, err = run(t, fs, "dir/missing.log", dump.Options{})
	require.True(t, vfs.IsNotExist(err))
}
