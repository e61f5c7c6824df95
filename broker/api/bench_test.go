package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/vfs"
	"highwater.dev/broker/wire"
)

// BenchmarkProduce is one batch of 16 KiB a request, through Session.Serve to the page cache.
func BenchmarkProduce(b *testing.B) {
	for _, version := range []int16{9, 13} {
		b.Run(fmt.Sprintf("version=%d", version), func(b *testing.B) {
			s := newServer(b, vfs.OS(), b.TempDir(), nil)
			id := s.create("bench", 1)
			req := request(b, produceRequest("bench", id, -1, 0, batch(strings.Repeat("x", 16<<10))), version)
			body := append([]byte(nil), req.Body...)
			var resp wire.Response
			serve := func() {
				copy(req.Body, body)
				if err := s.session.Serve(req, &resp); err != nil {
					b.Fatal(err)
				}
				resp.Reset()
			}
			serve()
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				serve()
			}
		})
	}
}

// BenchmarkFetch asks for 1 MiB of one partition, without and with a fetch session.
func BenchmarkFetch(b *testing.B) {
	for _, c := range []struct {
		name    string
		version int16
		epoch   int32
		offset  int64
	}{{"name", 12, -1, 0}, {"id", 18, -1, 0}, {"nothing-new", 18, -1, 100}} {
		b.Run("ask="+c.name, func(b *testing.B) {
			s := newServer(b, vfs.OS(), b.TempDir(), nil)
			id := s.create("bench", 1)
			for range 100 {
				s.produce("bench", strings.Repeat("x", 16<<10))
			}
			q := fetchRequest("bench", id, c.offset)
			q.SessionEpoch = c.epoch
			req := request(b, q, c.version)
			var resp wire.Response
			serve := func() {
				if err := s.session.Serve(req, &resp); err != nil {
					b.Fatal(err)
				}
				resp.Reset()
			}
			serve()
			b.ReportAllocs()
			for b.Loop() {
				serve()
			}
		})
	}
}

// TestSteadyStateAllocatesNothing is what the benchmarks show, as a test: a batch produced or fetched costs no allocation.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	s := newServer(t, vfs.OS(), t.TempDir(), nil)
	id := s.create("bench", 1)
	produce := request(t, produceRequest("bench", id, -1, 0, batch("hello", "world")), 13)
	body := append([]byte(nil), produce.Body...)
	fetch := request(t, fetchRequest("bench", id, 0), 18)
	empty := request(t, fetchRequest("bench", id, 5), 18) // inside the log as soon as it has more than five records
	var resp wire.Response
	serve := func(req *wire.Request) func() {
		return func() {
			if req == produce {
				copy(req.Body, body)
			}
			if err := s.session.Serve(req, &resp); err != nil {
				t.Fatal(err)
			}
			resp.Reset()
		}
	}
	for range 100 {
		serve(produce)()
		serve(fetch)()
		serve(empty)()
	}
	require.Zero(t, testing.AllocsPerRun(200, serve(produce)), "produce")
	require.Zero(t, testing.AllocsPerRun(200, serve(fetch)), "fetch")
	require.Zero(t, testing.AllocsPerRun(200, serve(empty)), "fetch behind the first batches")
}
