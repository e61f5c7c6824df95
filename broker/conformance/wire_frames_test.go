package conformance

import (
	"crypto/rand"
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// served are the version ranges that Apache Kafka 4.3 advertises to clients for the APIs of a single-node broker.
var served = map[int16][2]int16{
	0: {0, 13}, 1: {4, 18}, 2: {1, 11}, 3: {0, 13}, 18: {0, 4}, 19: {2, 7}, 20: {1, 6}, 21: {0, 2}, 22: {0, 5}, 23: {2, 4},
	32: {1, 4}, 33: {0, 2}, 35: {1, 5}, 37: {0, 3}, 44: {0, 1}, 60: {0, 2},
}

func TestWireAdvertisesKafkasVersions(t *testing.T) {
	got := advertised(t, bootstrap(t))
	for key, want := range served {
		require.Equalf(t, want, got[key], "%s", kmsg.NameForKey(key))
	}
	for version := int16(0); version <= 4; version++ {
		resp := ask[*kmsg.ApiVersionsResponse](dial(t, bootstrap(t)), version, apiVersionsRequest())
		require.Zero(t, resp.ErrorCode)
		require.Len(t, resp.ApiKeys, len(got), "version %d lists the same APIs", version)
	}
}

func apiVersionsRequest() *kmsg.ApiVersionsRequest {
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "conformance", "1.0"
	return req
}

func TestWireApiVersionsOfTheFuture(t *testing.T) {
	w := dial(t, bootstrap(t))
	w.write(w.frame(18, 99, true, []byte{1, 2, 3, 4, 5})) // a body that only version 99 knows
	frame, err := w.read()
	require.NoError(t, err)
	require.Equal(t, uint32(w.correlation), binary.BigEndian.Uint32(frame))
	resp := kmsg.NewPtrApiVersionsResponse()
	resp.SetVersion(0)
	require.NoError(t, resp.ReadFrom(frame[4:]))
	require.Equal(t, frame[4:], resp.AppendTo(nil), "a body of version 0, nothing after it")
	requireCode(t, kerr.UnsupportedVersion, resp.ErrorCode, "error code")
	listed := map[int16][2]int16{}
	for _, k := range resp.ApiKeys {
		listed[k.ApiKey] = [2]int16{k.MinVersion, k.MaxVersion}
	}
	require.Equal(t, served[18], listed[18], "the client learns which versions to ask with")
	require.Zero(t, ask[*kmsg.ApiVersionsResponse](w, 3, apiVersionsRequest()).ErrorCode, "and asks again on the same connection")
}

func TestWireApiVersionsChecksTheClientsName(t *testing.T) {
	for _, bad := range []string{"", "-", "white space", "ünicode", ".leading"} {
		req := apiVersionsRequest()
		req.ClientSoftwareName = bad
		resp := ask[*kmsg.ApiVersionsResponse](dial(t, bootstrap(t)), 3, req)
		requireCode(t, kerr.InvalidRequest, resp.ErrorCode, "name "+bad)
	}
}

// TestWireBadFramesCloseTheirConnectionOnly sends what no client should. The connection is closed, and a neighbour is served on.
func TestWireBadFramesCloseTheirConnectionOnly(t *testing.T) {
	neighbour := dial(t, bootstrap(t))
	noise := make([]byte, 4096)
	_, err := rand.Read(noise)
	require.NoError(t, err)
	binary.BigEndian.PutUint32(noise, uint32(len(noise)-4)) // a length that holds, so that the rest is looked at
	noise[4], noise[5] = 0x7f, 0xff
	metadata := kmsg.NewPtrMetadataRequest()
	metadata.SetVersion(9)
	lying := func(w *wire, count uint32) []byte { // Metadata v1 with an array that claims count names and holds none
		return w.frame(3, 1, false, binary.BigEndian.AppendUint32(nil, count))
	}
	for what, frame := range map[string]func(w *wire) []byte{
		"unknown key":               func(w *wire) []byte { return w.frame(999, 0, false, nil) },
		"negative key":              func(w *wire) []byte { return w.frame(-1, 0, false, nil) },
		"unknown version":           func(w *wire) []byte { return w.frame(3, 99, true, nil) },
		"negative version":          func(w *wire) []byte { return w.frame(3, -1, false, nil) },
		"removed version":           func(w *wire) []byte { return w.frame(1, 3, false, nil) },
		"Produce v2":                func(w *wire) []byte { return w.frame(0, 2, false, []byte{0, 1, 0, 0, 0, 0, 0, 0, 0, 0}) },
		"negative length":           func(*wire) []byte { return []byte{0xff, 0xff, 0xff, 0xff} },
		"smallest length":           func(*wire) []byte { return []byte{0x80, 0, 0, 0} },
		"over 100 MiB":              func(*wire) []byte { return []byte{0x06, 0x40, 0x00, 0x01} },
		"2 GiB":                     func(*wire) []byte { return []byte{0x7f, 0xff, 0xff, 0xff} },
		"empty frame":               func(*wire) []byte { return []byte{0, 0, 0, 0} },
		"half a header":             func(*wire) []byte { return []byte{0, 0, 0, 5, 0, 3, 0, 1, 0} },
		"no body":                   func(w *wire) []byte { return w.frame(3, 1, false, nil) },
		"lying count":               func(w *wire) []byte { return lying(w, 1_000) },
		"enormous count":            func(w *wire) []byte { return lying(w, 0x7fffffff) },
		"body cut short":            func(w *wire) []byte { return w.frame(3, 9, true, metadata.AppendTo(nil)[:2]) },
		"noise":                     func(*wire) []byte { return noise },
		"TLS":                       func(*wire) []byte { return []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03") },
		"HTTP":                      func(*wire) []byte { return []byte("GET / HTTP/1.1\r\nHost: broker\r\n\r\n") },
		"client id longer than all": func(*wire) []byte { return []byte{0, 0, 0, 10, 0, 3, 0, 1, 0, 0, 0, 1, 0x7f, 0xff} },
		"Produce, partitions lie": func(w *wire) []byte {
			return w.frame(0, 9, true, []byte{0, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0x0f})
		},
		"Fetch, topics lie": func(w *wire) []byte {
			return w.frame(1, 11, false, append(make([]byte, 25), 0x7f, 0xff, 0xff, 0xff))
		},
	} {
		t.Run(what, func(t *testing.T) {
			w := dial(t, bootstrap(t))
			w.write(frame(w))
			w.requireClosed(what)
			require.Zero(t, ask[*kmsg.ApiVersionsResponse](neighbour, 0, kmsg.NewPtrApiVersionsRequest()).ErrorCode)
		})
	}
}

func TestWireRequestsAreAnsweredInOrder(t *testing.T) {
	addr := bootstrap(t)
	topic := createTopic(t, addr, 1, nil)
	w := dial(t, addr)
	// A long poll first: nothing after it overtakes it.
	slow := fetchRequest(topic, 0, 0)
	slow.MaxWaitMillis, slow.MinBytes = 300, 1
	slow.SetVersion(11)
	reqs := []kmsg.Request{slow}
	for range 20 {
		req := kmsg.NewPtrMetadataRequest()
		req.SetVersion(9)
		req.Topics = []kmsg.MetadataRequestTopic{{Topic: &topic}}
		reqs = append(reqs, req)
	}
	var all []byte
	for _, req := range reqs {
		all = append(all, w.request(req)...)
	}
	begun := time.Now()
	w.write(all)
	for i, req := range reqs {
		w.answer(req, int32(len(reqs)-1-i))
		require.GreaterOrEqual(t, time.Since(begun), 300*time.Millisecond)
	}
}

func TestWireFramesMayComeByteByByte(t *testing.T) {
	w := dial(t, bootstrap(t))
	req := apiVersionsRequest()
	req.SetVersion(3)
	for _, b := range w.request(req) {
		w.write([]byte{b})
	}
	require.Zero(t, w.answer(req, 0).(*kmsg.ApiVersionsResponse).ErrorCode)
}

func TestWireNullClientID(t *testing.T) {
	w := dial(t, bootstrap(t))
	w.correlation = 7
	w.write([]byte{0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff})
	req := kmsg.NewPtrApiVersionsRequest()
	req.SetVersion(0)
	require.Zero(t, w.answer(req, 0).(*kmsg.ApiVersionsResponse).ErrorCode)
}
