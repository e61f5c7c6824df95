package network

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"highwater.dev/broker/wire"
)

const (
	minResponse = 512 // bytes of the buffer that a response begins with, at least

	// lingerFor is how long a connection that the broker ends waits for the peer to close it, too. Closing a
	// socket with unread bytes resets it, and the peer would lose a response that it has not read yet.
	lingerFor   = 250 * time.Millisecond
	lingerBytes = 1 << 20
)

// errDraining ends a connection when the server shuts down.
var errDraining = errors.New("network: shutting down")

// conn is one client's connection. Its goroutine owns everything in it; stop may be called from another.
type conn struct {
	server  *Server
	link    *link
	peer    wire.Peer
	session wire.Session
	frames  frameReader
	sender  sender
	req     wire.Request
	resp    wire.Response
	expect  int  // bytes that the next response's encoded part may take, from the last ones
	replied bool // something was sent
}

func newConn(s *Server, nc net.Conn, listener string) *conn {
	link := newLink(nc, s.config.MaxIdle)
	c := &conn{
		server: s,
		link:   link,
		peer:   wire.Peer{Remote: remoteAddr(nc), Listener: listener},
		expect: minResponse,
	}
	c.frames = frameReader{src: link, await: link.await, pool: &s.pool, limit: s.config.MaxRequestBytes}
	c.sender = sender{conn: link, more: link.WriteMore, transfer: s.transfer, gatherBelow: s.gather, pool: &s.pool}
	return c
}

// remoteAddr is the zero AddrPort where the peer has no IP address.
func remoteAddr(nc net.Conn) netip.AddrPort {
	if tcp, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		ap := tcp.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}

// run serves the connection until it ends.
func (c *conn) run() {
	defer func() { _ = c.link.Close() }() // all that was promised has been sent
	err := c.serve()
	c.server.forget(c)
	c.closeSession()
	c.report(err)
	if c.replied && !errors.Is(err, io.EOF) && !isLost(err) {
		c.linger()
	}
}

// closeSession survives a session whose Close panics.
func (c *conn) closeSession() {
	defer c.recovered("close", nil)
	if c.session != nil {
		c.session.Close()
	}
}

// serve reads and answers requests. It always returns an error: io.EOF when the peer closed the connection between
// two requests.
func (c *conn) serve() (err error) {
	defer c.frames.release()
	defer c.recovered("serve", &err)
	if !c.server.opened(c) {
		return errDraining
	}
	if d := c.server.dispatch; d != nil {
		err := d.Dispatch(c.link, c.peer, c.session)
		if c.server.draining.Load() {
			return errDraining
		}
		return err
	}
	for {
		frame, err := c.frames.next()
		if err != nil {
			if c.server.draining.Load() {
				return errDraining
			}
			return err
		}
		if c.server.draining.Load() {
			return errDraining
		}
		if err := c.answer(frame); err != nil {
			return err
		}
		c.frames.release()
	}
}

// recovered turns a panic of the session into an error of this connection.
func (c *conn) recovered(doing string, err *error) {
	p := recover()
	if p == nil {
		return
	}
	c.server.counters.panics.Inc()
	c.server.logger.Error("a session panicked; its connection is closed", "doing", doing, "peer", c.peer.Remote,
		"key", c.req.Header.Key, "version", c.req.Header.Version, "panic", p, "stack", string(debug.Stack()))
	if err != nil {
		*err = errPanicked
	}
}

var errPanicked = errors.New("network: session panicked")

// answer serves one request.
func (c *conn) answer(frame []byte) error {
	body, err := wire.ParseHeader(frame, &c.req.Header)
	if err != nil {
		return err
	}
	c.req.Body, c.req.Peer = body, c.peer
	c.server.counters.requests.Inc()
	c.server.counters.bytesIn.Add(int64(lengthBytes + len(frame)))

	out := c.server.pool.get(lengthBytes + c.expect)
	defer c.finish(out)
	c.resp.Buf = out[lengthBytes:lengthBytes]
	c.server.counters.busy.Add(1)
	served := c.session.Serve(&c.req, &c.resp)
	c.server.counters.busy.Add(-1)
	c.link.touch() // a long poll is not idleness

	if !c.resp.None && (served == nil || c.resp.Size() > 0) {
		payload, regions, err := c.sender.send(out, &c.resp)
		if err != nil {
			if isLost(err) {
				return err
			}
			return &requestError{err}
		}
		c.replied = true
		c.server.counters.bytesOut.Add(lengthBytes + payload)
		c.server.counters.regionBytes.Add(regions)
	}
	if served != nil {
		return &requestError{served}
	}
	return nil
}

// finish gives up everything that one request and its response held.
func (c *conn) finish(out []byte) {
	c.expect = max(minResponse, len(c.resp.Buf), c.expect-c.expect/8)
	c.resp.Reset()
	c.resp.Buf = nil
	c.req = wire.Request{}
	c.server.pool.put(out)
}

// requestError is a request that failed on the broker's side.
type requestError struct{ err error }

func (e *requestError) Error() string { return e.err.Error() }
func (e *requestError) Unwrap() error { return e.err }

// isLost reports whether err, from a write, is only about the connection.
func isLost(err error) bool {
	for _, target := range []error{
		net.ErrClosed, os.ErrDeadlineExceeded, syscall.EPIPE, syscall.ECONNRESET, syscall.ETIMEDOUT,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// stop makes the connection end after the request in work, from another goroutine.
func (c *conn) stop() {
	c.link.interrupt()
	c.session.Cancel()
}

// linger tells the peer that no more will come and gives it a moment to read what was sent.
func (c *conn) linger() {
	half, ok := c.link.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	if c.link.SetReadDeadline(time.Now().Add(lingerFor)) != nil {
		return
	}
	buf := c.server.pool.get(firstStage)
	defer c.server.pool.put(buf)
	for left := lingerBytes; left > 0; {
		n, err := c.link.Conn.Read(buf)
		if err != nil {
			return
		}
		left -= n
	}
}

// report logs and counts why a connection ended.
func (c *conn) report(err error) {
	s := c.server
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, errDraining), errors.Is(err, errPanicked):
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.counters.expired.Inc()
		s.logger.Debug("connection was idle for too long", "peer", c.peer.Remote)
	case isRefusal(err):
		s.counters.refused.Inc()
		s.warnPeer(c.peer.Remote.Addr(), "connection closed: bad request", "peer", c.peer.Remote, "error", err)
	case isFailure(err):
		s.counters.failed.Inc()
		s.warnPeer(c.peer.Remote.Addr(), "connection closed: request failed", "peer", c.peer.Remote, "error", err)
	default: // the peer went away in the middle of a frame
		s.logger.Debug("connection lost", "peer", c.peer.Remote, "error", err)
	}
}

// isRefusal reports whether err is about a frame that no session was asked about.
func isRefusal(err error) bool {
	for _, target := range []error{
		ErrNegativeLength, ErrFrameTooLarge, wire.ErrMalformed, wire.ErrUnknownKey, wire.ErrUnsupportedVersion,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// isFailure reports whether err is the broker's: of the session, or of a file that could not be sent.
func isFailure(err error) bool {
	var failed *requestError
	return errors.As(err, &failed)
}
