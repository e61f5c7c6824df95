// Package record is the codec of Kafka's record batch, format version (magic) 2, and of the records in it.
//
//	0        8      12     16 17    21  23     27            35
//	+--------+------+------+--+-----+---+------+-------------+-------------+
//	| base   | len  |leader|2 | CRC |att|last  | base        | max         |
//	| offset |      |epoch |  | 32C |r. |offset| timestamp   | timestamp   |
//	+--------+------+------+--+-----+---+delta-+-------------+-------------+
//	35->43        51    53       57      61
//	+-------------+-----+--------+-------+----------------------------------+
//	| producer id |p.   | base   | count | records, compressed as one block |
//	|             |epoch|sequence|       |                                  |
//	+-------------+-----+--------+-------+----------------------------------+
//
// All integers are big-endian. len counts what follows it. The CRC covers everything from the attributes
// on: base offset and leader epoch can be assigned without touching it.
//
// A record, all numbers zigzag varints but for the attributes:
//
//	+----+----+---------+------+-----+-----+-------+-------+---------+-------------------------+
//	|len |attr|timestamp|offset|key  | key |value  | value | headers | for each: key length,   |
//	|    |0   |delta    |delta |len. |     |length |       |         | key, value length, value|
//	+----+----+---------+------+-----+-----+-------+-------+---------+-------------------------+
//
// A length of -1 is null (key, value, a header's value). Both deltas are to the batch's base.
//
// What it owns: ReadHeader, Validate (the leader's check of a produced batch), Recompress (compression.type),
// Iterator, Builder, the five compressions (snappy in Java's framing and raw), control records, and Codec, the seam of
// chapter 01.
//
// What it never does: it assigns no offsets, knows no topic, reads no clock and no file, and compresses nothing on
// its own on the way from producer to consumer: batches are stored as sent unless a topic's compression.type says otherwise.
//
// # Invariants
//
//  1. No input makes it panic or read outside its bytes.
//  2. Validate walks records through a window of 64 KiB and keeps none of them. Decompressing takes the window
//     and what the codec needs: one block of at most 4 MiB for lz4, 8.1 MiB for a raw snappy block of more than 4 MiB,
//     a window of at most 8 MiB for zstd (so Java's zstd levels 20 to 22, which ask for more, are refused). Memory
//     grows with bytes that are there, never with a length that claims so.
//  3. In steady state a batch costs no allocation: decoders and windows are pooled.
//  4. A batch that Validate lets through can be read by Iterator to its end.
package record
