package logtest

import (
	"bytes"
	"errors"
	"slices"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
)

// TB is what checks need of a testing.TB; a *rapid.T is one as well.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Model is what a log must look like.
type Model struct {
	Start   model.Offset
	Batches []Batch // those that Truncate left, trimmed or not, oldest first
	// Explain, when set, shows where bytes that were read differ from those that were expected.
	Explain func(got, want []byte) string

	end model.Offset
}

func (m *Model) explain(got, want []byte) string {
	if m.Explain == nil {
		return ""
	}
	return m.Explain(got, want)
}

// End is the log end offset.
func (m *Model) End() model.Offset { return m.end }

// Clone copies the model; batches are shared.
func (m *Model) Clone() *Model {
	return &Model{Start: m.Start, Batches: slices.Clone(m.Batches), Explain: m.Explain, end: m.end}
}

// Append adds a batch.
func (m *Model) Append(b Batch) {
	m.Batches = append(m.Batches, b)
	m.end = b.Next
}

// Truncate removes the batches that end at to or above.
func (m *Model) Truncate(to model.Offset) {
	if to >= m.end {
		return
	}
	m.Start = min(m.Start, to)
	i := slices.IndexFunc(m.Batches, func(b Batch) bool { return b.Next > to })
	if i > 0 && m.Batches[i-1].Next > m.Start {
		m.Batches = slices.Clone(m.Batches[:i])
		m.end = m.Batches[i-1].Next
		return
	}
	m.Batches, m.end = nil, m.Start
}

// TrimTo raises the start. Batches below it stay in the model: whether they can still be found is the log's own affair.
func (m *Model) TrimTo(start model.Offset) { m.Start = max(m.Start, start) }

// at is the number of the batch that holds offset, or of the next one.
func (m *Model) at(offset model.Offset) int {
	i, _ := slices.BinarySearchFunc(m.Batches, offset, func(b Batch, o model.Offset) int {
		if b.Next <= o {
			return -1
		}
		return 1
	})
	return i
}

// CheckBounds compares the log's first and last offset with the model's.
func (m *Model) CheckBounds(t TB, l segment.Log) {
	t.Helper()
	if start, end := l.Bounds(); start != m.Start || end != m.end {
		t.Fatalf("Bounds: expected %d to %d, got %d to %d", m.Start, m.end, start, end)
	}
}

// CheckRead reads once and compares what comes with the model: the first batch is whole and the right one, what follows
// are the next batches, as far as limit and maxBytes go. It returns the number of bytes.
func (m *Model) CheckRead(t TB, l segment.Log, from, limit model.Offset, maxBytes int) int {
	t.Helper()
	r, err := l.Read(from, limit, maxBytes)
	if from < m.Start || from > m.end {
		if !errors.Is(err, segment.ErrOffsetOutOfRange) {
			r.Release()
			t.Fatalf("Read(from=%d, limit=%d) of a log from %d to %d: expected ErrOffsetOutOfRange, whatever the limit, got %v", from, limit, m.Start, m.end, err)
		}
		return 0
	}
	if err != nil {
		t.Fatalf("Read(from=%d, limit=%d, maxBytes=%d) of a log from %d to %d: %v", from, limit, maxBytes, m.Start, m.end, err)
	}
	defer r.Release()
	got := make([]byte, r.Len)
	if r.Len > 0 {
		if n, err := r.File.ReadAt(got, r.Pos); n < len(got) {
			t.Fatalf("Read(from=%d, limit=%d, maxBytes=%d): its region is %d bytes at %d of %s, of which only %d are there: %v",
				from, limit, maxBytes, r.Len, r.Pos, r.File.Name(), n, err)
		}
	}
	m.compare(t, got, from, limit, maxBytes)
	return len(got)
}

func (m *Model) compare(t TB, got []byte, from, limit model.Offset, maxBytes int) {
	t.Helper()
	var want []byte
	first := 0
	for _, b := range m.Batches[m.at(from):] {
		if b.Base >= limit || from >= limit {
			break
		}
		want = append(want, b.Bytes...)
		if first == 0 {
			first = len(want)
		}
		if len(want) >= len(got) && len(want) > first {
			break
		}
	}
	switch {
	case len(got) < first:
		t.Fatalf("Read(from=%d, limit=%d, maxBytes=%d): expected at least the whole batch\n  %s\ngot\n  %s\n%s",
			from, limit, maxBytes, Describe(want[:first]), Describe(got), m.explain(got, want[:first]))
	case len(got) > len(want) || !bytes.Equal(got, want[:len(got)]):
		t.Fatalf("Read(from=%d, limit=%d, maxBytes=%d): expected, or the beginning of it,\n  %s\ngot\n  %s\n%s",
			from, limit, maxBytes, Describe(want), Describe(got), m.explain(got, want))
	case len(got) > max(first, maxBytes):
		t.Fatalf("Read(from=%d, limit=%d, maxBytes=%d): got %d bytes; the first batch alone may be larger than maxBytes, and has %d",
			from, limit, maxBytes, len(got), first)
	}
}

