package load

import "time"

// backlog holds the consumers back until so much was written, then measures how long they take to catch up.
type backlog struct {
	records int64 // to be written first
	begin   chan<- struct{}
	begun   time.Time
	lasted  time.Duration
}

// caughtUp is how many records consumers may be behind, all together, and count as having caught up: producers go on.
const caughtUp = 1000

func newBacklog(o Options, begin chan<- struct{}) *backlog {
	b := &backlog{records: o.Backlog / int64(o.RecordBytes), begin: begin}
	b.look(time.Now(), 0, 0)
	return b
}

// look is told how many records were written, and how many of them, for all subscriptions, were not received.
func (b *backlog) look(now time.Time, written, behind int64) {
	switch {
	case b.begun.IsZero() && written >= b.records:
		b.begun = now
		close(b.begin)
	case !b.begun.IsZero() && b.records > 0 && b.lasted == 0 && behind <= caughtUp:
		b.lasted = now.Sub(b.begun)
	}
}
