package producer

import (
	"cmp"
	"fmt"
	"slices"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
)

// New makes an empty Table.
func New() Table { return &memory{entries: map[model.ProducerID]*entry{}} }

type memory struct {
	entries map[model.ProducerID]*entry
	// open transactions, sorted by first offset.
	open []openTxn
	// decided transactions whose marker may not be below the high watermark yet, sorted by marker.
	decided []Txn
}

type openTxn struct {
	first model.Offset
	id    model.ProducerID
}

type entry struct {
	epoch            model.ProducerEpoch
	coordinatorEpoch model.LeaderEpoch
	lastTimestamp    model.TimestampMs
	txnStart         model.Offset
	// kept is a ring: count batches, the oldest at head.
	kept        [BatchesKept]kept
	head, count uint8
}

type kept struct {
	lastOffset   model.Offset
	timestamp    model.TimestampMs
	lastSequence int32
	delta        int32
}

// firstSequence undoes the wrap from 2^31-1 to 0.
func (k kept) firstSequence() int32 {
	return int32((int64(k.lastSequence) - int64(k.delta)) & 0x7fffffff)
}

func (e *entry) lastSequence() int32 {
	if e.count == 0 {
		return NoSequence
	}
	return e.last().lastSequence
}

func (e *entry) last() kept { return e.kept[(e.head+e.count-1)%BatchesKept] }

func (e *entry) add(k kept) {
	if e.count == BatchesKept {
		e.kept[e.head] = k
		e.head = (e.head + 1) % BatchesKept
		return
	}
	e.kept[(e.head+e.count)%BatchesKept] = k
	e.count++
}

// setEpoch forgets the batches of another epoch: sequences start anew.
func (e *entry) setEpoch(epoch model.ProducerEpoch) {
	if e.epoch != epoch {
		e.epoch, e.head, e.count = epoch, 0, 0
	}
}

func (t *memory) Check(h *record.Header, rules Rules) (Appended, bool, error) {
	if h.ProducerID == model.NoProducerID {
		return Appended{}, false, nil
	}
	e := t.entries[h.ProducerID]
	if e == nil {
		if rules.Version2 && h.BaseSequence != 0 {
			return Appended{}, false, fmt.Errorf("%w: producer %d has no state here and begins at sequence %d", ErrOutOfOrder, h.ProducerID, h.BaseSequence)
		}
		// Its records may have been deleted or its id expired: any sequence may go on from here.
		return Appended{}, false, nil
	}
	if at, ok := e.find(h); ok {
		return at, true, nil
	}
	if err := e.checkSequence(h, rules); err != nil {
		return Appended{}, false, err
	}
	if e.txnStart != model.NoOffset && !h.Attributes.Transactional() {
		return Appended{}, false, fmt.Errorf("%w: producer %d, transaction from offset %d", ErrTxnState, h.ProducerID, e.txnStart)
	}
	return Appended{}, false, nil
}

// find looks for the very batch among those kept: same epoch, first and last sequence.
func (e *entry) find(h *record.Header) (Appended, bool) {
	if h.ProducerEpoch != e.epoch {
		return Appended{}, false
	}
	last := h.LastSequence()
	for i := range e.count {
		k := e.kept[(e.head+i)%BatchesKept]
		if k.lastSequence == last && k.firstSequence() == h.BaseSequence {
			return Appended{Base: k.lastOffset - model.Offset(k.delta), Last: k.lastOffset, Timestamp: k.timestamp}, true
		}
	}
	return Appended{}, false
}

func (e *entry) checkSequence(h *record.Header, rules Rules) error {
	switch {
	case h.ProducerEpoch < e.epoch:
		return fmt.Errorf("%w: producer %d sent epoch %d, current is %d", ErrFenced, h.ProducerID, h.ProducerEpoch, e.epoch)
	case rules.Version2 && e.count == 0 && h.BaseSequence != 0:
		return fmt.Errorf("%w: producer %d has no batch here and begins at sequence %d", ErrOutOfOrder, h.ProducerID, h.BaseSequence)
	case h.ProducerEpoch > e.epoch:
		if h.BaseSequence != 0 && e.epoch != model.NoProducerEpoch {
			return fmt.Errorf("%w: producer %d begins epoch %d at sequence %d", ErrOutOfOrder, h.ProducerID, h.ProducerEpoch, h.BaseSequence)
		}
	default:
		// After the wrap -1 + 1 and 2^31-1 + 1 are both 0.
		if want := int32((int64(e.lastSequence()) + 1) & 0x7fffffff); h.BaseSequence != want {
			return fmt.Errorf("%w: producer %d sent sequence %d after %d", ErrOutOfOrder, h.ProducerID, h.BaseSequence, e.lastSequence())
		}
	}
	return nil
}

