package observe

import (
	"net/http"
	"net/http/pprof"
	"runtime"
	"sync"
)

// contention serves a profile of waiting, mutex or block. The runtime records waiting only while a request with ?seconds=N is being
// answered: recording costs something at every wait.
type contention struct {
	record func(on bool)
	page   http.Handler

	mu      sync.Mutex
	waiting int // requests in work
}

func newContention(profile string) *contention {
	c := &contention{page: pprof.Handler(profile), record: func(on bool) {
		rate := 0
		if on {
			rate = 1 // every wait
		}
		if profile == "mutex" {
			runtime.SetMutexProfileFraction(rate)
		} else {
			runtime.SetBlockProfileRate(rate)
		}
	}}
	return c
}

func (c *contention) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("seconds") != "" {
		c.add(1)
		defer c.add(-1)
	}
	c.page.ServeHTTP(w, r)
}

func (c *contention) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting += n
	c.record(c.waiting > 0)
}
