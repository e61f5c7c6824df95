package suite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"

	"pgregory.net/rapid"

	"highwater.dev/broker/wire"
	"highwater.dev/workbook/lab"
)

var (
	wire5 = lab.Invariant{ID: "WIRE-5", Sentence: "the body begins where the header of its version ends: v2, with tagged fields, from the first flexible version on"}
	wire6 = lab.Invariant{ID: "WIRE-6", Sentence: "a header that ends early or contradicts itself is ErrMalformed; nothing is read outside of the frame"}
	wire7 = lab.Invariant{ID: "WIRE-7", Sentence: "what is not served is refused by name, except ApiVersions, which is answered at any version"}
	wire8 = lab.Invariant{ID: "WIRE-8", Sentence: "a response has header v1 at flexible versions, and ApiVersions has v0 at every version"}
)

// Exercise 2.2: headers.
var headers = []lab.Test[Impl]{
	{Exercise: "2.2", Name: "request-headers", Kind: lab.Public, Invariant: wire5, Run: requestHeaders},
	{Exercise: "2.2", Name: "headers-with-tags", Kind: lab.Property, Invariant: wire5, Run: headersWithTags},
	{Exercise: "2.2", Name: "broken-headers", Kind: lab.Fault, Invariant: wire6, Run: brokenHeaders},
	{Exercise: "2.2", Name: "unserved", Kind: lab.Public, Invariant: wire7, Run: unserved},
	{Exercise: "2.2", Name: "response-headers", Kind: lab.Public, Invariant: wire8, Run: responseHeaders},
}

// served are versions that every implementation serves.
var served = []struct {
	key, version int16
	flexible     bool
}{
	{wire.Produce, 3, false}, {wire.Produce, 8, false}, {wire.Produce, 9, true},
	{wire.Fetch, 4, false}, {wire.Fetch, 11, false},
	{wire.ListOffsets, 1, false}, {wire.ListOffsets, 5, false},
	{wire.Metadata, 1, false}, {wire.Metadata, 8, false}, {wire.Metadata, 9, true},
	{wire.ApiVersions, 0, false}, {wire.ApiVersions, 2, false}, {wire.ApiVersions, 3, true},
}

var headerFields = []lab.Field{{Name: "key", Len: 2}, {Name: "version", Len: 2}, {Name: "correlation id", Len: 4}, {Name: "client id's length", Len: 2}}

// header is a request header; a nil client id is null, nil tags are a header v1.
func header(key, version int16, correlation int32, clientID *string, tags []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = binary.BigEndian.AppendUint32(b, uint32(correlation))
	if clientID == nil {
		return append(append(b, 0xff, 0xff), tags...)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(*clientID)))
	return append(append(b, *clientID...), tags...)
}

func expectHeader(t TB, impl Impl, frame []byte, want wire.Header, nullID bool, body []byte) {
	t.Helper()
	got := wire.Header{ClientID: []byte("of the request before")} // a header is used again and again
	rest, err := impl.ParseHeader(frame, &got)
	if err != nil {
		t.Fatalf("API %d, version %d: %v\n%s", want.Key, want.Version, err, lab.Picture(frame, headerFields, -1))
	}
	if got.Key != want.Key || got.Version != want.Version || got.CorrelationID != want.CorrelationID ||
		!bytes.Equal(got.ClientID, want.ClientID) || (got.ClientID == nil) != nullID {
		t.Fatalf("expected %+v, got %+v\n%s", want, got, lab.Picture(frame, headerFields, -1))
	}
	if !bytes.Equal(rest, body) {
		t.Fatalf("API %d, version %d: expected the body % x, got % x\n%s", want.Key, want.Version, body, rest,
			lab.Picture(frame, headerFields, len(frame)-len(body)))
	}
}

func requestHeaders(t *lab.T, impl Impl) {
	name, empty := "kcat", ""
	for _, s := range served {
		for _, id := range []*string{nil, &empty, &name} {
			var tags []byte
			if s.flexible {
				tags = []byte{0}
			}
			want := wire.Header{Key: s.key, Version: s.version, CorrelationID: -7}
			if id != nil {
				want.ClientID = []byte(*id)
			}
			body := []byte{0xb0, 0xd1}
			expectHeader(t, impl, append(header(s.key, s.version, -7, id, tags), body...), want, id == nil, body)
		}
	}
}

func headersWithTags(t *lab.T, impl Impl) {
	t.Check(func(rt *rapid.T) {
		id := rapid.StringN(0, 20, 300).Draw(rt, "client id")
		correlation := rapid.Int32().Draw(rt, "correlation id")
		body := rapid.SliceOfN(rapid.Byte(), 0, 10).Draw(rt, "body")
		contents := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 200), 0, 200).Draw(rt, "tagged fields")
		tags := binary.AppendUvarint(nil, uint64(len(contents)))
		for i, c := range contents {
			tags = binary.AppendUvarint(tags, uint64(i*50))
			tags = binary.AppendUvarint(tags, uint64(len(c)))
			tags = append(tags, c...)
		}
		want := wire.Header{Key: wire.Metadata, Version: 9, CorrelationID: correlation, ClientID: []byte(id)}
		expectHeader(rt, impl, append(header(wire.Metadata, 9, correlation, &id, tags), body...), want, false, body)
	})
}

