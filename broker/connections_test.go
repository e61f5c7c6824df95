package broker_test

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/vfs"
)

// Properties reach the listener: nobody may connect (max.connections.per.ip=0) but the address that an override names, and that
// one as often as it says.
func TestConnectionsPerIP(t *testing.T) {
	n := newNode(t, vfs.NewMem(), "data", map[string]string{"max.connections.per.ip": "0", "max.connections.per.ip.overrides": "127.0.0.1:2"})
	first, second := n.dial("127.0.0.1"), n.dial("127.0.0.1")
	require.True(t, answered(t, first))
	require.True(t, answered(t, second))
	require.False(t, answered(t, n.dial("127.0.0.1")), "a third one")
	require.False(t, answered(t, n.dial("127.0.0.2")), "another address")
	require.True(t, answered(t, second), "those that are open stay")
	require.NoError(t, first.Close())
	require.Eventually(t, func() bool { return answered(t, n.dial("127.0.0.1")) }, 5*time.Second, 10*time.Millisecond, "a place is free again")
}

// dial connects from an address of this machine.
func (n *node) dial(from string) net.Conn {
	n.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.DialContext(n.t.Context(), "tcp", n.addr())
	require.NoError(n.t, err)
	n.t.Cleanup(func() { _ = c.Close() })
	require.NoError(n.t, c.SetDeadline(time.Now().Add(10*time.Second)))
	return c
}

// answered asks for the broker's versions. False: the connection was closed.
func answered(t *testing.T, c net.Conn) bool {
	t.Helper()
	// length, ApiVersions, version 0, correlation id 7, no client id
	_, err := c.Write([]byte{0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff})
	var length [4]byte
	if err == nil {
		_, err = io.ReadFull(c, length[:])
	}
	if err != nil {
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "neither answered nor closed")
		return false
	}
	body := make([]byte, binary.BigEndian.Uint32(length[:]))
	_, err = io.ReadFull(c, body)
	require.NoError(t, err)
	require.EqualValues(t, 7, binary.BigEndian.Uint32(body))
	return true
}
