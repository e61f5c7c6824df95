package observe

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/pprof/profile"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"highwater.dev/broker/metrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second

// serve runs a server until the test ends and returns a function that GETs a path from it.
func serve(t *testing.T, o Options) func(path string) (status int, body string) {
	o.Addr, o.Logger = "127.0.0.1:0", slog.New(slog.DiscardHandler)
	s, err := New(o)
	require.NoError(t, err)
	require.NoError(t, s.Listen())
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	client := &http.Client{Transport: &http.Transport{}, Timeout: patience}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, s.Shutdown(ctx))
		require.NoError(t, <-served)
	})
	return func(path string) (int, string) {
		resp, err := client.Get("http://" + s.Addr().String() + path)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(body)
	}
}

func TestMetricsPage(t *testing.T) {
	var r metrics.Registry
	r.Counter("highwater_appends_total", "Batches appended.", "topic", `with "quotes"`).Add(3)
	r.Gauge("highwater_partitions", "Partitions here.").Set(-2)
	h := r.Histogram("highwater_wait_seconds", "Waits.", metrics.Microseconds, []float64{0.001, 0.1})
	for _, us := range []int64{500, 50_000, 2_000_000} {
		h.Observe(us)
	}
	get := serve(t, Options{Metrics: &r})
	status, body := get("/metrics")
	require.Equal(t, http.StatusOK, status)
	for _, line := range []string{
		"# HELP highwater_appends_total Batches appended.",
		"# TYPE highwater_appends_total counter",
		`highwater_appends_total{topic="with \"quotes\""} 3`,
		"# TYPE highwater_partitions gauge",
		"highwater_partitions -2",
		`highwater_wait_seconds_bucket{le="0.001"} 1`,
		`highwater_wait_seconds_bucket{le="0.1"} 2`,
		`highwater_wait_seconds_bucket{le="+Inf"} 3`,
		"highwater_wait_seconds_sum 2.0505",
		"highwater_wait_seconds_count 3",
		"# TYPE go_goroutines gauge",
		"# TYPE process_resident_memory_bytes gauge",
	} {
		require.Contains(t, body, line+"\n")
	}

	r.Counter("highwater_new_total", "Made after the server.").Inc()
	r.Remove("highwater_partitions")
	_, body = get("/metrics")
	require.Contains(t, body, "highwater_new_total 1\n")
	require.NotContains(t, body, "highwater_partitions")
}

func TestHealthAndState(t *testing.T) {
	var sick error
	get := serve(t, Options{
		Metrics: &metrics.Registry{},
		Healthy: func() error { return sick },
		State:   func() any { return map[string]any{"partitions": 4} },
	})
	status, body := get("/healthz")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "ok\n", body)
	sick = errors.New("all log folders are offline")
	status, body = get("/healthz")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "all log folders are offline\n", body)
	status, body = get("/state")
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `{"partitions": 4}`, body)
}

func TestUnencodableStateIsAnError(t *testing.T) {
	get := serve(t, Options{State: func() any { return func() {} }})
	status, _ := get("/state")
	require.Equal(t, http.StatusInternalServerError, status)
	status, body := get("/healthz")
	require.Equal(t, http.StatusOK, status, body)
}

func TestProfiles(t *testing.T) {
	get := serve(t, Options{})
	status, body := get("/debug/pprof/")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, "goroutine")
	for _, path := range []string{"/debug/pprof/heap", "/debug/pprof/allocs"} {
		status, body = get(path)
		require.Equal(t, http.StatusOK, status)
		require.True(t, bytes.HasPrefix([]byte(body), []byte{0x1f, 0x8b}), "%s is no gzipped profile", path)
	}
	status, _ = get("/unknown")
	require.Equal(t, http.StatusNotFound, status)
}

// Waits are recorded while a profile of them is taken, and only then.
func TestContentionProfiles(t *testing.T) {
	get := serve(t, Options{})
	var mu sync.Mutex
	done := make(chan struct{})
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for n := 0; ; n++ {
				mu.Lock()
				for range 1000 {
					n++
				}
				mu.Unlock()
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for _, kind := range []string{"mutex", "block"} {
		status, body := get("/debug/pprof/" + kind + "?seconds=1")
		require.Equal(t, http.StatusOK, status, body)
		got, err := profile.ParseData([]byte(body))
		require.NoError(t, err)
		require.NotEmpty(t, got.Sample, kind)
	}
	close(done)
	workers.Wait()
	require.Zero(t, runtime.SetMutexProfileFraction(-1), "nothing is recorded any more")
}

func TestTakenAddress(t *testing.T) {
	a, err := New(Options{Addr: "127.0.0.1:0"})
	require.NoError(t, err)
	require.NoError(t, a.Listen())
	b, err := New(Options{Addr: a.Addr().String()})
	require.NoError(t, err)
	require.ErrorContains(t, b.Listen(), "observe: ")
	served := make(chan error, 1)
	go func() { served <- a.Serve() }()
	require.NoError(t, a.Shutdown(context.Background()))
	require.NoError(t, <-served)
}
