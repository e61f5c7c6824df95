package wire

import (
	"net/netip"

	"highwater.dev/broker/vfs"
)

// Peer is the other end of a connection.
type Peer struct {
	Remote   netip.AddrPort
	Listener string // the listener's name, as in listeners=NAME://host:port
}

// Handler makes a Session for each connection. The api package implements it, network calls it;
// neither imports the other.
type Handler interface {
	Open(peer Peer) Session
}

// Session answers one connection's requests, one at a time and in order (as Kafka does: a connection
// is muted while its request is in work).
type Session interface {
	// Serve answers req into resp. An error closes the connection after what is in resp was sent (which may be
	// nothing); it is logged at most once per peer and interval. Serve may block, in a long poll, until Cancel.
	// req and resp are reused after Serve and the send have finished: keep nothing of them.
	Serve(req *Request, resp *Response) error
	// Cancel makes a Serve that blocks return soon. It may be called from another goroutine, more than once.
	Cancel()
	// Close gives up what the session holds. It is the last call.
	Close()
}

// Request is one frame, its header decoded.
type Request struct {
	Header Header
	// Body is the rest of the frame, in the pooled buffer that was read from the socket. The handler may write
	// into it (base offset and leader epoch of a produced batch).
	Body []byte
	Peer Peer
}

// Header is the request header, versions 0 to 2 alike.
type Header struct {
	Key           int16
	Version       int16
	CorrelationID int32
	ClientID      []byte // sub-slice of the frame; nil when null
}

// Response is what goes back: encoded bytes and stretches of files, in order. The frame's length field is
// network's to write.
type Response struct {
	// Buf holds all encoded bytes; append to it. Correlation id and header come first (BeginResponse).
	Buf []byte
	// Regions holds file regions with the position in Buf that each one follows.
	Regions []PlacedRegion
	// None says that nothing is sent (acks=0).
	None bool
}

// PlacedRegion is a file region that is sent after the first After bytes of Response.Buf.
type PlacedRegion struct {
	After  int
	Region vfs.Region
}

// AppendRegion places r after what is in Buf so far. The response owns r from then on.
func (r *Response) AppendRegion(reg vfs.Region) {
	r.Regions = append(r.Regions, PlacedRegion{After: len(r.Buf), Region: reg})
}

// Size is the frame's payload in bytes.
func (r *Response) Size() int64 {
	n := int64(len(r.Buf))
	for i := range r.Regions {
		n += r.Regions[i].Region.Len
	}
	return n
}

// Reset releases the regions and empties r for the next response, keeping its memory.
func (r *Response) Reset() {
	for i := range r.Regions {
		r.Regions[i].Region.Release()
		r.Regions[i] = PlacedRegion{}
	}
	r.Buf, r.Regions, r.None = r.Buf[:0], r.Regions[:0], false
}
