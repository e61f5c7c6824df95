// Package seam is what chapter 02's exercises are given beside the broker's own interfaces: a session that does not block, and
// the kernel's sendfile. It holds no logic that an exercise asks for.
package seam

import (
	"errors"

	"highwater.dev/broker/vfs"
	"highwater.dev/broker/wire"
)

// AsyncSession is a wire.Session that can answer later: what a request loop with a fixed number of handlers needs, lest long
// polls use all of them up.
type AsyncSession interface {
	wire.Session
	// ServeAsync is Serve, but done is called in return's stead, exactly once: before ServeAsync returns, or later from any
	// goroutine. req and resp stay the session's until then. done does not block.
	ServeAsync(req *wire.Request, resp *wire.Response, done func(error))
}

// RawSocket is a syscall.RawConn, as far as sending goes.
type RawSocket interface {
	// Write calls step with the socket's descriptor until step returns true. Before each further call it waits until the
	// socket has room. It returns an error when the connection is closed or its deadline has passed.
	Write(step func(socket uintptr) (done bool)) error
}

// Errors of Sendfile that are no failures.
var (
	// ErrAgain: nothing was sent, because the socket's buffer is full.
	ErrAgain = errors.New("seam: the socket is full")
	// ErrInterrupted: nothing was sent, because a signal came in between.
	ErrInterrupted = errors.New("seam: interrupted by a signal")
)

// Sendfile is the system call sendfile(2): it has the kernel send up to n bytes of file, from position *pos on, to socket, and moves
// *pos by what was sent, which may be less than n. Sent is 0 without an error where the file ends.
func Sendfile(socket uintptr, file vfs.OSBacked, pos *int64, n int64) (sent int64, err error) {
	return sendfile(socket, file, pos, n)
}
