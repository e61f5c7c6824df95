package network

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/config"
	"highwater.dev/broker/metrics"
	"highwater.dev/broker/wire"
)

// TestShutdownFinishesRequestsInWork: a long poll is cancelled, a request in work is answered, idle peers are
// disconnected, requests that wait behind are not begun, and new connections are refused.
func TestShutdownFinishesRequestsInWork(t *testing.T) {
	const poll, work, behind = 1, 2, 3
	entered, finish := make(chan int32, 4), make(chan struct{})
	s := start(t, handlerFunc(func(ts *testSession, req *wire.Request, resp *wire.Response) error {
		entered <- req.Header.CorrelationID
		switch req.Header.CorrelationID {
		case poll:
			<-ts.cancelled
		case work:
			<-finish
		}
		return echo(ts, req, resp)
	}), nil)
	idle, polling, working := dial(t, s), dial(t, s), dial(t, s)
	polling.send(frame(poll, []byte("poll")))
	working.send(append(frame(work, []byte("work")), frame(behind, nil)...))
	require.ElementsMatch(t, []int32{poll, work}, []int32{<-entered, <-entered})

	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(ctx) }()
	idle.requireClosed()
	id, body := polling.receive()
	require.Equal(t, int32(poll), id)
	require.Equal(t, "poll", string(body))
	polling.requireClosed()
	polling.Close()
	select {
	case err := <-stopped:
		require.FailNow(t, "Shutdown did not wait for the request in work", "%v", err)
	default:
	}
	close(finish)
	id, body = working.receive()
	require.Equal(t, int32(work), id)
	require.Equal(t, "work", string(body))
	working.requireClosed()
	working.Close()
	require.NoError(t, <-stopped)
	require.Empty(t, entered, "a request was begun after Shutdown")
	require.ErrorIs(t, s.Listen(), ErrClosed)
	_, err := net.Dial("tcp", s.Addr("PLAINTEXT").String())
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}

// TestShutdownGivesUpAtItsDeadline: a client that does not read its response does not hold up the end.
func TestShutdownGivesUpAtItsDeadline(t *testing.T) {
	entered := make(chan struct{})
	s := start(t, handlerFunc(func(_ *testSession, req *wire.Request, resp *wire.Response) error {
		wire.BeginResponse(resp, &req.Header)
		resp.Buf = append(resp.Buf, make([]byte, 64<<20)...)
		close(entered)
		return nil
	}), nil)
	dial(t, s).send(frame(1, nil))
	<-entered
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.Shutdown(ctx), context.DeadlineExceeded)
}

// closeRecorder counts what happens to sessions.
type closeRecorder struct {
	handlerFunc
	mu       sync.Mutex
	sessions []*testSession
}

func (r *closeRecorder) Open(peer wire.Peer) wire.Session {
	s := r.handlerFunc.Open(peer).(*testSession)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sessions = append(r.sessions, s)
	return s
}

// TestPanicEndsOneConnection, in Serve and in Close, with a stack in the log.
func TestPanicEndsOneConnection(t *testing.T) {
	var log logBuffer
	h := &closeRecorder{handlerFunc: func(ts *testSession, req *wire.Request, resp *wire.Response) error {
		if string(req.Body) == "panic" {
			panic("as asked")
		}
		return echo(ts, req, resp)
	}}
	s := start(t, h, func(o *Options) { o.Logger = log.logger() })
	other := dial(t, s)
	other.roundTrip([]byte("before"))
	for range 3 {
		c := dial(t, s)
		c.roundTrip(make([]byte, 100<<10))
		c.send(frame(1, []byte("panic")))
		c.requireClosed()
	}
	other.roundTrip([]byte("after"))
	require.Equal(t, int64(3), s.counters.panics.Value())
	require.Contains(t, log.String(), "as asked")
	require.Contains(t, log.String(), "lifecycle_test.go")
	require.Eventually(t, func() bool { return s.counters.connections.Value() == 1 }, patience, time.Millisecond)
	for i, session := range h.sessions {
		want := int32(1)
		if i == 0 {
			want = 0 // still open
		}
		require.Equal(t, want, session.closes.Load(), "session %d", i)
	}
	requireNoBuffers(t, s)
}

