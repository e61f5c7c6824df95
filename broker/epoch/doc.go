// Package epoch keeps where each leader epoch of a partition began: the cache behind OffsetForLeaderEpoch and the
// truncation of replicas (KIP-101, KIP-279), and its file leader-epoch-checkpoint.
//
//	0            version
//	2            number of entries
//	0 0          leader epoch, offset of its first record
//	4 1500
//
// It never reads the log: commitlog reports batches to it, on append and on recovery, and calls Flush before it
// moves the recovery point. An entry that was not flushed is therefore always one that recovery finds again in
// the batches it scans.
//
// Invariants:
//  1. Epochs and start offsets both grow strictly from entry to entry.
//  2. Epoch 0 is an epoch like any other (KAFKA-10432).
//  3. After Flush the file holds exactly the entries; a crash leaves the old file or the new one.
package epoch
