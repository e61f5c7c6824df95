// This file is yours to edit. It was made from solutions/02-wire-protocol/headers.go by: go run . generate
// made: 83082c2b5d6e1088cfa47ab23076ec59776523728f0e6d491aef51ce458c3e7b

package wireprotocol

import (
	"github.com/twmb/franz-go/pkg/kmsg"
	"highwater.dev/broker/wire"
	"highwater.dev/workbook/lab"
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
	// TODO 2.2: decode key, version, correlation id and client id, and skip the tagged fields of header v2
	// Text: chapters/02-wire-protocol/README.md#exercise-2-2
	// Test: go run . test 2.2
	panic(lab.NotStarted("2.2"))
}

// BeginResponse appends the response header that answers h to resp, which is empty: the correlation id, and, for a flexible
// version, an empty set of tagged fields (one zero byte). An answer to ApiVersions has no tagged fields at any version: who
// asks does not know yet what the broker speaks.
func BeginResponse(resp *wire.Response, h *wire.Header) {
	// TODO 2.2: append the correlation id, and the tagged fields where the version has them
	// Text: chapters/02-wire-protocol/README.md#exercise-2-2
	// Test: go run . test 2.2
	panic(lab.NotStarted("2.2"))
}

// apiVersions says what the broker speaks: every row of apis, from advertised to max. To a version of this API that is
// not served it answers with the body of version 0, UNSUPPORTED_VERSION, and the row of ApiVersions alone, so that the
// client asks again with a version that both know (KIP-511). The answer's Version field chooses the body's layout.
func apiVersions(h *wire.Header) *kmsg.ApiVersionsResponse {
	// TODO 2.2: make an answer and fill its Version, ErrorCode and ApiKeys
	// Text: chapters/02-wire-protocol/README.md#exercise-2-2
	// Test: go run . test 2.2
	panic(lab.NotStarted("2.2"))
}
