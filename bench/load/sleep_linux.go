package load

import (
	"time"

	"golang.org/x/sys/unix"
)

// timerSlack is more than a Go timer may be late. Below a millisecond the runtime waits in epoll for a whole one: a timer of
// 100 µs fired after 1.1 ms here.
const timerSlack = 1200 * time.Microsecond

// sleepShort sleeps in the kernel, whose timers are late by about 60 µs. A signal may end it early.
func sleepShort(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&ts, nil) // an interrupted sleep is a short one: the caller looks at the clock
}
