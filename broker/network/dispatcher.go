package network

import (
	"net"

	"highwater.dev/broker/wire"
)

// Dispatcher answers the requests of connections. It is the seam between accepting connections and the way their requests take:
// a goroutine for each connection, or a reactor of processors, a request queue and handlers (chapter 02).
// Implementations are safe for concurrent use.
type Dispatcher interface {
	// Dispatch answers the requests that come in on conn with session, in their order, until conn or a request
	// fails; it always returns an error, io.EOF when the peer closed conn between two requests. It is called on a
	// goroutine of conn's own, and conn and session are its caller's to close. At shutdown the caller makes Read fail and
	// cancels the session: Dispatch returns after the response in work was sent.
	Dispatch(conn net.Conn, peer wire.Peer, session wire.Session) error
}
