package producer

import (
	"math"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
)

// data is the header of a data batch of n records.
func data(id model.ProducerID, epoch model.ProducerEpoch, sequence int32, n int32, base model.Offset) *record.Header {
	return &record.Header{
		BaseOffset: base, LastOffsetDelta: n - 1, Count: n, ProducerID: id, ProducerEpoch: epoch, BaseSequence: sequence,
		MaxTimestamp: model.TimestampMs(1000 + base),
	}
}

func txnData(id model.ProducerID, epoch model.ProducerEpoch, sequence int32, n int32, base model.Offset) *record.Header {
	h := data(id, epoch, sequence, n, base)
	h.Attributes |= record.TransactionalFlag
	return h
}

func end(id model.ProducerID, epoch model.ProducerEpoch, base model.Offset) *record.Header {
	h := txnData(id, epoch, -1, 1, base)
	h.Attributes |= record.ControlFlag
	return h
}

var (
	commit = &record.EndTxnMarker{Commit: true, CoordinatorEpoch: 3}
	abort  = &record.EndTxnMarker{CoordinatorEpoch: 3}
)

// TestCheck holds the decisions of Apache Kafka 4.3's ProducerAppendInfo for client batches.
func TestCheck(t *testing.T) {
	type step = *record.Header
	plain := []step{data(7, 2, 0, 3, 0), data(7, 2, 3, 1, 3)}
	six := []step{}
	for i := range int32(6) {
		six = append(six, data(7, 2, i*2, 2, model.Offset(i*2)))
	}
	wrapped := []step{data(7, 0, math.MaxInt32-1, 2, 0)}
	across := []step{data(7, 0, math.MaxInt32-1, 4, 10)} // sequences 2^31-2, 2^31-1, 0, 1
	for _, c := range []struct {
		name   string
		before []step
		batch  step
		rules  Rules
		dup    model.Offset // base of the duplicate, or -1
		err    error
	}{
		{"no producer id", plain, data(-1, -1, -1, 1, 4), Rules{}, -1, nil},
		{"unknown producer starts anywhere", nil, data(7, 5, 99, 1, 0), Rules{}, -1, nil},
		{"unknown producer, version 2, at 0", nil, data(7, 5, 0, 1, 0), Rules{Version2: true}, -1, nil},
		{"unknown producer, version 2, not at 0", nil, data(7, 5, 99, 1, 0), Rules{Version2: true}, -1, ErrOutOfOrder},
		{"next", plain, data(7, 2, 4, 1, 4), Rules{}, -1, nil},
		{"gap", plain, data(7, 2, 5, 1, 4), Rules{}, -1, ErrOutOfOrder},
		{"back", plain, data(7, 2, 2, 1, 4), Rules{}, -1, ErrOutOfOrder},
		{"duplicate of the last", plain, data(7, 2, 3, 1, 4), Rules{}, 3, nil},
		{"duplicate of the first", plain, data(7, 2, 0, 3, 4), Rules{}, 0, nil},
		{"same first sequence, other length", plain, data(7, 2, 0, 2, 4), Rules{}, -1, ErrOutOfOrder},
		{"same last sequence, other length", plain, data(7, 2, 1, 2, 4), Rules{}, -1, ErrOutOfOrder},
		{"duplicate five back", six, data(7, 2, 2, 2, 12), Rules{}, 2, nil},
		{"duplicate six back is forgotten", six, data(7, 2, 0, 2, 12), Rules{}, -1, ErrOutOfOrder},
		{"older epoch", plain, data(7, 1, 4, 1, 4), Rules{}, -1, ErrFenced},
		{"older epoch, known sequence", plain, data(7, 1, 3, 1, 4), Rules{}, -1, ErrFenced},
		{"new epoch at 0", plain, data(7, 3, 0, 1, 4), Rules{}, -1, nil},
		{"new epoch not at 0", plain, data(7, 3, 4, 1, 4), Rules{}, -1, ErrOutOfOrder},
		{"another producer", plain, data(8, 0, 0, 1, 4), Rules{}, -1, nil},
		{"wrap to 0", wrapped, data(7, 0, 0, 1, 2), Rules{}, -1, nil},
		{"no wrap to 1", wrapped, data(7, 0, 1, 1, 2), Rules{}, -1, ErrOutOfOrder},
		{"after a batch across the wrap", across, data(7, 0, 2, 1, 14), Rules{}, -1, nil},
		{"duplicate of a batch across the wrap", across, data(7, 0, math.MaxInt32-1, 4, 14), Rules{}, 10, nil},
		{"plain batch in an open transaction", []step{txnData(7, 0, 0, 1, 0)}, data(7, 0, 1, 1, 1), Rules{}, -1, ErrTxnState},
		{"transaction goes on", []step{txnData(7, 0, 0, 1, 0)}, txnData(7, 0, 1, 1, 1), Rules{}, -1, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			table := New()
			for _, h := range c.before {
				_, dup, err := table.Check(h, Rules{})
				require.NoError(t, err)
				require.False(t, dup)
				table.Apply(h, nil)
			}
			before := table.Producers()
			at, dup, err := table.Check(c.batch, c.rules)
			require.ErrorIs(t, err, c.err)
			require.Equal(t, c.dup >= 0, dup)
			if dup {
				require.Equal(t, Appended{Base: c.dup, Last: c.dup + model.Offset(c.batch.LastOffsetDelta), Timestamp: model.TimestampMs(1000 + c.dup)}, at)
			}
			require.Equal(t, before, table.Producers(), "Check changes nothing")
		})
	}
}

