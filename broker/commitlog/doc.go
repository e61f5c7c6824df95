// Package commitlog is a partition's log: it composes a segment.Log (files and indexes) with an epoch.Cache (leader
// epochs), a producer.Table (idempotence and transactions) and the files that keep them, and is where a produced
// batch is judged. It knows nothing of replication: its callers own the high watermark.
//
// # Files in a partition's folder
//
//	%020d.log .index .timeindex   segment's
//	%020d.snapshot                producer state at that offset: one per segment, and the latest
//	%020d.txnindex                aborted transactions whose marker is in that segment
//	leader-epoch-checkpoint       epoch's
//	partition.metadata            topic id (package checkpoint; written by logmgr)
//
// # Concurrency
//
// One mutex per partition orders the changes (append, truncate, trim, close). Reads, flushes and look-ups do not
// take it: a slow disk under an append stalls no reader. Lock order: Partition.mu, then the segment log's own,
// then stateMu, which guards the producer table and is held over I/O only while a snapshot is written or a truncation
// rebuilds the table.
//
// # Durability
//
// Append is durable after FlushTo. FlushTo syncs, in this order: segments, transaction index, snapshots, epochs;
// only then the recovery point moves. So everything below the recovery point is on disk, and what recovery must
// rebuild follows from batches above it.
//
// Recovery after a crash: the newest valid snapshot at or below the recovery point is loaded, newer ones are deleted
// (a replay says more), and the batches from there on are replayed: into the producer table,
// the transaction index and the epoch cache. A damaged snapshot is deleted and an older one replayed from. Where no snapshot reaches
// the first segment, a newer one that the recovered log reaches says what deleted segments said of producers.
//
// After a failed fsync the partition takes no more appends: Failed says why, appends and flushes answer
// KAFKA_STORAGE_ERROR, reads go on. A write that fails without leaving doubt (disk full) answers the same once and
// changes nothing: of a batch nothing stays, and what stands beside the log (indexes, snapshots, epochs, aborted
// transactions) waits in memory for the next flush, the recovery point with it. On a full disk reads, DeleteRecords,
// retention and opening still work.
package commitlog
