package observe

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"highwater.dev/broker/metrics"
)

// collector shows a metrics.Registry to Prometheus. It is unchecked (it describes nothing beforehand): topics come and
// go, and their metrics with them.
type collector struct{ registry *metrics.Registry }

func newCollector(r *metrics.Registry) prometheus.Collector { return collector{r} }

// Describe implements prometheus.Collector.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	c.registry.Each(func(s metrics.Sample) {
		metric, err := convert(s)
		if err != nil {
			metric = prometheus.NewInvalidMetric(prometheus.NewDesc(s.Name, s.Help, nil, nil), err)
		}
		out <- metric
	})
}

func convert(s metrics.Sample) (prometheus.Metric, error) {
	var names, values []string
	for i := 0; i+1 < len(s.Labels); i += 2 {
		names, values = append(names, s.Labels[i]), append(values, s.Labels[i+1])
	}
	desc := prometheus.NewDesc(s.Name, s.Help, names, nil)
	switch s.Kind {
	case metrics.KindHistogram:
		buckets := make(map[float64]uint64, len(s.Buckets))
		for _, b := range s.Buckets {
			buckets[b.UpperBound] = uint64(b.Count)
		}
		return prometheus.NewConstHistogram(desc, uint64(s.Count), s.Value, buckets, values...)
	case metrics.KindCounter:
		return prometheus.NewConstMetric(desc, prometheus.CounterValue, s.Value, values...)
	case metrics.KindGauge:
		return prometheus.NewConstMetric(desc, prometheus.GaugeValue, s.Value, values...)
	default:
		return nil, fmt.Errorf("observe: %s is of unknown kind %d", s.Name, s.Kind)
	}
}
