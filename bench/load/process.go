package load

import (
	"context"
	"time"

	"highwater.dev/bench/proc"
)

// process is what the server used in the measured part.
type process struct {
	cpu     time.Duration
	peakRSS int64 // bytes, since the server's start
}

// watchProcess reads the server's CPU time when the measured part begins; the function it returns reads it again. Without a
// pid it reads nothing.
func watchProcess(ctx context.Context, pid int, from time.Time) func() (*process, error) {
	if pid == 0 {
		return func() (*process, error) { return nil, nil }
	}
	type reading struct {
		cpu time.Duration
		err error
	}
	before := make(chan reading, 1)
	go func() {
		if err := sleepUntil(ctx, from); err != nil {
			before <- reading{err: err}
			return
		}
		cpu, err := proc.CPU(pid)
		before <- reading{cpu, err}
	}()
	return func() (*process, error) {
		begun := <-before
		if begun.err != nil {
			return nil, begun.err
		}
		cpu, err := proc.CPU(pid)
		if err != nil {
			return nil, err
		}
		peak, err := proc.PeakRSS(pid)
		if err != nil {
			return nil, err
		}
		return &process{cpu - begun.cpu, peak}, nil
	}
}
