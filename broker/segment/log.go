package segment

import (
	"errors"
	"log/slog"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/vfs"
)

// Errors that callers branch on.
var (
	// ErrOffsetOutOfRange: the offset asked for is below the log's start or above its end.
	ErrOffsetOutOfRange = errors.New("segment: offset out of range")
	// ErrOutOfOrder: the batch's base offset is below the log's end offset.
	ErrOutOfOrder = errors.New("segment: batch starts below the log end offset")
	// ErrBatchTooLarge: the batch is larger than a whole segment may be (segment.bytes).
	ErrBatchTooLarge = errors.New("segment: batch is larger than segment.bytes")
	// ErrFailed: an earlier write or fsync failed in a way that leaves the disk's contents unknown. The log
	// serves reads of what it had, takes no more appends, and must be opened again.
	ErrFailed = errors.New("segment: log failed earlier and must be reopened")
	// ErrClosed: the log was closed.
	ErrClosed = errors.New("segment: log is closed")
)

// Log is a partition's records on disk: a row of segment files, each with an offset index and a time
// index. It is the seam of chapter 01: the reader's log, the teaching solution and the broker's own
// implementation all pass the suite in chapters/01-segment-log/suite, and each can run inside the broker.
//
// A Log is safe for concurrent use, except that its caller makes one change (Append, Truncate, TrimTo,
// Close) at a time. Reads and Flush may run beside a change and beside each other.
type Log interface {
	// Append writes one whole batch, whose header already carries its final base offset and leader
	// epoch, at the end of the log; it rolls to a new segment first when the Limits say so. The base offset
	// may lie above the end offset (a compacted log copied by a follower), never below: ErrOutOfOrder. Fewer or more bytes
	// than the header says are record.ErrCorrupt.
	// Append does not check the CRC: its caller has. It neither keeps nor changes the slice. After an
	// error nothing of the batch is readable, and the log is as it was or answers ErrFailed from then on.
	// Durable only after Flush.
	Append(batch record.Batch) error

	// Read returns the bytes from the batch that holds offset from (or, in a gap, the next one) up to
	// maxBytes, in one file. The first batch is whole even when it is larger than maxBytes; the last
	// may be cut, as Kafka's clients expect. No batch whose base offset is limit or above is in it. The first
	// batch may start below from. At from = limit or from = end the Region is empty. Offsets below the start
	// or above the end are ErrOffsetOutOfRange. The caller releases the Region.
	Read(from, limit model.Offset, maxBytes int) (vfs.Region, error)

	// OffsetForTime finds the first record, in offset order, at or above the log's start whose timestamp
	// is ts or later: the record, not its batch. found is false when there is none.
	OffsetForTime(ts model.TimestampMs) (at TimestampOffset, found bool, err error)

	// Truncate removes every batch that ends above to (last offset >= to); the end offset becomes that of
	// the last batch left, or the start when none is left above it: what was removed and lies below to has to come
	// again. A start above to becomes to. At or above the end Truncate does nothing. It is durable when it returns: batches that
	// were cut never come back behind later ones. A recovery point above the new end is to be lowered before the
	// next Append.
	Truncate(to model.Offset) error

	// TrimTo raises the log's start offset to start and deletes the segments that lie wholly below it.
	// start is at most the end offset: ErrOffsetOutOfRange otherwise. At start = end every
	// segment goes and an empty one begins there. At or below the present start it does nothing.
	TrimTo(start model.Offset) error

	// Flush makes everything appended before the call durable, files and names. A failed Flush is never retried:
	// the log answers ErrFailed from then on.
	Flush() error

	// Bounds returns the log start offset and the log end offset (that of the next record).
	Bounds() (start, end model.Offset)

	// Segments describes the segments, oldest first; the last is the active one.
	Segments() []Info

	// Close flushes, writes what was kept in memory of the indexes and gives up the files. Regions handed out
	// stay readable until they are released.
	Close() error
}