// CheckTime looks one timestamp up and compares it with a search through every record.
func (m *Model) CheckTime(t TB, l segment.Log, ts model.TimestampMs) {
	t.Helper()
	at, found, err := l.OffsetForTime(ts)
	if err != nil {
		t.Fatalf("OffsetForTime(%d): %v", ts, err)
	}
	for _, b := range m.Batches {
		for i, rts := range b.Times {
			offset := b.Base + model.Offset(i)
			if rts < ts || offset < m.Start {
				continue
			}
			want := segment.TimestampOffset{Offset: offset, Timestamp: rts, LeaderEpoch: 7}
			if !found || at != want {
				t.Fatalf("OffsetForTime(%d): expected the record at offset %d of time %d (batch %d..%d, times %v), got %+v, found %v",
					ts, offset, rts, b.Base, b.Next-1, b.Times, at, found)
			}
			return
		}
	}
	if found {
		t.Fatalf("OffsetForTime(%d): expected nothing, for no record is that late, got %+v", ts, at)
	}
}

// Check compares everything: each offset alone, some with the rest behind them, and each timestamp.
func (m *Model) Check(t TB, l segment.Log) {
	t.Helper()
	m.CheckReads(t, l)
	m.CheckTimes(t, l)
}

// CheckReads compares the bounds, each offset alone, and some with the rest behind them.
func (m *Model) CheckReads(t TB, l segment.Log) {
	t.Helper()
	m.CheckBounds(t, l)
	m.CheckRead(t, l, m.Start-1, m.end, 1)
	m.CheckRead(t, l, m.end+1, m.end+2, 1)
	for o := m.Start; o <= m.end; o++ {
		m.CheckRead(t, l, o, m.end, 1)
		switch int(o) % 5 {
		case 0:
			m.CheckRead(t, l, o, min(o+3, m.end), 300)
		case 1:
			m.CheckRead(t, l, o, m.end, 500)
		}
	}
	for o := m.Start; o < m.end; o += 1 + (m.end-m.Start)/8 {
		m.CheckRead(t, l, o, m.end, 1<<20)
	}
}

// CheckTimes looks up each record's timestamp and the one after the latest.
func (m *Model) CheckTimes(t TB, l segment.Log) {
	t.Helper()
	seen := map[model.TimestampMs]bool{}
	latest := model.NoTimestamp
	for _, b := range m.Batches {
		for _, ts := range b.Times {
			latest = max(latest, ts)
			if !seen[ts] {
				seen[ts] = true
				m.CheckTime(t, l, ts)
			}
		}
	}
	m.CheckTime(t, l, latest+1)
}

// ReadAll reads from the log's start to its end as a consumer does, and returns the batches' bytes. Each must be whole,
// follow the one before, and have the right CRC.
func ReadAll(t TB, l segment.Log) []record.Batch {
	t.Helper()
	var out []record.Batch
	from, end := l.Bounds()
	for from < end {
		r, err := l.Read(from, end, 4096)
		if err != nil {
			t.Fatalf("Read(from=%d, limit=%d): %v", from, end, err)
		}
		b := make([]byte, r.Len)
		if r.Len > 0 {
			if n, err := r.File.ReadAt(b, r.Pos); n < len(b) {
				t.Fatalf("Read(from=%d, limit=%d): only %d of the region's %d bytes are there: %v", from, end, n, r.Len, err)
			}
		}
		r.Release()
		first := len(out)
		for len(b) > 0 {
			var h record.Header
			if err := record.ReadHeader(b, &h); err != nil || h.Size() > len(b) {
				break // cut by maxBytes
			}
			whole := record.Batch(b[:h.Size()])
			if whole.CRC() != h.CRC || h.NextOffset() <= from {
				t.Fatalf("Read(from=%d, limit=%d) serves a bad batch: %s", from, end, Describe(whole))
			}
			out = append(out, whole)
			from, b = h.NextOffset(), b[h.Size():]
		}
		if segments := l.Segments(); r.Len == 0 && segments[len(segments)-1].Bytes == 0 {
			return out // a compacted log: the last segment is empty, and before it offsets are missing
		}
		if len(out) == first {
			t.Fatalf("Read(from=%d, limit=%d) serves no whole batch: %s", from, end, Describe(b))
		}
	}
	return out
}
