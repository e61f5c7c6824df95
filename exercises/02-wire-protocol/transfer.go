// This file is yours to edit. It was made from solutions/02-wire-protocol/transfer.go by: go run . generate
// made: 44ce44f9ef23816ced15c06c55adfc6867ee253854aab316186f5f21fdf00cbf

package wireprotocol

import (
	"net"

	"highwater.dev/broker/vfs"
	"highwater.dev/workbook/lab"
)

// copyBytes is how much of a file is in memory at a time.
const copyBytes = 64 << 10

// Copy is the network.Transfer by way of the broker's memory: from the page cache into a buffer, from the buffer into the
// socket. It works with every file and every connection.
type Copy struct{}

// Send writes r's bytes to conn, with a buffer of copyBytes at most. A file that ends before r does is io.ErrUnexpectedEOF.
func (Copy) Send(conn net.Conn, r vfs.Region) error {
	// TODO 2.6: read and write one buffer after the other
	// Text: chapters/02-wire-protocol/README.md#exercise-2-6
	// Test: go run . test 2.6
	panic(lab.NotStarted("2.6"))
}

// Sendfile is the network.Transfer in which the kernel moves pages from the page cache to the socket.
type Sendfile struct{}

// Send writes r's bytes to conn. The file is a vfs.OSBacked and conn has a seam.Socket, or else they are copied.
//
// The step that seam.RawSocket's Write is given sends until nothing is left (true) or the socket is full (false: it is
// called again when there is room). Other readers share the file, so the position travels with each call. What was sent before
// an interruption stays sent. A file that ends before r does is io.ErrUnexpectedEOF.
func (Sendfile) Send(conn net.Conn, r vfs.Region) error {
	// TODO 2.6: fall back to Copy where the kernel cannot do it; otherwise step with seam.Sendfile
	// Text: chapters/02-wire-protocol/README.md#exercise-2-6
	// Test: go run . test 2.6
	panic(lab.NotStarted("2.6"))
}