// TestAfterMarker: a version 2 marker raises the epoch, and the next transaction starts at sequence 0; after a version 1
// marker the sequence goes on.
func TestAfterMarker(t *testing.T) {
	table := New()
	table.Apply(txnData(7, 0, 0, 2, 0), nil)
	txn, done := table.Apply(end(7, 0, 2), commit)
	require.True(t, done)
	require.Equal(t, Txn{ProducerID: 7, First: 0, Last: 2, LastStable: 3}, txn)
	_, _, err := table.Check(txnData(7, 0, 2, 1, 3), Rules{})
	require.NoError(t, err, "version 1 goes on")
	table.Apply(txnData(7, 0, 2, 1, 3), nil)
	_, done = table.Apply(end(7, 1, 4), abort)
	require.True(t, done)
	_, _, err = table.Check(txnData(7, 1, 3, 1, 5), Rules{})
	require.ErrorIs(t, err, ErrOutOfOrder)
	_, _, err = table.Check(txnData(7, 1, 0, 1, 5), Rules{Version2: true})
	require.NoError(t, err)
	_, done = table.Apply(end(7, 1, 5), abort)
	require.False(t, done, "nothing was open")
	_, done = table.Apply(end(7, 9, 6), nil)
	require.False(t, done, "an emptied control batch says nothing")
	require.Equal(t, model.ProducerEpoch(1), table.Producers()[0].Epoch)
}

func TestCheckMarker(t *testing.T) {
	open := New()
	open.Apply(txnData(7, 4, 0, 1, 0), nil)
	open.Apply(end(7, 4, 1), commit)
	open.Apply(txnData(7, 4, 1, 1, 2), nil)
	closed := New()
	closed.Apply(txnData(7, 4, 0, 1, 0), nil)
	closed.Apply(end(7, 5, 1), commit)
	for _, c := range []struct {
		name        string
		table       Table
		epoch       model.ProducerEpoch
		coordinator model.LeaderEpoch
		v2          bool
		err         error
	}{
		{"v1, same epoch", open, 4, 3, false, nil},
		{"v1, higher epoch", open, 5, 3, false, nil},
		{"v1, lower epoch", open, 3, 3, false, ErrFenced},
		{"v2, same epoch ends nothing that is open", open, 4, 3, true, ErrFenced},
		{"v2, higher epoch", open, 5, 3, true, nil},
		{"v2, retry of the marker", closed, 5, 3, true, nil},
		{"v2, lower epoch", closed, 4, 3, true, ErrFenced},
		{"older coordinator", open, 5, 2, true, ErrCoordinatorFenced},
		{"newer coordinator", open, 5, 9, true, nil},
		{"unknown producer", New(), 0, 0, true, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.table.CheckMarker(end(7, c.epoch, 9), record.EndTxnMarker{CoordinatorEpoch: c.coordinator}, Rules{Version2: c.v2})
			require.ErrorIs(t, err, c.err)
		})
	}
}

