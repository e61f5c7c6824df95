package wire

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestParseHeader(t *testing.T) {
	for name, c := range map[string]struct {
		frame string
		want  Header
		body  string
		err   error
	}{
		"v1, client id": {"\x00\x13\x00\x02\x00\x00\x00\x07\x00\x02idbody",
			Header{Key: 19, Version: 2, CorrelationID: 7, ClientID: []byte("id")}, "body", nil},
		"v1, null client id": {"\x00\x13\x00\x02\x00\x00\x00\x07\xff\xffbody",
			Header{Key: 19, Version: 2, CorrelationID: 7}, "body", nil},
		"v1, empty client id and body": {"\x00\x13\x00\x02\x00\x00\x00\x07\x00\x00",
			Header{Key: 19, Version: 2, CorrelationID: 7, ClientID: []byte{}}, "", nil},
		"v2": {"\x00\x13\x00\x05\x80\x00\x00\x07\x00\x02id\x00body",
			Header{Key: 19, Version: 5, CorrelationID: -1<<31 + 7, ClientID: []byte("id")}, "body", nil},
		"v2, tagged fields": {"\x00\x13\x00\x05\x00\x00\x00\x07\x00\x02id\x02\x00\x01x\x09\x00body",
			Header{Key: 19, Version: 5, CorrelationID: 7, ClientID: []byte("id")}, "body", nil},
		"v2, tags cut": {"\x00\x13\x00\x05\x00\x00\x00\x07\x00\x02id\x02\x00\x01x",
			Header{Key: 19, Version: 5, CorrelationID: 7, ClientID: []byte("id")}, "", ErrMalformed},
		"v2, lying tag count": {"\x00\x13\x00\x05\x00\x00\x00\x07\x00\x02id\xff\xff\xff\xff\x0f",
			Header{Key: 19, Version: 5, CorrelationID: 7, ClientID: []byte("id")}, "", ErrMalformed},
		"client id beyond the end": {"\x00\x13\x00\x02\x00\x00\x00\x07\x00\x09idbody",
			Header{Key: 19, Version: 2, CorrelationID: 7}, "", ErrMalformed},
		"client id of length -2": {"\x00\x13\x00\x02\x00\x00\x00\x07\xff\xfebody",
			Header{Key: 19, Version: 2, CorrelationID: 7}, "", ErrMalformed},
		"empty":       {"", Header{}, "", ErrMalformed},
		"cut":         {"\x00\x13\x00\x02\x00\x00\x00", Header{Key: 19, Version: 2}, "", ErrMalformed},
		"unknown key": {"\x00\x63\x00\x02\x00\x00\x00\x07\x00\x02id", Header{Key: 99, Version: 2, CorrelationID: 7}, "", ErrUnknownKey},
		"negative key": {"\xff\xff\x00\x02\x00\x00\x00\x07\x00\x02id",
			Header{Key: -1, Version: 2, CorrelationID: 7}, "", ErrUnknownKey},
		"Produce 0 is advertised, not served": {"\x00\x00\x00\x00\x00\x00\x00\x07\x00\x02idbody",
			Header{Key: 0, Version: 0, CorrelationID: 7, ClientID: []byte("id")}, "", ErrUnsupportedVersion},
		"version too new": {"\x00\x13\x00\x63\x00\x00\x00\x07\x00\x02id\x00body",
			Header{Key: 19, Version: 99, CorrelationID: 7, ClientID: []byte("id")}, "", ErrUnsupportedVersion},
		"negative version": {"\x00\x13\xff\xff\x00\x00\x00\x07\x00\x02idbody",
			Header{Key: 19, Version: -1, CorrelationID: 7, ClientID: []byte("id")}, "", ErrUnsupportedVersion},
		"ApiVersions of the future": {"\x00\x12\x00\x63\x00\x00\x00\x07\x00\x02id\xff\xff\xff",
			Header{Key: 18, Version: 99, CorrelationID: 7, ClientID: []byte("id")}, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			h := Header{ClientID: []byte("left over")}
			body, err := ParseHeader([]byte(c.frame), &h)
			require.ErrorIs(t, err, c.err)
			require.Equal(t, c.want, h)
			require.Equal(t, c.body, string(body))
		})
	}
}

// kmsg's formatter writes the header that a real client sends.
func TestParseHeaderOfRealClient(t *testing.T) {
	for _, v := range Advertised() {
		for version := v.Min; version <= v.Max; version++ {
			req := kmsg.RequestForKey(v.Key)
			req.SetVersion(version)
			frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID("me")).AppendRequest(nil, req, 42)
			var h Header
			body, err := ParseHeader(frame[4:], &h)
			require.NoError(t, err)
			require.Equal(t, Header{Key: v.Key, Version: version, CorrelationID: 42, ClientID: []byte("me")}, h)
			require.Equal(t, string(req.AppendTo(nil)), string(body), "%s %d", v.Name, version)
		}
	}
}

func TestBeginResponse(t *testing.T) {
	for _, c := range []struct {
		key, version int16
		want         string
	}{
		{CreateTopics, 4, "\x00\x00\x00\x07"},
		{CreateTopics, 5, "\x00\x00\x00\x07\x00"},
		{ApiVersions, 4, "\x00\x00\x00\x07"},
		{ApiVersions, 99, "\x00\x00\x00\x07"},
		{Produce, 13, "\x00\x00\x00\x07\x00"},
	} {
		var resp Response
		BeginResponse(&resp, &Header{Key: c.key, Version: c.version, CorrelationID: 7})
		require.Equal(t, c.want, string(resp.Buf), "%s %d", Name(c.key), c.version)
	}
}
