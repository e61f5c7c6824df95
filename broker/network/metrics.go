package network

import "sync/atomic"

// counter is one figure. Safe for concurrent use.
type counter struct{ n atomic.Int64 }

// Inc adds one.
func (c *counter) Inc() { c.n.Add(1) }

// Add adds n.
func (c *counter) Add(n int64) { c.n.Add(n) }

// Value is the current figure.
func (c *counter) Value() int64 { return c.n.Load() }

// counters are the server's figures.
type counters struct {
	accepted, rejected, acceptErrors counter
	connections, busy                counter // gauges
	requests                         counter
	bytesIn, bytesOut, regionBytes   counter
	expired, refused, failed, panics counter
}