// TimestampOffset is a record's place and time.
type TimestampOffset struct {
	Offset      model.Offset
	Timestamp   model.TimestampMs
	LeaderEpoch model.LeaderEpoch
}

// Info describes one segment. Retention and compaction decide by it.
type Info struct {
	BaseOffset   model.Offset // names the files
	EndOffset    model.Offset // the next segment's first possible offset
	Bytes        int64        // of the .log file
	MaxTimestamp model.TimestampMs
}

// Limits say when Append rolls to a new segment.
type Limits struct {
	SegmentBytes       int   // segment.bytes: a batch that would make the file larger rolls first
	SegmentMs          int64 // segment.ms: rolls when a batch is this much newer than the segment's first; 0 never
	IndexBytes         int   // segment.index.bytes: rolls when either index would grow beyond it
	IndexIntervalBytes int   // index.interval.bytes: an index entry at most every so many bytes of log
}

// DefaultLimits are Kafka's defaults.
func DefaultLimits() Limits {
	return Limits{SegmentBytes: 1 << 30, SegmentMs: 7 * 24 * 60 * 60 * 1000, IndexBytes: 10 << 20, IndexIntervalBytes: 4096}
}

// Options say how to open a log.
type Options struct {
	Limits Limits
	// Start is the log start offset as checkpointed; the log starts at the larger of it and its first segment.
	Start model.Offset
	// RecoveryPoint: everything below it was flushed. Ignored when Clean.
	RecoveryPoint model.Offset
	// Clean says that the last Close finished (.kafka_cleanshutdown): nothing is scanned. Otherwise Open
	// scans from the segment that holds RecoveryPoint, checks every batch, cuts the log at the first that is torn or
	// damaged (one log line says what was cut and why), deletes later segments and rebuilds the indexes.
	Clean bool
	// Gaps says that offsets may be missing between segments, because the log was compacted. Otherwise recovery takes a
	// segment that does not begin where the one before it ends for what it is after a power cut, when the end
	// of the one before was never written: it cuts the log there.
	Gaps bool
	// ReplayFrom asks Open to report to Observer.Batch every batch whose last offset is ReplayFrom or above. NoOffset: only those
	// that recovery scans anyway.
	ReplayFrom model.Offset
	Observer   Observer     // may be nil
	Logger     *slog.Logger // may be nil
}

// Observer hears what happens to the log, in order: on Open (recovery and replay) and on every change.
// It is called by the goroutine that makes the change, before that call returns.
type Observer interface {
	// Batch: a batch is in the log. The header is valid only during the call. On Append whole is the appended slice; on
	// Open it is nil, but for a control batch, whose records the observer has to read.
	Batch(header *record.Header, whole record.Batch)
	// Rolled: a new active segment begins at base. The one before it will not change any more.
	Rolled(base model.Offset)
	// Removed: the segment that began at base is gone (trimmed or truncated).
	Removed(base model.Offset)
}

// Idler is implemented by logs that can give up what only reading needs: open files of sealed segments. The log
// opens them again when they are read. Who manages many logs calls it for those that nobody read for a while.
type Idler interface{ CloseIdle() }

// Bounder is implemented by logs whose index tells how far a Region reaches. UpperBound answers an offset above every
// record of r, which Read gave for offset from: as near as the index tells, at most the end of r's segment. r is not
// empty and still held.
//
// Whole answers how many of r's bytes are whole batches, for an r that Read cut at its maxBytes: at least the first one, at
// most r.Len, which it also answers where the index tells nothing better. Otherwise as for UpperBound.
type Bounder interface {
	UpperBound(from model.Offset, r vfs.Region) (model.Offset, error)
	Whole(from model.Offset, r vfs.Region) (int64, error)
}

// Tunable is implemented by logs whose Limits can change while open (an altered topic config).
type Tunable interface{ SetLimits(Limits) }

// Opener opens the log in folder dir of fs, making it where it is missing. broker.Components carries one.
type Opener func(fs vfs.FS, dir string, opts Options) (Log, error)
