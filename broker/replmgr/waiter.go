package replmgr

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Waiter is woken by partitions. A connection makes one and uses it for all its long polls.
type Waiter struct{ c chan struct{} }

// NewWaiter makes a Waiter.
func NewWaiter() *Waiter { return &Waiter{c: make(chan struct{}, 1)} }

// C receives after a watched partition changed. It may also receive for a change before the last Watch.
func (w *Waiter) C() <-chan struct{} { return w.c }

// Wake makes C receive, as a partition would. Several before the receive count as one.
func (w *Waiter) Wake() {
	select {
	case w.c <- struct{}{}:
	default:
	}
}

// waiters are those who watch a partition.
type waiters struct {
	count atomic.Int32 // of list: appends look at it without the lock
	mu    sync.Mutex
	list  []*Waiter
}

func (s *waiters) add(w *Waiter) {
	s.mu.Lock()
	s.list = append(s.list, w)
	s.count.Store(int32(len(s.list)))
	s.mu.Unlock()
}

func (s *waiters) remove(w *Waiter) {
	s.mu.Lock()
	if i := slices.Index(s.list, w); i >= 0 {
		last := len(s.list) - 1
		s.list[i], s.list[last] = s.list[last], nil
		s.list = s.list[:last]
	}
	s.count.Store(int32(len(s.list)))
	s.mu.Unlock()
}

func (s *waiters) wake() {
	if s.count.Load() == 0 {
		return
	}
	s.mu.Lock()
	for _, w := range s.list {
		w.Wake()
	}
	s.mu.Unlock()
}

// Watch has w woken whenever the high watermark or the last stable offset moves, the leader epoch changes, the log
// fails or the partition is deleted, until Unwatch. Watch first, then Read or look at HighWatermark, then wait: so no
// wake-up is lost. It allocates nothing in steady state.
func (p *Partition) Watch(w *Waiter) { p.waiters.add(w) }

// Unwatch ends one Watch of w. A waiter that does not watch is no error.
func (p *Partition) Unwatch(w *Waiter) { p.waiters.remove(w) }
