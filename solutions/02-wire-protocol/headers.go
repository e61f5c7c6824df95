package wireprotocol

import (
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/broker/wire"
)

// api is a row of the table of what this broker speaks.
type api struct {
	key, min, max int16
	flexible      int16 // the first version with compact types and tagged fields (KIP-482)
	advertised    int16 // the minimum that ApiVersions names
}

// apis is the one place that says what is served. Produce is advertised from 0 on, as by Apache Kafka: librdkafka takes
// a higher minimum for a broker that cannot compress (KAFKA-18659).
var apis = []api{
	{key: wire.Produce, min: 3, max: 9, flexible: 9, advertised: 0},
	{key: wire.Fetch, min: 4, max: 11, flexible: 12, advertised: 4},
	{key: wire.ListOffsets, min: 1, max: 5, flexible: 6, advertised: 1},
	{key: wire.Metadata, min: 1, max: 9, flexible: 9, advertised: 1},
	{key: wire.ApiVersions, min: 0, max: 3, flexible: 3, advertised: 0},
}

// find returns key's row, nil when the key is not served.
func find(key int16) *api {
	for i := range apis {
		if apis[i].key == key {
			return &apis[i]
		}
	}
	return nil
}

func (a *api) serves(version int16) bool { return version >= a.min && version <= a.max }

// ParseHeader decodes the request header at the start of frame and returns the rest, the body.
//
//	+-----------+---------------+---------------------+-------------------+-------------+
//	| key int16 | version int16 | correlation id int32| client id string? | tagged flds |
//	+-----------+---------------+---------------------+-------------------+-------------+
//	                                                    int16 length, -1    header v2 only
//	                                                    is null
//
// Tagged fields are: an unsigned varint with their number; for each a varint tag, a varint size, and that many bytes. A
// request has header v2 from its API's first flexible version on, v1 before.
//
// A frame that ends before its header does, or a field that contradicts it, is wire.ErrMalformed, and so are fewer than ten
// bytes, whatever their key; a key that is not served is wire.ErrUnknownKey, a version wire.ErrUnsupportedVersion; h has key,
// version and correlation id then. What h held before is gone: it may be an earlier request's. ApiVersions of a
// version that is not served is no error and has no body (nil): nobody here knows its layout (KIP-511).
func ParseHeader(frame []byte, h *wire.Header) (body []byte, err error) {
	// BEGIN SOLUTION 2.2 decode key, version, correlation id and client id, and skip the tagged fields of header v2
	if len(frame) < 10 {
		return nil, fmt.Errorf("a frame of %d bytes: %w", len(frame), wire.ErrMalformed)
	}
	*h = wire.Header{
		Key:           int16(binary.BigEndian.Uint16(frame)),
		Version:       int16(binary.BigEndian.Uint16(frame[2:])),
		CorrelationID: int32(binary.BigEndian.Uint32(frame[4:])),
	}
	a := find(h.Key)
	if a == nil {
		return nil, fmt.Errorf("%w: %d", wire.ErrUnknownKey, h.Key)
	}
	if !a.serves(h.Version) && h.Key == wire.ApiVersions {
		return nil, nil
	}
	if !a.serves(h.Version) {
		return nil, fmt.Errorf("%w: API %d, version %d", wire.ErrUnsupportedVersion, h.Key, h.Version)
	}
	length, body := int(int16(binary.BigEndian.Uint16(frame[8:]))), frame[10:]
	if length < -1 || length > len(body) {
		return nil, fmt.Errorf("a client id of %d bytes: %w", length, wire.ErrMalformed)
	}
	if length >= 0 {
		h.ClientID, body = body[:length], body[length:]
	}
	if h.Version >= a.flexible {
		return skipTags(body)
	}
	return body, nil
	// END SOLUTION
}

// BEGIN SOLUTION 2.2 a helper of ParseHeader

// skipTags returns what follows the tagged fields at the start of b.
func skipTags(b []byte) ([]byte, error) {
	broken := fmt.Errorf("tagged fields: %w", wire.ErrMalformed)
	count, n := binary.Uvarint(b)
	if n <= 0 {
		return nil, broken
	}
	for b = b[n:]; count > 0; count-- {
		_, n = binary.Uvarint(b)
		if n <= 0 {
			return nil, broken
		}
		size, m := binary.Uvarint(b[n:])
		if m <= 0 || size > uint64(len(b)-n-m) {
			return nil, broken
		}
		b = b[n+m+int(size):]
	}
	return b, nil
}

// END SOLUTION

// BeginResponse appends the response header that answers h to resp, which is empty: the correlation id, and, for a flexible
// version, an empty set of tagged fields (one zero byte). An answer to ApiVersions has no tagged fields at any version: who
// asks does not know yet what the broker speaks.
func BeginResponse(resp *wire.Response, h *wire.Header) {
	// BEGIN SOLUTION 2.2 append the correlation id, and the tagged fields where the version has them
	resp.Buf = binary.BigEndian.AppendUint32(resp.Buf, uint32(h.CorrelationID))
	if a := find(h.Key); h.Key != wire.ApiVersions && a != nil && h.Version >= a.flexible {
		resp.Buf = append(resp.Buf, 0)
	}
	// END SOLUTION
}

// apiVersions says what the broker speaks: every row of apis, from advertised to max. To a version of this API that is
// not served it answers with the body of version 0, UNSUPPORTED_VERSION, and the row of ApiVersions alone, so that the
// client asks again with a version that both know (KIP-511). The answer's Version field chooses the body's layout.
func apiVersions(h *wire.Header) *kmsg.ApiVersionsResponse {
	// BEGIN SOLUTION 2.2 make an answer and fill its Version, ErrorCode and ApiKeys
	answer := kmsg.NewPtrApiVersionsResponse()
	answer.Version = h.Version
	known := find(wire.ApiVersions).serves(h.Version)
	if !known {
		answer.Version, answer.ErrorCode = 0, kerr.UnsupportedVersion.Code
	}
	for _, a := range apis {
		if known || a.key == wire.ApiVersions {
			answer.ApiKeys = append(answer.ApiKeys,
				kmsg.ApiVersionsResponseApiKey{ApiKey: a.key, MinVersion: a.advertised, MaxVersion: a.max})
		}
	}
	return answer
	// END SOLUTION
}