// TestSessionErrorSendsWhatThereIs, then closes.
func TestSessionErrorSendsWhatThereIs(t *testing.T) {
	var log logBuffer
	s := start(t, handlerFunc(func(ts *testSession, req *wire.Request, resp *wire.Response) error {
		if string(req.Body) == "nothing" {
			return errors.New("nothing to say")
		}
		_ = echo(ts, req, resp)
		return errors.New("last words")
	}), func(o *Options) { o.Logger = log.logger() })
	c := dial(t, s)
	c.send(frame(1, []byte("x")))
	_, body := c.receive()
	require.Equal(t, "x", string(body))
	c.requireClosed()
	require.Eventually(t, func() bool { return s.counters.failed.Value() == 1 }, patience, time.Millisecond)
	require.Contains(t, log.String(), "last words")
	c = dial(t, s)
	c.send(frame(1, []byte("nothing")))
	c.requireClosed()
}

func TestConnectionQuotas(t *testing.T) {
	t.Run("per peer", func(t *testing.T) {
		s := start(t, handlerFunc(echo), func(o *Options) { o.Config.MaxConnectionsPerIP = 2 })
		a, b := dial(t, s), dial(t, s)
		a.roundTrip(nil)
		b.roundTrip(nil)
		dial(t, s).requireClosed()
		require.Equal(t, int64(1), s.counters.rejected.Value())
		require.NoError(t, a.Close())
		require.Eventually(t, func() bool { return s.counters.connections.Value() == 1 }, patience, time.Millisecond)
		require.Eventually(t, func() bool {
			s.quota.mu.Lock()
			defer s.quota.mu.Unlock()
			return s.quota.open == 1
		}, patience, time.Millisecond)
		dial(t, s).roundTrip(nil)
	})
	t.Run("override", func(t *testing.T) {
		s := start(t, handlerFunc(echo), func(o *Options) {
			o.Config.MaxConnectionsPerIP = -1
			o.Config.ByIP = map[netip.Addr]int{netip.MustParseAddr("127.0.0.1"): 1}
		})
		dial(t, s).roundTrip(nil)
		dial(t, s).requireClosed()
	})
	t.Run("in all: the next one waits", func(t *testing.T) {
		s := start(t, handlerFunc(echo), func(o *Options) { o.Config.MaxConnections = 1 })
		a := dial(t, s)
		a.roundTrip(nil)
		b := dial(t, s)
		b.send(frame(1, []byte("patient")))
		require.Equal(t, int64(1), s.counters.accepted.Value())
		require.NoError(t, a.Close())
		_, body := b.receive()
		require.Equal(t, "patient", string(body))
	})
}

// failingListener fails so many times before it listens.
type failingListener struct {
	net.Listener
	failures int
}

