// Given: no exercise is in this file. It was made from solutions/02-wire-protocol/channel.go by: go run . generate
// made: 5ab2a4ad375729b2ac999f61a6fa29e65304805ddd62cc1659eb971acb9e4c19

package wireprotocol

import (
	"io"
	"net"
	"sync"

	"highwater.dev/broker/network"
	"highwater.dev/broker/wire"
)

// kind says what happened to a channel.
type kind int

const (
	opened   kind = iota // the acceptor has a new connection
	received             // a whole frame has come: event.frame
	answered             // a handler has finished: event.exchange
	sent                 // a response has gone out, or none was due
	failed               // the connection or a request failed: event.err
)

// event is what a processor hears.
type event struct {
	kind     kind
	channel  *channel
	frame    []byte
	exchange *exchange
	err      error
}

// channel is a connection as its processor sees it. It carries out one order at a time, receive or send, and each order ends
// in exactly one event in its processor's inbox. It stands in for a non-blocking socket and its selection key: underneath,
// Go's netpoller and a goroutine do what Java's Selector does for Apache Kafka.
type channel struct {
	peer    wire.Peer
	session wire.Session
	inbox   *inbox // of its processor

	conn     net.Conn
	frames   network.Frames
	transfer network.Transfer
	orders   chan func() event
	err      error // why it ended
}

// serve carries out the orders until hangUp. It returns why the channel ended.
func (c *channel) serve() error {
	c.inbox.put(event{kind: opened, channel: c})
	for order := range c.orders {
		c.inbox.put(order())
	}
	return c.err
}

// receive orders one frame: received or failed follows. Until then, and until it is ordered again, nothing is read: the channel
// is muted.
func (c *channel) receive() {
	c.orders <- func() event {
		frame, err := c.frames.Next()
		if err != nil {
			return event{kind: failed, channel: c, err: err}
		}
		return event{kind: received, channel: c, frame: frame}
	}
}

// send orders x's response to be sent: sent or failed follows.
func (c *channel) send(x *exchange) {
	c.orders <- func() event {
		if err := x.write(c.conn, c.transfer); err != nil {
			return event{kind: failed, channel: c, err: err}
		}
		return event{kind: sent, channel: c}
	}
}

// hangUp ends the channel, which is carrying out no order.
func (c *channel) hangUp(err error) {
	if err == nil {
		err = io.EOF
	}
	c.err = err
	close(c.orders)
}

// inbox is a queue without a bound: whoever puts does not wait. It holds at most one event for each channel.
type inbox struct {
	mu     sync.Mutex
	some   sync.Cond
	queue  []event
	closed bool
}

func newInbox() *inbox {
	in := &inbox{}
	in.some.L = &in.mu
	return in
}

func (in *inbox) put(e event) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.queue = append(in.queue, e)
	in.some.Signal()
}

// close ends take after what is queued.
func (in *inbox) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
	in.some.Signal()
}

// take returns the oldest event, waiting for it; ok is false after close.
func (in *inbox) take() (e event, ok bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for len(in.queue) == 0 {
		if in.closed {
			return e, false
		}
		in.some.Wait()
	}
	e = in.queue[0]
	in.queue = in.queue[1:]
	return e, true
}
