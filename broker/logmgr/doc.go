// Package logmgr owns the log dirs and the partitions' logs in them: it locks and identifies the dirs, loads all
// partitions at start, makes and deletes them, and does in the background what is nobody's request: retention,
// flushing, checkpoints, expiry of producers.
//
// It knows nothing of leaders, replicas or high watermarks (package replmgr tells it what it must know), and
// never reads or writes a batch itself.
//
// # Files in a log dir
//
//	.lock                                    held while the broker runs
//	meta.properties                          cluster id, node id, directory id
//	.kafka_cleanshutdown                     there only while the broker is down, and only when it stopped cleanly
//	recovery-point-offset-checkpoint         below it, a partition's log is known to be on disk
//	log-start-offset-checkpoint              log starts that are not the first segment's base
//	replication-offset-checkpoint            high watermarks
//	__cluster_metadata-0/                    the metadata log (package quorumdrv), in the first dir or in metadata.log.dir
//	topic-partition/                         a partition's log
//	topic-partition.<hex>-delete/            a deleted one, removed after file.delete.delay.ms or at the next start
//	topic-partition.<hex>-stray/             one that the metadata do not know; never removed
//
// # Invariants
//
//  1. The clean shutdown mark is removed, durably, before a log is opened: a crash from then on is seen.
//  2. It is written only after every log of the dir was flushed and closed without an error.
//  3. A recovery point is written only after its records were fsynced.
//  4. A line of a checkpoint is of the log that is there: a deleted log's goes before another one of its name can be made, and after Load
//     no recovery point is behind its log's end.
//  5. A folder whose topic id is not the metadata's is never served, and never deleted.
//  6. A dir without meta.properties joins a cluster only while every partition has its log: its disk may not be mounted.
//  7. A dir with a failed fsync goes offline until the next start: no append, no checkpoint, no clean mark.
package logmgr
