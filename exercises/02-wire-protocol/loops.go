// This file is yours to edit. It was made from solutions/02-wire-protocol/loops.go by: go run . generate
// made: 225967763a19b3098cc45ebc239f9b047b3d3e5e663ac854349868584fbf62ea

package wireprotocol

import (
	"net"
	"sync"

	"highwater.dev/broker/network"
	"highwater.dev/broker/wire"
	"highwater.dev/workbook/lab"
)

// LoopOptions are both loops'. Goroutines needs only the first three.
type LoopOptions struct {
	// ParseHeader is this package's, or that of another broker which this loop serves.
	ParseHeader     func(frame []byte, h *wire.Header) (body []byte, err error)
	MaxRequestBytes int              // socket.request.max.bytes
	Transfer        network.Transfer // sends the file regions of responses
	Processors      int              // num.network.threads
	Handlers        int              // num.io.threads
	QueuedRequests  int              // queued.max.requests
}

// Goroutines is the loop that Go invites to: each connection's goroutine does everything for it, one request after the
// other. It is a network.Dispatcher.
type Goroutines struct{ options LoopOptions }

// NewGoroutines returns a Goroutines.
func NewGoroutines(o LoopOptions) *Goroutines { return &Goroutines{o} }

// Dispatch reads a frame, parses its header, has the session serve the request, writes the response, and begins again,
// until one of them fails.
func (g *Goroutines) Dispatch(conn net.Conn, peer wire.Peer, session wire.Session) error {
	// TODO 2.5: read, serve and write one exchange at a time
	// Text: chapters/02-wire-protocol/README.md#exercise-2-5
	// Test: go run . test 2.5
	panic(lab.NotStarted("2.5"))
}

// Reactor is Apache Kafka's loop: few threads for many connections. It is a network.Dispatcher.
//
//	acceptor ──► processors ──► request queue ──► handlers
//	                 ▲          (bounded)            │
//	                 └──────── inbox (answered) ◄────┘
type Reactor struct {
	options  LoopOptions
	inboxes  []*inbox // one for each processor
	requests chan *exchange

	mu   sync.Mutex
	next int // the processor of the next connection

	processing, handling sync.WaitGroup
}

// NewReactor starts o.Processors processors, each with an inbox, and o.Handlers handlers. The request queue takes o.QueuedRequests.
func NewReactor(o LoopOptions) *Reactor {
	// TODO 2.5: make the queue and start processors (process) and handlers (handle)
	// Text: chapters/02-wire-protocol/README.md#exercise-2-5
	// Test: go run . test 2.5
	panic(lab.NotStarted("2.5"))
}

// Dispatch gives the connection to the processors in turn, and carries out what its processor orders.
func (r *Reactor) Dispatch(conn net.Conn, peer wire.Peer, session wire.Session) error {
	r.mu.Lock()
	in := r.inboxes[r.next%len(r.inboxes)]
	r.next++
	r.mu.Unlock()
	c := &channel{peer: peer, session: session, inbox: in, conn: conn, transfer: r.options.Transfer,
		frames: NewFrames(conn, r.options.MaxRequestBytes), orders: make(chan func() event, 1)}
	return c.serve()
}

// Close ends processors and handlers. No connection is left.
func (r *Reactor) Close() {
	for _, in := range r.inboxes {
		in.close()
	}
	r.processing.Wait()
	close(r.requests)
	r.handling.Wait()
}

// process is a processor. It goes from event to event and never waits for a peer or for a session, only, when the request queue is
// full, for a handler. A channel has one request in work at a time, because it receives again only when its response was sent:
// so responses leave in the order of the requests.
func (r *Reactor) process(in *inbox) {
	// TODO 2.5: take events until the inbox closes, and answer each with one order, one request, or hangUp
	// Text: chapters/02-wire-protocol/README.md#exercise-2-5
	// Test: go run . test 2.5
	panic(lab.NotStarted("2.5"))
}

// handle is a handler: it has requests served and tells their processors. A session that can answer later
// (seam.AsyncSession) does, so that a long poll keeps no handler.
func (r *Reactor) handle() {
	// TODO 2.5: serve each exchange of the queue and put an answered event into its channel's inbox
	// Text: chapters/02-wire-protocol/README.md#exercise-2-5
	// Test: go run . test 2.5
	panic(lab.NotStarted("2.5"))
}
