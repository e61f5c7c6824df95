package controller_test

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	topicType  = kmsg.ConfigResourceTypeTopic
	brokerType = kmsg.ConfigResourceTypeBroker
)

// script is played from the first to the last on one cluster of one broker, node 1, and leaves no topics behind.
func script() []step {
	var all []step
	for _, part := range [][]step{createSteps(), assignmentSteps(), partitionSteps(), topicConfigSteps(), brokerConfigSteps(), deleteSteps()} {
		all = append(all, part...)
	}
	return all
}

func createSteps() []step {
	long := strings.Repeat("x", 250)
	return []step{
		{name: "create", req: create(topic("a", 1, 1))},
		{name: "validate only", req: validated(topic("v", 3, -1, "retention.ms", "5"))},
		{name: "exists", req: create(topic("a", 1, 1))},
		{name: "duplicates", req: create(topic("d", 1, 1), topic("e", 1, 1), topic("d", 2, 1))},
		{name: "names", req: create(topic("", 1, 1), topic(".", 1, 1), topic("..", 1, 1), topic("a b", 1, 1), topic("ä", 1, 1), topic("c.d$", 1, 1))},
		{name: "name of 250", req: create(topic(long, 1, 1))},
		{name: "name of 249", req: validated(topic(long[1:], 1, 1))},
		{name: "first of a collision", req: create(topic("c.d", 1, 1))},
		{name: "collision", req: create(topic("c_d", 1, 1))},
		{name: "collision within a request", req: validated(topic("q.d", 1, 1), topic("q_d", 1, 1))},
		{name: "metadata topic", req: create(topic("__cluster_metadata", 1, 1))},
		{name: "internal topic", req: validated(topic("__consumer_offsets", 1, 1))},
		{name: "partitions", req: create(topic("p0", 0, 1), topic("p2", -2, 1))},
		{name: "replicas", req: create(topic("r0", 1, 0), topic("r2", 1, -2), topic("both", 0, 0))},
		{name: "more replicas than brokers", req: create(topic("r2", 1, 2)), words: true},
		{name: "unknown config", req: create(topic("k", 1, 1, "nope", "1"))},
		{name: "wrong configs", words: true, req: create(topic("k2", 1, 1, "retention.ms", "abc"), topic("k4", 1, 1, "cleanup.policy", "foo"),
			topic("k5", 1, 1, "min.insync.replicas", "0"), topic("k7", 1, 1, "retention.ms", "-2"), topic("k8", 1, 1, "max.message.bytes", "99999999999"))},
		{name: "null config", req: create(nullConfig(topic("k3", 1, 1), "retention.ms"))},
		{name: "config twice", req: validated(topic("k", 1, 1, "retention.ms", "1", "retention.ms", "2"))},
		{name: "high min.insync.replicas", req: validated(topic("k6", 1, 1, "min.insync.replicas", "5"))},
		{name: "compaction lags", words: true, req: create(topic("k", 1, 1, "min.compaction.lag.ms", "5000", "max.compaction.lag.ms", "10"))},
		{name: "10001 partitions", req: create(topic("many", 10001, 1), topic("one", 1, 1))},
		{name: "10000 partitions", req: create(topic("many", 10000, 1), topic("one", -1, 1))},
		{name: "10000 partitions alone", req: create(topic("many", 10000, 1))},
		{name: "2^31-1 partitions", req: create(topic("many", 1<<31-1, 1))},
	}
}

func assignmentSteps() []step {
	return []step{
		{name: "assignment", req: validated(assigned(topic("as", -1, -1), []int32{1}, []int32{1}))},
		{name: "assignment and replicas", req: create(assigned(topic("as", -1, 1), []int32{1}))},
		{name: "assignment and partitions", req: create(assigned(topic("as", 1, -1), []int32{1}))},
		{name: "empty assignment", req: create(assigned(topic("as", -1, -1), []int32{}))},
		{name: "assignment to an unknown broker", req: create(assigned(topic("as", -1, -1), []int32{7}))},
		{name: "assignment twice to a broker", req: create(assigned(topic("as", -1, -1), []int32{1, 1}))},
		{name: "partition assigned twice", req: create(renumbered(assigned(topic("as", -1, -1), []int32{1}, []int32{1}), 0))},
		{name: "gap in the assignment", req: create(renumbered(assigned(topic("as", -1, -1), []int32{1}, []int32{1}), 2))},
	}
}

