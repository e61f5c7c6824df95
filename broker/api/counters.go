package api

import (
	"highwater.dev/broker/metrics"
	"highwater.dev/broker/wire"
)

// counters are the API's figures.
type counters struct {
	requests      []*metrics.Counter   // by API key
	seconds       []*metrics.Histogram // by API key
	produceErrors *metrics.Counter
	producedBytes *metrics.Counter
	fetchedBytes  *metrics.Counter
}

// requestBounds are the upper bounds of the request times' buckets, in seconds.
var requestBounds = []float64{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30}

func newCounters(a *API) counters {
	c := counters{
		requests:      make([]*metrics.Counter, len(a.table)),
		seconds:       make([]*metrics.Histogram, len(a.table)),
		produceErrors: a.Metrics.Counter("highwater_produce_errors_total", "Partitions of produce requests answered with an error."),
		producedBytes: a.Metrics.Counter("highwater_produced_bytes_total", "Bytes of record batches taken from producers."),
		fetchedBytes:  a.Metrics.Counter("highwater_fetched_bytes_total", "Bytes of record batches sent to consumers."),
	}
	for _, r := range a.table {
		if r.key < 0 {
			continue
		}
		name := wire.Name(r.key)
		c.requests[r.key] = a.Metrics.Counter("highwater_requests_total", "Requests by API.", "api", name)
		c.seconds[r.key] = a.Metrics.Histogram("highwater_request_seconds",
			"Time from a request's header to its answer, by API; long polls included.", metrics.Microseconds, requestBounds, "api", name)
	}
	gauge := func(name, help string, of func(sessions, partitions int, evictions int64) float64) {
		a.Metrics.GaugeFunc(name, help, func() float64 { return of(a.sessions.stats()) })
	}
	gauge("highwater_fetch_sessions", "Incremental fetch sessions in the cache (KIP-227).",
		func(sessions, _ int, _ int64) float64 { return float64(sessions) })
	gauge("highwater_fetch_session_partitions", "Partitions in all incremental fetch sessions.",
		func(_, partitions int, _ int64) float64 { return float64(partitions) })
	gauge("highwater_fetch_session_evictions", "Incremental fetch sessions evicted since the start.",
		func(_, _ int, evictions int64) float64 { return float64(evictions) })
	return c
}
