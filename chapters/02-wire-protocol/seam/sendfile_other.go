//go:build !linux

package seam

import (
	"errors"
	"net"

	"highwater.dev/broker/vfs"
)

// Socket returns conn's socket; ok is false here always: this system's sendfile is not made accessible.
func Socket(net.Conn) (socket RawSocket, ok bool) { return nil, false }

func sendfile(uintptr, vfs.OSBacked, *int64, int64) (int64, error) {
	return 0, errors.New("seam: no sendfile on this operating system")
}
