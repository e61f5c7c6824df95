package wire

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// headerSeeds are a header of each version and one that lies.
var headerSeeds = []string{
	"\x00\x13\x00\x02\x00\x00\x00\x07\x00\x02idbody",
	"\x00\x00\x00\x09\x00\x00\x00\x07\xff\xff\x00body",
	"\x00\x12\x00\x63\x00\x00\x00\x07\x00\x02id",
	"\x00\x13\x00\x05\x00\x00\x00\x07\x00\x02id\xff\xff\xff\xff\x0f",
}

func FuzzHeader(f *testing.F) {
	for _, s := range headerSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		var h Header
		body, err := ParseHeader(frame, &h)
		if err != nil {
			require.Nil(t, body)
			return
		}
		if h.Key == ApiVersions && !Serves(h.Key, h.Version) {
			require.Nil(t, body)
			return
		}
		// What was understood encodes to what stood there. Tagged fields are forgotten.
		again := AppendInt16(nil, h.Key)
		again = AppendInt16(again, h.Version)
		again = AppendInt32(again, h.CorrelationID)
		if h.ClientID == nil {
			again = AppendNull(again, false)
		} else {
			again = AppendString(again, string(h.ClientID), false)
		}
		require.Equal(t, string(again), string(frame[:len(again)]))
		if !Flexible(h.Key, h.Version) {
			require.Equal(t, len(frame), len(again)+len(body))
		}
	})
}

// versionOf maps a fuzzer's byte to a served version of key.
func versionOf(key int16, b byte) int16 {
	lo, hi, _ := Supported(key)
	return lo + int16(b)%(hi-lo+1)
}

func FuzzProduceRequest(f *testing.F) {
	for b := range byte(11) {
		version := versionOf(Produce, b)
		f.Add(b, drawFixedProduce(version).AppendTo(nil))
	}
	f.Fuzz(func(t *testing.T, b byte, body []byte) {
		version := versionOf(Produce, b)
		var q ProduceRequest
		err := q.Decode(version, body)
		require.LessOrEqual(t, cap(q.topics)*8+cap(q.partitions)*12, 3*len(body), "memory is bounded by the frame")
		if err != nil {
			return
		}
		// What was decoded encodes to a body that decodes to the same, and to the same bytes.
		again := q.toKmsg().AppendTo(nil)
		var q2 ProduceRequest
		require.NoError(t, q2.Decode(version, again))
		require.Equal(t, again, q2.toKmsg().AppendTo(nil))
		theirs := kmsg.NewPtrProduceRequest()
		theirs.Version = version
		require.NoError(t, theirs.ReadFrom(body))
		require.Equal(t, len(theirs.Topics), q.Topics())
		if version < 9 { // without tagged fields and varints there is one way to say it
			require.Equal(t, string(again), string(body[:len(again)]))
		}
	})
}

func FuzzFetchRequest(f *testing.F) {
	for b := range byte(15) {
		req := kmsg.NewPtrFetchRequest()
		req.Version = versionOf(Fetch, b)
		fillRequest(req)
		f.Add(b, req.AppendTo(nil))
	}
	f.Fuzz(func(t *testing.T, b byte, body []byte) {
		version := versionOf(Fetch, b)
		var q FetchRequest
		err := q.Decode(version, body)
		memory := (cap(q.topics)+cap(q.forgottenTopics))*8 + cap(q.Partitions)*40 + cap(q.Forgotten)*4
		require.LessOrEqual(t, memory, 3*len(body), "memory is bounded by the frame")
		if err != nil {
			return
		}
		again := q.toKmsg().AppendTo(nil)
		var q2 FetchRequest
		require.NoError(t, q2.Decode(version, again))
		require.Equal(t, again, q2.toKmsg().AppendTo(nil))
		if version < 12 {
			require.Equal(t, string(again), string(body[:len(again)]))
		}
	})
}

// FuzzKmsgRequest decodes bytes as a request of any key and version that goes through kmsg.
func FuzzKmsgRequest(f *testing.F) {
	var kinds []Header
	eachKmsgVersion(func(v VersionRange, version int16) {
		kinds = append(kinds, Header{Key: v.Key, Version: version})
		req := kmsg.RequestForKey(v.Key)
		req.SetVersion(version)
		fillRequest(req)
		f.Add(byte(len(kinds)-1), req.AppendTo(nil))
	})
	f.Fuzz(func(t *testing.T, b byte, body []byte) {
		h := kinds[int(b)%len(kinds)]
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		req, err := DecodeKmsg(&h, body)
		runtime.ReadMemStats(&after)
		// The second term is for the error, the request itself, and the fuzzer's own goroutines.
		require.LessOrEqual(t, after.TotalAlloc-before.TotalAlloc, uint64(100*len(body)+64<<10))
		if err != nil {
			return
		}
		again := req.AppendTo(nil)
		req2, err := DecodeKmsg(&h, again)
		require.NoError(t, err)
		require.Equal(t, again, req2.AppendTo(nil))
		w := walker{r: NewReader(body), version: h.Version, flexible: Flexible(h.Key, h.Version)}
		w.fields(requestShapes[h.Key])
		if !w.flexible {
			require.Equal(t, w.r.Pos(), len(again), "what was walked is what was decoded")
		}
	})
}
