package config

import (
	"math"
	"strings"
)

const (
	maxInt  = math.MaxInt32
	minInt  = math.MinInt32
	maxLong = math.MaxInt64
	minLong = math.MinInt64
)

// internalSegmentBytes overrides segment.bytes without its lower bound, so that tests roll segments quickly.
const internalSegmentBytes = "internal.segment.bytes"

// gzipLevel: Kafka takes the levels of zlib and -1 for its default.
func gzipLevel(value string) string {
	if value == "-1" || wholeNumber(1, 9)(value) == "" {
		return ""
	}
	return "-1 or a whole number from 1 to 9"
}

// compressionTypes are the values of compression.type.
var compressionTypes = []string{"uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"}

// topicDefs holds the topic keys of Apache Kafka 4.3, sorted by name.
var topicDefs = []Def{
	newDef(TypeList, "cleanup.policy", "delete", listOf(true, "compact", "delete"),
		"What happens to old segments: delete discards them by time and size, compact keeps the latest record of each key; both may be given, and an empty list keeps everything.").synonym("log.cleanup.policy"),
	newDef(TypeInt, "compression.gzip.level", "-1", gzipLevel,
		"Level of gzip when compression.type is gzip; -1 is the codec's own default.").synonym("compression.gzip.level"),
	intDef("compression.lz4.level", 9, 1, 17,
		"Level of lz4 when compression.type is lz4.").synonym("compression.lz4.level"),
	enumDef("compression.type", "producer",
		"How batches are stored: producer keeps what the producer chose, uncompressed stores them plain, a codec's name recompresses with that codec.", compressionTypes...).synonym("compression.type"),
	intDef("compression.zstd.level", 3, -131072, 22,
		"Level of zstd when compression.type is zstd.").synonym("compression.zstd.level"),
	longDef("delete.retention.ms", 86400000, 0, maxLong,
		"How long compaction keeps a tombstone, so that a consumer that reads from the start within this time sees every delete.").synonym("log.cleaner.delete.retention.ms"),
	longDef("file.delete.delay.ms", 60000, 0, maxLong,
		"How long a deleted segment's or partition's files stay on disk.").synonym("log.segment.delete.delay.ms"),
	longDef("flush.messages", maxLong, 1, maxLong,
		"fsync the log after that many records. 1 makes every ack durable on the replicas that gave it; the default leaves writing back to the operating system.").synonym("log.flush.interval.messages"),
	longDef("flush.ms", maxLong, 0, maxLong,
		"fsync the log when its oldest unflushed record is this old.").synonym("log.flush.interval.ms"),
	newDef(TypeList, "follower.replication.throttled.replicas", "", throttledReplicas,
		"Replicas whose fetching is throttled: partition:broker pairs, or * for all."),
	intDef("index.interval.bytes", 4096, 0, maxInt,
		"An entry is added to the offset index after about that many bytes of log.").synonym("log.index.interval.bytes"),
	intDef(internalSegmentBytes, 0, 1, maxInt,
		"For tests: the size of a segment file without segment.bytes' lower bound.").null().internal(),
	newDef(TypeList, "leader.replication.throttled.replicas", "", throttledReplicas,
		"Replicas whose serving to followers is throttled: partition:broker pairs, or * for all."),
	longDef("local.retention.bytes", -2, -2, maxLong,
		"With tiered storage, how much stays on the local disk; -2 follows retention.bytes.").synonym("log.local.retention.bytes"),
	longDef("local.retention.ms", -2, -2, maxLong,
		"With tiered storage, how long segments stay on the local disk; -2 follows retention.ms.").synonym("log.local.retention.ms"),
	longDef("max.compaction.lag.ms", maxLong, 1, maxLong,
		"The longest that a record may wait for compaction.").synonym("log.cleaner.max.compaction.lag.ms"),
	intDef("max.message.bytes", 1048588, 0, maxInt,
		"The largest record batch that is taken, as it is sent (after compression).").synonym("message.max.bytes"),
	longDef("message.timestamp.after.max.ms", 3600000, 0, maxLong,
		"How far a producer's timestamp may lie ahead of the broker's clock; no limit with LogAppendTime.").synonym("log.message.timestamp.after.max.ms"),
	longDef("message.timestamp.before.max.ms", maxLong, 0, maxLong,
		"How far a producer's timestamp may lie behind the broker's clock; no limit with LogAppendTime.").synonym("log.message.timestamp.before.max.ms"),
	enumDef("message.timestamp.type", "CreateTime",
		"Whose time records carry: the producer's (CreateTime) or the leader's at append (LogAppendTime).", "CreateTime", "LogAppendTime").synonym("log.message.timestamp.type"),
	newDef(TypeDouble, "min.cleanable.dirty.ratio", "0.5", realNumber(0, 1),
		"A log is compacted when at least this share of it has not been compacted yet.").synonym("log.cleaner.min.cleanable.ratio"),
	longDef("min.compaction.lag.ms", 0, 0, maxLong,
		"The shortest time that a record stays as it was written before compaction may remove it.").synonym("log.cleaner.min.compaction.lag.ms"),
	intDef("min.insync.replicas", 1, 1, maxInt,
		"How many in-sync replicas must have a record before acks=all is answered; with fewer in sync the write is refused.").synonym("min.insync.replicas"),
	boolDef("preallocate", false,
		"Reserve a new segment's whole size on disk at once.").synonym("log.preallocate"),
	boolDef("remote.log.copy.disable", false,
		"With tiered storage, copy nothing more to the remote store."),
	boolDef("remote.log.delete.on.disable", false,
		"With tiered storage, delete the remote data when tiering is turned off."),
	boolDef("remote.storage.enable", false,
		"Tiered storage for this topic."),
	longDef("retention.bytes", -1, minLong, maxLong,
		"The size above which a partition's oldest segments are deleted; -1 is unlimited.").synonym("log.retention.bytes"),
	longDef("retention.ms", 604800000, -1, maxLong,
		"The age after which segments are deleted, by their newest record; -1 is unlimited.").synonym("log.retention.ms"),
	intDef("segment.bytes", 1<<30, 1<<20, maxInt,
		"The size of a segment file.").synonym("log.segment.bytes"),
	intDef("segment.index.bytes", 10<<20, 4, maxInt,
		"The largest size of a segment's index files; a full index rolls the segment.").synonym("log.index.size.max.bytes"),
	longDef("segment.jitter.ms", 0, 0, maxLong,
		"A random time up to this is taken from segment.ms, so that not all segments roll together.").synonym("log.roll.jitter.ms"),
	longDef("segment.ms", 604800000, 1, maxLong,
		"The time after which a segment is rolled even if it is not full.").synonym("log.roll.ms"),
	boolDef("unclean.leader.election.enable", false,
		"Whether a replica that is not in sync may become leader when no other is left, at the price of lost records.").synonym("unclean.leader.election.enable"),
}

// throttledReplicas allows a list of partition:broker pairs, or * alone, or nothing.
func throttledReplicas(value string) string {
	if value == "*" {
		return ""
	}
	for _, pair := range splitList(value) {
		if !isThrottledPair(pair) {
			return "*, or a comma-separated list of partition:broker"
		}
	}
	return ""
}

func isThrottledPair(pair string) bool {
	partition, broker, found := strings.Cut(pair, ":")
	number := wholeNumber(0, maxInt)
	return found && number(partition) == "" && number(broker) == ""
}
