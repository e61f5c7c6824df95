package commitlog

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"highwater.dev/broker/config"
	"highwater.dev/broker/model"
	"highwater.dev/broker/producer"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
)

// AppendAsLeader judges a produced batch, gives it its offset and the leader's epoch, in place, and appends it, in
// the topic's codec (compression.type) if it has another. It keeps nothing of the slice. A batch that its producer sent
// before succeeds as Duplicate, with the offsets it has.
//
// Errors hold a *kerr.Error: CORRUPT_MESSAGE, INVALID_RECORD, INVALID_TIMESTAMP, MESSAGE_TOO_LARGE and
// RECORD_LIST_TOO_LARGE for the batch (Appended.RecordErrors may say which records); OUT_OF_ORDER_SEQUENCE_NUMBER,
// INVALID_PRODUCER_EPOCH and INVALID_TXN_STATE for its producer; KAFKA_STORAGE_ERROR, retriable, for the disk. Nothing
// is appended then. Transactional batches are refused with INVALID_TXN_STATE: no coordinator has enrolled them.
func (p *Partition) AppendAsLeader(batch record.Batch, leaderEpoch model.LeaderEpoch) (Appended, error) {
	var h record.Header
	topic := p.topic.Load()
	rules := appendRules(topic, model.TimestampMs(p.opts.Clock.Now().UnixMilli()))
	found, err := record.Validate(batch, rules, &h)
	if err != nil {
		return Appended{RecordErrors: found.Errors, LogStart: p.StartOffset()}, batchError(err)
	}
	if h.Attributes.Transactional() {
		return Appended{}, fmt.Errorf("%w: producer %d has no transaction here", kerr.InvalidTxnState, h.ProducerID)
	}
	if found.Rewrite {
		batch.SetMaxTimestamp(found.MaxTimestamp, found.LogAppendTime)
	}
	batch, buf, err := recompress(batch, &h, topic)
	if err != nil {
		return Appended{}, batchError(err)
	}
	defer recycle(buf)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.writable(); err != nil {
		return Appended{}, err
	}
	// The partition's header, not the stack's: what an interface method gets would be allocated for each batch.
	p.header = h
	p.header.MaxTimestamp = found.MaxTimestamp
	p.header.Length = int32(len(batch) - record.LogOverhead)
	if at, duplicate, err := p.check(&p.header); err != nil || duplicate {
		return p.duplicate(at, found.LogAppendTime), err
	}
	start, end := p.log.Bounds()
	p.header.BaseOffset, p.header.LeaderEpoch = end, leaderEpoch
	batch.SetBaseOffset(end)
	batch.SetLeaderEpoch(leaderEpoch)
	if err := p.append(batch, nil); err != nil {
		return Appended{}, err
	}
	a := Appended{Base: end, Last: p.header.LastOffset(), AppendTime: model.NoTimestamp, LogStart: start}
	if found.LogAppendTime {
		a.AppendTime = found.MaxTimestamp
	}
	return a, nil
}

func appendRules(t *config.Topic, now model.TimestampMs) record.Rules {
	return record.Rules{
		MaxBytes: int32(t.MaxMessageBytes), KeysRequired: t.CleanupCompact,
		LogAppendTime: t.TimestampType == config.LogAppendTime, Now: now,
		CheckTimestamps: true, BeforeMaxMs: t.TimestampBeforeMaxMs, AfterMaxMs: t.TimestampAfterMaxMs,
	}
}

// batchError gives Kafka's code to what record.Validate refused.
func batchError(err error) error {
	code := kerr.CorruptMessage
	switch {
	case errors.Is(err, record.ErrInvalid), errors.Is(err, record.ErrMagic), errors.Is(err, record.ErrShort):
		code = kerr.InvalidRecord
	case errors.Is(err, record.ErrTimestamp):
		code = kerr.InvalidTimestamp
	case errors.Is(err, record.ErrTooLarge):
		code = kerr.MessageTooLarge
	}
	return fmt.Errorf("%w: %w", code, err)
}

