package network

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"highwater.dev/broker/metrics"
	"highwater.dev/broker/wire"
)

// Options are the parts of a Server.
type Options struct {
	Config   Config
	Handler  wire.Handler
	Logger   *slog.Logger      // nil: slog.Default()
	Metrics  *metrics.Registry // nil: nobody sees the figures
	Transfer Transfer          // nil: NewSendfile()
	// Dispatcher answers the requests of accepted connections in the stead of the Server's own loop, a goroutine for each
	// connection; nil: the Server's own. Config.MaxRequestBytes and Transfer are then the Dispatcher's affair.
	Dispatcher Dispatcher

	gatherBelow int64 // 0: the constant of that name; the benchmarks measure others
}

// ErrClosed is returned by Listen after Shutdown.
var ErrClosed = errors.New("network: server is shut down")

// Server accepts connections and has a wire.Handler answer their requests. Its methods are safe for concurrent use.
type Server struct {
	config   Config
	handler  wire.Handler
	logger   *slog.Logger
	transfer Transfer
	dispatch Dispatcher // nil: conn.serve's own loop
	gather   int64      // regions of up to so many bytes are copied into the response
	pool     bufferPool
	counters counters
	quota    quota
	quiet    logLimiter

	draining atomic.Bool
	drain    chan struct{} // closed when draining
	running  sync.WaitGroup

	mu        sync.Mutex
	listeners []boundListener
	conns     map[*conn]struct{}
}

type boundListener struct {
	net.Listener
	name string
}

// New returns a Server that does not listen yet.
func New(o Options) *Server {
	s := &Server{
		config:   o.Config.withDefaults(),
		handler:  o.Handler,
		logger:   o.Logger,
		transfer: o.Transfer,
		dispatch: o.Dispatcher,
		drain:    make(chan struct{}),
		conns:    map[*conn]struct{}{},
	}
	if s.logger == nil {
		s.logger = slog.Default()
	}
	if s.gather = o.gatherBelow; s.gather == 0 {
		s.gather = gatherBelow
	}
	if s.transfer == nil {
		s.transfer = NewSendfile()
	}
	s.counters = newCounters(o.Metrics, &s.pool)
	s.quota.init(s.config)
	return s
}

// Listen binds all listeners, or none of them when one fails. Connections wait in the backlog until Serve.
func (s *Server) Listen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		return ErrClosed
	}
	lc := net.ListenConfig{Control: s.setBuffers}
	for _, l := range s.config.Listeners {
		bound, err := lc.Listen(context.Background(), "tcp", net.JoinHostPort(l.Host, strconv.Itoa(l.Port)))
		if err != nil {
			s.closeListeners()
			return fmt.Errorf("network: listener %s: %w", l.Name, err)
		}
		s.listeners = append(s.listeners, boundListener{bound, l.Name})
	}
	return nil
}

// Addr is the address that the named listener is bound to, nil before Listen and for an unknown name.
func (s *Server) Addr(listener string) net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.listeners {
		if l.name == listener {
			return l.Addr()
		}
	}
	return nil
}

// Serve accepts connections on all listeners and returns nil after Shutdown was called.
func (s *Server) Serve() error {
	s.mu.Lock()
	listeners := s.listeners
	s.mu.Unlock()
	var accepting sync.WaitGroup
	for _, l := range listeners {
		accepting.Go(func() { s.accept(l) })
	}
	accepting.Wait()
	<-s.drain
	return nil
}

// opened makes the connection known to Shutdown and opens its session. It reports false when the server is
// shutting down.
func (s *Server) opened(c *conn) bool {
	session := s.handler.Open(c.peer)
	s.mu.Lock()
	defer s.mu.Unlock()
	c.session = session
	if s.draining.Load() {
		return false
	}
	s.conns[c] = struct{}{}
	return true
}

// forget takes the connection out of Shutdown's hands. Its session is not cancelled after that.
func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// cancelAgain is how often Shutdown repeats Cancel: a Serve that began just after the first one ends, too.
const cancelAgain = 50 * time.Millisecond

// Shutdown stops accepting, cancels long polls, lets requests in work finish and their responses be sent, and then
// closes all connections. When ctx ends first, the connections that are left are closed at once and ctx's error is
// returned. Serve returns. A second call waits as well.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	if !s.draining.Swap(true) {
		close(s.drain)
	}
	s.closeListeners()
	s.mu.Unlock()
	s.quota.close()

	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	again := time.NewTicker(cancelAgain)
	defer again.Stop()
	for {
		s.eachConn((*conn).stop)
		select {
		case <-done:
			return nil
		case <-again.C:
		case <-ctx.Done():
			s.eachConn(func(c *conn) { _ = c.link.Close() })
			// Only a session that does not heed Cancel can keep its goroutine from ending now.
			return ctx.Err()
		}
	}
}

func (s *Server) eachConn(f func(*conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		f(c)
	}
}

// closeListeners is called with mu held.
func (s *Server) closeListeners() {
	for _, l := range s.listeners {
		_ = l.Close() // closing a listener loses nothing
	}
}

// warnPeer logs about a peer unless something was logged about it lately.
func (s *Server) warnPeer(addr netip.Addr, text string, args ...any) {
	allowed, suppressed := s.quiet.allow(addr, time.Now())
	if !allowed {
		return
	}
	if suppressed > 0 {
		args = append(args, "suppressed", suppressed)
	}
	s.logger.Warn(text, args...)
}
