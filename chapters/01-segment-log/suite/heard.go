package suite

import (
	"bytes"
	"fmt"
	"slices"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/segment/logtest"
	"highwater.dev/broker/vfs"
	"highwater.dev/workbook/lab"
)

// listener is an observer that remembers what it heard.
type listener struct {
	headers []record.Header
	wholes  []record.Batch // as they came along: nil stays nil
	rolled  []model.Offset
	removed []model.Offset
}

func (l *listener) Batch(h *record.Header, whole record.Batch) {
	l.headers = append(l.headers, *h)
	l.wholes = append(l.wholes, bytes.Clone(whole))
}
func (l *listener) Rolled(base model.Offset)  { l.rolled = append(l.rolled, base) }
func (l *listener) Removed(base model.Offset) { l.removed = append(l.removed, base) }

// hears compares what the observer heard of segments.
func (r *rig) hears(what string, got, want []model.Offset) {
	r.Helper()
	if !slices.Equal(got, want) {
		r.Fatalf("%s: the observer expected %v, heard %v", what, want, got)
	}
}

// hearsBatches compares what the observer heard of batches. On append each comes with its bytes, on Open only a control batch does.
func (r *rig) hearsBatches(what string, ear *listener, want []logtest.Batch, appended bool) {
	r.Helper()
	var bases, heard []model.Offset
	for _, b := range want {
		bases = append(bases, b.Base)
	}
	for _, h := range ear.headers {
		heard = append(heard, h.BaseOffset)
	}
	r.hears(what, heard, bases)
	for i, b := range want {
		var h record.Header
		r.must("read a header", record.ReadHeader(b.Bytes, &h))
		if ear.headers[i] != h {
			r.Fatalf("%s, batch %d..%d: the observer expected the header\n%+v\ngot\n%+v", what, b.Base, b.Next-1, h, ear.headers[i])
		}
		switch whole := ear.wholes[i]; {
		case appended && !bytes.Equal(whole, b.Bytes):
			r.Fatalf("%s, batch %d..%d: whole is the slice that was appended; expected %s, got %s", what, b.Base, b.Next-1, logtest.Describe(b.Bytes), logtest.Describe(whole))
		case !appended && h.Attributes.Control() && !bytes.Equal(whole, b.Bytes):
			r.Fatalf("%s, control batch %d..%d: the observer has to read its record; expected its bytes in whole, got %s", what, b.Base, b.Next-1, logtest.Describe(whole))
		case !appended && !h.Attributes.Control() && whole != nil:
			r.Fatalf("%s, batch %d..%d, no control batch: whole is nil on Open, got %s", what, b.Base, b.Next-1, logtest.Describe(whole))
		}
	}
}

// appendMarker adds a control batch: the marker of a transaction that was aborted.
func (r *rig) appendMarker() {
	r.Helper()
	at := r.model.End()
	w := record.Builder{BaseOffset: at, LeaderEpoch: 7, Control: true, Transactional: true, Idempotent: true, ProducerID: 1}
	w.Add(2, []byte{0, 0, 0, 0}, []byte{0, 0, 0, 0, 0, 0})
	b := logtest.Batch{Bytes: w.Batch(), Base: at, Next: at + 1, Max: 2, Times: []model.TimestampMs{2}}
	r.must("append a control batch", r.log.Append(b.Bytes))
	r.model.Append(b)
}

// listening is a rig with an observer from the start.
func listening(t TB, impl Impl) (*rig, *listener) {
	t.Helper()
	ear := &listener{}
	r := &rig{TB: t, impl: impl, disk: vfs.NewMem()}
	r.model.Explain = picture
	r.opts = segment.Options{Limits: limits(), ReplayFrom: model.NoOffset, Observer: ear}
	r.open()
	return r, ear
}

func appendIsHeard(t *lab.T, impl Impl) {
	r, ear := listening(t, impl)
	for i := range 20 {
		if i == 7 {
			r.appendMarker()
		} else {
			r.append(60, 1, 2)
		}
		r.hearsBatches("appends", ear, r.model.Batches, true) // before Append returns
		r.hears("rolls", ear.rolled, r.bases()[1:])
	}
	low := logtest.Make(2, []model.TimestampMs{5}, 10, 0)
	if err := r.log.Append(low.Bytes); err == nil {
		r.Fatalf("Append of batch 2..2 to a log that ends at %d: expected an error", r.model.End())
	}
	r.hearsBatches("an append that was refused", ear, r.model.Batches, true)
}

func observerHears(t *lab.T, impl Impl) {
	r, ear := listening(t, impl)
	for i := range 21 {
		if i == 15 {
			r.appendMarker()
		} else {
			r.append(60, 1, 2)
		}
	}
	r.hearsBatches("appends", ear, r.model.Batches, true)
	r.hears("rolls", ear.rolled, r.bases()[1:])
	segments := r.bases()

	*ear = listener{}
	r.reopen(false)
	r.hearsBatches("recovery from the start", ear, r.model.Batches, false)

	for _, from := range []model.Offset{27, 28, 29} { // in the middle of batch 26..27, and at its end; then behind 28..29's first record
		*ear = listener{}
		r.opts.ReplayFrom = from
		r.reopen(true)
		first := slices.IndexFunc(r.model.Batches, func(b logtest.Batch) bool { return b.Next > from })
		r.hearsBatches(fmt.Sprintf("replay from %d", from), ear, r.model.Batches[first:], false)
	}

	*ear = listener{}
	r.opts.ReplayFrom = model.NoOffset
	r.reopen(true)
	r.hearsBatches("a clean end, and no replay asked for", ear, nil, false)

	*ear = listener{}
	r.must("trim", r.log.TrimTo(segments[2]))
	r.hears("a trim", ear.removed, segments[:2])
	r.model.TrimTo(segments[2])
	*ear = listener{}
	r.must("truncate", r.log.Truncate(segments[3]+1))
	r.model.Truncate(segments[3] + 1)
	newestFirst := slices.Clone(segments[4:])
	slices.Reverse(newestFirst)
	r.hears("a truncation, newest first", ear.removed, newestFirst)
	r.check()
}