// check asks the producer table. The caller holds mu.
func (p *Partition) check(h *record.Header) (producer.Appended, bool, error) {
	p.stateMu.Lock()
	at, duplicate, err := p.table.Check(h, producer.Rules{})
	p.stateMu.Unlock()
	switch {
	case err == nil:
		return at, duplicate, nil
	case errors.Is(err, producer.ErrFenced):
		err = fmt.Errorf("%w: %w", kerr.InvalidProducerEpoch, err)
	case errors.Is(err, producer.ErrTxnState):
		err = fmt.Errorf("%w: %w", kerr.InvalidTxnState, err)
	default:
		err = fmt.Errorf("%w: %w", kerr.OutOfOrderSequenceNumber, err)
	}
	return at, false, err
}

func (p *Partition) duplicate(at producer.Appended, logAppendTime bool) Appended {
	a := Appended{Base: at.Base, Last: at.Last, AppendTime: model.NoTimestamp, LogStart: p.StartOffset(), Duplicate: true}
	if logAppendTime {
		a.AppendTime = at.Timestamp
	}
	return a
}

// append writes the batch that p.header describes and enters it into epochs and producer table. The caller
// holds mu.
func (p *Partition) append(batch record.Batch, marker *record.EndTxnMarker) error {
	p.epochs.Assign(p.header.LeaderEpoch, p.header.BaseOffset)
	if err := p.log.Append(batch); err != nil {
		return p.writeError(err)
	}
	p.stateMu.Lock()
	txn, completed := p.table.Apply(&p.header, marker)
	p.tableEnd = p.header.NextOffset()
	if p.header.Attributes.Transactional() {
		p.unstable.Store(true)
	}
	p.stateMu.Unlock()
	if completed && txn.Aborted {
		if err := p.txns.Append(model.Offset(p.activeBase.Load()), aborted(txn)); err != nil {
			// The marker is in the log and its index entry will never be: only recovery can bring them together.
			return p.fail(err)
		}
	}
	p.whole.Store(int64(p.header.NextOffset()))
	return nil
}

// AppendAsFollower appends batches as the leader sent them, with their offsets and epochs. A last batch that is cut
// short is left out, as a fetch may cut it. Those before a refused one stay. Errors: CORRUPT_MESSAGE,
// segment.ErrOutOfOrder for a batch that begins below the log end, KAFKA_STORAGE_ERROR.
func (p *Partition) AppendAsFollower(batches []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.writable(); err != nil {
		return err
	}
	for h := &p.header; len(batches) > 0; batches = batches[h.Size():] {
		err := record.ReadHeader(batches, h)
		if errors.Is(err, record.ErrShort) || err == nil && h.Size() > len(batches) {
			return nil
		}
		if err != nil {
			return batchError(err)
		}
		batch := record.Batch(batches[:h.Size()])
		if crc := batch.CRC(); crc != h.CRC {
			return batchError(fmt.Errorf("%w: offset %d", record.ErrCRC, h.BaseOffset))
		}
		if end := p.EndOffset(); h.BaseOffset < end {
			return fmt.Errorf("%w: batch at %d, log ends at %d", segment.ErrOutOfOrder, h.BaseOffset, end)
		}
		marker, err := parseMarker(h, batch)
		if err != nil {
			return batchError(err)
		}
		if err := p.append(batch, marker); err != nil {
			return err
		}
	}
	return nil
}

// parseMarker reads the transaction marker of a control batch: nil for other batches, and for one that
// compaction has emptied. The batch is whole.
func parseMarker(h *record.Header, batch record.Batch) (*record.EndTxnMarker, error) {
	if !h.Attributes.Control() || h.Count == 0 || h.ProducerID == model.NoProducerID {
		return nil, nil
	}
	var it record.Iterator
	if err := it.Reset(batch); err != nil {
		return nil, err
	}
	defer it.Close()
	if !it.Next() {
		return nil, fmt.Errorf("%w: control batch at %d: %w", record.ErrCorrupt, h.BaseOffset, it.Err())
	}
	marker, ok, err := record.ParseEndTxnMarker(it.Record.Key, it.Record.Value)
	if err != nil || !ok {
		return nil, err
	}
	return &marker, nil
}

func aborted(txn producer.Txn) AbortedTxn {
	return AbortedTxn{ProducerID: txn.ProducerID, First: txn.First, Last: txn.Last, LastStable: txn.LastStable}
}
