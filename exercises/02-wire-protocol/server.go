// Given: no exercise is in this file. It was made from solutions/02-wire-protocol/server.go by: go run . generate
// made: 208eea334efe9ba1704de72964e3240aa67fd4cba4e981c2bf4edb0e2582c63f

package wireprotocol

import (
	"encoding/binary"
	"errors"
	"net"
	"sync"

	"highwater.dev/broker/network"
	"highwater.dev/broker/wire"
)

// Server is the acceptor: it takes connections and has a loop answer their requests.
type Server struct {
	Handler wire.Handler
	Loop    network.Dispatcher

	mu     sync.Mutex
	closed bool
	open   map[net.Conn]wire.Session
	ending sync.WaitGroup
}

// Serve accepts connections from l until Close. It closes l.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close() //nolint:errcheck // nothing was promised on it
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		s.start(conn)
	}
}

// start has the loop answer conn's requests, on a goroutine of its own.
func (s *Server) start(conn net.Conn) {
	peer := wire.Peer{Listener: "PLAINTEXT"}
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		peer.Remote = tcp.AddrPort()
	}
	session := s.Handler.Open(peer)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		session.Close()
		_ = conn.Close() // nothing was promised on it
		return
	}
	if s.open == nil {
		s.open = map[net.Conn]wire.Session{}
	}
	s.open[conn] = session
	s.ending.Go(func() {
		_ = s.Loop.Dispatch(conn, peer, session) // why a connection ended is for the broker's log, which a stage does not keep
		s.mu.Lock()
		delete(s.open, conn)
		s.mu.Unlock()
		session.Close()
		_ = conn.Close() // what could be sent was sent
	})
}

// Close ends all connections and their long polls, and waits for it. The listener is its owner's to close, before.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	for conn, session := range s.open {
		_ = conn.Close() // the loop sees it
		session.Cancel()
	}
	s.mu.Unlock()
	s.ending.Wait()
}

// exchange is a request and its response on their way through the broker.
type exchange struct {
	channel *channel
	req     wire.Request
	resp    wire.Response
	err     error // of the session: the connection ends after the response
}

// write sends the response, as far as there is one, and gives up its regions. It returns the reason to close the connection.
func (x *exchange) write(conn net.Conn, transfer network.Transfer) error {
	defer x.resp.Reset()
	if !x.resp.None && x.resp.Size() > 0 {
		if err := writeFrame(conn, &x.resp, transfer); err != nil {
			return err
		}
	}
	return x.err
}

// writeFrame sends the length of what follows, and then bytes and regions of files, each in its place.
func writeFrame(conn net.Conn, resp *wire.Response, transfer network.Transfer) error {
	out := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(resp.Buf)), uint32(resp.Size()))
	sent := 0
	for _, placed := range resp.Regions {
		out = append(out, resp.Buf[sent:placed.After]...)
		sent = placed.After
		if _, err := conn.Write(out); err != nil {
			return err
		}
		if err := transfer.Send(conn, placed.Region); err != nil {
			return err
		}
		out = out[:0]
	}
	if out = append(out, resp.Buf[sent:]...); len(out) == 0 {
		return nil
	}
	_, err := conn.Write(out)
	return err
}