func partitionSteps() []step {
	twice := grow("a", 3)
	twice.Topics = append(twice.Topics, twice.Topics[0])
	refused := `a: 44 "Unable to perform excessively large batch operation."`
	return []step{
		{name: "grow", req: grow("a", 3)},
		{name: "grow by none", req: grow("a", 1)},
		{name: "shrink", req: grow("a", 0)},
		{name: "grow to -1", req: grow("a", -1)},
		{name: "grow an unknown topic", req: grow("zzz", 3)},
		{name: "grow the empty name", req: grow("", 3)},
		{name: "grow by assignment", req: grow("a", 3, []int32{1}, []int32{1})},
		{name: "grow by too few", req: grow("a", 3, []int32{1})},
		{name: "grow to an unknown broker", req: grow("a", 2, []int32{8})},
		{name: "grow by nobody", req: grow("a", 2, []int32{})},
		{name: "grow twice", req: twice},
		{name: "grow by 10000", req: grow("a", 10001)},
		{name: "grow by 10001", req: grow("a", 10002), ours: refused},
	}
}

func topicConfigSteps() []step {
	twice := alter(topicType, "a", "retention.ms", "SET", "1")
	twice.Resources = append(twice.Resources, twice.Resources[0])
	return []step{
		{name: "alter", req: alter(topicType, "a", "retention.ms", "SET", "1000", "cleanup.policy", "APPEND", "compact")},
		{name: "alter to the same", req: alter(topicType, "a", "retention.ms", "SET", "1000")},
		{name: "append to no list", req: alter(topicType, "a", "retention.ms", "APPEND", "1000")},
		{name: "append to an unknown key", req: alter(topicType, "a", "nope", "APPEND", "x")},
		{name: "subtract", req: alter(topicType, "a", "cleanup.policy", "SUBTRACT", "delete")},
		{name: "subtract the last", req: alter(topicType, "a", "cleanup.policy", "SUBTRACT", "compact")},
		{name: "delete a config", req: alter(topicType, "a", "cleanup.policy", "DELETE", "NULL")},
		{name: "delete an unknown config", req: alter(topicType, "a", "nope", "DELETE", "NULL")},
		{name: "unknown operation", req: alter(topicType, "a", "retention.ms", "?", "1"), ours: `TOPIC a: 42 "Unknown operations type 9"`},
		{name: "set to null", req: alter(topicType, "a", "retention.ms", "SET", "NULL", "retention.bytes", "SET", "NULL")},
		{name: "a key twice", req: alter(topicType, "a", "retention.ms", "SET", "1", "retention.ms", "SET", "2")},
		{name: "alter an unknown topic", req: alter(topicType, "zzz", "retention.ms", "SET", "1")},
		{name: "alter the empty name", req: alter(topicType, "", "retention.ms", "SET", "1")},
		{name: "alter a wrong name", req: alter(topicType, "a b", "retention.ms", "SET", "1")},
		{name: "alter to a wrong value", req: alter(topicType, "a", "retention.ms", "SET", "x"), words: true},
		{name: "alter an unknown key", req: alter(topicType, "a", "nope", "SET", "x")},
		{name: "unknown resource type", req: alter(3, "a", "retention.ms", "SET", "1")},
		{name: "a resource twice", req: twice},
		{name: "alter nothing", req: alter(topicType, "a")},
		{name: "alter to tiered storage", req: alter(topicType, "a", "remote.storage.enable", "SET", "true")},
		{name: "alter to no tiered storage", req: alter(topicType, "a", "remote.storage.enable", "SET", "false")},
		{name: "replace", req: replace(topicType, "a", "retention.bytes", "1000")},
		{name: "replace by a wrong value", req: replace(topicType, "a", "retention.bytes", "x"), words: true},
		{name: "replace by null", req: replace(topicType, "a", "retention.bytes", "NULL")},
		{name: "replace a key twice", req: replace(topicType, "a", "retention.bytes", "1", "retention.bytes", "2")},
		{name: "replace of an unknown topic", req: replace(topicType, "zzz", "retention.bytes", "1")},
		{name: "replace of an unknown type", req: replace(9, "zzz", "retention.bytes", "1")},
		{name: "replace by nothing", req: replace(topicType, "a")},
	}
}

