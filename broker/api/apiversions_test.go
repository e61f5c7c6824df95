package api_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/broker/wire"
)

func TestApiVersionsEveryVersion(t *testing.T) {
	s := memory(t)
	for version := int16(0); version <= 4; version++ {
		q := kmsg.NewPtrApiVersionsRequest()
		q.ClientSoftwareName, q.ClientSoftwareVersion = "a-client", "1.2.3"
		a := call[*kmsg.ApiVersionsResponse](s, q, version)
		require.Zero(t, a.ErrorCode)
		require.Len(t, a.ApiKeys, len(wire.Advertised()))
		for i, v := range wire.Advertised() {
			require.Equal(t, v.Key, a.ApiKeys[i].ApiKey)
			require.Equal(t, v.AdvertisedMin, a.ApiKeys[i].MinVersion)
			require.Equal(t, v.Max, a.ApiKeys[i].MaxVersion)
		}
		if version >= 3 {
			require.GreaterOrEqual(t, a.FinalizedFeaturesEpoch, int64(0))
		}
	}
}

func TestApiVersionsUnknownVersion(t *testing.T) {
	s := memory(t)
	r := &wire.Request{Header: wire.Header{Key: 18, Version: 5, CorrelationID: 77}}
	var resp wire.Response
	require.NoError(t, s.session.Serve(r, &resp))
	r.Header.Version = 0 // the answer's
	a := decode[*kmsg.ApiVersionsResponse](t, r, &resp)
	require.Equal(t, kerr.UnsupportedVersion.Code, a.ErrorCode)
	require.Len(t, a.ApiKeys, 1)
	require.Equal(t, kmsg.ApiVersionsResponseApiKey{ApiKey: 18, MinVersion: 0, MaxVersion: 4}, a.ApiKeys[0])
}

func TestApiVersionsChecksTheClientsName(t *testing.T) {
	s := memory(t)
	for name, ok := range map[string]bool{"apache-kafka-java": true, "x": true, "a.b": true, "": false, "-x": false, "x-": false,
		"a b": false, "ä": false, ".": false} {
		q := kmsg.NewPtrApiVersionsRequest()
		q.ClientSoftwareName, q.ClientSoftwareVersion = name, "1"
		a := call[*kmsg.ApiVersionsResponse](s, q, 3)
		require.Equal(t, ok, a.ErrorCode == 0, "%q", name)
		if !ok {
			require.Equal(t, kerr.InvalidRequest.Code, a.ErrorCode)
			require.Empty(t, a.ApiKeys)
		}
	}
}

func TestUnknownKeysAndVersionsCloseTheConnection(t *testing.T) {
	s := memory(t)
	var resp wire.Response
	for _, h := range []wire.Header{{Key: -1}, {Key: 4}, {Key: 10}, {Key: 1000}, {Key: 0, Version: 2}, {Key: 0, Version: 14}, {Key: 3, Version: -1}, {Key: 3, Version: 14}} {
		require.Error(t, s.session.Serve(&wire.Request{Header: h}, &resp), "%+v", h)
		require.Empty(t, resp.Buf)
	}
}

// TestEveryAdvertisedVersionIsServed sends each API's empty request at each version: what is advertised answers, and in the shape
// that kmsg reads.
func TestEveryAdvertisedVersionIsServed(t *testing.T) {
	s := memory(t)
	for _, v := range wire.Advertised() {
		for version := v.Min; version <= v.Max; version++ {
			q := kmsg.RequestForKey(v.Key)
			if a, ok := q.(*kmsg.ApiVersionsRequest); ok {
				a.ClientSoftwareName, a.ClientSoftwareVersion = "x", "1"
			}
			if p, ok := q.(*kmsg.ProduceRequest); ok {
				p.Acks = 1
			}
			if f, ok := q.(*kmsg.FetchRequest); ok {
				f.SessionEpoch = -1
			}
			require.NotNil(t, call[kmsg.Response](s, q, version), "%s version %d", v.Name, version)
		}
	}
}
