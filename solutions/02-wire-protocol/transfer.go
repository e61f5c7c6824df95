package wireprotocol

import (
	"errors"
	"fmt"
	"io"
	"net"

	"highwater.dev/broker/vfs"
	"highwater.dev/chapters/02-wire-protocol/seam"
)

// copyBytes is how much of a file is in memory at a time.
const copyBytes = 64 << 10

// Copy is the network.Transfer by way of the broker's memory: from the page cache into a buffer, from the buffer into the
// socket. It works with every file and every connection.
type Copy struct{}

// Send writes r's bytes to conn, with a buffer of copyBytes at most. A file that ends before r does is io.ErrUnexpectedEOF.
func (Copy) Send(conn net.Conn, r vfs.Region) error {
	// BEGIN SOLUTION 2.6 read and write one buffer after the other
	buf := make([]byte, min(r.Len, copyBytes))
	for r.Len > 0 {
		n, err := r.File.ReadAt(buf[:min(r.Len, copyBytes)], r.Pos)
		if n == 0 {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("read %s at %d: %w", r.File.Name(), r.Pos, err)
		}
		if _, err := conn.Write(buf[:n]); err != nil {
			return err
		}
		r.Pos, r.Len = r.Pos+int64(n), r.Len-int64(n)
	}
	return nil
	// END SOLUTION
}

// Sendfile is the network.Transfer in which the kernel moves pages from the page cache to the socket.
type Sendfile struct{}

// Send writes r's bytes to conn. The file is a vfs.OSBacked and conn has a seam.Socket, or else they are copied.
//
// The step that seam.RawSocket's Write is given sends until nothing is left (true) or the socket is full (false: it is
// called again when there is room). Other readers share the file, so the position travels with each call. What was sent before
// an interruption stays sent. A file that ends before r does is io.ErrUnexpectedEOF.
func (Sendfile) Send(conn net.Conn, r vfs.Region) error {
	// BEGIN SOLUTION 2.6 fall back to Copy where the kernel cannot do it; otherwise step with seam.Sendfile
	file, isFile := r.File.File.(vfs.OSBacked)
	socket, isSocket := seam.Socket(conn)
	if !isFile || !isSocket {
		return Copy{}.Send(conn, r)
	}
	var failure error
	err := socket.Write(func(fd uintptr) bool {
		for r.Len > 0 {
			n, err := seam.Sendfile(fd, file, &r.Pos, r.Len)
			r.Len -= n
			switch {
			case errors.Is(err, seam.ErrAgain):
				return false
			case errors.Is(err, seam.ErrInterrupted):
			case err != nil:
				failure = err
				return true
			case n == 0:
				failure = io.ErrUnexpectedEOF
				return true
			}
		}
		return true
	})
	if err == nil {
		err = failure
	}
	if err != nil {
		return fmt.Errorf("send %s, %d bytes at %d: %w", r.File.Name(), r.Len, r.Pos, err)
	}
	return nil
	// END SOLUTION
}
