// Package observe shows a running broker to its operators over HTTP, on an address of its own (loopback by default,
// highwater.admin.listener): there is no authentication.
//
//	/metrics       figures for Prometheus: the broker's own and the Go runtime's
//	/debug/pprof/  profiles for go tool pprof
//	/healthz       200 "ok", or 503 and the reason
//	/state         what the broker is doing now, as JSON
//
// It only reads. It owns its HTTP server, and nothing of what it shows: the composer hands in functions.
// Handlers are registered on a mux of the server's own, never on http.DefaultServeMux.
package observe
