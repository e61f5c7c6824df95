package network

import (
	"encoding/binary"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/wire"
)

// plainLoop is the least that a Dispatcher can be.
type plainLoop struct{ calls atomic.Int32 }

func (d *plainLoop) Dispatch(conn net.Conn, peer wire.Peer, session wire.Session) error {
	d.calls.Add(1)
	frames := NewFrames(conn, 1000)
	for {
		frame, err := frames.Next()
		if err != nil {
			return err
		}
		var resp wire.Response
		req := wire.Request{Peer: peer}
		if req.Body, err = wire.ParseHeader(frame, &req.Header); err != nil {
			return err
		}
		if err := session.Serve(&req, &resp); err != nil {
			return err
		}
		if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(resp.Buf))), resp.Buf...)); err != nil {
			return err
		}
	}
}

func TestADispatcherTakesThePlaceOfTheLoop(t *testing.T) {
	loop := &plainLoop{}
	s := start(t, handlerFunc(echo), func(o *Options) { o.Dispatcher = loop })
	one, two := dial(t, s), dial(t, s)
	for _, body := range []string{"a", "", "bc"} {
		one.roundTrip([]byte(body))
		two.roundTrip([]byte(body))
	}
	require.Equal(t, int32(2), loop.calls.Load(), "a call for each connection")
	two.send([]byte{0xff, 0xff, 0xff, 0xff})
	two.requireClosed()
	one.roundTrip([]byte("the other connection goes on"))
	// The test's end shuts the server down with a connection open: Dispatch has to return then.
}

func TestNewFrames(t *testing.T) {
	r, w := net.Pipe()
	defer r.Close()
	go func() {
		defer w.Close()
		w.Write([]byte{0, 0, 0, 1, 7, 0, 0, 0, 0, 0, 0, 0, 4, 1})
	}()
	frames := NewFrames(r, 4)
	first, err := frames.Next()
	require.NoError(t, err)
	require.Equal(t, []byte{7}, first)
	second, err := frames.Next()
	require.NoError(t, err)
	require.Empty(t, second)
	_, err = frames.Next()
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}
