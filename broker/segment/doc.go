// Package segment keeps a partition's records on disk: a row of segments, each a .log file with an offset index, a time index and
// sometimes a transaction index, in Apache Kafka's format. Log is the seam; Open opens the broker's implementation, the type store.
//
// It owns the files named %020d.log, .index, .timeindex and .txnindex in one folder, and what interrupted deletions, cleanings and
// swaps left of them there. It never decides what may be appended or removed, never assigns offsets, and never looks into records,
// but for a time look-up. It starts no goroutine and no timer, and knows no clock.
//
// # Files
//
// A .log file is batches, one behind the other (package record), from the offset in its name on. All integers are big-endian.
//
//	offset index: an entry for a batch that starts more than index.interval.bytes behind the one indexed before
//
//	0                    4                    8
//	+--------------------+--------------------+
//	| last offset of the | where the batch    |   look-up: the last entry that is not above the offset; from there
//	| batch - base offset| starts in the .log |   from header to header
//	+--------------------+--------------------+
//
//	time index: with an offset entry, if the largest timestamp has grown; and when the segment is sealed or closed
//
//	0                                         8                   12
//	+-----------------------------------------+--------------------+
//	| largest timestamp so far                | last offset of the |   look-up: the last entry that is not above the
//	|                                         | batch that has it, |   timestamp: no batch up to there, this one left
//	|                                         | - base offset      |   out, is that late
//	+-----------------------------------------+--------------------+
//
//	transaction index: an entry for each aborted transaction whose marker is in the segment
//
//	0      2               10              18              26              34
//	+------+---------------+---------------+---------------+---------------+
//	| 0    | producer id   | first offset  | last offset   | last stable   |
//	|      |               |               | (the marker)  | offset        |
//	+------+---------------+---------------+---------------+---------------+
//
// # Invariants
//
//  1. A segment begins where the one before ends, unless the log is one with gaps (it was compacted).
//  2. What is between 0 and size in a .log file is whole batches with ascending offsets; readers see no byte beyond.
//  3. Index entries are a hint. Each counts only if the batch it names is the one it means; a sealed segment's indexes that are
//     found wrong are made anew, in memory where there is no room for them.
//  4. A sealed segment's files never change, until Truncate makes it the active one again or it is removed.
//  5. Everything below an offset that Flush has covered is durable, and so are the names and indexes of the segments that are
//     sealed below it.
//
// # What is assumed of the disk
//
// A file's contents are durable after a Sync of it that succeeded, a name after SyncDir of its folder. Without them anything may
// be there after a power cut, in any mixture: contents of a later file and not of an earlier one, a file's end and not its
// middle, zeros. A name that was removed may come back. What is durable does not change by itself; if it does, a CRC tells,
// when recovery or the consumer checks it. A failed Sync says that nobody knows: the log fails, and is opened again from what is there.
//
// # Where a power cut hits, and what Open makes of it
//
// Open with Clean false checks every batch from the segment of the recovery point on, and makes those segments' indexes anew.
//
//   - In Append: half a batch, or zeros, at the end: cut off. Bytes that arrived out of order: cut at the first bad batch.
//   - In Append, when an index was being written: nothing, for recovery makes it anew. Entries wait in memory for that reason.
//   - In roll, before the new .log is there: the segment is the last one still. Behind it: an empty last segment. Its name is made
//     only when that of the one before is durable. If the one before had been flushed to its end, its indexes were synced first: the
//     recovery point may be where the new one begins, and recovery does not look at what lies below.
//   - Between two segments that were not flushed: the earlier one may have lost its end. Then the later one does not begin
//     where it ends, and goes; see Options.Gaps.
//   - In Flush: it had not returned. What it got done is kept.
//   - In Truncate: segments are removed newest first, each durably before the next, then the .log is cut and synced: the log is
//     somewhere between old and new, without a hole. Cut batches do not come back behind new ones.
//   - In a Truncate that leaves nothing: an empty first segment before the one where the log goes on. It is removed.
//   - In TrimTo: segments are removed oldest first, each durably before the next. Some may be left: Options.Start decides.
//   - While a segment's files are removed: the .log goes first. Indexes without their .log are swept up.
//   - In Open: it does the same once more, and comes to the same log.
package segment
