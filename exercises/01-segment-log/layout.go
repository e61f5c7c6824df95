// Given: no exercise is in this file. It was made from solutions/01-segment-log/layout.go by: go run . generate
// made: ae55febd0e45226480a7ba37b5a2c55595a6434276776676ee21edae7f8a1137

package segmentlog

import (
	"hash/crc32"
)

// Places of a v2 batch's fields, in bytes from its first byte. All integers are big-endian.
//
//	0        8      12     16 17    21  23     27            35            43
//	+--------+------+------+--+-----+---+------+-------------+-------------+
//	| base   | len  |leader|2 | CRC |att|last  | base        | max         |
//	| offset |      |epoch |  | 32C |r. |offset| timestamp   | timestamp   |
//	+--------+------+------+--+-----+---+delta-+-------------+-------------+
//	43            51    53       57      61
//	+-------------+-----+--------+-------+----------------------------------+
//	| producer id |p.   | base   | count | records, compressed as one block |
//	|             |epoch|sequence|       |                                  |
//	+-------------+-----+--------+-------+----------------------------------+
//
// len counts what follows it: a whole batch is len + record.LogOverhead (12) bytes.
const (
	offBaseOffset      = 0  // int64
	offLength          = 8  // int32
	offLeaderEpoch     = 12 // int32
	offMagic           = 16 // int8
	offCRC             = 17 // uint32
	offAttributes      = 21 // int16
	offLastOffsetDelta = 23 // int32
	offBaseTimestamp   = 27 // int64
	offMaxTimestamp    = 35 // int64
	offProducerID      = 43 // int64
	offProducerEpoch   = 51 // int16
	offBaseSequence    = 53 // int32
	offCount           = 57 // int32
)

// castagnoli is the polynomial of CRC-32C. The one of zip and Ethernet, crc32.IEEE, gives other sums.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)
