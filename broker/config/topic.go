package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// TimestampType says which clock a topic's records carry (message.timestamp.type).
type TimestampType int8

// The numbers are the timestamp type bit of the record batch's attributes.
const (
	CreateTime    TimestampType = 0 // the producer's
	LogAppendTime TimestampType = 1 // the leader's, at append
)

// Topic is the effective configuration of one topic: its overrides over the server's defaults.
// Milliseconds and bytes, as the names say. math.MaxInt64 stands for never, as in Kafka.
type Topic struct {
	CleanupDelete  bool  // cleanup.policy has delete: retention applies
	CleanupCompact bool  // cleanup.policy has compact
	RetentionMs    int64 // retention.ms; -1 unlimited
	RetentionBytes int64 // retention.bytes, per partition; -1 unlimited

	SegmentBytes       int   // segment.bytes, or internal.segment.bytes where that is set
	SegmentMs          int64 // segment.ms
	SegmentJitterMs    int64 // segment.jitter.ms
	SegmentIndexBytes  int   // segment.index.bytes
	IndexIntervalBytes int   // index.interval.bytes
	Preallocate        bool  // preallocate
	FileDeleteDelayMs  int64 // file.delete.delay.ms

	FlushMessages int64 // flush.messages: fsync after that many records; 1 is before each ack
	FlushMs       int64 // flush.ms

	MaxMessageBytes      int           // max.message.bytes: the largest batch, as sent
	TimestampType        TimestampType // message.timestamp.type
	TimestampBeforeMaxMs int64         // message.timestamp.before.max.ms
	TimestampAfterMaxMs  int64         // message.timestamp.after.max.ms
	CompressionType      string        // compression.type: producer (as sent), uncompressed, gzip, snappy, lz4 or zstd
	CompressionGzipLevel int           // compression.gzip.level; -1 the codec's default
	CompressionLz4Level  int           // compression.lz4.level
	CompressionZstdLevel int           // compression.zstd.level

	MinInsyncReplicas     int  // min.insync.replicas
	UncleanLeaderElection bool // unclean.leader.election.enable

	DeleteRetentionMs      int64   // delete.retention.ms: how long compaction keeps tombstones
	MinCompactionLagMs     int64   // min.compaction.lag.ms
	MaxCompactionLagMs     int64   // max.compaction.lag.ms
	MinCleanableDirtyRatio float64 // min.cleanable.dirty.ratio
}

var topicIndex = indexDefs(topicDefs)

func indexDefs(defs []Def) map[string]*Def {
	m := make(map[string]*Def, len(defs))
	for i := range defs {
		m[defs[i].Name] = &defs[i]
	}
	return m
}

// TopicDefs returns every topic key of Apache Kafka 4.3, sorted by name. The slice is the caller's.
func TopicDefs() []Def { return slices.Clone(topicDefs) }

// ValidateTopic checks one key of a topic's configuration by itself. An unknown key or a wrong value is a *Problem.
func ValidateTopic(key, value string) error {
	d, ok := topicIndex[key]
	if !ok {
		return &Problem{Key: key, Value: value, Allowed: "unknown topic config name"}
	}
	return d.Validate(value)
}

// Topic is the effective configuration of a topic with these overrides. The error joins a *Problem for each
// override that is refused, in order of their keys.
func (s *Server) Topic(overrides map[string]string) (Topic, error) {
	t := s.TopicDefaults
	var problems []error
	for _, key := range slices.Sorted(maps.Keys(overrides)) {
		if err := ValidateTopic(key, overrides[key]); err != nil {
			problems = append(problems, err)
			continue
		}
		t.set(key, overrides[key])
	}
	if t.MinCompactionLagMs > t.MaxCompactionLagMs && len(problems) == 0 {
		problems = append(problems, &Problem{Key: "min.compaction.lag.ms", Value: strconv.FormatInt(t.MinCompactionLagMs, 10),
			Allowed: fmt.Sprintf("allowed is at most max.compaction.lag.ms (%d)", t.MaxCompactionLagMs)})
	}
	if v, ok := overrides[internalSegmentBytes]; ok && len(problems) == 0 {
		t.SegmentBytes = int(parseInt(v))
	}
	return t, errors.Join(problems...)
}

// set takes a validated value over. Keys without a field (tiered storage, replication throttles) change nothing.
func (t *Topic) set(key, value string) {
	value = strings.TrimSpace(value)
	switch key {
	case "cleanup.policy":
		policies := splitList(value)
		t.CleanupDelete, t.CleanupCompact = slices.Contains(policies, "delete"), slices.Contains(policies, "compact")
	case "retention.ms":
		t.RetentionMs = parseInt(value)
	case "retention.bytes":
		t.RetentionBytes = parseInt(value)
	case "segment.bytes":
		t.SegmentBytes = int(parseInt(value))
	case "segment.ms":
		t.SegmentMs = parseInt(value)
	case "segment.jitter.ms":
		t.SegmentJitterMs = parseInt(value)
	case "segment.index.bytes":
		t.SegmentIndexBytes = int(parseInt(value))
	case "index.interval.bytes":
		t.IndexIntervalBytes = int(parseInt(value))
	case "preallocate":
		t.Preallocate = parseBool(value)
	case "file.delete.delay.ms":
		t.FileDeleteDelayMs = parseInt(value)
	case "flush.messages":
		t.FlushMessages = parseInt(value)
	case "flush.ms":
		t.FlushMs = parseInt(value)
	case "min.insync.replicas":
		t.MinInsyncReplicas = int(parseInt(value))
	case "unclean.leader.election.enable":
		t.UncleanLeaderElection = parseBool(value)
	default:
		t.setMessage(key, value)
	}
}

// setMessage is the second half of set: what concerns messages and compaction.
func (t *Topic) setMessage(key, value string) {
	switch key {
	case "max.message.bytes":
		t.MaxMessageBytes = int(parseInt(value))
	case "message.timestamp.type":
		t.TimestampType = CreateTime
		if value == "LogAppendTime" {
			t.TimestampType = LogAppendTime
		}
	case "message.timestamp.before.max.ms":
		t.TimestampBeforeMaxMs = parseInt(value)
	case "message.timestamp.after.max.ms":
		t.TimestampAfterMaxMs = parseInt(value)
	case "compression.type":
		t.CompressionType = value
	case "compression.gzip.level":
		t.CompressionGzipLevel = int(parseInt(value))
	case "compression.lz4.level":
		t.CompressionLz4Level = int(parseInt(value))
	case "compression.zstd.level":
		t.CompressionZstdLevel = int(parseInt(value))
	case "delete.retention.ms":
		t.DeleteRetentionMs = parseInt(value)
	case "min.compaction.lag.ms":
		t.MinCompactionLagMs = parseInt(value)
	case "max.compaction.lag.ms":
		t.MaxCompactionLagMs = parseInt(value)
	case "min.cleanable.dirty.ratio":
		t.MinCleanableDirtyRatio = parseFloat(value)
	}
}
