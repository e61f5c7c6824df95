// Package clock is the broker's only source of time below the edge, so that tests and the
// simulator decide what time it is and when a timer fires.
package clock

import "time"

// Clock tells the time and runs functions later.
type Clock interface {
	// Now is the current time. Highwater compares and stores it in milliseconds.
	Now() time.Time
	// AfterFunc calls f once, d from now, on a goroutine of its own (Manual: on the goroutine
	// that calls Advance). A d of zero or less fires at once.
	AfterFunc(d time.Duration, f func()) Timer
}

// Timer is a pending call made by AfterFunc.
type Timer interface {
	// Stop cancels the call and reports whether it was still pending.
	Stop() bool
	// Reset makes the call due d from now, also when it has fired, and reports whether it was still pending.
	Reset(d time.Duration) bool
}
