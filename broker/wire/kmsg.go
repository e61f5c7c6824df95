package wire

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Limits of DecodeKmsg.
const (
	// MaxKmsgFrame is the largest body, in bytes, that is given to kmsg.
	MaxKmsgFrame = 4 << 20
	// maxKmsgDecodes is how many decode at once; the others wait. Decoding does no I/O, so the wait is short.
	maxKmsgDecodes = 4
)

// ErrFrameTooLarge says that a request other than Produce or Fetch is larger than MaxKmsgFrame.
var ErrFrameTooLarge = errors.New("wire: frame is too large for its kind of request")

var kmsgSlots = make(chan struct{}, maxKmsgDecodes)

// DecodeKmsg decodes a request that Serves reports as served. Its strings are copies, its byte arrays are
// stretches of body. Errors: ErrFrameTooLarge, ErrMalformed, ErrUnsupportedVersion, ErrUnknownKey.
func DecodeKmsg(h *Header, body []byte) (kmsg.Request, error) {
	if len(body) > MaxKmsgFrame {
		return nil, fmt.Errorf("%w: %s of %d bytes, at most %d", ErrFrameTooLarge, Name(h.Key), len(body), MaxKmsgFrame)
	}
	if rangeOf(h.Key) == nil {
		return nil, fmt.Errorf("%w: key %d", ErrUnknownKey, h.Key)
	}
	if !Serves(h.Key, h.Version) {
		return nil, fmt.Errorf("%w: %s version %d", ErrUnsupportedVersion, Name(h.Key), h.Version)
	}
	if err := checkShape(h.Key, h.Version, body); err != nil {
		return nil, fmt.Errorf("%s version %d of %d bytes: %w", Name(h.Key), h.Version, len(body), err)
	}
	req := kmsg.RequestForKey(h.Key)
	req.SetVersion(h.Version)
	kmsgSlots <- struct{}{}
	err := req.ReadFrom(body)
	<-kmsgSlots
	if err != nil {
		return nil, fmt.Errorf("%w: %s version %d: %w", ErrMalformed, Name(h.Key), h.Version, err)
	}
	return req, nil
}

// EncodeKmsg appends the response header that answers h, and the body of r at h's version, to resp. The answer
// to an ApiVersions request of a version that is not served has version 0 (KIP-511).
func EncodeKmsg(resp *Response, h *Header, r kmsg.Response) {
	version := h.Version
	if h.Key == ApiVersions && !Serves(h.Key, version) {
		version = 0
	}
	BeginResponse(resp, h)
	r.SetVersion(version)
	resp.Buf = r.AppendTo(resp.Buf)
}
