package wire

import (
	"fmt"
	"math"
)

// A shape is a message's fields as Kafka's schema lists them, just enough to walk a body without building anything.
// DecodeKmsg walks every body before kmsg sees it: kmsg believes a count of tagged fields (up to 2^32 turns of
// a loop for five bytes), and allocates an array for any count up to the bytes that are left.
type shape []field

type field struct {
	kind     kind
	from, to int16 // versions
	elem     shape // of an array of structs; nil for an array of primitives
	item     kind  // of an array of primitives
}

type kind uint8

const (
	fixed1 kind = iota // int8, bool
	fixed2
	fixed4
	fixed8
	fixed16
	text
	nullableText
	array
	nullableArray
)

// The constructors make a field of all versions; since and until narrow it.

func one(k kind) field    { return field{kind: k, to: math.MaxInt16} }
func listOf(k kind) field { return field{kind: array, to: math.MaxInt16, item: k} }

func list(fields ...field) field { return field{kind: array, to: math.MaxInt16, elem: fields} }

func (f field) orNull() field             { f.kind = nullableArray; return f }
func (f field) since(version int16) field { f.from = version; return f }
func (f field) until(version int16) field { f.to = version; return f }

// requestShapes holds the shape of every request that DecodeKmsg takes, at the versions of the version table.
// Source: Kafka 4.3's schemas, clients/src/main/resources/common/message.
var requestShapes = map[int16]shape{
	ListOffsets: {
		one(fixed4), one(fixed1).since(2), // replica, isolation level
		list(one(text), list( // topics: name, partitions:
			one(fixed4), one(fixed4).since(4), one(fixed8))), // index, current leader epoch, timestamp
		one(fixed4).since(10), // timeout
	},
	Metadata: {
		list(one(text)).until(0), // topics, where null is not allowed
		list(one(fixed16).since(10), one(text).until(9), one(nullableText).since(10)).since(1).orNull(),
		one(fixed1).since(4),           // allow auto creation
		one(fixed1).since(8).until(10), // include the cluster's authorized operations
		one(fixed1).since(8),           // include the topics' authorized operations
	},
	ApiVersions: {one(text).since(3), one(text).since(3)}, // the client's name and version
	CreateTopics: {
		list(one(text), one(fixed4), one(fixed2), // topics: name, partitions, replication factor
			list(one(fixed4), listOf(fixed4)),   // assignments: partition, brokers
			list(one(text), one(nullableText))), // configs: name, value
		one(fixed4), one(fixed1), // timeout, validate only
	},
	DeleteTopics: {
		list(one(nullableText), one(fixed16)).since(6), // topics: name, id
		listOf(text).until(5),                          // topic names
		one(fixed4),                                    // timeout
	},
	DeleteRecords: {
		list(one(text), list(one(fixed4), one(fixed8))), // topics: name, partitions: index, offset
		one(fixed4), // timeout
	},
	InitProducerId: {
		one(nullableText), one(fixed4), // transactional id, transaction timeout
		one(fixed8).since(3), one(fixed2).since(3), // producer id, epoch
	},
	OffsetForLeaderEpoch: {
		one(fixed4).since(3), // replica
		list(one(text), list(one(fixed4), one(fixed4), one(fixed4))), // topics: name, partitions: index, epochs
	},
	DescribeConfigs: {
		list(one(fixed1), one(text), listOf(text).orNull()), // resources: type, name, keys
		one(fixed1), one(fixed1).since(3), // include synonyms, documentation
	},
	AlterConfigs: {
		list(one(fixed1), one(text), list(one(text), one(nullableText))), // resources: type, name, configs
		one(fixed1), // validate only
	},
	IncrementalAlterConfigs: {
		list(one(fixed1), one(text), list(one(text), one(fixed1), one(nullableText))), // with an operation each
		one(fixed1), // validate only
	},
	DescribeLogDirs: {list(one(text), listOf(fixed4)).orNull()}, // topics: name, partitions
	CreatePartitions: {
		list(one(text), one(fixed4), list(listOf(fixed4)).orNull()), // topics: name, count, assignments: brokers
		one(fixed4), one(fixed1), // timeout, validate only
	},
	DescribeCluster: {
		one(fixed1), one(fixed1).since(1), one(fixed1).since(2), // authorized operations, endpoints, fenced brokers
	},
}

// maxUnknownTags is how many tagged fields one body may have. No served request that goes through kmsg has a known
// one, and kmsg keeps the unknown in maps of some 300 bytes.
const maxUnknownTags = 256

// walker checks a body against a shape.
type walker struct {
	r        Reader
	version  int16
	flexible bool
	tags     int
}

// checkShape says whether body is a well-formed request: nil, ErrMalformed or ErrUnknownKey. It builds nothing.
// Bytes after the request are ignored.
func checkShape(key, version int16, body []byte) error {
	fields, ok := requestShapes[key]
	if !ok {
		return fmt.Errorf("%w: key %d", ErrUnknownKey, key)
	}
	w := walker{r: NewReader(body), version: version, flexible: Flexible(key, version)}
	w.fields(fields)
	return w.r.Err()
}

// fields reads the fields of one struct, and its tagged fields.
func (w *walker) fields(s shape) {
	for i := range s {
		if f := &s[i]; w.version >= f.from && w.version <= f.to && !w.r.bad {
			w.field(f)
		}
	}
	if !w.flexible {
		return
	}
	n := w.r.Tags()
	if w.tags += n; w.tags > maxUnknownTags {
		w.r.fail()
	}
	for ; n > 0 && !w.r.bad; n-- {
		w.r.Tag()
	}
}

func (w *walker) field(f *field) {
	if f.kind != array && f.kind != nullableArray {
		w.primitive(f.kind)
		return
	}
	n := w.r.Array(w.flexible, 1)
	if n < 0 && f.kind == array {
		w.r.fail()
	}
	for ; n > 0 && !w.r.bad; n-- {
		if f.elem != nil {
			w.fields(f.elem)
		} else {
			w.primitive(f.item)
		}
	}
}

func (w *walker) primitive(k kind) {
	switch k {
	case fixed1:
		w.r.Span(1)
	case fixed2:
		w.r.Span(2)
	case fixed4:
		w.r.Span(4)
	case fixed8:
		w.r.Span(8)
	case fixed16:
		w.r.Span(16)
	case text:
		w.r.String(w.flexible)
	case nullableText:
		w.r.NullableString(w.flexible)
	case array, nullableArray:
		panic("wire: an array is no primitive")
	}
}
