package clock

import (
	"container/heap"
	"sync"
	"time"
)

// Manual is a clock that stands still until Advance. It is safe for concurrent use; Advance itself is
// called by one goroutine at a time.
//
// A timer that is due at once (d of zero or less) fires in the next Advance, Advance(0) too, and not inside
// AfterFunc: the caller of AfterFunc may hold a lock that the function takes.
type Manual struct {
	mu     sync.Mutex
	now    time.Time
	seq    uint64 // orders timers that are due at the same instant
	timers timerHeap
}

// NewManual is a clock that says start until it is advanced.
func NewManual(start time.Time) *Manual { return &Manual{now: start} }

// Now is the instant that the clock was advanced to; inside a timer's function, the timer's own due time.
func (m *Manual) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// AfterFunc implements Clock.
func (m *Manual) AfterFunc(d time.Duration, f func()) Timer {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := &manualTimer{clock: m, f: f, index: notPending}
	m.schedule(t, d)
	return t
}

// Advance moves the clock forward by d and fires, on this goroutine and in order of their due times (of equal
// ones: in the order they were set), all timers that become due, those set meanwhile included. It panics when d is
// negative: time does not run backwards.
func (m *Manual) Advance(d time.Duration) {
	if d < 0 {
		panic("clock: Advance by a negative duration")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	end := m.now.Add(d)
	for len(m.timers) > 0 && !m.timers[0].due.After(end) {
		t := heap.Pop(&m.timers).(*manualTimer)
		if t.due.After(m.now) {
			m.now = t.due
		}
		m.unlocked(t.f)
	}
	if end.After(m.now) { // a timer's function may itself have advanced the clock
		m.now = end
	}
}

// unlocked calls f without the lock, and takes the lock again even if f panics: the caller unlocks it once more.
func (m *Manual) unlocked(f func()) {
	m.mu.Unlock()
	defer m.mu.Lock()
	f()
}

// Next is the earliest pending timer's due time; ok is false when no timer is pending.
func (m *Manual) Next() (due time.Time, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.timers) == 0 {
		return time.Time{}, false
	}
	return m.timers[0].due, true
}

// Pending is the number of timers that have neither fired nor been stopped.
func (m *Manual) Pending() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.timers)
}

func (m *Manual) schedule(t *manualTimer, d time.Duration) {
	m.seq++
	t.due, t.seq = m.now.Add(max(d, 0)), m.seq
	heap.Push(&m.timers, t)
}

const notPending = -1

type manualTimer struct {
	clock *Manual
	f     func()
	due   time.Time
	seq   uint64
	index int // in the heap, or notPending
}

func (t *manualTimer) Stop() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	return t.cancel()
}

func (t *manualTimer) Reset(d time.Duration) bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	was := t.cancel()
	t.clock.schedule(t, d)
	return was
}

func (t *manualTimer) cancel() bool {
	if t.index == notPending {
		return false
	}
	heap.Remove(&t.clock.timers, t.index)
	return true
}

// timerHeap is a container/heap of pending timers, the earliest first.
type timerHeap []*manualTimer

func (h timerHeap) Len() int { return len(h) }

func (h timerHeap) Less(i, j int) bool {
	if h[i].due.Equal(h[j].due) {
		return h[i].seq < h[j].seq
	}
	return h[i].due.Before(h[j].due)
}

func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *timerHeap) Push(x any) {
	t := x.(*manualTimer)
	t.index = len(*h)
	*h = append(*h, t)
}

func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	t.index = notPending
	return t
}
