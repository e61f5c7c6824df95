// Package replmgr knows the partitions that this broker holds: who leads them in which epoch, how far they are
// committed, and who waits for them. Produce and Fetch go through it.
//
// It owns the high watermarks and the waiters. The logs are logmgr's; what partitions there are, the metadata say.
// It never decides about leaders or in-sync replicas. One replica for each partition now: the leader's log end
// is the high watermark.
//
// # Concurrency
//
// Look-ups, Read and HighWatermark take no lock. Append shares Partition.mu with other appends and excludes a
// change of leader; the log orders appends itself. Lock order: Partition.mu, then commitlog's; waiters.mu
// is taken last and never held over a call. Apply is called by one goroutine at a time.
//
// # Invariants
//
//  1. The high watermark never goes back while the partition is open, and never lies above the log end.
//  2. With flush.messages=1 every record below it is fsynced.
//  3. Whoever calls Watch, then looks, then waits on C, misses no change.
//  4. A deleted partition answers UNKNOWN_TOPIC_OR_PARTITION to whoever still holds it.
package replmgr
