package producer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"highwater.dev/broker/model"
)

// ErrSnapshot says that bytes are not a producer snapshot of version 1, or are damaged.
var ErrSnapshot = errors.New("producer: damaged snapshot")

const (
	snapshotVersion    = 1
	snapshotCRCAt      = 2
	snapshotCoveredAt  = 6 // the CRC covers everything from here
	snapshotHeaderSize = 10
	snapshotEntrySize  = 46
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (t *memory) AppendSnapshot(dst []byte) []byte { return AppendSnapshot(dst, t.Producers()) }

// AppendSnapshot encodes producers in Kafka's .snapshot format, in the order given.
func AppendSnapshot(dst []byte, producers []State) []byte {
	start := len(dst)
	dst = binary.BigEndian.AppendUint16(dst, snapshotVersion)
	dst = binary.BigEndian.AppendUint32(dst, 0) // the CRC comes last
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(producers)))
	for i := range producers {
		p := &producers[i]
		dst = binary.BigEndian.AppendUint64(dst, uint64(p.ID))
		dst = binary.BigEndian.AppendUint16(dst, uint16(p.Epoch))
		dst = binary.BigEndian.AppendUint32(dst, uint32(p.LastSequence))
		dst = binary.BigEndian.AppendUint64(dst, uint64(p.LastOffset))
		dst = binary.BigEndian.AppendUint32(dst, uint32(p.LastDelta))
		dst = binary.BigEndian.AppendUint64(dst, uint64(p.LastTimestamp))
		dst = binary.BigEndian.AppendUint32(dst, uint32(p.CoordinatorEpoch))
		dst = binary.BigEndian.AppendUint64(dst, uint64(p.TxnStart))
	}
	crc := crc32.Checksum(dst[start+snapshotCoveredAt:], castagnoli)
	binary.BigEndian.PutUint32(dst[start+snapshotCRCAt:], crc)
	return dst
}

// ParseSnapshot decodes a .snapshot file. Errors are ErrSnapshot.
func ParseSnapshot(b []byte) ([]State, error) {
	if len(b) < snapshotHeaderSize {
		return nil, fmt.Errorf("%w: %d bytes", ErrSnapshot, len(b))
	}
	if v := binary.BigEndian.Uint16(b); v != snapshotVersion {
		return nil, fmt.Errorf("%w: version %d, want %d", ErrSnapshot, v, snapshotVersion)
	}
	want := binary.BigEndian.Uint32(b[snapshotCRCAt:])
	if got := crc32.Checksum(b[snapshotCoveredAt:], castagnoli); got != want {
		return nil, fmt.Errorf("%w: CRC-32C is %08x, file says %08x", ErrSnapshot, got, want)
	}
	count, body := int64(binary.BigEndian.Uint32(b[snapshotCoveredAt:])), b[snapshotHeaderSize:]
	if int64(len(body)) != count*snapshotEntrySize {
		return nil, fmt.Errorf("%w: %d entries announced in %d bytes", ErrSnapshot, count, len(body))
	}
	producers := make([]State, count)
	for i := range producers {
		e := body[i*snapshotEntrySize:]
		producers[i] = State{
			ID:               model.ProducerID(binary.BigEndian.Uint64(e)),
			Epoch:            model.ProducerEpoch(binary.BigEndian.Uint16(e[8:])),
			LastSequence:     int32(binary.BigEndian.Uint32(e[10:])),
			LastOffset:       model.Offset(binary.BigEndian.Uint64(e[14:])),
			LastDelta:        int32(binary.BigEndian.Uint32(e[22:])),
			LastTimestamp:    model.TimestampMs(binary.BigEndian.Uint64(e[26:])),
			CoordinatorEpoch: model.LeaderEpoch(binary.BigEndian.Uint32(e[34:])),
			TxnStart:         model.Offset(binary.BigEndian.Uint64(e[38:])),
		}
	}
	return producers, nil
}

func (t *memory) Load(snapshot []byte) error {
	*t = memory{entries: map[model.ProducerID]*entry{}}
	producers, err := ParseSnapshot(snapshot)
	if err != nil {
		return err
	}
	for i := range producers {
		p := &producers[i]
		e := &entry{epoch: p.Epoch, coordinatorEpoch: p.CoordinatorEpoch, lastTimestamp: p.LastTimestamp, txnStart: model.NoOffset}
		if p.LastOffset >= 0 {
			e.add(kept{lastOffset: p.LastOffset, timestamp: p.LastTimestamp, lastSequence: p.LastSequence, delta: p.LastDelta})
		}
		if p.TxnStart >= 0 {
			e.txnStart = p.TxnStart
			t.begin(openTxn{first: p.TxnStart, id: p.ID})
		}
		t.entries[p.ID] = e
	}
	return nil
}
