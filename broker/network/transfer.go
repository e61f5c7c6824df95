package network

import (
	"errors"
	"fmt"
	"io"
	"net"

	"highwater.dev/broker/vfs"
)

// Transfer sends stretches of files. It is the seam between copying a fetched region through the broker's memory
// and having the kernel send it from the page cache. Implementations are safe for concurrent use.
type Transfer interface {
	// Send writes all bytes of r to conn, or returns an error, after which conn is closed: the length of
	// the frame was already promised. A file that ends before the region does is io.ErrUnexpectedEOF. Send does not
	// release r. conn is a syscall.Conn when it is a plain socket; partial writes and waiting for a slow
	// reader are Send's to handle.
	Send(conn net.Conn, r vfs.Region) error
}

// copyChunk is the size of the pieces that Copy reads, in bytes.
const copyChunk = 64 << 10

// Copy is the Transfer that reads the file into memory and writes it to the connection. It works with every file and
// every connection.
type Copy struct{ pool bufferPool }

// NewCopy returns a Copy.
func NewCopy() *Copy { return &Copy{} }

// Send implements Transfer.
func (c *Copy) Send(conn net.Conn, r vfs.Region) error {
	buf := c.pool.get(int(min(r.Len, copyChunk)))
	defer c.pool.put(buf)
	for pos, end := r.Pos, r.Pos+r.Len; pos < end; {
		part := buf[:min(int64(len(buf)), end-pos)]
		if err := readRegion(r.File, part, pos); err != nil {
			return err
		}
		if _, err := conn.Write(part); err != nil {
			return err
		}
		pos += int64(len(part))
	}
	return nil
}

// readRegion fills p from position pos.
func readRegion(f *vfs.SharedFile, p []byte, pos int64) error {
	n, err := f.ReadAt(p, pos)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("network: read %s: %d bytes at %d of the %d at %d: %w", f.Name(), n, pos, len(p), pos, err)
}