func (l *failingListener) Accept() (net.Conn, error) {
	if l.failures > 0 {
		l.failures--
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

// TestAcceptErrorsBackOff: a process without descriptors neither spins nor gives up.
func TestAcceptErrorsBackOff(t *testing.T) {
	var log logBuffer
	s := New(Options{
		Config:  Config{Listeners: []Listener{{Name: "PLAINTEXT", Host: "127.0.0.1"}}},
		Handler: handlerFunc(echo), Logger: log.logger(),
	})
	require.NoError(t, s.Listen())
	s.listeners[0].Listener = &failingListener{s.listeners[0].Listener, 4}
	began := time.Now()
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	dial(t, s).roundTrip([]byte("at last"))
	require.GreaterOrEqual(t, time.Since(began), (1+2+4+8)*firstPause)
	require.Equal(t, int64(4), s.counters.acceptErrors.Value())
	require.Contains(t, log.String(), "too many open files")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(t, s.Shutdown(ctx))
	require.NoError(t, <-served)
}

// TestListenBindsAllOrNone.
func TestListenBindsAllOrNone(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	s := New(Options{Config: Config{Listeners: []Listener{
		{Name: "FIRST", Host: "127.0.0.1"}, {Name: "SECOND", Host: "127.0.0.1", Port: port},
	}}, Handler: handlerFunc(echo)})
	err = s.Listen()
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.ErrorContains(t, err, "listener SECOND")
	_, err = net.Dial("tcp", s.Addr("FIRST").String())
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.Nil(t, s.Addr("SECOND"))
	require.NoError(t, s.Shutdown(context.Background()))
}

// TestIdleConnectionsAreCheap: what a connection that has moved a megabyte holds while it is idle.
func TestIdleConnectionsAreCheap(t *testing.T) {
	const peers = 300
	s := start(t, handlerFunc(echo), nil)
	body := make([]byte, 1<<20)
	dial(t, s).roundTrip(body) // what is allocated once
	measure := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse
	}
	before := measure()
	clients := make([]*client, peers)
	for i := range clients {
		clients[i] = dial(t, s)
		clients[i].send(frame(1, body[:200<<10]))
		_, err := io.CopyN(io.Discard, clients[i], 200<<10+8)
		require.NoError(t, err)
	}
	requireNoBuffers(t, s)
	perConn := (measure() - before) / peers
	t.Logf("%d bytes for each idle connection, its client in this process included", perConn)
	require.Less(t, perConn, uint64(14<<10))
	runtime.KeepAlive(clients)
}

// TestConfigFrom maps Kafka's properties, and Kafka's zero.
func TestConfigFrom(t *testing.T) {
	from := config.DefaultServer()
	from.SocketRequestMaxBytes, from.ConnectionsMaxIdleMs, from.MaxConnectionsPerIP = 1234, 5678, 0
	from.MaxConnectionsPerIPOverrides = map[string]int{"127.0.0.1": 7}
	from.Listeners = []config.Listener{{Name: "A", Host: "h", Port: 9}}
	c, err := ConfigFrom(context.Background(), &from)
	require.NoError(t, err)
	require.Equal(t, 1234, c.MaxRequestBytes)
	require.Equal(t, 5678*time.Millisecond, c.MaxIdle)
	require.Equal(t, []Listener{{Name: "A", Host: "h", Port: 9}}, c.Listeners)
	var q quota
	q.init(c.withDefaults())
	require.Equal(t, 7, q.limit(netip.MustParseAddr("127.0.0.1")))
	require.Equal(t, 0, q.limit(netip.MustParseAddr("127.0.0.2")))
}

// TestMetrics: the registry shows what happened.
func TestMetrics(t *testing.T) {
	var r metrics.Registry
	s := start(t, handlerFunc(echo), func(o *Options) { o.Metrics = &r })
	c := dial(t, s)
	c.roundTrip([]byte("12345"))
	c.roundTrip(make([]byte, 70000))
	const sent = 2*8 + 5 + 70000
	require.Eventually(t, func() bool { return s.counters.bytesOut.Value() == sent }, patience, time.Millisecond,
		"responses are counted after the peer has them")
	requireNoBuffers(t, s)
	got := map[string]float64{}
	r.Each(func(sample metrics.Sample) {
		name := sample.Name
		if len(sample.Labels) > 0 {
			name += "/" + sample.Labels[1]
		}
		got[name] = sample.Value
	})
	require.Equal(t, 1.0, got["highwater_network_connections"])
	require.Equal(t, 2.0, got["highwater_network_requests_total"])
	require.Equal(t, float64(2*14+5+70000), got["highwater_network_received_bytes_total"])
	require.Equal(t, float64(sent), got["highwater_network_sent_bytes_total"])
	require.Contains(t, got, "highwater_network_connections_closed_total/idle")
	require.Greater(t, got["highwater_network_buffer_bytes/pooled"], 70000.0)
}
