package wire

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// eachKmsgVersion runs f at every version of every API that goes through kmsg.
func eachKmsgVersion(f func(v VersionRange, version int16)) {
	for _, v := range Advertised() {
		for version := v.Min; version <= v.Max && v.Key != Produce && v.Key != Fetch; version++ {
			f(v, version)
		}
	}
}

// Every field that kmsg writes for a version, the version's shape has, and no other.
func TestShapesAgreeWithKmsg(t *testing.T) {
	eachKmsgVersion(func(v VersionRange, version int16) {
		for _, full := range []bool{false, true} {
			req := kmsg.RequestForKey(v.Key)
			req.SetVersion(version)
			if full {
				fillRequest(req)
			}
			body := req.AppendTo(nil)
			w := walker{r: NewReader(body), version: version, flexible: Flexible(v.Key, version)}
			w.fields(requestShapes[v.Key])
			require.NoError(t, w.r.Err(), "%s %d", v.Name, version)
			require.Zero(t, w.r.Left(), "%s %d", v.Name, version)

			h := Header{Key: v.Key, Version: version}
			got, err := DecodeKmsg(&h, append(body[:len(body):len(body)], "more"...))
			require.NoError(t, err)
			require.Equal(t, body, got.AppendTo(nil))
			for cut := range body {
				_, err := DecodeKmsg(&h, body[:cut])
				require.ErrorIs(t, err, ErrMalformed, "%s %d cut to %d of %d", v.Name, version, cut, len(body))
			}
		}
	})
}

func TestDecodeKmsgRefuses(t *testing.T) {
	big := make([]byte, MaxKmsgFrame+1)
	_, err := DecodeKmsg(&Header{Key: Metadata, Version: 1}, big)
	require.ErrorIs(t, err, ErrFrameTooLarge)
	_, err = DecodeKmsg(&Header{Key: 99, Version: 1}, nil)
	require.ErrorIs(t, err, ErrUnknownKey)
	_, err = DecodeKmsg(&Header{Key: CreateTopics, Version: 1}, nil)
	require.ErrorIs(t, err, ErrUnsupportedVersion)
	for _, key := range []int16{Produce, Fetch} {
		_, err = DecodeKmsg(&Header{Key: key, Version: 9}, make([]byte, 100))
		require.ErrorIs(t, err, ErrUnknownKey, "the hand-coded messages do not go through kmsg")
	}
	_, err = DecodeKmsg(&Header{Key: CreatePartitions, Version: 0}, []byte("\xff\xff\xff\xff\x00\x00\x00\x00\x00"))
	require.ErrorIs(t, err, ErrMalformed, "null for an array that cannot be null")
	got, err := DecodeKmsg(&Header{Key: Metadata, Version: 1}, []byte("\xff\xff\xff\xff"))
	require.NoError(t, err)
	require.Nil(t, got.(*kmsg.MetadataRequest).Topics, "null and empty mean different things here")
	got, err = DecodeKmsg(&Header{Key: Metadata, Version: 1}, []byte("\x00\x00\x00\x00"))
	require.NoError(t, err)
	require.NotNil(t, got.(*kmsg.MetadataRequest).Topics)
}

// Five bytes that say "four billion tagged fields follow" keep kmsg busy for a minute.
func TestDecodeKmsgIsQuickWithLyingTagCount(t *testing.T) {
	body := []byte("\x00\x00\x00\xff\xff\xff\xff\x0f")
	done := make(chan error, 1)
	go func() {
		_, err := DecodeKmsg(&Header{Key: DescribeCluster, Version: 2}, body)
		done <- err
	}()
	select {
	case err := <-done:
		require.ErrorIs(t, err, ErrMalformed)
	case <-time.After(5 * time.Second):
		t.Fatal("still decoding")
	}
}

func TestDecodeKmsgBoundsUnknownTags(t *testing.T) {
	for _, c := range []struct {
		n   int
		err error
	}{{maxUnknownTags, nil}, {maxUnknownTags + 1, ErrMalformed}} {
		body := AppendUvarint([]byte("\x00\x00\x00"), uint32(c.n))
		for i := range c.n {
			body = append(AppendUvarint(body, uint32(i)), 0)
		}
		_, err := DecodeKmsg(&Header{Key: DescribeCluster, Version: 2}, body)
		require.ErrorIs(t, err, c.err)
	}
}

func TestEncodeKmsg(t *testing.T) {
	var resp Response
	r := kmsg.NewPtrInitProducerIDResponse()
	r.ProducerID = 5
	EncodeKmsg(&resp, &Header{Key: InitProducerId, Version: 5, CorrelationID: 9}, r)
	require.EqualValues(t, 5, r.Version)
	require.Equal(t, append([]byte("\x00\x00\x00\x09\x00"), r.AppendTo(nil)...), resp.Buf)

	resp.Reset()
	v := kmsg.NewPtrApiVersionsResponse()
	v.ErrorCode = 35
	EncodeKmsg(&resp, &Header{Key: ApiVersions, Version: 77, CorrelationID: 9}, v)
	require.Equal(t, "\x00\x00\x00\x09\x00\x23\x00\x00\x00\x00", string(resp.Buf), "version 0 says it all")
}
