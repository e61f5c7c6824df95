package config

import (
	"bufio"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// kafkaFact is one line of testdata/kafka-4.3.tsv.
type kafkaFact struct {
	scope, name, typ, def string
	internal              bool
	synonym               string
}

func kafkaFacts(t *testing.T) []kafkaFact {
	f, err := os.Open("testdata/kafka-4.3.tsv")
	require.NoError(t, err)
	defer f.Close()
	var facts []kafkaFact
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		c := strings.Split(lines.Text(), "\t")
		require.Len(t, c, 6)
		facts = append(facts, kafkaFact{c[0], c[1], c[2], c[3], c[4] == "true", c[5]})
	}
	require.Greater(t, len(facts), 390)
	return facts
}

// ours are the server keys whose default differs from Kafka's on purpose; doc.go says why.
var ours = []string{"log.dir", "node.id", "process.roles", "controller.listener.names", "socket.receive.buffer.bytes", "socket.send.buffer.bytes"}

func TestTablesAgreeWithKafka(t *testing.T) {
	types := map[string]Type{"BOOLEAN": TypeBoolean, "STRING": TypeString, "INT": TypeInt, "SHORT": TypeShort,
		"LONG": TypeLong, "DOUBLE": TypeDouble, "LIST": TypeList}
	seen := 0
	for _, fact := range kafkaFacts(t) {
		d, known := topicIndex[fact.name]
		if fact.scope == "server" {
			d, known = brokerIndex[fact.name]
			require.NotEqual(t, known, slices.Contains(kafkaKeys, fact.name), "%s: acts or does not", fact.name)
			if !known {
				continue
			}
		}
		require.True(t, known, fact.name)
		seen++
		require.Equal(t, types[fact.typ], d.Type, fact.name)
		require.Equal(t, fact.internal, d.Internal, fact.name)
		require.Equal(t, fact.synonym, d.Synonym, fact.name)
		if !slices.Contains(ours, fact.name) {
			require.Equal(t, fact.def == "<null>", d.NullDefault, fact.name)
			if !d.NullDefault {
				require.Equal(t, fact.def, d.Default, fact.name)
			}
		}
	}
	require.Equal(t, len(topicDefs)+len(brokerDefs)-1, seen, "all but highwater.admin.listener are Kafka's")
}

func TestTablesAreSound(t *testing.T) {
	require.True(t, slices.IsSorted(kafkaKeys))
	for _, defs := range [][]Def{TopicDefs(), BrokerDefs()} {
		require.True(t, slices.IsSortedFunc(defs, func(a, b Def) int { return strings.Compare(a.Name, b.Name) }))
		for _, d := range defs {
			require.NotEmpty(t, d.Doc, d.Name)
			if !d.NullDefault {
				require.NoError(t, d.Validate(d.Default), d.Name)
			}
			if d.Synonym != "" {
				require.Contains(t, brokerIndex, d.Synonym, d.Name)
			}
		}
	}
}

// TestValidateTopic holds what Apache Kafka 4.3's LogConfig.validate says about each pair, but for NaN and a
// segment size below 1, which Kafka takes and Highwater refuses.
func TestValidateTopic(t *testing.T) {
	for _, c := range []struct{ key, good, bad string }{
		{"cleanup.policy", "|delete,delete|compact,delete| compact , delete ", "Delete|delete,|none"},
		{"compression.gzip.level", "-1|1|9", "0|10|x"},
		{"compression.lz4.level", "1|17", "0|18"},
		{"compression.zstd.level", "-131072|22", "23"},
		{"compression.type", "gzip| gzip |producer|uncompressed", "none|GZIP|"},
		{"retention.ms", "-1|0|+5| 5 |9223372036854775807", "-2|1.5||0x10|1_000|9223372036854775808"},
		{"retention.bytes", "-5|-9223372036854775808", "x"},
		{"segment.bytes", "1048576|2147483647", "1048575|2147483648"},
		{"internal.segment.bytes", "14", "-1|x|0"},
		{"segment.index.bytes", "4", "3"},
		{"segment.ms", "1", "0"},
		{"segment.jitter.ms", "0", "-1"},
		{"preallocate", "TRUE| true|false", "yes|1|"},
		{"min.cleanable.dirty.ratio", "0|1|1e-1|-0|.5", "1.01|-0.1|NaN|x"},
		{"follower.replication.throttled.replicas", "*||0:1,2:3|0:1, 2:3", "0:1,x|*,0:1|0 : 1|-1:1|none"},
		{"message.timestamp.type", "CreateTime|LogAppendTime", "createtime"},
		{"flush.messages", "1", "0"},
		{"flush.ms", "0", "-1"},
		{"local.retention.ms", "-2", "-3"},
		{"max.message.bytes", "0", "-1"},
		{"min.insync.replicas", "1", "0"},
		{"max.compaction.lag.ms", "1", "0"},
		{"index.interval.bytes", "0", "-1"},
	} {
		for _, v := range strings.Split(c.good, "|") {
			require.NoError(t, ValidateTopic(c.key, v), "%s=%s", c.key, v)
		}
		for _, v := range strings.Split(c.bad, "|") {
			err := ValidateTopic(c.key, v)
			require.ErrorIs(t, err, ErrInvalid, "%s=%q", c.key, v)
			require.ErrorContains(t, err, c.key+"="+v+": allowed is ")
		}
	}
	err := ValidateTopic("message.timestamp.difference.max.ms", "5")
	require.EqualError(t, err, "message.timestamp.difference.max.ms=5: unknown topic config name")
}
