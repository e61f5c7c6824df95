package metrics_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/metrics"
)

func samples(r *metrics.Registry) []metrics.Sample {
	var all []metrics.Sample
	r.Each(func(s metrics.Sample) { all = append(all, s) })
	return all
}

func TestEachVisitsEverythingInOrder(t *testing.T) {
	var r metrics.Registry
	r.Counter("requests_total", "Requests.", "api", "produce").Add(2)
	r.Counter("requests_total", "Requests.", "api", "fetch").Inc()
	r.Gauge("connections", "Open connections.").Set(5)
	r.Gauge("connections", "Open connections.").Add(-2)
	r.GaugeFunc("lag", "Lag.", func() float64 { return 0.5 }, "topic", "a")
	h := r.Histogram("latency_seconds", "Latency.", metrics.Microseconds, []float64{0.001, 0.1})
	for _, us := range []int64{0, 1000, 1001, 100000, 100001, 5000000} {
		h.Observe(us)
	}
	require.Equal(t, []metrics.Sample{
		{Name: "connections", Help: "Open connections.", Kind: metrics.KindGauge, Value: 3},
		{Name: "lag", Help: "Lag.", Kind: metrics.KindGauge, Labels: []string{"topic", "a"}, Value: 0.5},
		{Name: "latency_seconds", Help: "Latency.", Kind: metrics.KindHistogram, Value: 5.202002, Count: 6,
			Buckets: []metrics.Bucket{{UpperBound: 0.001, Count: 2}, {UpperBound: 0.1, Count: 4}}},
		{Name: "requests_total", Help: "Requests.", Kind: metrics.KindCounter, Labels: []string{"api", "fetch"}, Value: 1},
		{Name: "requests_total", Help: "Requests.", Kind: metrics.KindCounter, Labels: []string{"api", "produce"}, Value: 2},
	}, samples(&r))
}

func TestOneInstanceForANameAndItsLabels(t *testing.T) {
	var r metrics.Registry
	require.Same(t, r.Counter("c", "", "k", "v"), r.Counter("c", "", "k", "v"))
	require.NotSame(t, r.Counter("c", "", "k", "v"), r.Counter("c", "", "k", "w"))
	require.Same(t, r.Gauge("g", ""), r.Gauge("g", ""))
	old := r.Counter("c", "", "k", "v")
	r.Remove("c", "k", "v")
	old.Inc()
	require.Len(t, samples(&r), 2)
	require.NotSame(t, old, r.Counter("c", "", "k", "v"))
	r.Remove("missing")
	r.GaugeFunc("f", "", func() float64 { return 1 })
	r.GaugeFunc("f", "", func() float64 { return 2 })
	all := samples(&r)
	require.Equal(t, 2.0, all[len(all)-2].Value, "the later function")
}

func TestMisuseIsABrokenInvariant(t *testing.T) {
	var r metrics.Registry
	r.Counter("c", "")
	r.GaugeFunc("f", "", func() float64 { return 1 })
	for name, misuse := range map[string]func(){
		"another kind": func() { r.Gauge("c", "") },
		"odd labels":   func() { r.Counter("d", "", "k") },
		"a function":   func() { r.Gauge("f", "") },
		"bounds":       func() { r.Histogram("h", "", 1, []float64{2, 1}) },
	} {
		require.Panics(t, misuse, name)
	}
}

func TestANilRegistryMakesWhatWorksUnlisted(t *testing.T) {
	var r *metrics.Registry
	c := r.Counter("c", "")
	c.Inc()
	require.EqualValues(t, 1, c.Value())
	r.Gauge("g", "").Set(1)
	r.GaugeFunc("f", "", func() float64 { return 1 })
	r.Histogram("h", "", 1, []float64{1}).Observe(1)
	r.Remove("c")
	require.Empty(t, samples(r))
}

func TestConcurrentUse(t *testing.T) {
	var r metrics.Registry
	const workers, rounds = 4, 200
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for i := range rounds {
				r.Counter("c", "", "n", fmt.Sprint(i%3)).Inc()
				r.Histogram("h", "", 1, []float64{10, 100}).Observe(int64(i))
				if i%50 == 0 {
					samples(&r)
				}
			}
		})
	}
	group.Wait()
	sum := 0.0
	for _, s := range samples(&r) {
		if s.Kind == metrics.KindCounter {
			sum += s.Value
		}
	}
	require.EqualValues(t, workers*rounds, sum)
}

func TestCountingDoesNotAllocate(t *testing.T) {
	var r metrics.Registry
	c, g := r.Counter("c", ""), r.Gauge("g", "")
	h := r.Histogram("h", "", 1, []float64{1, 2, 3})
	require.Zero(t, testing.AllocsPerRun(100, func() { c.Add(1); g.Set(2); h.Observe(2) }))
}
