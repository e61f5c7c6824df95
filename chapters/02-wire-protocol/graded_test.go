package main

import (
	"flag"
	"net"
	"strings"
	"testing"

	"highwater.dev/broker/network"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/vfs"
	"highwater.dev/broker/wire"
	"highwater.dev/chapters/02-wire-protocol/suite"
	"highwater.dev/workbook/lab"
)

var (
	implFlag = flag.String("impl", "solution,broker", "what is graded: solution, broker, mine (with -tags mine), or several with commas")
	bootFlag = flag.String("bootstrap", "", "TestWire: the address of a broker to run the wire tests against, such as Apache Kafka")
)

func TestGraded(t *testing.T) {
	for name := range strings.SplitSeq(*implFlag, ",") {
		impl, ok := brokerImpl, name == "broker"
		if p, found := implementations[name]; found {
			impl, ok = p.graded(name), true
		}
		if !ok {
			t.Fatalf("-impl=%s: there is no such implementation", name)
		}
		t.Run(name, func(t *testing.T) { suite.Run(t, impl) })
	}
}

// TestWire runs the wire tests against whatever listens at -bootstrap, or else against the solution's own network.
func TestWire(t *testing.T) {
	impl := suite.Impl{Name: "bootstrap", Start: func(suite.TB, segment.Opener) *suite.Running {
		return &suite.Running{Addr: *bootFlag, Stop: func() error { return nil }, Stub: func() any { return nil }}
	}}
	if *bootFlag == "" {
		impl.Start = func(tb suite.TB, _ segment.Opener) *suite.Running {
			return startStage(tb, solutionParts, "reactor", "sendfile")
		}
	}
	lab.Run(t, impl, suite.WireTests())
}

// graded are the parts as the suite sees them.
func (p parts) graded(name string) suite.Impl {
	impl := suite.Impl{
		Name: name, NewFrames: p.newFrames, ParseHeader: p.parseHeader, BeginResponse: p.beginResponse,
		Start: func(t suite.TB, open segment.Opener) *suite.Running {
			if open == nil {
				open = segment.Open
			}
			return suite.StartStage(t, p.newBroker(vfs.NewMem(), "data", open, 2))
		},
	}
	for _, loop := range loopNames {
		impl.Loops = append(impl.Loops, suite.Loop{Name: loop, Start: func(h wire.Handler, o suite.LoopOptions) (string, func(), error) {
			d, end := p.newLoop[loop](loopOptions{wire.ParseHeader, o.MaxRequestBytes, network.NewCopy(), o.Processors, o.Handlers, o.QueuedRequests})
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return "", nil, err
			}
			server, served := p.newServer(h, d), make(chan error, 1)
			go func() { served <- server.Serve(l) }()
			return l.Addr().String(), func() {
				_ = l.Close() // ends Serve
				<-served
				server.Close()
				end()
			}, nil
		}})
	}
	for _, transfer := range transferNames {
		impl.Transfers = append(impl.Transfers, suite.Transfer{Name: transfer, New: p.newTransfer[transfer], ZeroCopy: transfer == "sendfile"})
	}
	return impl
}

// brokerImpl is the broker itself.
var brokerImpl = suite.Impl{
	Name: "broker", NewFrames: network.NewFrames, ParseHeader: wire.ParseHeader, BeginResponse: wire.BeginResponse,
	Start: suite.StartBroker,
	Loops: []suite.Loop{{Name: "broker", Start: func(h wire.Handler, o suite.LoopOptions) (string, func(), error) {
		return suite.StartLoop(h, nil, o.MaxRequestBytes)
	}}},
	Transfers: []suite.Transfer{
		{Name: "copy", New: func() network.Transfer { return network.NewCopy() }},
		{Name: "sendfile", New: network.NewSendfile, ZeroCopy: true},
	},
}