func brokenHeaders(t *lab.T, impl Impl) {
	name := "a client"
	refuse := func(what string, frame []byte) {
		t.Helper()
		var h wire.Header
		if body, err := impl.ParseHeader(frame, &h); !errors.Is(err, wire.ErrMalformed) {
			t.Fatalf("%s: expected ErrMalformed, got a body of %d bytes and error %v\n%s", what, len(body), err, lab.Picture(frame, headerFields, len(frame)))
		}
	}
	whole := header(wire.Metadata, 9, 1, &name, []byte{2, 0, 3, 1, 2, 3, 200, 1, 0})
	for cut := range len(whole) {
		refuse("a header that is cut short", bytes.Clone(whole[:cut]))
	}
	for _, length := range []uint16{0xfffe, 0x8000, 0x7fff, 11} {
		frame := header(wire.Metadata, 8, 1, &name, []byte{0, 0})
		binary.BigEndian.PutUint16(frame[8:], length)
		refuse("a client id that is longer than its frame, or shorter than null", frame)
	}
	rng := rand.New(rand.NewPCG(t.Seed(), 0))
	for range 50 {
		huge := binary.AppendUvarint([]byte{1, 0}, 1<<62|rng.Uint64())
		refuse("a tagged field that is larger than any frame", append(header(wire.Metadata, 9, 1, &name, huge), 1, 2, 3))
		many := binary.AppendUvarint(nil, 1<<62|rng.Uint64())
		refuse("more tagged fields than any frame has", append(header(wire.Metadata, 9, 1, &name, many), 1, 2, 3))
	}
	for _, wraps := range []uint64{1 << 32, 1<<32 | 1, 1<<63 | 1} { // in 32 bits, or in 63, they are as small as 0 or 1
		size := binary.AppendUvarint([]byte{1, 0}, wraps)
		refuse("a tagged field that is larger than any frame", append(header(wire.Metadata, 9, 1, &name, size), 1, 2, 3))
		count := binary.AppendUvarint(nil, wraps)
		refuse("more tagged fields than any frame has", append(header(wire.Metadata, 9, 1, &name, count), 0, 1, 2, 3))
	}
	refuse("a varint that never ends", append(header(wire.Metadata, 9, 1, &name, nil), bytes.Repeat([]byte{0xff}, 30)...))
}

func unserved(t *lab.T, impl Impl) {
	for _, c := range []struct {
		key, version int16
		want         error
	}{
		{wire.Produce, 2, wire.ErrUnsupportedVersion}, {wire.Fetch, 3, wire.ErrUnsupportedVersion}, {wire.Metadata, 99, wire.ErrUnsupportedVersion},
		{wire.Metadata, -1, wire.ErrUnsupportedVersion}, {wire.Produce, 14, wire.ErrUnsupportedVersion},
		{1000, 0, wire.ErrUnknownKey}, {-1, 0, wire.ErrUnknownKey}, {4, 0, wire.ErrUnknownKey},
	} {
		var h wire.Header
		_, err := impl.ParseHeader(append(header(c.key, c.version, 5, nil, []byte{0}), 1, 2, 3), &h)
		if !errors.Is(err, c.want) {
			t.Fatalf("API %d, version %d: expected %v, got %v", c.key, c.version, c.want, err)
		}
		if h.Key != c.key || h.Version != c.version || h.CorrelationID != 5 {
			t.Fatalf("API %d, version %d: the header is to be there for the broker's log, got %+v", c.key, c.version, h)
		}
	}
	for _, version := range []int16{99, 32767, -1} {
		var h wire.Header
		// The body of an unknown version is of an unknown layout.
		body, err := impl.ParseHeader(append(header(wire.ApiVersions, version, 5, nil, []byte{0}), 0xff, 0xff, 0xff), &h)
		if err != nil || body != nil || h.Version != version || h.CorrelationID != 5 {
			t.Fatalf("ApiVersions, version %d: expected no body and no error, got % x and %v; header %+v", version, body, err, h)
		}
	}
}

func responseHeaders(t *lab.T, impl Impl) {
	for _, s := range served {
		want := []byte{0x01, 0x02, 0x03, 0x04}
		if s.flexible && s.key != wire.ApiVersions {
			want = append(want, 0)
		}
		var resp wire.Response
		impl.BeginResponse(&resp, &wire.Header{Key: s.key, Version: s.version, CorrelationID: 0x01020304})
		if !bytes.Equal(resp.Buf, want) {
			t.Fatalf("API %d, version %d: expected the response header\n%sgot\n%s", s.key, s.version,
				lab.Picture(want, []lab.Field{{Name: "correlation id", Len: 4}, {Name: "tagged fields", Len: len(want) - 4}}, -1),
				lab.Picture(resp.Buf, []lab.Field{{Name: "correlation id", Len: 4}}, min(4, len(resp.Buf))))
		}
	}
}