func TestExpire(t *testing.T) {
	table := New()
	table.Apply(data(1, 0, 0, 1, 0), nil)      // timestamp 1000
	table.Apply(data(2, 0, 0, 1, 500), nil)    // timestamp 1500
	table.Apply(txnData(3, 0, 0, 1, 100), nil) // timestamp 1100, open
	table.Expire(1999, 1000)
	require.Len(t, table.Producers(), 3)
	table.Expire(2000, 1000)
	require.Len(t, table.Producers(), 2)
	table.Expire(1_000_000, 1000)
	require.Equal(t, model.ProducerID(3), table.Producers()[0].ID, "an open transaction never expires")
}

// TestKafkaSnapshot reads a snapshot that Apache Kafka 4.3 wrote and writes the same bytes again.
func TestKafkaSnapshot(t *testing.T) {
	file, err := os.ReadFile("testdata/kafka-4.3.snapshot")
	require.NoError(t, err)
	table := New()
	require.NoError(t, table.Load(file))
	require.Equal(t, []State{
		{ID: 0, Epoch: 0, CoordinatorEpoch: -1, LastSequence: 32, LastOffset: 81, LastDelta: 2, LastTimestamp: 1795414306080, TxnStart: -1},
		{ID: 1, Epoch: 5, CoordinatorEpoch: 0, LastSequence: 1, LastOffset: 84, LastDelta: 1, LastTimestamp: 1795414306085, TxnStart: 83},
		{ID: 2, Epoch: 5, CoordinatorEpoch: 0, LastSequence: -1, LastOffset: -1, LastTimestamp: 1795414306078, TxnStart: -1},
	}, table.Producers())
	require.Equal(t, file, table.AppendSnapshot(nil))
}

func TestDamagedSnapshot(t *testing.T) {
	file := AppendSnapshot(nil, []State{{ID: 1, TxnStart: 5}, {ID: 2, TxnStart: -1}})
	table := New()
	require.NoError(t, table.Load(file))
	for i := range file {
		damaged := slices.Clone(file)
		damaged[i] ^= 0x10
		require.ErrorIs(t, table.Load(damaged), ErrSnapshot, "bit flipped in byte %d", i)
		require.ErrorIs(t, table.Load(file[:i]), ErrSnapshot, "cut to %d bytes", i)
	}
	require.ErrorIs(t, table.Load(append(file, 0)), ErrSnapshot)
	require.Empty(t, table.Producers())
	stable, settled := table.LastStable(10)
	require.True(t, settled)
	require.Equal(t, model.Offset(10), stable)
}

// FuzzSnapshot: no panic, and what is accepted is encoded to the same bytes.
func FuzzSnapshot(f *testing.F) {
	f.Add(AppendSnapshot(nil, nil))
	f.Add(AppendSnapshot(nil, []State{{ID: 1, Epoch: 2, LastSequence: 3, LastOffset: 4, LastDelta: 5, LastTimestamp: 6, CoordinatorEpoch: 7, TxnStart: 8}}))
	f.Add([]byte{0, 1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		states, err := ParseSnapshot(b)
		if err != nil {
			require.ErrorIs(t, err, ErrSnapshot)
			return
		}
		require.Equal(t, b, AppendSnapshot(nil, states))
		require.NoError(t, New().Load(b))
	})
}

// history is the model of a partition: every batch ever appended, in order.
type history struct {
	batches []record.Header
	end     model.Offset
}

