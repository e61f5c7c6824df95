// Package metadata is what the brokers agree on: which topics, partitions, configs, brokers and features there are. It
// holds the records of the metadata log (__cluster_metadata-0), their bytes, and the Image that replaying them makes.
//
// It never decides anything (package controller does), does no I/O, and knows no clock and no lock.
//
// A record is the value of one Kafka record. The bytes are Highwater's own, in the spirit of KRaft's frames (KIP-631):
//
//	 0               1          2..            3..
//	+---------------+----------+--------------+--------------------------------+
//	| frame version | type     | type version | fields, in the struct's order  |
//	| 1 byte (1)    | uvarint  | uvarint (0)  |                                |
//	+---------------+----------+--------------+--------------------------------+
//
// Integers are big-endian of fixed size, ids are 16 bytes, strings have their length as uvarint before them;
// nullable strings and lists of nodes have length + 1, where 0 is null. A record has exactly one encoding.
//
// Invariants of Image: a topic's partitions are numbered without gaps; names and ids are unique; leader epochs,
// partition epochs and the next producer id never go back; equal logs make equal images.
package metadata
