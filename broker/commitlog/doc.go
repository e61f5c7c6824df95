// Package commitlog is a partition's log: it composes a segment.Log (files and indexes) with an epoch.Cache (leader
// epochs), a producer.Table (idempotence and transactions) and the files that keep them, and is where a produced
// batch is judged. It knows nothing of replication: its callers own the high watermark.
//
// # Files in a partition's folder
//
//	%020d.log .index .timeindex   segment's
//	%020d.snapshot                producer state at that offset: one where each segment begins, and the latest
//	%020d.txnindex                aborted transactions whose marker is in that segment
//	leader-epoch-checkpoint       epoch's
//	partition.metadata            topic id (package checkpoint; written by logmgr)
//
// # Concurrency
//
// One mutex per partition orders the changes (append, truncate, trim, close). Reads, flushes and look-ups do not
// take it: a slow disk under an append stalls no reader. Lock order: Partition.mu, then the segment log's own,
// then stateMu, which guards the producer table and is held over I/O only while a snapshot is written or read, or the table
// rebuilt from one.
//
// # Durability
//
// Append is durable after FlushTo. FlushTo syncs, in this order: segments, transaction index, snapshots, epochs;
// only then the recovery point moves. So everything below the recovery point is on disk, and what recovery must
// rebuild follows from batches above it.
//
// Recovery after a crash: the newest valid snapshot at or below the recovery point is loaded, and the batches from there on are
// replayed: into the producer table, the transaction index (above the recovery point) and the epoch cache. The replay takes the snapshots of
// the segments that it passes anew; others above go. A damaged snapshot is deleted and an older one replayed from.
//
// What a process that was killed has not synced, a truncation above all, is found done by the next one and made durable by its first
// flush. A power cut before that undoes it; nothing that was flushed since is lost by it.
//
// # Producers of deleted segments
//
// Before segments are deleted there is a durable snapshot where the first segment begins that stays. So recovery and Truncate, wherever in the
// log they end, come to the producers, the last stable offset and the aborted transactions that all batches ever written say, deleted ones
// included. Apache Kafka deletes the snapshots at and below the log start offset when it recovers or truncates, and forgets those
// producers unless there is a newer one.
//
// That snapshot may be missing: there was no room for it, or it was damaged. Then a newer one says at recovery what the end of the log says
// of producers. For the rest only what is left of the log counts, as in Kafka: a producer that has nothing there is not known
// and may go on with any sequence, and an aborted transaction begins with its first batch there and is not listed without one. Consumers
// see the same records. A snapshot below the first segment is never used, nor any when the log goes on below its first segment
// or anew at its log start offset: what lay between would be missing, a marker perhaps, and the last stable offset would
// wait for it for ever.
//
// # Failures of the disk
//
// After a failed fsync the partition takes no more appends: Failed says why, appends and flushes answer
// KAFKA_STORAGE_ERROR, reads go on. A write that fails without leaving doubt (disk full) answers the same once and
// changes nothing: of a batch nothing stays, and what stands beside the log (indexes, snapshots, epochs, aborted
// transactions) waits in memory for the next flush, the recovery point with it. On a full disk reads, DeleteRecords,
// retention and opening still work; only a log without a segment, a new one most often, needs room for its first.
package commitlog
