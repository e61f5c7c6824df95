package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"highwater.dev/broker/model"
	"highwater.dev/broker/vfs"
)

// Names of the files that this part of the package writes.
const (
	PartitionMetadata = "partition.metadata"   // in a partition's folder
	CleanShutdown     = ".kafka_cleanshutdown" // in a log directory
	MetaProperties    = "meta.properties"      // in a log directory
)

// NoBrokerEpoch marks a shutdown without registration.
const NoBrokerEpoch int64 = -1

// WritePartitionMetadata names the topic that a partition's folder belongs to (KIP-516), durably. Kafka's file has
// no newline at its end.
func WritePartitionMetadata(fs vfs.FS, partitionDir string, id model.TopicID) error {
	return Replace(fs, path.Join(partitionDir, PartitionMetadata), []byte("version: 0\ntopic_id: "+id.String()))
}

// ReadPartitionMetadata returns the topic id of a partition's folder. A missing file is an error that
// vfs.IsNotExist knows; a damaged one is ErrCorrupt.
func ReadPartitionMetadata(fs vfs.FS, partitionDir string) (model.TopicID, error) {
	name := path.Join(partitionDir, PartitionMetadata)
	data, err := ReadFile(fs, name)
	if err != nil {
		return model.TopicID{}, err
	}
	return ParsePartitionMetadata(data, name)
}

// ParsePartitionMetadata decodes partition.metadata; name goes into the errors.
func ParsePartitionMetadata(data []byte, name string) (model.TopicID, error) {
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	if len(lines) != 2 || lines[0] != "version: 0" {
		return model.TopicID{}, fmt.Errorf("%w: %s: want two lines, the first \"version: 0\"", ErrCorrupt, name)
	}
	text, ok := strings.CutPrefix(lines[1], "topic_id: ")
	if !ok {
		return model.TopicID{}, fmt.Errorf("%w: %s:2: no topic_id", ErrCorrupt, name)
	}
	id, err := model.ParseTopicID(text)
	if err != nil {
		return model.TopicID{}, fmt.Errorf("%w: %s:2: %w", ErrCorrupt, name, err)
	}
	if id == (model.TopicID{}) {
		return model.TopicID{}, fmt.Errorf("%w: %s:2: topic_id is zero", ErrCorrupt, name)
	}
	return id, nil
}

// cleanShutdown is the JSON in .kafka_cleanshutdown (KIP-966).
type cleanShutdown struct {
	Version     int   `json:"version"`
	BrokerEpoch int64 `json:"brokerEpoch"`
}

// WriteCleanShutdown says, durably, that every log in the directory was flushed and closed, by a broker
// of that epoch.
func WriteCleanShutdown(fs vfs.FS, logDir string, brokerEpoch int64) error {
	data := fmt.Appendf(nil, `{"version":0,"brokerEpoch":%d}`, brokerEpoch)
	return Replace(fs, path.Join(logDir, CleanShutdown), data)
}

// ReadCleanShutdown reports whether the last shutdown of the directory was clean, and the broker's epoch
// then. A file whose contents are damaged or of an older Kafka (empty) still says that it was clean.
func ReadCleanShutdown(fs vfs.FS, logDir string) (brokerEpoch int64, clean bool, err error) {
	data, err := ReadFile(fs, path.Join(logDir, CleanShutdown))
	switch {
	case vfs.IsNotExist(err):
		return NoBrokerEpoch, false, nil
	case err != nil:
		return NoBrokerEpoch, false, err
	}
	c := cleanShutdown{BrokerEpoch: NoBrokerEpoch}
	if json.Unmarshal(data, &c) != nil {
		return NoBrokerEpoch, true, nil
	}
	return c.BrokerEpoch, true, nil
}

// RemoveCleanShutdown removes the mark, durably. It is called before the first append: from then on a crash
// must be recovered from.
func RemoveCleanShutdown(fs vfs.FS, logDir string) error {
	if err := fs.Remove(path.Join(logDir, CleanShutdown)); err != nil && !vfs.IsNotExist(err) {
		return err
	}
	return fs.SyncDir(logDir)
}

// Meta is a log directory's meta.properties, version 1 (KIP-858).
type Meta struct {
	ClusterID   string // empty until the first leader of a new cluster has committed it
	NodeID      model.NodeID
	DirectoryID model.TopicID // a Uuid like a topic's
}

// WriteMeta replaces a log directory's meta.properties, durably.
func WriteMeta(fs vfs.FS, logDir string, m Meta) error {
	return Replace(fs, path.Join(logDir, MetaProperties), AppendMeta(nil, m))
}

// ReadMeta reads meta.properties. A missing file is an error that vfs.IsNotExist knows: the directory was never
// formatted. A damaged one, or one of version 0 (ZooKeeper's times), is ErrCorrupt.
func ReadMeta(fs vfs.FS, logDir string) (Meta, error) {
	name := path.Join(logDir, MetaProperties)
	data, err := ReadFile(fs, name)
	if err != nil {
		return Meta{}, err
	}
	return ParseMeta(data, name)
}

// AppendMeta encodes meta.properties. Kafka's own begins with a comment that holds the date; readers skip it.
func AppendMeta(dst []byte, m Meta) []byte {
	dst = fmt.Appendf(dst, "#\nnode.id=%d\ndirectory.id=%s\nversion=1\n", m.NodeID, m.DirectoryID)
	if m.ClusterID != "" {
		dst = fmt.Appendf(dst, "cluster.id=%s\n", m.ClusterID)
	}
	return dst
}

// ParseMeta decodes meta.properties; name goes into the errors. Unknown keys are ignored.
func ParseMeta(data []byte, name string) (Meta, error) {
	m := Meta{NodeID: model.NoNode}
	version := ""
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			return Meta{}, fmt.Errorf("%w: %s:%d: %q is not key=value", ErrCorrupt, name, i+1, line)
		}
		var err error
		switch value = strings.TrimSpace(value); strings.TrimSpace(key) {
		case "version":
			version = value
		case "cluster.id":
			m.ClusterID = value
		case "node.id", "broker.id":
			m.NodeID, err = parseNode(value)
		case "directory.id":
			m.DirectoryID, err = model.ParseTopicID(value)
		}
		if err != nil {
			return Meta{}, fmt.Errorf("%w: %s:%d: %w", ErrCorrupt, name, i+1, err)
		}
	}
	if version != "1" {
		return Meta{}, fmt.Errorf("%w: %s: version %q, want 1", ErrCorrupt, name, version)
	}
	if m.NodeID == model.NoNode {
		return Meta{}, fmt.Errorf("%w: %s: node.id is missing", ErrCorrupt, name)
	}
	return m, nil
}

func parseNode(value string) (model.NodeID, error) {
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil || n < 0 {
		return model.NoNode, errors.New("node.id is not a number from 0 to 2^31-1")
	}
	return model.NodeID(n), nil
}
