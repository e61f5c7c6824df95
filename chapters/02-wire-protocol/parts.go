package main

import (
	"io"
	"net"

	"highwater.dev/broker/network"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/vfs"
	"highwater.dev/broker/wire"
)

// parts are one implementation of the chapter's exercises: the solution's or the reader's.
type parts struct {
	newFrames     func(src io.Reader, limit int) network.Frames
	parseHeader   func(frame []byte, h *wire.Header) ([]byte, error)
	beginResponse func(resp *wire.Response, h *wire.Header)
	newBroker     func(fs vfs.FS, dir string, open segment.Opener, partitions int) stage
	newServer     func(h wire.Handler, loop network.Dispatcher) acceptor
	newTransfer   map[string]func() network.Transfer
	newLoop       map[string]func(loopOptions) (loop network.Dispatcher, end func())
}

// stage answers requests.
type stage interface {
	wire.Handler
	Advertise(host string, port int32)
	Close() error
}

// acceptor takes connections.
type acceptor interface {
	Serve(l net.Listener) error
	Close()
}

// loopOptions are wireprotocol.LoopOptions of any implementation.
type loopOptions struct {
	ParseHeader     func(frame []byte, h *wire.Header) ([]byte, error)
	MaxRequestBytes int
	Transfer        network.Transfer
	Processors      int
	Handlers        int
	QueuedRequests  int
}

// kafkaDefaults are num.network.threads, num.io.threads, queued.max.requests and socket.request.max.bytes of Apache Kafka.
func kafkaDefaults(parse func([]byte, *wire.Header) ([]byte, error), t network.Transfer) loopOptions {
	return loopOptions{ParseHeader: parse, MaxRequestBytes: network.DefaultMaxRequestBytes, Transfer: t, Processors: 3, Handlers: 8, QueuedRequests: 500}
}

// The names that flags and benchmarks give to loops and transfers, in the order of tests.
var (
	loopNames     = []string{"reactor", "goroutines"}
	transferNames = []string{"copy", "sendfile"}
)

// implementations by name; mine.go adds the reader's.
var implementations = map[string]parts{"solution": solutionParts}
