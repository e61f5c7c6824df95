// Package metrics counts. It owns counters, gauges and fixed-bucket histograms made of atomics, and the Registry that
// knows them by name; it never formats, serves or samples them (broker/observe does), and never reads a clock.
//
// Invariants: a name has one kind; a name and its labels have one instance, however often it is asked for; what
// Add, Set and Observe do neither locks nor allocates.
package metrics

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
)

// Kind says how a sample behaves over time.
type Kind int8

// The kinds, as Prometheus has them.
const (
	KindCounter   Kind = iota // only grows
	KindGauge                 // goes up and down
	KindHistogram             // counts observations by size
)

// Counter only grows. The zero value is ready to use; it is safe for concurrent use.
type Counter struct{ n atomic.Int64 }

// Add counts n more; n is never negative.
func (c *Counter) Add(n int64) { c.n.Add(n) }

// Inc counts one more.
func (c *Counter) Inc() { c.n.Add(1) }

// Value is the count so far.
func (c *Counter) Value() int64 { return c.n.Load() }

// Gauge goes up and down. The zero value is ready to use; it is safe for concurrent use.
type Gauge struct{ n atomic.Int64 }

// Set makes the gauge n.
func (g *Gauge) Set(n int64) { g.n.Store(n) }

// Add moves the gauge by n, which may be negative.
func (g *Gauge) Add(n int64) { g.n.Add(n) }

// Value is what the gauge says.
func (g *Gauge) Value() int64 { return g.n.Load() }

// Histogram counts observations in buckets with fixed upper bounds. It is safe for concurrent use; a reader
// beside a writer may see an observation in a bucket and not yet in the sum.
type Histogram struct {
	bounds  []float64 // inclusive upper bounds, rising; one more bucket takes what is above the last
	scale   float64   // raw units in one unit of bounds
	raw     []int64   // bounds in raw units
	buckets []atomic.Int64
	sum     atomic.Int64 // raw units
}

// Observe counts one observation of v raw units (microseconds, where the histogram was made with Microseconds).
func (h *Histogram) Observe(v int64) {
	i, _ := slices.BinarySearch(h.raw, v)
	h.buckets[i].Add(1)
	h.sum.Add(v)
}

// Bucket is a histogram's count of observations up to and including UpperBound.
type Bucket struct {
	UpperBound float64
	Count      int64 // cumulative
}

// Sample is one metric's value at one moment.
type Sample struct {
	Name, Help string
	Kind       Kind
	Labels     []string // name, value, name, value ...; shared, not to be changed
	Value      float64  // of a counter or gauge; a histogram's sum
	Count      int64    // a histogram's observations
	Buckets    []Bucket // a histogram's, without the one that has no upper bound
}

type series struct {
	labels    []string
	counter   *Counter
	gauge     *Gauge
	gaugeFunc func() float64
	histogram *Histogram
}

type family struct {
	help   string
	kind   Kind
	series map[string]*series // by joined labels
}

// Registry knows metrics by name and labels. The zero value is ready to use, and so is a nil *Registry: what
// it makes works and is not listed. It is safe for concurrent use.
type Registry struct {
	mu       sync.Mutex
	families map[string]*family
}

// Counter returns the counter of that name and labels, making it at the first call. labels are pairs of name and value.
// It panics when the name is already another kind of metric, or the labels are not pairs.
func (r *Registry) Counter(name, help string, labels ...string) *Counter {
	return r.get(name, help, KindCounter, labels, func(s *series) { s.counter = &Counter{} }).counter
}

// Gauge is to gauges what Counter is to counters.
func (r *Registry) Gauge(name, help string, labels ...string) *Gauge {
	s := r.get(name, help, KindGauge, labels, func(s *series) { s.gauge = &Gauge{} })
	if s.gauge == nil {
		panic(fmt.Sprintf("metrics: %s%v is a function", name, labels))
	}
	return s.gauge
}

