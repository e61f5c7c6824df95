//go:build !linux

package load

import "time"

const timerSlack = 0

func sleepShort(d time.Duration) { time.Sleep(d) }
