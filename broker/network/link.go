package network

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// link is a client's socket with idle expiry. A Read or Write that gets nowhere for maxIdle returns
// os.ErrDeadlineExceeded. The deadline of the socket is moved only when it fires, so a request costs
// no work on timers: what is kept per request is the time of the last progress.
//
// One goroutine reads and writes; Close and interrupt may come from others.
type link struct {
	net.Conn
	raw     syscall.RawConn // nil when the connection is not a socket
	maxIdle time.Duration   // 0: no expiry
	active  time.Time       // last progress in either direction
	stopped atomic.Bool     // interrupt was called

	step     func(fd uintptr) bool // the RawConn.Write callback in progress
	waited   bool                  // step was called before and is called again after a wait
	rawWrite func(fd uintptr) bool // bound once, so that a send does not allocate
	send     sendState
	low      lowWater
}

func newLink(conn net.Conn, maxIdle time.Duration) *link {
	l := &link{Conn: conn, maxIdle: maxIdle, active: time.Now()}
	if sc, ok := conn.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			l.raw = raw
		}
	}
	l.rawWrite = func(fd uintptr) bool {
		if l.waited {
			l.touch() // called again, so the peer has taken something
		}
		l.waited = true
		return l.step(fd)
	}
	l.send.bind()
	l.low.bind()
	l.arm()
	return l
}

// arm sets the socket's deadline to when the link will have been idle for maxIdle.
func (l *link) arm() {
	if l.maxIdle > 0 {
		// The error says that the socket is closed; the read or write that follows says so too.
		_ = l.SetDeadline(l.active.Add(l.maxIdle))
	}
	if l.stopped.Load() {
		_ = l.SetReadDeadline(past)
	}
}

// past is a deadline that has been missed.
var past = time.Unix(1, 0)

// interrupt makes a Read in progress and all later ones fail, from another goroutine. Writes go on.
func (l *link) interrupt() {
	l.stopped.Store(true)
	_ = l.SetReadDeadline(past)
}

// expired reports whether err says that the link has been idle for too long. When a deadline fired
// though there was progress since it was set, it sets the next one and reports retry.
func (l *link) expired(err error, reading bool) (retry bool) {
	if !errors.Is(err, os.ErrDeadlineExceeded) || l.maxIdle <= 0 {
		return false
	}
	if reading && l.stopped.Load() {
		return false
	}
	if time.Since(l.active) >= l.maxIdle {
		if !reading || !l.arrivedUnseen() {
			return false
		}
		l.touch()
	}
	l.arm()
	return true
}

// touch notes progress.
func (l *link) touch() { l.active = time.Now() }

// Read reads at least one byte or fails.
func (l *link) Read(p []byte) (int, error) {
	for {
		n, err := l.Conn.Read(p)
		if n > 0 {
			l.touch()
			return n, nil
		}
		if err != nil && !l.expired(err, true) {
			return 0, err
		}
	}
}

// Write writes all of p or fails.
func (l *link) Write(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		n, err := l.Conn.Write(p[written:])
		written += n
		if n > 0 {
			l.touch()
		}
		if err != nil && !l.expired(err, false) {
			return written, err
		}
	}
	return written, nil
}

// SyscallConn returns the link itself: its Write method obeys idle expiry, and asking does not allocate.
func (l *link) SyscallConn() (syscall.RawConn, error) {
	if l.raw == nil {
		return nil, errors.New("network: not a socket")
	}
	return rawLink{l}, nil
}

// rawLink is the link as a syscall.RawConn.
type rawLink struct{ l *link }

func (r rawLink) Control(f func(fd uintptr)) error          { return r.l.raw.Control(f) }
func (r rawLink) Read(f func(fd uintptr) (done bool)) error { return r.l.raw.Read(f) }

// Write calls f until it returns true, waiting between the calls until the socket takes data. f goes on where
// it stopped when it is called again.
func (r rawLink) Write(f func(fd uintptr) (done bool)) error {
	r.l.step = f
	defer func() { r.l.step = nil }()
	for {
		r.l.waited = false
		err := r.l.raw.Write(r.l.rawWrite)
		if err == nil {
			r.l.touch()
			return nil
		}
		if !r.l.expired(err, false) {
			return err
		}
	}
}