func (m *history) of(id model.ProducerID) []record.Header {
	var own []record.Header
	for _, h := range m.batches {
		if h.ProducerID == id {
			own = append(own, h)
		}
	}
	return own
}

// check is Kafka's rule told over a producer's whole history.
func (m *history) check(h *record.Header) (dup model.Offset, err error) {
	own := m.of(h.ProducerID)
	if len(own) == 0 {
		return -1, nil
	}
	epoch := own[len(own)-1].ProducerEpoch
	var sequences []record.Header // data batches of the current epoch
	open := false
	for _, b := range own {
		if b.Attributes.Control() {
			open = false
		} else {
			open = open || b.Attributes.Transactional()
		}
		if b.ProducerEpoch == epoch && !b.Attributes.Control() {
			sequences = append(sequences, b)
		}
	}
	if h.ProducerEpoch == epoch {
		for _, b := range sequences[max(0, len(sequences)-5):] {
			if b.BaseSequence == h.BaseSequence && b.LastOffsetDelta == h.LastOffsetDelta {
				return b.BaseOffset, nil
			}
		}
	}
	want := int64(0)
	if h.ProducerEpoch == epoch && len(sequences) > 0 {
		want = (int64(sequences[len(sequences)-1].BaseSequence) + int64(sequences[len(sequences)-1].Count)) % (1 << 31)
	}
	switch {
	case h.ProducerEpoch < epoch:
		return -1, ErrFenced
	case int64(h.BaseSequence) != want:
		return -1, ErrOutOfOrder
	case open && !h.Attributes.Transactional():
		return -1, ErrTxnState
	}
	return -1, nil
}

// lastStable looks at every transaction from its first batch to its marker. settled: none is open or has its
// marker at hw or above.
func (m *history) lastStable(hw model.Offset) (stable model.Offset, settled bool) {
	stable, settled = hw, true
	first := map[model.ProducerID]model.Offset{}
	hold := func(start model.Offset) { stable, settled = min(stable, start), false }
	for _, h := range m.batches {
		start, open := first[h.ProducerID]
		switch {
		case h.Attributes.Control() && open:
			if h.BaseOffset >= hw {
				hold(start)
			}
			delete(first, h.ProducerID)
		case !h.Attributes.Control() && h.Attributes.Transactional() && !open:
			first[h.ProducerID] = h.BaseOffset
		}
	}
	for _, start := range first {
		hold(start)
	}
	return stable, settled
}

// openSince is where a producer's open transaction began, or -1.
func (m *history) openSince(id model.ProducerID) model.Offset {
	start := model.NoOffset
	for _, h := range m.of(id) {
		switch {
		case h.Attributes.Control():
			start = model.NoOffset
		case h.Attributes.Transactional() && start == model.NoOffset:
			start = h.BaseOffset
		}
	}
	return start
}

