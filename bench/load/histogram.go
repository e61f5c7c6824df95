package load

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Histogram holds latencies from 1 ns to 1 h to three significant digits. It may be used by several goroutines.
type Histogram struct {
	mu sync.Mutex
	h  *hdrhistogram.Histogram
}

const (
	shortest = time.Nanosecond
	longest  = time.Hour
)

// NewHistogram is empty.
func NewHistogram() *Histogram {
	return &Histogram{h: hdrhistogram.New(1, int64(longest), 3)}
}

// Record counts a latency; one outside the range counts as its nearest end.
func (h *Histogram) Record(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.h.RecordValue(int64(min(max(d, shortest), longest))); err != nil {
		panic("load: a latency inside the histogram's range was refused: " + err.Error())
	}
}

// merge adds what other holds.
func (h *Histogram) merge(other *Histogram) {
	other.mu.Lock()
	defer other.mu.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.h.Merge(other.h)
}

// Count is how many latencies there are.
func (h *Histogram) Count() int64 { return h.read((*hdrhistogram.Histogram).TotalCount) }

// Max is the longest.
func (h *Histogram) Max() time.Duration { return time.Duration(h.read((*hdrhistogram.Histogram).Max)) }

// Mean is 0 when there are none.
func (h *Histogram) Mean() time.Duration {
	return time.Duration(h.read(func(h *hdrhistogram.Histogram) int64 { return int64(h.Mean()) }))
}

func (h *Histogram) read(f func(*hdrhistogram.Histogram) int64) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return f(h.h)
}

// Percentile is the latency whose rank is nearest to p percent of the count, 0 < p <= 100; 0 when there are none.
func Percentile(h *Histogram, p float64) time.Duration {
	return time.Duration(h.read(func(h *hdrhistogram.Histogram) int64 { return h.ValueAtPercentile(p) }))
}
