package record

import (
	"errors"
	"fmt"
	"math"

	"highwater.dev/broker/model"
)

// Errors of Validate, beside those of ReadHeader. commitlog turns them into the codes that Apache Kafka 4.3 answers
// with (tried one by one against it): ErrCRC and ErrCorrupt are CORRUPT_MESSAGE; ErrShort, ErrMagic and ErrInvalid are
// INVALID_RECORD; ErrTimestamp is INVALID_TIMESTAMP; ErrTooLarge is MESSAGE_TOO_LARGE. For ErrDecompress Kafka has
// only UNKNOWN_SERVER_ERROR; CORRUPT_MESSAGE says more.
var (
	// ErrInvalid: the batch is whole, but says what a client must not say.
	ErrInvalid = errors.New("record: invalid batch")
	// ErrTimestamp: a record's timestamp is out of the topic's range.
	ErrTimestamp = errors.New("record: timestamp out of range")
	// ErrTooLarge: the batch is larger than max.message.bytes.
	ErrTooLarge = errors.New("record: batch is too large")
	// ErrDecompress: the records cannot be decompressed, or not within the limits.
	ErrDecompress = errors.New("record: cannot decompress records")
)

// Rules are what a topic and an append ask of a batch. The zero value asks only for a well-formed batch.
type Rules struct {
	// MaxBytes is max.message.bytes; 0 is no limit.
	MaxBytes int32
	// KeysRequired refuses records without a key (cleanup.policy=compact).
	KeysRequired bool
	// LogAppendTime is message.timestamp.type=LogAppendTime. Now becomes the batch's timestamp.
	LogAppendTime bool
	// Now is the time of the append.
	Now model.TimestampMs
	// CheckTimestamps asks for Now-BeforeMaxMs <= timestamp <= Now+AfterMaxMs of every record that has a
	// timestamp (message.timestamp.before.max.ms and .after.max.ms); it says nothing with LogAppendTime.
	CheckTimestamps         bool
	BeforeMaxMs, AfterMaxMs int64
	// Internal is set for batches that the broker made itself: they may be control batches, and their base offset
	// need not be 0.
	Internal bool
}

// RecordError says which record of a batch was refused and why (KIP-467).
type RecordError struct {
	Index   int32 // of the record in its batch
	Message string
}

// maxRecordErrors bounds Found.Errors; a batch has up to millions of records.
const maxRecordErrors = 100

// Found is what Validate learned of a batch on its way.
type Found struct {
	// MaxTimestamp is what the batch's header has to say: the largest timestamp of its records, or Rules.Now with
	// LogAppendTime.
	MaxTimestamp model.TimestampMs
	// LogAppendTime is the timestamp type that the header has to say.
	LogAppendTime bool
	// Rewrite says that the header says otherwise (a client may lie, or not know), so the caller has to call
	// SetMaxTimestamp(MaxTimestamp, LogAppendTime).
	Rewrite bool
	// Errors names refused records, with ErrInvalid or ErrTimestamp; the first hundred of them.
	Errors []RecordError
}

// Validate is the leader's check of a produced batch: b is exactly one whole batch, of magic 2, within
// Rules.MaxBytes, its CRC is right, its counts agree with each other and with the records that are really there
// (compressed ones are decompressed to see), nothing in it is a client's not to write, and it keeps the rules.
// It decodes the header into h and changes nothing in b. It allocates only for errors.
//
// Where it is stricter than Apache Kafka: offset deltas must count up from 0 (Kafka stores an uncompressed batch
// with others as it is, and numbers compressed records anew), fewer than 17 bytes after the batch are refused (Kafka
// cuts them off), a compressed record's length must be true (Kafka looks at its fields only), and
// records of more than MaxDecompressed bytes are refused.
func Validate(b Batch, rules Rules, h *Header) (Found, error) {
	if err := validateHeader(b, &rules, h); err != nil {
		return Found{}, err
	}
	var s source
	if err := s.open(b, h.Attributes.Compression()); err != nil {
		return Found{}, err
	}
	defer s.close()
	var w walked
	if err := walk(&s, h, &w); err != nil {
		return Found{}, err
	}
	if h.Attributes.LogAppendTime() {
		// The header's timestamp then stands for every record's.
		w.min, w.max = h.MaxTimestamp, h.MaxTimestamp
	}
	if rules.suspects(h, &w) {
		if errs, err := refused(b, &rules, h); err != nil {
			return Found{Errors: errs}, err
		}
	}
	f := Found{MaxTimestamp: max(w.max, model.NoTimestamp), LogAppendTime: rules.LogAppendTime}
	if rules.LogAppendTime {
		f.MaxTimestamp = rules.Now
	}
	f.Rewrite = f.MaxTimestamp != h.MaxTimestamp || f.LogAppendTime != h.Attributes.LogAppendTime()
	return f, nil
}

// validateHeader checks all that can be said without looking at records, in Kafka's order.
func validateHeader(b Batch, rules *Rules, h *Header) error {
	err := ReadHeader(b, h)
	switch {
	case errors.Is(err, ErrMagic) && b[offMagic] > 2:
		return fmt.Errorf("%w: magic %d", ErrCorrupt, int8(b[offMagic]))
	case err != nil && (!errors.Is(err, ErrCorrupt) || h.Length < HeaderSize-LogOverhead || rules.Internal):
		return err
	}
	// A negative count or offset comes after the CRC in Kafka, and is the client's mistake when the CRC is right.
	switch {
	case h.Size() > len(b):
		return fmt.Errorf("%w: %d of %d bytes", ErrShort, len(b), h.Size())
	case h.Size() < len(b):
		return fmt.Errorf("%w: %d bytes follow the batch", ErrInvalid, len(b)-h.Size())
	case h.BaseOffset != 0 && !rules.Internal:
		return fmt.Errorf("%w: base offset is %d, not 0", ErrInvalid, h.BaseOffset)
	case rules.MaxBytes > 0 && len(b) > int(rules.MaxBytes):
		return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(b), rules.MaxBytes)
	}
	if err := b.CheckCRC(); err != nil {
		return err
	}
	switch {
	case h.Count < 1 || int64(h.LastOffsetDelta)+1 != int64(h.Count):
		return fmt.Errorf("%w: %d records, last offset delta %d", ErrInvalid, h.Count, h.LastOffsetDelta)
	case h.Attributes.Control() && !rules.Internal:
		return fmt.Errorf("%w: clients must not write control records", ErrInvalid)
	case h.ProducerID > model.NoProducerID && h.BaseSequence < 0 && !h.Attributes.Control():
		return fmt.Errorf("%w: producer id %d with sequence %d", ErrInvalid, h.ProducerID, h.BaseSequence)
	}
	return nil
}

// suspects reports whether a record may break the rules. It decides by what the walk has found of all of them, so
// that well-behaved batches are walked once.
func (r *Rules) suspects(h *Header, w *walked) bool {
	lo, hi := r.limits()
	return r.KeysRequired && w.nullKeys > 0 ||
		r.timed() && (w.min < lo || w.max > hi) ||
		r.LogAppendTime && h.Attributes.LogAppendTime()
}

func (r *Rules) timed() bool { return r.CheckTimestamps && !r.LogAppendTime }

// limits are the smallest and the largest timestamp allowed.
func (r *Rules) limits() (lo, hi model.TimestampMs) {
	lo, hi = r.Now-model.TimestampMs(r.BeforeMaxMs), r.Now+model.TimestampMs(r.AfterMaxMs)
	if lo > r.Now {
		lo = math.MinInt64
	}
	if hi < r.Now {
		hi = math.MaxInt64
	}
	return lo, hi
}

// refused walks a batch again to say which records break the rules. The batch was found well-formed. As in Kafka,
// one timestamp out of range makes the whole refusal ErrTimestamp.
func refused(b Batch, rules *Rules, h *Header) (errs []RecordError, err error) {
	var it Iterator
	if err := it.Reset(b); err != nil {
		return nil, err
	}
	defer it.Close()
	kind := ErrInvalid
	for len(errs) < maxRecordErrors && it.Next() {
		message, timestamp := rules.refuse(h, &it)
		if message == "" {
			continue
		}
		if timestamp {
			kind = ErrTimestamp
		}
		errs = append(errs, RecordError{Index: it.Record.OffsetDelta, Message: message})
	}
	if len(errs) == 0 {
		return nil, nil
	}
	return errs, fmt.Errorf("%w: %d records refused, the first is %d: %s", kind, len(errs), errs[0].Index, errs[0].Message)
}

// refuse says what is wrong with the iterator's record, or nothing, and whether it is the timestamp.
func (r *Rules) refuse(h *Header, it *Iterator) (message string, timestamp bool) {
	lo, hi := r.limits()
	ts := it.Timestamp()
	switch {
	case r.KeysRequired && it.Record.Key == nil:
		return "Compacted topic cannot accept message without key", false
	case r.timed() && ts != model.NoTimestamp && (ts < lo || ts > hi):
		return fmt.Sprintf("Timestamp %d of message with offset %d is out of range. "+
			"The timestamp should be within [%d, %d]", ts, it.Record.OffsetDelta, lo, hi), true
	case r.LogAppendTime && h.Attributes.LogAppendTime():
		return "Invalid timestamp type in message. Producer should not set timestamp type to LogAppendTime.", true
	default:
		return "", false
	}
}