func (t *memory) CheckMarker(h *record.Header, m record.EndTxnMarker, rules Rules) error {
	e := t.entries[h.ProducerID]
	if e == nil {
		return nil
	}
	// A version 2 coordinator raises the epoch with each marker: the same epoch may only be its own retry, after
	// the first marker ended the transaction (KAFKA-19999).
	stale := rules.Version2 && h.ProducerEpoch == e.epoch && e.txnStart != model.NoOffset
	if h.ProducerEpoch < e.epoch || stale {
		return fmt.Errorf("%w: marker for producer %d with epoch %d, current is %d", ErrFenced, h.ProducerID, h.ProducerEpoch, e.epoch)
	}
	if m.CoordinatorEpoch < e.coordinatorEpoch {
		return fmt.Errorf("%w: marker for producer %d of coordinator epoch %d, current is %d", ErrCoordinatorFenced, h.ProducerID, m.CoordinatorEpoch, e.coordinatorEpoch)
	}
	return nil
}

func (t *memory) Apply(h *record.Header, marker *record.EndTxnMarker) (Txn, bool) {
	if h.ProducerID == model.NoProducerID || h.Attributes.Control() && marker == nil {
		return Txn{}, false
	}
	e := t.entries[h.ProducerID]
	if e == nil {
		e = &entry{epoch: model.NoProducerEpoch, coordinatorEpoch: -1, lastTimestamp: model.NoTimestamp, txnStart: model.NoOffset}
		t.entries[h.ProducerID] = e
	}
	e.setEpoch(h.ProducerEpoch)
	e.lastTimestamp = h.MaxTimestamp
	if marker != nil {
		return t.applyMarker(h, e, marker)
	}
	e.add(kept{lastOffset: h.LastOffset(), timestamp: h.MaxTimestamp, lastSequence: h.LastSequence(), delta: h.LastOffsetDelta})
	if h.Attributes.Transactional() && e.txnStart == model.NoOffset {
		e.txnStart = h.BaseOffset
		t.begin(openTxn{first: h.BaseOffset, id: h.ProducerID})
	}
	return Txn{}, false
}

func (t *memory) applyMarker(h *record.Header, e *entry, marker *record.EndTxnMarker) (Txn, bool) {
	e.coordinatorEpoch = marker.CoordinatorEpoch
	if e.txnStart == model.NoOffset {
		return Txn{}, false
	}
	txn := Txn{ProducerID: h.ProducerID, First: e.txnStart, Last: h.BaseOffset, Aborted: !marker.Commit, LastStable: h.BaseOffset + 1}
	e.txnStart = model.NoOffset
	t.open = slices.DeleteFunc(t.open, func(o openTxn) bool { return o.id == h.ProducerID })
	if len(t.open) > 0 {
		txn.LastStable = t.open[0].first
	}
	t.decided = append(t.decided, txn)
	return txn, true
}

func (t *memory) begin(o openTxn) {
	i, _ := slices.BinarySearchFunc(t.open, o.first, func(o openTxn, first model.Offset) int { return cmp.Compare(o.first, first) })
	t.open = slices.Insert(t.open, i, o)
}

func (t *memory) LastStable(highWatermark model.Offset) (model.Offset, bool) {
	n := 0
	for n < len(t.decided) && t.decided[n].Last < highWatermark {
		n++
	}
	t.decided = slices.Delete(t.decided, 0, n)
	stable := highWatermark
	for _, d := range t.decided {
		stable = min(stable, d.First)
	}
	if len(t.open) > 0 {
		stable = min(stable, t.open[0].first)
	}
	return stable, len(t.decided) == 0 && len(t.open) == 0
}

func (t *memory) Expire(now model.TimestampMs, idleMs int64) {
	for id, e := range t.entries {
		if e.txnStart == model.NoOffset && int64(now-e.lastTimestamp) >= idleMs {
			delete(t.entries, id)
		}
	}
}

func (t *memory) Producers() []State {
	states := make([]State, 0, len(t.entries))
	for id, e := range t.entries {
		s := State{
			ID: id, Epoch: e.epoch, CoordinatorEpoch: e.coordinatorEpoch, LastSequence: NoSequence, LastOffset: model.NoOffset,
			LastTimestamp: e.lastTimestamp, TxnStart: e.txnStart,
		}
		if e.count > 0 {
			last := e.last()
			s.LastSequence, s.LastOffset, s.LastDelta = last.lastSequence, last.lastOffset, last.delta
		}
		states = append(states, s)
	}
	slices.SortFunc(states, func(a, b State) int { return cmp.Compare(a.ID, b.ID) })
	return states
}
