package clock_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/clock"
)

var start = time.Unix(1000, 0)

// TestClock runs one suite over both clocks; under synctest the real one is as quick as the manual one.
func TestClock(t *testing.T) {
	t.Run("Real", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			testClock(t, clock.Real(), func(d time.Duration) { time.Sleep(d); synctest.Wait() })
		})
	})
	t.Run("Manual", func(t *testing.T) {
		m := clock.NewManual(start)
		testClock(t, m, m.Advance)
	})
}

func testClock(t *testing.T, c clock.Clock, advance func(time.Duration)) {
	var mu sync.Mutex
	fired := map[string]time.Duration{}
	began := c.Now()
	note := func(name string) func() {
		return func() {
			mu.Lock()
			defer mu.Unlock()
			_, twice := fired[name]
			require.False(t, twice, name)
			fired[name] = c.Now().Sub(began)
		}
	}
	c.AfterFunc(10*time.Second, note("late"))
	c.AfterFunc(time.Second, note("early"))
	c.AfterFunc(0, note("now"))
	c.AfterFunc(-time.Second, note("past"))
	stopped := c.AfterFunc(2*time.Second, note("stopped"))
	moved := c.AfterFunc(2*time.Second, note("moved"))

	advance(500 * time.Millisecond)
	require.Equal(t, map[string]time.Duration{"now": 0, "past": 0}, fired)
	require.True(t, stopped.Stop())
	require.False(t, stopped.Stop(), "it is not pending any more")
	require.True(t, moved.Reset(4*time.Second))
	advance(9 * time.Second)
	require.Equal(t, map[string]time.Duration{"now": 0, "past": 0, "early": time.Second, "moved": 4500 * time.Millisecond}, fired)
	require.Equal(t, began.Add(9500*time.Millisecond), c.Now())

	mu.Lock()
	delete(fired, "moved")
	mu.Unlock()
	require.False(t, moved.Stop(), "it has fired")
	require.False(t, moved.Reset(time.Second), "it had fired")
	require.False(t, stopped.Reset(time.Second), "it was stopped")
	advance(time.Second)
	require.Equal(t, map[string]time.Duration{"now": 0, "past": 0, "early": time.Second, "late": 10 * time.Second,
		"moved": 10500 * time.Millisecond, "stopped": 10500 * time.Millisecond}, fired)
}

func TestAdvanceFiresInOrder(t *testing.T) {
	m := clock.NewManual(start)
	var order []string
	at := func(name string) func() {
		return func() { order = append(order, name+"@"+m.Now().Sub(start).String()) }
	}
	m.AfterFunc(3*time.Second, at("c"))
	m.AfterFunc(time.Second, func() {
		at("a")()
		m.AfterFunc(time.Second, at("nested"))
		m.AfterFunc(0, at("at once"))
		m.AfterFunc(time.Hour, at("never"))
	})
	m.AfterFunc(3*time.Second, at("d"))
	m.AfterFunc(2*time.Second, at("b"))
	due, ok := m.Next()
	require.True(t, ok)
	require.Equal(t, start.Add(time.Second), due)
	m.Advance(3 * time.Second)
	require.Equal(t, []string{"a@1s", "at once@1s", "b@2s", "nested@2s", "c@3s", "d@3s"}, order)
	require.Equal(t, 1, m.Pending())
	require.Panics(t, func() { m.Advance(-1) })
}

func TestAdvanceInsideATimer(t *testing.T) {
	m := clock.NewManual(start)
	fired := 0
	m.AfterFunc(time.Second, func() { m.Advance(time.Hour) })
	m.AfterFunc(time.Minute, func() { fired++ })
	m.Advance(2 * time.Second)
	require.Equal(t, 1, fired)
	require.Equal(t, start.Add(time.Second+time.Hour), m.Now(), "time does not go back to the outer Advance's end")
	_, ok := m.Next()
	require.False(t, ok)
}

func TestAPanicInATimerLeavesTheClockUsable(t *testing.T) {
	m := clock.NewManual(start)
	m.AfterFunc(time.Second, func() { panic("from a timer") })
	require.PanicsWithValue(t, "from a timer", func() { m.Advance(time.Minute) })
	require.Equal(t, start.Add(time.Second), m.Now())
}
