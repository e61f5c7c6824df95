package network

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Pauses after an accept that failed, for example because the process has no descriptor left.
const (
	firstPause = 5 * time.Millisecond
	maxPause   = time.Second
)

// accept takes connections from l until the server shuts down.
func (s *Server) accept(l boundListener) {
	pause := firstPause
	for {
		nc, err := l.Accept()
		if err != nil {
			if s.draining.Load() || errors.Is(err, net.ErrClosed) {
				return
			}
			s.counters.acceptErrors.Inc()
			s.warnPeer(netip.Addr{}, "accept failed", "listener", l.name, "error", err, "pause", pause)
			if !s.sleep(pause) {
				return
			}
			pause = min(2*pause, maxPause)
			continue
		}
		pause = firstPause
		s.start(nc, l.name)
	}
}

// sleep reports false when the server shut down meanwhile.
func (s *Server) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.drain:
		return false
	}
}

// start serves one accepted connection on a goroutine of its own. It waits while max.connections are open.
func (s *Server) start(nc net.Conn, listener string) {
	addr := remoteAddr(nc).Addr()
	switch s.quota.acquire(addr) {
	case admitted:
	case tooManyOfPeer:
		s.counters.rejected.Inc()
		s.warnPeer(addr, "connection rejected: max.connections.per.ip", "peer", nc.RemoteAddr(), "listener", listener)
		_ = nc.Close() // nothing was promised on it
		return
	case quotaClosed:
		_ = nc.Close()
		return
	}
	c := newConn(s, nc, listener)
	s.mu.Lock()
	// Under mu, so that Shutdown's Wait does not begin between the look and the Add.
	if s.draining.Load() {
		s.mu.Unlock()
		s.quota.release(addr)
		_ = nc.Close()
		return
	}
	s.running.Add(1)
	s.mu.Unlock()
	s.counters.accepted.Inc()
	s.counters.connections.Add(1)
	go func() {
		defer s.running.Done()
		c.run()
		s.counters.connections.Add(-1)
		s.quota.release(addr)
	}()
}

// quota counts connections. As in Apache Kafka, an acceptor waits with its latest connection while max.connections
// are open, and a connection that exceeds max.connections.per.ip is closed at once.
type quota struct {
	mu       sync.Mutex
	changed  sync.Cond
	open     int // connections
	max      int
	perIP    map[netip.Addr]int // connections of each peer
	maxPerIP int
	byIP     map[netip.Addr]int // limits of certain peers in maxPerIP's stead
	closed   bool
}

// admission is the quota's answer.
type admission int

const (
	admitted admission = iota
	tooManyOfPeer
	quotaClosed
)

func (q *quota) init(c Config) {
	q.changed.L = &q.mu
	q.max, q.maxPerIP, q.byIP = c.MaxConnections, c.MaxConnectionsPerIP, c.ByIP
	q.perIP = map[netip.Addr]int{}
}

// limit is how many connections addr may have.
func (q *quota) limit(addr netip.Addr) int {
	if n, special := q.byIP[addr]; special {
		return n
	}
	return q.maxPerIP
}

// acquire counts a connection from addr, waiting for a place where there is none.
func (q *quota) acquire(addr netip.Addr) admission {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		switch {
		case q.closed:
			return quotaClosed
		case q.perIP[addr] >= q.limit(addr):
			return tooManyOfPeer
		case q.open < q.max:
			q.open++
			q.perIP[addr]++
			return admitted
		}
		q.changed.Wait()
	}
}

// release ends a connection from addr.
func (q *quota) release(addr netip.Addr) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.open--
	if q.perIP[addr]--; q.perIP[addr] == 0 {
		delete(q.perIP, addr)
	}
	q.changed.Signal()
}

// close ends all waits.
func (q *quota) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.changed.Broadcast()
}
