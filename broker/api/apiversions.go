package api

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/broker/metadata"
	"highwater.dev/broker/wire"
)

// ApiVersions, versions 0 to 4 (KIP-35, KIP-511, KIP-584).
//
// Lists what package wire's table serves. A version that is not known here is answered with the version 0 body,
// UNSUPPORTED_VERSION and the range of this API alone, without reading the request. From version 3 on the client's software
// name and version must look like names (INVALID_REQUEST), and the answer carries the features of the cluster.
//
// Finalized features come from the metadata image, so transaction.version appears when transactions do: it must
// agree with Produce 12, by which clients choose the transaction protocol (KIP-890). Features with a minimum of 0 are left
// out up to version 3, whose clients refuse them (KAFKA-17011).

// feature is a feature that this program supports.
type feature struct {
	name     string
	min, max int16
}

// supportedFeatures are ordered by name. None yet: the metadata log has Highwater's own records,
// and transactions are not served.
var supportedFeatures []feature

func (s *session) apiVersions(req *wire.Request, resp *wire.Response) error {
	answer := kmsg.NewPtrApiVersionsResponse()
	answer.FinalizedFeaturesEpoch = -1
	if !wire.Serves(wire.ApiVersions, req.Header.Version) {
		answer.ErrorCode = kerr.UnsupportedVersion.Code
		low, high, _ := wire.Supported(wire.ApiVersions)
		answer.ApiKeys = []kmsg.ApiVersionsResponseApiKey{{ApiKey: wire.ApiVersions, MinVersion: low, MaxVersion: high}}
		wire.EncodeKmsg(resp, &req.Header, answer)
		return nil
	}
	decoded, err := wire.DecodeKmsg(&req.Header, req.Body)
	if err != nil {
		return err
	}
	q := decoded.(*kmsg.ApiVersionsRequest)
	if q.Version >= 3 && (!softwareName(q.ClientSoftwareName) || !softwareName(q.ClientSoftwareVersion)) {
		answer.ErrorCode = kerr.InvalidRequest.Code
		wire.EncodeKmsg(resp, &req.Header, answer)
		return nil
	}
	for _, v := range wire.Advertised() {
		k := kmsg.NewApiVersionsResponseApiKey()
		k.ApiKey, k.MinVersion, k.MaxVersion = v.Key, v.AdvertisedMin, v.Max
		answer.ApiKeys = append(answer.ApiKeys, k)
	}
	for _, f := range supportedFeatures {
		if f.min > 0 || q.Version >= 4 {
			answer.SupportedFeatures = append(answer.SupportedFeatures,
				kmsg.ApiVersionsResponseSupportedFeature{Name: f.name, MinVersion: f.min, MaxVersion: f.max})
		}
	}
	s.api.Quorum.View(func(image *metadata.Image) {
		answer.FinalizedFeaturesEpoch = int64(image.NextOffset()) - 1
		for _, name := range image.FeatureNames() {
			level := image.Feature(name)
			answer.FinalizedFeatures = append(answer.FinalizedFeatures,
				kmsg.ApiVersionsResponseFinalizedFeature{Name: name, MinVersionLevel: level, MaxVersionLevel: level})
		}
	})
	wire.EncodeKmsg(resp, &req.Header, answer)
	return nil
}

// softwareName: letters, digits, dots and hyphens, with a letter or digit at both ends (KIP-511).
func softwareName(name string) bool {
	for i, c := range []byte(name) {
		alphanumeric := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		inside := i > 0 && i < len(name)-1 && (c == '.' || c == '-')
		if !alphanumeric && !inside {
			return false
		}
	}
	return name != ""
}
