package metadata_test

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"highwater.dev/broker/metadata"
	"highwater.dev/broker/model"
)

var update = flag.Bool("update", false, "write testdata/records.golden: only for a record type that was never on a disk")

// samples has every record type, with and without its optional parts.
func samples() []metadata.Record {
	value, rack := "604800000", "rack-1"
	id := metadata.UUID{0xc0, 0xff, 0xee, 15: 1}
	return []metadata.Record{
		metadata.NoOpRecord{},
		metadata.TopicRecord{Name: "orders", ID: id},
		metadata.PartitionRecord{TopicID: id, Partition: 300, Replicas: []model.NodeID{1, 2}, ISR: []model.NodeID{2}, Leader: 2, LeaderEpoch: 5, PartitionEpoch: 9},
		metadata.PartitionRecord{TopicID: id, Replicas: []model.NodeID{1}, ISR: []model.NodeID{}, Leader: model.NoNode},
		metadata.PartitionChangeRecord{TopicID: id, Partition: 1, Leader: metadata.NoLeaderChange, ISR: []model.NodeID{1}},
		metadata.PartitionChangeRecord{TopicID: id, Leader: 3, Replicas: []model.NodeID{3, 4}},
		metadata.ConfigRecord{Resource: metadata.TopicResource, Name: "orders", Key: "retention.ms", Value: &value},
		metadata.ConfigRecord{Resource: metadata.BrokerResource, Key: "message.max.bytes"},
		metadata.RemoveTopicRecord{ID: id},
		metadata.ProducerIDsRecord{Broker: 1, BrokerEpoch: 77, Next: 2000},
		metadata.BrokerRecord{Node: 1, Incarnation: id, Rack: &rack, Fenced: true,
			Endpoints: []metadata.Endpoint{{Listener: "PLAINTEXT", Host: "127.0.0.1", Port: 9092}, {Listener: "INTERNAL", Host: "b", Port: 65535}}},
		metadata.BrokerRecord{Node: 2},
		metadata.FeatureRecord{Name: "metadata.version", Level: 25},
	}
}

// TestGoldenBytes: what is on disk stays readable, and dump-log's form stays what it is.
func TestGoldenBytes(t *testing.T) {
	const file = "testdata/records.golden"
	var out strings.Builder
	for _, r := range samples() {
		fmt.Fprintf(&out, "%s\n%x\n", metadata.Text(r), metadata.AppendRecord(nil, r))
	}
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(out.String()), 0o644))
	}
	golden, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(golden), out.String())
	lines := strings.Split(strings.TrimSpace(string(golden)), "\n")
	for i, r := range samples() {
		require.True(t, json.Valid([]byte(lines[2*i])))
		b, err := hex.DecodeString(lines[2*i+1])
		require.NoError(t, err)
		parsed, err := metadata.ParseRecord(b)
		require.NoError(t, err)
		require.Equal(t, r, parsed)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, b := range map[string][]byte{
		"nothing":             {},
		"another frame":       {2, 0, 0},
		"unknown type":        {1, 99, 0},
		"another version":     {1, 0, 1},
		"a byte too many":     {1, 0, 0, 0},
		"long varint":         {1, 0x80, 0, 0},
		"endless varint":      {1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"a name past the end": {1, 1, 0, 200, 'a'},
		"nodes past the end":  append([]byte{1, 4, 0}, append(make([]byte, 24), 0xff, 0xff, 0x7f)...),
		"a bool of 2":         append([]byte{1, 7, 0}, append(make([]byte, 22), 2)...),
	} {
		_, err := metadata.ParseRecord(b)
		require.ErrorIs(t, err, metadata.ErrFormat, name)
	}
	for _, r := range samples() {
		b := metadata.AppendRecord(nil, r)
		for n := range b {
			_, err := metadata.ParseRecord(b[:n])
			require.ErrorIs(t, err, metadata.ErrFormat, "%s cut to %d bytes", metadata.Text(r), n)
		}
	}
}

// FuzzParseRecord: no panic, and a record has one encoding only.
func FuzzParseRecord(f *testing.F) {
	for _, r := range samples() {
		f.Add(metadata.AppendRecord(nil, r))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := metadata.ParseRecord(b)
		if err != nil {
			require.ErrorIs(t, err, metadata.ErrFormat)
			return
		}
		require.Equal(t, b, metadata.AppendRecord(nil, r))
		require.True(t, json.Valid([]byte(metadata.Text(r))))
	})
}

func drawNodes(t *rapid.T) []model.NodeID {
	nodes := rapid.SliceOf(rapid.Map(rapid.Int32(), func(n int32) model.NodeID { return model.NodeID(n) })).Draw(t, "nodes")
	if len(nodes) == 0 && rapid.Bool().Draw(t, "nil") {
		return nil
	}
	return nodes
}

