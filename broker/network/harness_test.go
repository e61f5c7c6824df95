package network

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"highwater.dev/broker/wire"
)

func TestMain(m *testing.M) {
	if task := os.Getenv(loadEnv); task != "" {
		if err := generateLoad(task); err != nil && !errors.Is(err, io.EOF) {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// patience bounds every wait of a test; none takes it unless it fails.
const patience = 10 * time.Second

// handlerFunc is a wire.Handler whose sessions all call it.
type handlerFunc func(s *testSession, req *wire.Request, resp *wire.Response) error

func (f handlerFunc) Open(peer wire.Peer) wire.Session {
	return &testSession{serve: f, peer: peer, cancelled: make(chan struct{})}
}

type testSession struct {
	serve     handlerFunc
	peer      wire.Peer
	cancelled chan struct{}
	cancels   atomic.Int32
	closes    atomic.Int32
}

func (s *testSession) Serve(req *wire.Request, resp *wire.Response) error {
	return s.serve(s, req, resp)
}
func (s *testSession) Close() { s.closes.Add(1) }
func (s *testSession) Cancel() {
	if s.cancels.Add(1) == 1 {
		close(s.cancelled)
	}
}

// echo answers with the correlation id and the request's body.
func echo(_ *testSession, req *wire.Request, resp *wire.Response) error {
	wire.BeginResponse(resp, &req.Header)
	resp.Buf = append(resp.Buf, req.Body...)
	return nil
}

// start runs a server with one listener until the test ends.
func start(t testing.TB, h wire.Handler, change func(*Options)) *Server {
	o := Options{
		Config:  Config{Listeners: []Listener{{Name: "PLAINTEXT", Host: "127.0.0.1"}}},
		Handler: h,
		Logger:  slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&o)
	}
	s := New(o)
	require.NoError(t, s.Listen())
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, s.Shutdown(ctx))
		require.NoError(t, <-served)
	})
	return s
}

// client is the peer's side of a connection.
type client struct {
	*net.TCPConn
	t testing.TB
}

func dial(t testing.TB, s *Server) *client {
	nc, err := net.Dial("tcp", s.Addr("PLAINTEXT").String())
	require.NoError(t, err)
	t.Cleanup(func() { nc.Close() })
	require.NoError(t, nc.SetDeadline(time.Now().Add(patience)))
	return &client{nc.(*net.TCPConn), t}
}

// frame is a whole ApiVersions version 0 request with the given correlation id and body.
func frame(correlation int32, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(10+len(body)))
	b = binary.BigEndian.AppendUint16(b, uint16(wire.ApiVersions))
	b = binary.BigEndian.AppendUint16(b, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(correlation))
	b = binary.BigEndian.AppendUint16(b, 0xffff) // no client id
	return append(b, body...)
}

func (c *client) send(b []byte) {
	_, err := c.Write(b)
	require.NoError(c.t, err)
}

// receive reads one response.
func (c *client) receive() (correlation int32, body []byte) {
	var head [8]byte
	_, err := io.ReadFull(c, head[:])
	require.NoError(c.t, err)
	n := binary.BigEndian.Uint32(head[:])
	require.GreaterOrEqual(c.t, n, uint32(4))
	body = make([]byte, n-4)
	_, err = io.ReadFull(c, body)
	require.NoError(c.t, err)
	return int32(binary.BigEndian.Uint32(head[4:])), body
}

// requireClosed waits until the server has closed the connection, sending nothing more.
func (c *client) requireClosed() {
	c.t.Helper()
	n, err := c.Read(make([]byte, 1))
	require.Zero(c.t, n, "a byte came instead of the end")
	require.Error(c.t, err)
	var timeout net.Error
	if ok := asTimeout(err, &timeout); ok {
		require.FailNow(c.t, "the connection is still open")
	}
}

func (c *client) roundTrip(body []byte) {
	c.send(frame(7, body))
	id, got := c.receive()
	require.Equal(c.t, int32(7), id)
	require.Equal(c.t, string(body), string(got))
}

// requireNoBuffers waits until the server has all its buffers back: it takes them back after the peer has the response.
func requireNoBuffers(t testing.TB, s *Server) {
	t.Helper()
	require.Eventually(t, func() bool {
		inUse, _ := s.pool.usage()
		return inUse == 0
	}, patience, time.Millisecond, "a buffer was not given back")
}
