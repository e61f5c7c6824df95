package gate

import (
	"bufio"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"highwater.dev/bench/peer"
	"highwater.dev/bench/proc"
)

// Work is what one request has cost the broker's process, on the average.
type Work struct {
	Allocs        float64 // objects on the heap
	Reads, Writes float64 // system calls read, pread, write, pwrite, sendfile (a read and a write); attempts that found nothing count
	Written       float64 // bytes written to files and sockets, sendfile included
	CopiedOut     float64 // bytes of the response that went through the broker's memory
}

// metrics of the broker that are read, by their names.
const (
	mallocs     = "go_memstats_mallocs_total"
	sent        = "highwater_network_sent_bytes_total"
	sentRegions = "highwater_network_sent_region_bytes_total"
)

// snapshot of the process's counters.
type snapshot struct {
	io                   proc.IO
	allocs, out, regions float64
}

// Count has ask make n requests and returns what each has cost. The broker has an admin server. What reading the counters costs
// itself is taken off: it is measured first.
func Count(b *peer.Broker, n int, ask func() error) (Work, error) {
	var at [3]snapshot
	var err error
	for i := range at {
		if i == 2 {
			for range n {
				if err := ask(); err != nil {
					return Work{}, err
				}
			}
		}
		if at[i], err = look(b.PID, b.Admin); err != nil {
			return Work{}, err
		}
	}
	each := func(f func(snapshot) float64) float64 {
		looking := f(at[1]) - f(at[0])
		return max(0, (f(at[2])-f(at[1])-looking)/float64(n))
	}
	return Work{
		Allocs:    each(func(s snapshot) float64 { return s.allocs }),
		Reads:     each(func(s snapshot) float64 { return float64(s.io.Reads) }),
		Writes:    each(func(s snapshot) float64 { return float64(s.io.Writes) }),
		Written:   each(func(s snapshot) float64 { return float64(s.io.WrittenBytes) }),
		CopiedOut: each(func(s snapshot) float64 { return s.out - s.regions }),
	}, nil
}

// look reads the counters: the broker's own first, which costs it something, and the kernel's behind.
func look(pid int, admin string) (s snapshot, err error) {
	found, err := scrape(admin, mallocs, sent, sentRegions)
	if err != nil {
		return s, err
	}
	s.allocs, s.out, s.regions = found[mallocs], found[sent], found[sentRegions]
	s.io, err = proc.Moved(pid)
	return s, err
}

// scrape reads the named metrics without labels.
func scrape(admin string, names ...string) (map[string]float64, error) {
	resp, err := http.Get("http://" + admin + "/metrics")
	if err != nil {
		return nil, fmt.Errorf("gate: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	found := map[string]float64{}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		for _, wanted := range names {
			if name != wanted {
				continue
			}
			if found[name], err = strconv.ParseFloat(value, 64); err != nil {
				return nil, fmt.Errorf("gate: metric %s: %w", name, err)
			}
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("gate: %w", err)
	}
	if len(found) != len(names) {
		return nil, fmt.Errorf("gate: %s/metrics has %d of the %d metrics %v", admin, len(found), len(names), names)
	}
	return found, nil
}
