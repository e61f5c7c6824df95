package record

import (
	"encoding/binary"
	"fmt"

	"highwater.dev/broker/model"
)

// ControlType is the kind of a control record, the second field of its key.
type ControlType int16

// Kafka's control records. The broker writes the first two; the others belong to Kafka's own metadata log.
const (
	ControlAbort          ControlType = 0
	ControlCommit         ControlType = 1
	ControlLeaderChange   ControlType = 2
	ControlSnapshotHeader ControlType = 3
	ControlSnapshotFooter ControlType = 4
	ControlKRaftVersion   ControlType = 5
	ControlKRaftVoters    ControlType = 6
)

const (
	controlKeySize   = 4 // version int16, type int16
	endTxnMarkerSize = 6 // version int16, coordinator epoch int32
)

// AppendControlKey adds the key of a control record.
func AppendControlKey(dst []byte, t ControlType) []byte {
	dst = binary.BigEndian.AppendUint16(dst, 0)
	return binary.BigEndian.AppendUint16(dst, uint16(t))
}

// ParseControlKey reads the key of a control record. Later versions may add fields, so more bytes and greater
// versions are let through, as in Kafka. Error: ErrCorrupt.
func ParseControlKey(key []byte) (ControlType, error) {
	if len(key) < controlKeySize {
		return 0, fmt.Errorf("%w: control record key of %d bytes", ErrCorrupt, len(key))
	}
	if v := int16(binary.BigEndian.Uint16(key)); v < 0 {
		return 0, fmt.Errorf("%w: control record key version %d", ErrCorrupt, v)
	}
	return ControlType(binary.BigEndian.Uint16(key[2:])), nil
}

// EndTxnMarker is the control record that ends a transaction in a partition (KIP-98).
type EndTxnMarker struct {
	Commit bool
	// CoordinatorEpoch is the leader epoch of the transaction coordinator's partition; it fences old coordinators.
	CoordinatorEpoch model.LeaderEpoch
}

// Key is the marker's record key.
func (m EndTxnMarker) Key() []byte {
	t := ControlAbort
	if m.Commit {
		t = ControlCommit
	}
	return AppendControlKey(nil, t)
}

// Value is the marker's record value.
func (m EndTxnMarker) Value() []byte {
	b := binary.BigEndian.AppendUint16(make([]byte, 0, endTxnMarkerSize), 0)
	return binary.BigEndian.AppendUint32(b, uint32(m.CoordinatorEpoch))
}

// ParseEndTxnMarker reads a control record's key and value; ok is false for a control record of another type.
// Error: ErrCorrupt.
func ParseEndTxnMarker(key, value []byte) (m EndTxnMarker, ok bool, err error) {
	t, err := ParseControlKey(key)
	if err != nil || (t != ControlAbort && t != ControlCommit) {
		return m, false, err
	}
	if len(value) < endTxnMarkerSize {
		return m, false, fmt.Errorf("%w: end of transaction marker of %d bytes", ErrCorrupt, len(value))
	}
	if v := int16(binary.BigEndian.Uint16(value)); v < 0 {
		return m, false, fmt.Errorf("%w: end of transaction marker version %d", ErrCorrupt, v)
	}
	m.Commit = t == ControlCommit
	m.CoordinatorEpoch = model.LeaderEpoch(binary.BigEndian.Uint32(value[2:]))
	return m, true, nil
}

// Batch is a control batch that holds only m, as the leader of a partition appends it for a producer.
func (m EndTxnMarker) Batch(id model.ProducerID, epoch model.ProducerEpoch, at model.TimestampMs) Batch {
	w := Builder{
		Control: true, Transactional: true,
		Idempotent: true, ProducerID: id, ProducerEpoch: epoch, BaseSequence: -1,
	}
	w.Add(at, m.Key(), m.Value())
	return w.Batch()
}
