package network

import (
	"net/netip"
	"sync"
	"time"
)

const (
	logEvery   = time.Minute // per peer address
	logTracked = 1024        // peer addresses that are remembered
)

// logLimiter allows one log line per peer address and interval. Its memory is bounded: when too many peers
// misbehave at once, those beyond the bound share one allowance. The zero value is ready.
type logLimiter struct {
	mu    sync.Mutex
	peers map[netip.Addr]*allowance
}

type allowance struct {
	last       time.Time
	suppressed int
}

// allow reports whether something about addr may be logged now, and how much was not since the last time.
func (l *logLimiter) allow(addr netip.Addr, now time.Time) (allowed bool, suppressed int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.peers == nil {
		l.peers = map[netip.Addr]*allowance{}
	}
	a := l.peers[addr]
	if a == nil && len(l.peers) >= logTracked {
		for old, seen := range l.peers {
			if now.Sub(seen.last) >= logEvery {
				delete(l.peers, old)
			}
		}
		if len(l.peers) >= logTracked {
			addr = netip.Addr{} // the allowance that all others share
			a = l.peers[addr]
		}
	}
	switch {
	case a == nil:
		l.peers[addr] = &allowance{last: now}
		return true, 0
	case now.Sub(a.last) < logEvery:
		a.suppressed++
		return false, 0
	}
	suppressed, a.last, a.suppressed = a.suppressed, now, 0
	return true, suppressed
}
