package network

import "highwater.dev/broker/metrics"

// counters are the server's figures.
type counters struct {
	accepted, rejected, acceptErrors *metrics.Counter
	connections, busy                *metrics.Gauge
	requests                         *metrics.Counter
	bytesIn, bytesOut, regionBytes   *metrics.Counter
	expired, refused, failed, panics *metrics.Counter
}

func newCounters(r *metrics.Registry, pool *bufferPool) counters {
	r.GaugeFunc("highwater_network_buffer_bytes", "Memory of frame and response buffers.", func() float64 {
		inUse, _ := pool.usage()
		return float64(inUse)
	}, "state", "in_use")
	r.GaugeFunc("highwater_network_buffer_bytes", "Memory of frame and response buffers.", func() float64 {
		_, retained := pool.usage()
		return float64(retained)
	}, "state", "pooled")
	closed := func(why string) *metrics.Counter {
		return r.Counter("highwater_network_connections_closed_total",
			"Connections that the broker ended, by reason.", "reason", why)
	}
	return counters{
		accepted:     r.Counter("highwater_network_connections_accepted_total", "Connections accepted."),
		acceptErrors: r.Counter("highwater_network_accept_errors_total", "Failed calls to accept."),
		connections:  r.Gauge("highwater_network_connections", "Open connections."),
		busy:         r.Gauge("highwater_network_requests_in_work", "Requests in work, long polls included."),
		requests:     r.Counter("highwater_network_requests_total", "Requests received."),
		bytesIn:      r.Counter("highwater_network_received_bytes_total", "Bytes of requests."),
		bytesOut:     r.Counter("highwater_network_sent_bytes_total", "Bytes of responses."),
		regionBytes:  r.Counter("highwater_network_sent_region_bytes_total", "Bytes of responses that went as file regions."),
		rejected:     closed("max_connections_per_ip"),
		expired:      closed("idle"),
		refused:      closed("bad_request"),
		failed:       closed("request_failed"),
		panics:       closed("panic"),
	}
}
