// Package suite is chapter 02's graded suite: what every broker's way from the socket to the log must do.
//
// One file is one exercise's theme. Frames, headers, loops and transfers are looked at through their seams; ApiVersions,
// Metadata, Produce and Fetch over the wire, by a bootstrap address, so that those tests judge Apache Kafka too.
package suite

import (
	"io"
	"net"
	"testing"
	"time"

	"highwater.dev/broker/network"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/wire"
	"highwater.dev/workbook/lab"
)

// Impl is what is graded.
type Impl struct {
	Name          string
	NewFrames     func(src io.Reader, limit int) network.Frames
	ParseHeader   func(frame []byte, h *wire.Header) (body []byte, err error)
	BeginResponse func(resp *wire.Response, h *wire.Header)
	// Start starts a broker whose logs, all of them in memory, open makes.
	Start     func(t TB, open segment.Opener) *Running
	Loops     []Loop
	Transfers []Transfer
}

// Running is a broker that clients can reach.
type Running struct {
	Addr string
	// Stop ends it, long polls included. It may be called twice.
	Stop func() error
	// Stub is the value that an exercise's stub panicked with while a request was served, nil when none did.
	Stub func() any
}

// Loop is a way of requests through a broker.
type Loop struct {
	Name string
	// Start serves h on a port of its own. stop closes all connections, waits for them, and leaves no goroutine.
	Start func(h wire.Handler, o LoopOptions) (addr string, stop func(), err error)
}

// LoopOptions are what the tests ask of a loop. A loop without a limit on something ignores it.
type LoopOptions struct{ MaxRequestBytes, Processors, Handlers, QueuedRequests int }

// Transfer is a way of a file's bytes to a socket.
type Transfer struct {
	Name string
	New  func() network.Transfer
	// ZeroCopy says that the broker's memory sees nothing of a file on its way to a socket.
	ZeroCopy bool
}

// TB is what the suite asks of *lab.T and *rapid.T.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
}

// Tests are all graded tests, by exercise.
func Tests() []lab.Test[Impl] {
	var all []lab.Test[Impl]
	for _, tests := range [][]lab.Test[Impl]{frames, headers, apiVersions, produce, fetch, fetchInside, loops, transfers} {
		all = append(all, tests...)
	}
	return all
}

// WireTests are those that need no more than a bootstrap address.
func WireTests() []lab.Test[Impl] {
	var all []lab.Test[Impl]
	for _, tests := range [][]lab.Test[Impl]{apiVersions, produce, fetch} {
		all = append(all, tests...)
	}
	return all
}

// Run runs the suite over one implementation.
func Run(t *testing.T, impl Impl) { lab.Run(t, impl, Tests()) }

// patience is how long a test waits for what has to happen. No test takes that long unless it fails.
const patience = 5 * time.Second

// mustDial connects to a broker.
func mustDial(t TB, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatalf("connect to %s: %v", addr, err)
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatalf("%v", err)
	}
	return conn
}
