package clock

import "time"

type realClock struct{}

// Real is the operating system's clock and the runtime's timers.
func Real() Clock { return realClock{} }

func (realClock) Now() time.Time { return time.Now() }

func (realClock) AfterFunc(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }
