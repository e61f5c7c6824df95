package wire

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestVersionsAreWhatTheDesignSays(t *testing.T) {
	want := map[int16][2]int16{
		0: {3, 13}, 1: {4, 18}, 2: {1, 11}, 3: {0, 13}, 18: {0, 4}, 19: {2, 7}, 20: {1, 6}, 21: {0, 2}, 22: {0, 5},
		23: {2, 4}, 32: {1, 4}, 33: {0, 2}, 35: {1, 5}, 37: {0, 3}, 44: {0, 1}, 60: {0, 2},
	}
	for key := int16(-2); key < 200; key++ {
		lo, hi, ok := Supported(key)
		w, served := want[key]
		require.Equal(t, served, ok, "key %d", key)
		if !served {
			require.False(t, Serves(key, 0), "key %d", key)
			require.Equal(t, "unknown", Name(key))
			continue
		}
		require.Equal(t, w, [2]int16{lo, hi}, Name(key))
		for v := int16(-1); v < 40; v++ {
			require.Equal(t, v >= lo && v <= hi, Serves(key, v), "%s %d", Name(key), v)
		}
	}
	require.Len(t, Advertised(), len(want))
	for i, v := range Advertised() {
		if i > 0 {
			require.Greater(t, v.Key, Advertised()[i-1].Key)
		}
		if v.Key == Produce {
			require.Zero(t, v.AdvertisedMin, "KAFKA-18659")
		} else {
			require.Equal(t, v.Min, v.AdvertisedMin)
		}
	}
}

// kmsg knows from which version on a message is flexible, and must be able to code all that is served.
func TestVersionsAgreeWithKmsg(t *testing.T) {
	for _, v := range Advertised() {
		req := kmsg.RequestForKey(v.Key)
		require.NotNil(t, req, v.Name)
		require.Equal(t, kmsg.NameForKey(v.Key), func() string {
			if v.Key == InitProducerId {
				return "InitProducerID" // kmsg's spelling
			}
			return v.Name
		}())
		require.LessOrEqual(t, v.Max, req.MaxVersion(), v.Name)
		for version := v.Min; version <= v.Max; version++ {
			req.SetVersion(version)
			require.Equal(t, req.IsFlexible(), Flexible(v.Key, version), "%s %d", v.Name, version)
		}
	}
}
