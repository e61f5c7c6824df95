// Package producer keeps what a partition knows of its idempotent and transactional producers (KIP-98, KIP-890):
// the last five batches of each, its epoch, and its open transaction. From that follow the sequence check, the
// answer to a batch sent twice, and the last stable offset. It also encodes that state as Kafka's .snapshot files
// and hands out producer ids from blocks.
//
// It does no I/O and reads no clock: times come with the batches and the calls. commitlog calls Check before an
// append and Apply after it, and Apply alone on replication and recovery.
//
// Invariants:
//  1. Check changes nothing. Apply refuses nothing: what is in the log has happened.
//  2. Applying the same batches, from the same snapshot, gives the same state.
//  3. A producer with an open transaction never expires.
//
// A snapshot keeps only the last of the five batches, as Kafka's does: after a restart only that one is
// recognised as a duplicate until more are replayed.
//
//	0   2        6        10
//	+---+--------+--------+----------------------------------+
//	| 1 | CRC-32C| count  | entries of 46 bytes              |
//	+---+--------+--------+----------------------------------+
//	entry: producer id 8 · producer epoch 2 · last sequence 4 · last offset 8 · offset delta 4 · timestamp 8 ·
//	       coordinator epoch 4 · first offset of the open transaction 8, or -1
//
// All integers are big-endian. The CRC covers everything after it.
package producer