// TestTableAgainstHistory draws batches that are right, repeated, skipped, fenced or of new epochs, near the sequence's
// wrap too, and compares each decision and the last stable offset with a model that remembers everything.
func TestTableAgainstHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table, m := New(), history{}
		hw := model.Offset(0)
		start := rapid.SampledFrom([]int32{0, math.MaxInt32 - 5}).Draw(t, "first sequence")
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			id := model.ProducerID(rapid.IntRange(1, 3).Draw(t, "producer"))
			own := m.of(id)
			h := data(id, 0, start, int32(rapid.IntRange(1, 3).Draw(t, "records")), m.end)
			if n := len(own); n > 0 {
				h.ProducerEpoch = own[n-1].ProducerEpoch
				h.BaseSequence = 0
				for _, b := range slices.Backward(own) {
					if !b.Attributes.Control() && b.ProducerEpoch == h.ProducerEpoch {
						h.BaseSequence = int32((int64(b.BaseSequence) + int64(b.Count)) % (1 << 31))
						break
					}
				}
			}
			if rapid.Bool().Draw(t, "transactional") {
				h.Attributes |= record.TransactionalFlag
			}
			switch rapid.SampledFrom([]string{"next", "next", "next", "repeat", "skip", "fenced", "epoch", "marker", "marker", "hw", "reload"}).Draw(t, "step") {
			case "repeat":
				if len(own) > 0 {
					again := own[len(own)-1-rapid.IntRange(0, min(7, len(own)-1)).Draw(t, "back")]
					h.BaseSequence, h.LastOffsetDelta, h.Count = again.BaseSequence, again.LastOffsetDelta, again.Count
				}
			case "skip":
				h.BaseSequence = (h.BaseSequence + int32(rapid.IntRange(1, 3).Draw(t, "skipped"))) & math.MaxInt32
			case "fenced":
				if h.ProducerEpoch > 0 {
					h.ProducerEpoch--
				}
			case "epoch":
				h.ProducerEpoch++
				h.BaseSequence = int32(rapid.IntRange(0, 1).Draw(t, "sequence"))
			case "marker":
				if len(own) == 0 {
					continue
				}
				mark := end(id, h.ProducerEpoch+model.ProducerEpoch(rapid.IntRange(0, 1).Draw(t, "bump")), m.end)
				first := m.openSince(id)
				txn, done := table.Apply(mark, abort)
				m.batches, m.end = append(m.batches, *mark), m.end+1
				require.Equal(t, first >= 0, done)
				if done {
					stable, _ := m.lastStable(mark.BaseOffset + 1)
					require.Equal(t, Txn{ProducerID: id, First: first, Last: mark.BaseOffset, Aborted: true, LastStable: stable}, txn)
				}
				continue
			case "hw":
				hw = model.Offset(rapid.Int64Range(int64(hw), int64(m.end)).Draw(t, "high watermark"))
				stable, settled := table.LastStable(hw)
				wantStable, wantSettled := m.lastStable(hw)
				require.Equal(t, wantStable, stable)
				require.Equal(t, wantSettled, settled)
				continue
			case "reload":
				before := table.Producers()
				snapshot := table.AppendSnapshot(nil)
				again := New()
				require.NoError(t, again.Load(snapshot))
				require.Equal(t, before, again.Producers())
				require.Equal(t, snapshot, again.AppendSnapshot(nil))
				continue
			}
			want, wantErr := m.check(h)
			at, dup, err := table.Check(h, Rules{})
			require.ErrorIs(t, err, wantErr)
			require.Equal(t, want >= 0, dup)
			if dup {
				require.Equal(t, want, at.Base)
			}
			if err == nil && !dup {
				table.Apply(h, nil)
				m.batches, m.end = append(m.batches, *h), h.NextOffset()
			}
		}
	})
}

func TestIDBlocks(t *testing.T) {
	var ids IDBlocks
	_, ok := ids.Next()
	require.False(t, ok)
	require.True(t, ids.Low())
	ids.Add(Block{First: 5000, Len: BlockSize})
	ids.Add(Block{First: 1, Len: 0})
	ids.Add(Block{First: 9000, Len: 2})
	seen := map[model.ProducerID]bool{}
	for i := range BlockSize + 2 {
		require.Equal(t, i >= BlockSize+2-BlockSize/10, ids.Low(), "after %d ids", i)
		id, ok := ids.Next()
		require.True(t, ok)
		require.False(t, seen[id])
		seen[id] = true
	}
	require.True(t, seen[5000] && seen[5999] && seen[9000] && seen[9001])
	_, ok = ids.Next()
	require.False(t, ok)
}

func BenchmarkCheckApply(b *testing.B) {
	table := New()
	h := data(1, 0, 0, 10, 0)
	b.ReportAllocs()
	for b.Loop() {
		if _, dup, err := table.Check(h, Rules{}); dup || err != nil {
			b.Fatal(dup, err)
		}
		table.Apply(h, nil)
		h.BaseSequence = (h.BaseSequence + 10) & math.MaxInt32
		h.BaseOffset += 10
	}
}
