package wire

import (
	"errors"
	"fmt"
)

// Errors of ParseHeader. The connection of whoever sent such a frame is closed, as Apache Kafka does.
var (
	// ErrUnknownKey: no such API is served here.
	ErrUnknownKey = errors.New("wire: API key is not served")
	// ErrUnsupportedVersion: the API is served, but not at this version. The header is decoded.
	ErrUnsupportedVersion = errors.New("wire: API version is not served")
)

// ParseHeader decodes the request header at the start of frame (which begins after the frame's length field)
// into h and returns the rest.
//
// An ApiVersions request of a version that is not served is no error: the answer has to be the version 0 body with
// error UNSUPPORTED_VERSION, so its body comes back nil and the handler asks Serves (KIP-511).
//
// Errors: ErrMalformed, ErrUnknownKey, ErrUnsupportedVersion, each wrapped. Where they are known, h's key, version
// and correlation id are set.
func ParseHeader(frame []byte, h *Header) (body []byte, err error) {
	r := NewReader(frame)
	*h = Header{Key: r.Int16(), Version: r.Int16(), CorrelationID: r.Int32()}
	if r.bad {
		return nil, fmt.Errorf("request header of %d bytes: %w", len(frame), ErrMalformed)
	}
	v := rangeOf(h.Key)
	if v == nil {
		return nil, fmt.Errorf("%w: key %d, version %d", ErrUnknownKey, h.Key, h.Version)
	}
	// The client id stays a classic string in header v2, so that every broker can read it (KIP-511).
	if n := r.Int16(); n >= 0 {
		h.ClientID = r.Span(int(n))
	} else if n < -1 {
		r.fail()
	}
	served := h.Version >= v.Min && h.Version <= v.Max
	if h.Key == ApiVersions && !served && !r.bad {
		return nil, nil
	}
	if h.Version >= v.Flexible {
		r.SkipTags()
	}
	if r.bad {
		return nil, fmt.Errorf("request header of %s version %d: %w", v.Name, h.Version, ErrMalformed)
	}
	if !served {
		return nil, fmt.Errorf("%w: %s version %d", ErrUnsupportedVersion, v.Name, h.Version)
	}
	return r.Rest(), nil
}

// BeginResponse appends the response header that answers h to resp, which must be empty.
func BeginResponse(resp *Response, h *Header) {
	resp.Buf = AppendInt32(resp.Buf, h.CorrelationID)
	if h.Key != ApiVersions && Flexible(h.Key, h.Version) {
		resp.Buf = AppendNoTags(resp.Buf)
	}
}
