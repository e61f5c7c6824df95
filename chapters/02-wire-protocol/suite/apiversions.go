package suite

import (
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/broker/wire"
	"highwater.dev/workbook/lab"
)

var (
	wire9  = lab.Invariant{ID: "WIRE-9", Sentence: "ApiVersions lists what works, in the body layout of the version that was asked"}
	wire10 = lab.Invariant{ID: "WIRE-10", Sentence: "an ApiVersions request from the future is answered in version 0 with UNSUPPORTED_VERSION and the range to ask again with"}
)

// Exercise 2.2: what the broker speaks.
var apiVersions = []lab.Test[Impl]{
	{Exercise: "2.2", Name: "api-versions", Kind: lab.Public, Invariant: wire9, Run: apiVersionsListed},
	{Exercise: "2.2", Name: "api-versions-from-the-future", Kind: lab.Fault, Invariant: wire10, Run: apiVersionsFuture},
}

func apiVersionsListed(t *lab.T, impl Impl) {
	r := newRig(t, impl, nil)
	c := r.dial()
	for version := int16(0); version <= 3; version++ {
		q := kmsg.NewPtrApiVersionsRequest()
		q.Version, q.ClientSoftwareName, q.ClientSoftwareVersion = version, "chapter-02", "1"
		answer := c.ask(q).(*kmsg.ApiVersionsResponse)
		if answer.ErrorCode != 0 {
			r.Fatalf("ApiVersions %d: error %d", version, answer.ErrorCode)
		}
		ranges := map[int16]kmsg.ApiVersionsResponseApiKey{}
		for _, k := range answer.ApiKeys {
			if _, twice := ranges[k.ApiKey]; twice || k.MinVersion > k.MaxVersion {
				r.Fatalf("ApiVersions %d: API %d stands twice, or its range is empty: %+v", version, k.ApiKey, answer.ApiKeys)
			}
			ranges[k.ApiKey] = k
		}
		for _, s := range served {
			if k, ok := ranges[s.key]; !ok || s.version < k.MinVersion || s.version > k.MaxVersion {
				r.Fatalf("ApiVersions %d: expected API %d to be there at version %d, got %+v", version, s.key, s.version, answer.ApiKeys)
			}
		}
		if k := ranges[wire.Produce]; k.MinVersion != 0 {
			r.Fatalf("ApiVersions %d: Produce is advertised from %d on: librdkafka would not compress (KAFKA-18659)", version, k.MinVersion)
		}
	}
}

func apiVersionsFuture(t *lab.T, impl Impl) {
	r := newRig(t, impl, nil)
	c := r.dial()
	for _, version := range []int16{99, 1000} {
		name := "from-the-future"
		frame := frameOf(append(header(wire.ApiVersions, version, 77, &name, []byte{0}), 0xff, 0xfe, 0xfd))
		if _, err := c.conn.Write(frame); err != nil {
			r.Fatalf("send: %v", err)
		}
		got, err := c.frame()
		if err != nil {
			r.Fatalf("ApiVersions, version %d: no response: %v", version, err)
		}
		fields := []lab.Field{{Name: "correlation id", Len: 4}, {Name: "error code", Len: 2}, {Name: "number of APIs", Len: 4},
			{Name: "key, min, max", Len: 6}}
		if len(got) < 16 || binary.BigEndian.Uint32(got) != 77 || binary.BigEndian.Uint16(got[4:]) != 35 {
			r.Fatalf("ApiVersions, version %d: expected the body of version 0 with error 35, got\n%s", version, lab.Picture(got, fields, min(4, len(got))))
		}
		answer := kmsg.NewPtrApiVersionsResponse()
		if err := answer.ReadFrom(got[4:]); err != nil || len(answer.ApiKeys) != 1 || answer.ApiKeys[0].ApiKey != wire.ApiVersions || answer.ApiKeys[0].MaxVersion < 3 {
			r.Fatalf("ApiVersions, version %d: expected the range of ApiVersions alone, got %+v, error %v\n%s", version, answer.ApiKeys, err,
				lab.Picture(got, fields, min(6, len(got))))
		}
		// The connection goes on with a version that both know.
		q := kmsg.NewPtrApiVersionsRequest()
		q.Version = 0
		c.ask(q)
	}
}
