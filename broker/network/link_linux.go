package network

import (
	"os"

	"golang.org/x/sys/unix"
)

// sendState is one WriteMore in progress.
type sendState struct {
	p    []byte
	err  error
	step func(fd uintptr) bool
}

func (s *sendState) bind() { s.step = s.run }

func (s *sendState) run(fd uintptr) bool {
	for len(s.p) > 0 {
		n, err := unix.SendmsgN(int(fd), s.p, nil, nil, unix.MSG_MORE|unix.MSG_NOSIGNAL)
		switch err {
		case nil:
			s.p = s.p[n:]
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		default:
			s.err = os.NewSyscallError("sendmsg", err)
			return true
		}
	}
	return true
}

// WriteMore writes p like Write and tells the kernel that more follows at once, so that a short header travels in
// the same packet as the file region behind it.
func (l *link) WriteMore(p []byte) error {
	if l.raw == nil {
		_, err := l.Write(p)
		return err
	}
	l.send.p, l.send.err = p, nil
	err := rawLink{l}.Write(l.send.step)
	if err == nil {
		err = l.send.err
	}
	l.send.p = nil
	return err
}

// lowWater is the number of bytes that have to arrive before a Read is woken (SO_RCVLOWAT).
type lowWater struct {
	want    int // what to set; 0 and 1: any byte
	pending int // bytes that had arrived unseen when they were last counted
	set     func(fd uintptr)
	count   func(fd uintptr)
}

func (w *lowWater) bind() {
	w.set = func(fd uintptr) {
		// The kernel takes less where the receive buffer is smaller. An error leaves a wake-up for every packet.
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT, w.want)
	}
	w.count = func(fd uintptr) {
		n, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ)
		if err != nil {
			n = 0
		}
		w.pending = n
	}
}

// await makes the following Reads wait until n bytes have arrived, or the end of the stream.
func (l *link) await(n int) {
	if l.raw == nil || n == l.low.want {
		return
	}
	l.low.want, l.low.pending = n, 0
	_ = l.raw.Control(l.low.set) // a closed socket tells the Read that follows
}

// arrivedUnseen reports whether bytes have come in, too few to wake a Read, since it was last asked.
func (l *link) arrivedUnseen() bool {
	if l.low.want <= 1 {
		return false
	}
	before := l.low.pending
	if l.raw.Control(l.low.count) != nil {
		return false
	}
	return l.low.pending > before
}
