//go:build unix

package network

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// setBuffers gives the listening socket the configured buffer sizes. Accepted sockets inherit them, and the receive
// buffer has to be set before the connection is made for its window scale to allow for it.
func (s *Server) setBuffers(_, _ string, raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		if n := s.config.SendBufferBytes; n > 0 {
			failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF, n)
		}
		if n := s.config.ReceiveBufferBytes; n > 0 && failed == nil {
			failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, n)
		}
	})
	if err != nil {
		return err
	}
	return os.NewSyscallError("setsockopt", failed)
}