func drawRecord(t *rapid.T) metadata.Record {
	var id metadata.UUID
	copy(id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
	text := rapid.String()
	n := rapid.Int32()
	switch rapid.IntRange(0, 8).Draw(t, "type") {
	case 0:
		return metadata.NoOpRecord{}
	case 1:
		return metadata.TopicRecord{Name: text.Draw(t, "name"), ID: id}
	case 2:
		return metadata.PartitionRecord{TopicID: id, Partition: n.Draw(t, "partition"), Replicas: drawNodes(t), ISR: drawNodes(t),
			Leader: model.NodeID(n.Draw(t, "leader")), LeaderEpoch: model.LeaderEpoch(n.Draw(t, "epoch")), PartitionEpoch: n.Draw(t, "pe")}
	case 3:
		return metadata.PartitionChangeRecord{TopicID: id, Partition: n.Draw(t, "partition"), Leader: model.NodeID(n.Draw(t, "leader")),
			ISR: drawNodes(t), Replicas: drawNodes(t)}
	case 4:
		return metadata.ConfigRecord{Resource: metadata.TopicResource, Name: text.Draw(t, "name"), Key: text.Draw(t, "key"),
			Value: rapid.Ptr(text, true).Draw(t, "value")}
	case 5:
		return metadata.RemoveTopicRecord{ID: id}
	case 6:
		return metadata.ProducerIDsRecord{Broker: model.NodeID(n.Draw(t, "broker")), BrokerEpoch: rapid.Int64().Draw(t, "epoch"),
			Next: model.ProducerID(rapid.Int64().Draw(t, "next"))}
	case 7:
		r := metadata.BrokerRecord{Node: model.NodeID(n.Draw(t, "node")), Incarnation: id, Rack: rapid.Ptr(text, true).Draw(t, "rack"),
			Fenced: rapid.Bool().Draw(t, "fenced")}
		for range rapid.IntRange(0, 3).Draw(t, "endpoints") {
			r.Endpoints = append(r.Endpoints, metadata.Endpoint{Listener: text.Draw(t, "l"), Host: text.Draw(t, "h"), Port: rapid.Uint16().Draw(t, "p")})
		}
		return r
	default:
		return metadata.FeatureRecord{Name: text.Draw(t, "name"), Level: rapid.Int16().Draw(t, "level")}
	}
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRecord(t)
		prefix := []byte("kept")
		b := metadata.AppendRecord(prefix, r)
		require.Equal(t, "kept", string(b[:4]))
		parsed, err := metadata.ParseRecord(b[4:])
		require.NoError(t, err)
		require.Equal(t, r, parsed)
	})
}

func replay(t require.TestingT, im *metadata.Image, records ...metadata.Record) {
	for _, r := range records {
		require.NoError(t, im.Replay(im.NextOffset(), r))
	}
}

func TestImage(t *testing.T) {
	im := metadata.NewImage()
	id := model.TopicID{1}
	part := metadata.PartitionRecord{TopicID: id, Replicas: []model.NodeID{1, 2}, ISR: []model.NodeID{1, 2}, Leader: 1}
	replay(t, im, metadata.TopicRecord{Name: "b", ID: id}, part, metadata.TopicRecord{Name: "a", ID: model.TopicID{2}})
	part.Partition = 1
	replay(t, im, part)
	require.Equal(t, []string{"a", "b"}, []string{im.Topics()[0].Name, im.Topics()[1].Name})
	require.Equal(t, 2, im.PartitionCount())
	require.Same(t, im.Topic("b"), im.TopicByID(id))

	replay(t, im, metadata.PartitionChangeRecord{TopicID: id, Partition: 1, Leader: metadata.NoLeaderChange, ISR: []model.NodeID{1}},
		metadata.PartitionChangeRecord{TopicID: id, Partition: 1, Leader: 1})
	require.Equal(t, metadata.Partition{Replicas: []model.NodeID{1, 2}, ISR: []model.NodeID{1}, Leader: 1, LeaderEpoch: 1, PartitionEpoch: 2},
		im.Topic("b").Partitions[1])

	value := "1"
	replay(t, im, metadata.ConfigRecord{Resource: metadata.TopicResource, Name: "b", Key: "retention.ms", Value: &value})
	require.Equal(t, map[string]string{"retention.ms": "1"}, im.Config(metadata.TopicResource, "b"))
	replay(t, im, metadata.RemoveTopicRecord{ID: id})
	require.Nil(t, im.Topic("b"))
	require.Nil(t, im.TopicByID(id))
	require.Nil(t, im.Config(metadata.TopicResource, "b"), "a topic of the same name begins without configs")
	require.Zero(t, im.PartitionCount())
	require.Len(t, im.Topics(), 1)

	replay(t, im, metadata.FeatureRecord{Name: "x", Level: 3}, metadata.FeatureRecord{Name: "a", Level: 1}, metadata.FeatureRecord{Name: "a"})
	require.Equal(t, []string{"x"}, im.FeatureNames())
	require.Equal(t, int16(3), im.Feature("x"))
}