func brokerConfigSteps() []step {
	return []step{
		{name: "broker config of no time", req: alter(brokerType, "", "log.retention.ms", "SET", "0"), words: true},
		{name: "broker", req: alter(brokerType, "1", "log.retention.ms", "SET", "1000")},
		{name: "static config", req: alter(brokerType, "1", "log.retention.hours", "SET", "10")},
		{name: "other broker", req: alter(brokerType, "2", "log.retention.ms", "SET", "1000")},
		{name: "no broker", req: alter(brokerType, "x", "log.retention.ms", "SET", "1000")},
		{name: "all brokers", req: alter(brokerType, "", "log.retention.ms", "SET", "1000", "message.max.bytes", "SET", "2000000")},
		{name: "wrong broker config", req: alter(brokerType, "", "log.retention.ms", "SET", "abc"), words: true},
		{name: "wrong under its server key", req: alter(brokerType, "", "message.max.bytes", "SET", "abc"), words: true},
		{name: "compaction lags that cross", req: alter(brokerType, "", "log.cleaner.min.compaction.lag.ms", "SET", "10",
			"log.cleaner.max.compaction.lag.ms", "SET", "5"), words: true},
		{name: "static configs", req: alter(brokerType, "", "node.id", "SET", "9", "log.dirs", "SET", "x")},
		{name: "num.partitions", req: alter(brokerType, "", "num.partitions", "SET", "9")},
		{name: "unknown broker config", req: alter(brokerType, "", "foo.bar", "SET", "x"),
			ours: `BROKER : 42 "Cannot update these configs dynamically: [foo.bar]"`},
		{name: "append to a broker config", req: alter(brokerType, "", "log.cleanup.policy", "APPEND", "compact")},
		{name: "append to no broker list", req: alter(brokerType, "", "log.retention.ms", "APPEND", "5"), words: true},
		{name: "append to an unknown broker config", req: alter(brokerType, "", "foo.bar", "APPEND", "5"), words: true},
		{name: "delete broker configs", req: alter(brokerType, "", "log.retention.ms", "DELETE", "NULL", "log.cleanup.policy", "DELETE", "NULL",
			"log.cleaner.min.compaction.lag.ms", "DELETE", "NULL", "log.cleaner.max.compaction.lag.ms", "DELETE", "NULL",
			"message.max.bytes", "DELETE", "NULL", "foo.bar", "DELETE", "NULL")},
		{name: "delete a broker's config", req: alter(brokerType, "1", "log.retention.ms", "DELETE", "NULL")},
	}
}

func deleteSteps() []step {
	name := func(n string) kmsg.DeleteTopicsRequestTopic { return kmsg.DeleteTopicsRequestTopic{Topic: &n} }
	id := func(b byte) kmsg.DeleteTopicsRequestTopic {
		return kmsg.DeleteTopicsRequestTopic{TopicID: [16]byte{b}}
	}
	both := id(1)
	both.Topic = name("a").Topic
	return []step{
		{name: "delete unknown", req: remove(name("zzz"))},
		{name: "delete nothing", req: remove(kmsg.DeleteTopicsRequestTopic{})},
		{name: "delete unknown id", req: remove(id(1))},
		{name: "delete by name and id", req: remove(both)},
		{name: "delete a name twice", req: remove(name("a"), name("a"))},
		{name: "delete an id twice", req: remove(id(1), id(1))},
		{name: "delete", req: remove(name("e"))},
		{name: "delete the first of a collision", req: remove(name("c.d"))},
		{name: "the name is free again", req: create(topic("c_d", 1, 1))},
		{name: "delete the last but one", req: remove(name("c_d"))},
		{name: "delete the last", req: remove(name("a"))},
	}
}
