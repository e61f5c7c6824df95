package producer

import (
	"errors"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
)

// What Check refuses. commitlog turns them into Kafka's error codes.
var (
	// ErrFenced: the batch's producer epoch is below the current one (INVALID_PRODUCER_EPOCH).
	ErrFenced = errors.New("producer: epoch is fenced")
	// ErrOutOfOrder: the batch does not continue its producer's sequence (OUT_OF_ORDER_SEQUENCE_NUMBER).
	ErrOutOfOrder = errors.New("producer: sequence number out of order")
	// ErrTxnState: a plain batch of a producer whose transaction is open (INVALID_TXN_STATE).
	ErrTxnState = errors.New("producer: batch outside of the producer's open transaction")
	// ErrCoordinatorFenced: a marker of a transaction coordinator that was replaced (TRANSACTION_COORDINATOR_FENCED).
	ErrCoordinatorFenced = errors.New("producer: transaction coordinator epoch is fenced")
)

// BatchesKept is how many batches per producer are remembered to recognise duplicates: a producer has at most
// five requests in flight.
const BatchesKept = 5

// NoSequence is the last sequence of a producer that has written nothing in its epoch.
const NoSequence int32 = -1

// Appended is a remembered batch.
type Appended struct {
	Base, Last model.Offset
	Timestamp  model.TimestampMs // the batch's largest
}

// Txn is a transaction on this partition that a marker has completed.
type Txn struct {
	ProducerID model.ProducerID
	First      model.Offset // of its first record
	Last       model.Offset // of its marker
	Aborted    bool
	// LastStable is the first offset after the marker that is still undecided, seen from the marker: the
	// first offset of the oldest other open transaction, or Last + 1. Kafka's .txnindex keeps it.
	LastStable model.Offset
}

// Rules of Check that depend on the producer's protocol.
type Rules struct {
	// Version2: the producer runs transactions of version 2 (KIP-890): without state its sequence starts at 0, and
	// a marker carries an epoch above the one it ends.
	Version2 bool
}

// Table is a partition's producer state. It is a seam: broker.Components can carry another one. Its caller makes
// one call at a time.
type Table interface {
	// Check says whether a client's data batch may be appended. When it was appended before, duplicate is true and
	// at is where. Errors: ErrFenced, ErrOutOfOrder, ErrTxnState. Batches without producer id pass.
	Check(h *record.Header, rules Rules) (at Appended, duplicate bool, err error)
	// CheckMarker says whether a coordinator's marker may be appended. Errors: ErrFenced, ErrCoordinatorFenced.
	CheckMarker(h *record.Header, m record.EndTxnMarker, rules Rules) error
	// Apply enters a batch that is in the log with its final offsets. marker is nil but for a
	// transaction marker; control batches without one (compaction emptied them) say nothing. completed reports a transaction that ends with it.
	Apply(h *record.Header, marker *record.EndTxnMarker) (txn Txn, completed bool)
	// LastStable is the first offset at or below highWatermark that read_committed must not pass: the first record of
	// the oldest transaction that is open, or whose marker is not yet below the high watermark; else highWatermark.
	// High watermarks only grow from call to call: what one call has seen decided is forgotten. settled: no transaction
	// holds anything back, and none will until Apply has seen another transactional batch.
	LastStable(highWatermark model.Offset) (stable model.Offset, settled bool)
	// Expire forgets the producers without an open transaction whose last batch is idleMs or more older than
	// now (producer.id.expiration.ms).
	Expire(now model.TimestampMs, idleMs int64)
	// AppendSnapshot encodes the state in Kafka's .snapshot format.
	AppendSnapshot(dst []byte) []byte
	// Load replaces the state by a snapshot's. Errors: ErrSnapshot; the state is empty then.
	Load(snapshot []byte) error
	// Producers describes every producer, sorted by id.
	Producers() []State
}

// State describes one producer.
type State struct {
	ID               model.ProducerID
	Epoch            model.ProducerEpoch
	CoordinatorEpoch model.LeaderEpoch // of the coordinator that wrote the last marker; -1 before the first
	LastSequence     int32             // NoSequence when nothing was written in this epoch
	LastOffset       model.Offset
	LastDelta        int32             // last offset less base offset of the last batch
	LastTimestamp    model.TimestampMs // of the last batch or marker
	TxnStart         model.Offset      // of the open transaction; NoOffset when none is
}