// GaugeFunc makes a gauge whose value f computes whenever it is read. f is safe for concurrent use and
// quick, and does not call the Registry. A second GaugeFunc of the same name and labels replaces the first.
func (r *Registry) GaugeFunc(name, help string, f func() float64, labels ...string) {
	r.Remove(name, labels...)
	r.get(name, help, KindGauge, labels, func(s *series) { s.gaugeFunc = f })
}

// Microseconds makes histograms of durations: observed in microseconds, reported in seconds.
const Microseconds = 1e6

// Histogram returns the histogram of that name and labels, making it at the first call. bounds are the buckets'
// inclusive upper bounds, rising; scale is how many raw units, as given to Observe, make one unit of bounds.
func (r *Registry) Histogram(name, help string, scale float64, bounds []float64, labels ...string) *Histogram {
	return r.get(name, help, KindHistogram, labels, func(s *series) {
		h := &Histogram{bounds: slices.Clone(bounds), scale: scale, buckets: make([]atomic.Int64, len(bounds)+1)}
		for i, b := range bounds {
			h.raw = append(h.raw, int64(b*scale))
			if i > 0 && h.raw[i] <= h.raw[i-1] {
				panic(fmt.Sprintf("metrics: the bounds of %s do not rise", name))
			}
		}
		s.histogram = h
	}).histogram
}

// Remove forgets the metric of that name and labels (a deleted partition's). Who holds it may go on using it.
func (r *Registry) Remove(name string, labels ...string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if f := r.families[name]; f != nil {
		delete(f.series, joined(labels))
	}
}

// joined makes a map key of labels; no label holds a zero byte.
func joined(labels []string) string { return strings.Join(labels, "\x00") }

func (r *Registry) get(name, help string, kind Kind, labels []string, fill func(*series)) *series {
	if len(labels)%2 != 0 {
		panic(fmt.Sprintf("metrics: the labels of %s are not pairs: %v", name, labels))
	}
	if r == nil {
		s := &series{}
		fill(s)
		return s
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.families[name]
	if f == nil {
		if r.families == nil {
			r.families = map[string]*family{}
		}
		f = &family{help: help, kind: kind, series: map[string]*series{}}
		r.families[name] = f
	}
	if f.kind != kind {
		panic(fmt.Sprintf("metrics: %s is already another kind of metric", name))
	}
	key := joined(labels)
	s := f.series[key]
	if s == nil {
		s = &series{labels: slices.Clone(labels)}
		fill(s)
		f.series[key] = s
	}
	return s
}

// Each calls visit with a sample of every metric, sorted by name and labels. visit may call the Registry.
func (r *Registry) Each(visit func(Sample)) {
	if r == nil {
		return
	}
	type entry struct {
		name string
		key  string
		*family
		*series
	}
	r.mu.Lock()
	var all []entry
	for name, f := range r.families {
		for key, s := range f.series {
			all = append(all, entry{name, key, f, s})
		}
	}
	r.mu.Unlock()
	sort.Slice(all, func(i, j int) bool {
		if all[i].name != all[j].name {
			return all[i].name < all[j].name
		}
		return all[i].key < all[j].key
	})
	for _, e := range all {
		sample := Sample{Name: e.name, Help: e.help, Kind: e.kind, Labels: e.labels}
		e.read(&sample)
		visit(sample)
	}
}

func (s *series) read(sample *Sample) {
	switch {
	case s.counter != nil:
		sample.Value = float64(s.counter.Value())
	case s.gauge != nil:
		sample.Value = float64(s.gauge.Value())
	case s.gaugeFunc != nil:
		sample.Value = s.gaugeFunc()
	case s.histogram != nil:
		s.histogram.read(sample)
	}
}

func (h *Histogram) read(sample *Sample) {
	sample.Buckets = make([]Bucket, len(h.bounds))
	for i := range h.buckets {
		sample.Count += h.buckets[i].Load()
		if i < len(h.bounds) {
			sample.Buckets[i] = Bucket{UpperBound: h.bounds[i], Count: sample.Count}
		}
	}
	sample.Value = float64(h.sum.Load()) / h.scale
}
