// Package quorumdrv drives the controller: it writes what the controller decides to the metadata log, and tells
// the rest of the broker when it is committed. There is one voter now, this broker; the interface (propose, hear when
// it is committed) is the one that several voters will have.
//
// It owns __cluster_metadata-0, the controller machine with its image (which may be ahead of what is committed), and
// the committed image that everybody else reads. It never decides anything about topics or configs.
//
// # One turn
//
// Turn takes what is queued and, on one goroutine: has the controller handle each request, replays the records into
// the controller, appends them to the log; then one fsync for all; then replays them into the committed image, calls
// the subscribers, and last the callbacks. So whoever gets an answer finds its effects everywhere.
//
// # Format
//
// A record of the metadata log is a batch of one Kafka record: value = the record's frame (package metadata), key = the
// number of records of the same proposal that follow it, as a uvarint (no key: none). The batch's leader epoch is
// the term, raised at each start. A proposal counts only when it is complete: one that a crash cut off is removed from
// the end of the log, so a topic never has only some of its partitions.
//
// # When the disk fails
//
// An append that fails (disk full) drops the controller; all that waited get its error, and the next turn loads the
// controller again from the log. Proposals that were complete in the log by then become committed after all: as with
// every lost answer, their callers must ask again. After a failed fsync nothing is proposed any more: every
// request gets KAFKA_STORAGE_ERROR until the broker starts again.
//
// Invariants: the committed image never holds a record that is not durable; records reach subscribers once, in the
// order of the log; a callback runs once.
package quorumdrv
