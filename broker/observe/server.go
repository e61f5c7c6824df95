package observe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"highwater.dev/broker/metrics"
)

// Options are the parts of a Server.
type Options struct {
	Addr    string            // host:port; port 0 is any free one
	Metrics *metrics.Registry // the broker's figures
	// State returns what /state shows, as a value for encoding/json. It is called for every request, from
	// several goroutines.
	State func() any
	// Healthy returns why the broker cannot serve, or nil. nil stands for a function that always returns nil.
	Healthy func() error
	Logger  *slog.Logger // nil: slog.Default()
}

// readHeaderTimeout bounds how long a client may take to send a request's header.
const readHeaderTimeout = 10 * time.Second

// Server is the admin HTTP server.
type Server struct {
	addr     string
	listener net.Listener
	http     http.Server
}

// New returns a Server that does not listen yet.
func New(o Options) (*Server, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	registry := prometheus.NewRegistry()
	for _, c := range []prometheus.Collector{
		newCollector(o.Metrics),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("observe: %w", err)
		}
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelWarn),
	}))
	mux.HandleFunc("GET /healthz", health(o.Healthy))
	mux.HandleFunc("GET /state", state(o.State))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.Handle("GET /debug/pprof/mutex", newContention("mutex"))
	mux.Handle("GET /debug/pprof/block", newContention("block"))
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return &Server{
		addr: o.Addr,
		http: http.Server{
			Handler:           mux,
			ReadHeaderTimeout: readHeaderTimeout,
			ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
		},
	}, nil
}

// Listen binds the address.
func (s *Server) Listen() error {
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		return fmt.Errorf("observe: %w", err)
	}
	s.listener = l
	return nil
}

// Addr is the address that Listen bound.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Serve answers requests until Shutdown, and returns nil then. Listen comes first.
func (s *Server) Serve() error {
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("observe: %w", err)
	}
	return nil
}

// Shutdown stops the server. Requests in work may finish until ctx ends; a profile that is being taken then is cut.
func (s *Server) Shutdown(ctx context.Context) error {
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("observe: %w", err), s.http.Close())
	}
	return nil
}

func health(healthy func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if healthy != nil {
			if err := healthy(); err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
		}
		fmt.Fprintln(w, "ok")
	}
}

func state(get func() any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if get == nil {
			http.Error(w, "no state is shown here", http.StatusNotFound)
			return
		}
		body, err := json.MarshalIndent(get(), "", "  ")
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(append(body, '\n')) // a client that went away misses nothing
	}
}
