package suite

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"highwater.dev/broker"
	"highwater.dev/broker/config"
	"highwater.dev/broker/network"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/vfs"
	"highwater.dev/broker/wire"
	"highwater.dev/workbook/lab"
)

// Stage is a chapter's broker: what answers requests.
type Stage interface {
	wire.Handler
	Advertise(host string, port int32)
	Close() error
}

// StartStage runs a stage behind the broker's own network, so that exercises 2.3 and 2.4 stand without 2.1, 2.5 and 2.6.
func StartStage(t TB, s Stage) *Running {
	t.Helper()
	g := &guard{Handler: s}
	server := network.New(network.Options{Handler: g, Logger: slog.New(slog.DiscardHandler),
		Config: network.Config{Listeners: []network.Listener{{Name: "PLAINTEXT", Host: "127.0.0.1"}}}})
	if err := server.Listen(); err != nil {
		t.Fatalf("listen: %v", err)
	}
	addr, _ := server.Addr("PLAINTEXT").(*net.TCPAddr)
	s.Advertise("127.0.0.1", int32(addr.Port))
	served := make(chan error, 1)
	go func() { served <- server.Serve() }()
	stop := sync.OnceValue(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			return fmt.Errorf("a request does not end: %w", err)
		}
		if err := <-served; err != nil {
			return err
		}
		return s.Close()
	})
	return &Running{Addr: addr.String(), Stop: stop, Stub: g.met}
}

// guard remembers the stub that a request ran into.
type guard struct {
	wire.Handler
	mu   sync.Mutex
	stub any
}

func (g *guard) met() any {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stub
}

func (g *guard) Open(peer wire.Peer) wire.Session {
	return &guarded{g.Handler.Open(peer), g}
}

type guarded struct {
	wire.Session
	guard *guard
}

func (g *guarded) Serve(req *wire.Request, resp *wire.Response) error {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if _, ok := lab.Unstarted(p); ok {
			g.guard.mu.Lock()
			g.guard.stub = p
			g.guard.mu.Unlock()
		}
		panic(p) // the server closes the connection
	}()
	return g.Session.Serve(req, resp)
}

// StartBroker runs the real broker, all of it.
func StartBroker(t TB, open segment.Opener) *Running {
	t.Helper()
	properties := &config.Properties{}
	for key, value := range map[string]string{"node.id": "1", "listeners": "PLAINTEXT://127.0.0.1:0", "log.dirs": "data", "highwater.admin.listener": ""} {
		properties.Set(key, value, "chapter 02's suite")
	}
	server, _, err := config.LoadServer(properties)
	if err != nil {
		t.Fatalf("%v", err)
	}
	b, err := broker.Open(broker.Config{Server: server, FS: vfs.NewMem(), Logger: slog.New(slog.DiscardHandler)}, broker.Components{OpenLog: open})
	if err != nil {
		t.Fatalf("%v", err)
	}
	served := make(chan error, 1)
	go func() { served <- b.Serve() }()
	stop := sync.OnceValue(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := b.Close(ctx); err != nil {
			return err
		}
		return <-served
	})
	return &Running{Addr: b.Addr("PLAINTEXT").String(), Stop: stop, Stub: func() any { return nil }}
}

// StartLoop serves h through the broker's own network, with d in its loop's place, or its own loop when d is nil.
func StartLoop(h wire.Handler, d network.Dispatcher, maxRequestBytes int) (addr string, stop func(), err error) {
	server := network.New(network.Options{Handler: h, Dispatcher: d, Logger: slog.New(slog.DiscardHandler), Config: network.Config{
		MaxRequestBytes: maxRequestBytes, Listeners: []network.Listener{{Name: "PLAINTEXT", Host: "127.0.0.1"}}}})
	if err := server.Listen(); err != nil {
		return "", nil, err
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve() }()
	return server.Addr("PLAINTEXT").String(), func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = server.Shutdown(ctx) // what it leaves, the tests count
		<-served                 //nolint:errcheck // nil after Shutdown
	}, nil
}