func TestANewIncarnationBeginsANewEpoch(t *testing.T) {
	im := metadata.NewImage()
	id := model.TopicID{1}
	replay(t, im, metadata.BrokerRecord{Node: 2, Incarnation: metadata.UUID{1}}, metadata.BrokerRecord{Node: 1, Incarnation: metadata.UUID{1}},
		metadata.TopicRecord{Name: "a", ID: id},
		metadata.PartitionRecord{TopicID: id, Replicas: []model.NodeID{1}, Leader: 1},
		metadata.PartitionRecord{TopicID: id, Partition: 1, Replicas: []model.NodeID{2}, Leader: 2})
	epochs := func() [2]model.LeaderEpoch {
		return [2]model.LeaderEpoch{im.Topic("a").Partitions[0].LeaderEpoch, im.Topic("a").Partitions[1].LeaderEpoch}
	}
	require.Equal(t, int64(1), im.Broker(1).Epoch, "the offset of its record")
	require.Equal(t, []model.NodeID{1, 2}, []model.NodeID{im.Brokers()[0].Node, im.Brokers()[1].Node})
	replay(t, im, metadata.BrokerRecord{Node: 1, Incarnation: metadata.UUID{1}, Fenced: true})
	require.Equal(t, [2]model.LeaderEpoch{0, 0}, epochs(), "the same run")
	replay(t, im, metadata.BrokerRecord{Node: 1, Incarnation: metadata.UUID{2}})
	require.Equal(t, [2]model.LeaderEpoch{1, 0}, epochs())
	require.Nil(t, im.Broker(3))
}

func TestReplayRefusesAndChangesNothing(t *testing.T) {
	id := model.TopicID{1}
	fresh := func() *metadata.Image {
		im := metadata.NewImage()
		replay(t, im, metadata.TopicRecord{Name: "a", ID: id}, metadata.PartitionRecord{TopicID: id}, metadata.ProducerIDsRecord{Next: 5})
		return im
	}
	im := fresh()
	for _, r := range []metadata.Record{
		metadata.TopicRecord{Name: "a", ID: model.TopicID{2}},
		metadata.TopicRecord{Name: "b", ID: id},
		metadata.PartitionRecord{TopicID: model.TopicID{2}},
		metadata.PartitionRecord{TopicID: id},
		metadata.PartitionRecord{TopicID: id, Partition: 2},
		metadata.PartitionChangeRecord{TopicID: model.TopicID{2}},
		metadata.PartitionChangeRecord{TopicID: id, Partition: 1},
		metadata.PartitionChangeRecord{TopicID: id, Partition: -1},
		metadata.RemoveTopicRecord{ID: model.TopicID{2}},
		metadata.ProducerIDsRecord{Next: 4},
	} {
		require.ErrorIs(t, im.Replay(im.NextOffset(), r), metadata.ErrReplay, metadata.Text(r))
		require.Equal(t, fresh(), im)
	}
	require.ErrorIs(t, im.Replay(im.NextOffset()-1, metadata.NoOpRecord{}), metadata.ErrReplay, "an offset twice")
	require.NoError(t, im.Replay(im.NextOffset()+10, metadata.NoOpRecord{}), "control batches have offsets too")
}

func TestTopicOverrides(t *testing.T) {
	im := metadata.NewImage()
	set := func(typ metadata.ResourceType, name, key, value string) {
		replay(t, im, metadata.ConfigRecord{Resource: typ, Name: name, Key: key, Value: &value})
	}
	require.Nil(t, im.TopicOverrides("a", 1))
	set(metadata.TopicResource, "a", "retention.ms", "1")
	require.Equal(t, map[string]string{"retention.ms": "1"}, im.TopicOverrides("a", 1))
	set(metadata.BrokerResource, "", "log.retention.ms", "2")
	set(metadata.BrokerResource, "", "message.max.bytes", "3")
	set(metadata.BrokerResource, "1", "message.max.bytes", "4")
	set(metadata.BrokerResource, "2", "log.segment.bytes", "5")
	require.Equal(t, map[string]string{"retention.ms": "1", "max.message.bytes": "4"}, im.TopicOverrides("a", 1))
	require.Equal(t, map[string]string{"retention.ms": "2", "max.message.bytes": "3", "segment.bytes": "5"}, im.TopicOverrides("b", 2))
	require.Equal(t, map[string]string{"retention.ms": "1"}, im.Config(metadata.TopicResource, "a"), "the image is as it was")
}
