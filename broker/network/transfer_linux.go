package network

import (
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"highwater.dev/broker/vfs"
)

// maxSendfile is the most that one system call is asked to send, in bytes. It bounds the time that one call, and
// so one goroutine's thread, is busy.
const maxSendfile = 4 << 20

// Sendfile is the Transfer in which the kernel sends the file's pages to the socket, with explicit offsets: the
// file's own seek position is shared by all its readers. Files that the operating system does not know (vfs.Mem) and
// connections that are no sockets (TLS) are copied.
type Sendfile struct {
	copy *Copy
	jobs sync.Pool // of *sendfileJob
}

// NewSendfile returns a Sendfile.
func NewSendfile() Transfer { return &Sendfile{copy: NewCopy()} }

// sendfileJob is one Send in progress. It is pooled, its step bound once, so that Send does not allocate.
type sendfileJob struct {
	file int
	pos  int64
	left int64
	err  error
	step func(socket uintptr) bool
}

// run sends until the socket is full, and reports whether it is finished.
func (j *sendfileJob) run(socket uintptr) bool {
	for j.left > 0 {
		n, err := unix.Sendfile(int(socket), j.file, &j.pos, int(min(j.left, maxSendfile)))
		switch {
		case n > 0:
			j.left -= int64(n) // the kernel has moved j.pos
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			return false
		case err != nil:
			j.err = os.NewSyscallError("sendfile", err)
			return true
		default: // the file ended
			j.err = io.ErrUnexpectedEOF
			return true
		}
	}
	return true
}

// Send implements Transfer.
func (s *Sendfile) Send(conn net.Conn, r vfs.Region) error {
	file, isFile := r.File.File.(vfs.OSBacked)
	socket, isSocket := conn.(syscall.Conn)
	if !isFile || !isSocket {
		return s.copy.Send(conn, r)
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return s.copy.Send(conn, r)
	}
	job, _ := s.jobs.Get().(*sendfileJob)
	if job == nil {
		job = &sendfileJob{}
		job.step = job.run
	}
	// The caller's hold on the region keeps the descriptor open.
	job.file, job.pos, job.left, job.err = int(file.OSFile().Fd()), r.Pos, r.Len, nil
	err = raw.Write(job.step)
	if err == nil {
		err = job.err
	}
	left := r.Len - job.left
	s.jobs.Put(job)
	if err != nil {
		return fmt.Errorf("network: send %s: %d of the %d bytes at %d: %w", r.File.Name(), left, r.Len, r.Pos, err)
	}
	return nil
}
