package seam

import (
	"errors"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"highwater.dev/broker/vfs"
)

// Socket returns conn's socket; ok is false when conn is not made of one (a pipe, TLS).
func Socket(conn net.Conn) (socket RawSocket, ok bool) {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return nil, false
	}
	raw, err := sc.SyscallConn()
	return raw, err == nil
}

// maxSendfile bounds how long one call keeps its thread, in bytes.
const maxSendfile = 4 << 20

func sendfile(socket uintptr, file vfs.OSBacked, pos *int64, n int64) (int64, error) {
	sent, err := unix.Sendfile(int(socket), int(file.OSFile().Fd()), pos, int(min(n, maxSendfile)))
	switch {
	case err == nil:
		return int64(sent), nil
	case errors.Is(err, unix.EAGAIN):
		return 0, ErrAgain
	case errors.Is(err, unix.EINTR):
		return 0, ErrInterrupted
	default:
		return 0, os.NewSyscallError("sendfile", err)
	}
}
