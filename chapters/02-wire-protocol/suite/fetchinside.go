package suite

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/vfs"
	"highwater.dev/workbook/lab"
)

var (
	wire21 = lab.Invariant{ID: "WIRE-21", Sentence: "no wake-up is lost: records that come between a fetch's look and its wait are answered"}
	wire22 = lab.Invariant{ID: "WIRE-22", Sentence: "a broker that stops does not wait for long polls"}
	wire23 = lab.Invariant{ID: "WIRE-23", Sentence: "every region that a log hands out is released once, also when it is not sent"}
	wire33 = lab.Invariant{ID: "WIRE-33", Sentence: "a fetch that was answered leaves nothing behind: no watch, no timer, no request"}
)

// fetchInside are the tests of exercise 2.4 that look at a broker's logs or stop it.
var fetchInside = []lab.Test[Impl]{
	{Exercise: "2.4", Name: "fetch-no-lost-wake-up", Kind: lab.Fault, Invariant: wire21, Run: fetchNoLostWakeUp},
	{Exercise: "2.4", Name: "fetch-ends-with-the-broker", Kind: lab.Fault, Invariant: wire22, Run: fetchEndsWithTheBroker},
	{Exercise: "2.4", Name: "fetch-releases", Kind: lab.Fault, Invariant: wire23, Run: fetchReleases},
	{Exercise: "2.4", Name: "fetch-leaves-nothing", Kind: lab.Fault, Invariant: wire33, Run: fetchLeavesNothing},
}

// spy opens logs that tell who looks into them and count the regions they hand out.
type spy struct {
	looked atomic.Pointer[func()] // called after each look, before who looked learns what it saw

	handedOut, released atomic.Int64
}

func (s *spy) open(fs vfs.FS, dir string, o segment.Options) (segment.Log, error) {
	log, err := segment.Open(fs, dir, o)
	if err != nil {
		return nil, err
	}
	return &spiedLog{Log: log, spy: s}, nil
}

type spiedLog struct {
	segment.Log
	spy *spy
}

func (l *spiedLog) after() {
	if f := l.spy.looked.Load(); f != nil {
		(*f)()
	}
}

func (l *spiedLog) Bounds() (start, end model.Offset) {
	start, end = l.Log.Bounds()
	l.after()
	return start, end
}

func (l *spiedLog) Append(batch record.Batch) error { return l.Log.Append(batch) }

func (l *spiedLog) Read(from, limit model.Offset, maxBytes int) (vfs.Region, error) {
	region, err := l.Log.Read(from, limit, maxBytes)
	if region.File != nil {
		l.spy.handedOut.Add(1)
		region.File = vfs.Share(&spiedFile{File: region.File, spy: l.spy, release: region.Release})
	}
	l.after()
	return region, err
}

// spiedFile is one region's hold on its file.
type spiedFile struct {
	vfs.File
	spy     *spy
	release func()
}

func (f *spiedFile) Close() error {
	f.spy.released.Add(1)
	f.release()
	return nil
}

func fetchNoLostWakeUp(t *lab.T, impl Impl) {
	s := &spy{}
	r := newRig(t, impl, s.open)
	consumer, producer := r.dial(), r.dial()
	topic := producer.newTopic()
	for round := range int64(3) {
		answered := make(chan []byte, 1)
		var began atomic.Bool
		done := make(chan struct{})
		// While a fetch looks and finds nothing, a batch is produced; the fetch learns of its look afterwards. A broker may hold
		// a lock then that the producer's answer waits for: that is no mistake, so the wait has an end.
		produceNow := func() {
			if began.Swap(true) {
				return // the produce itself looks, too
			}
			q := produceRequest(8, 1, part{topic, batchOf(1, 10)})
			formatter := kmsg.NewRequestFormatter()
			go func() {
				_, _ = producer.conn.Write(formatter.AppendRequest(nil, q, 1)) // the answer tells
				frame, _ := producer.frame()
				answered <- frame
			}()
			select {
			case frame := <-answered:
				answered <- frame
			case <-time.After(50 * time.Millisecond):
			}
			close(done)
		}
		q := fetchRequest(11, 1, forEver, wanted{topic: topic, from: round})
		s.looked.Store(&produceNow)
		id := consumer.send(q)
		select {
		case <-done:
		case <-time.After(200 * time.Millisecond): // a broker that knows the log's end by heart does not look
		}
		s.looked.Store(nil)
		produceNow()
		if len(<-answered) == 0 {
			r.Fatalf("Produce, while a fetch looks: no response")
		}
		if got := consumer.fetched(q, consumer.receive(q, id))[0]; wholeBatches(got.RecordBatches) != 1 {
			r.Fatalf("a batch was produced just after the fetch had looked: expected it, got %+v", got)
		}
	}
}

func fetchEndsWithTheBroker(t *lab.T, impl Impl) {
	r := newRig(t, impl, nil)
	c := r.dial()
	topic := c.newTopic()
	for range 4 {
		r.dial().send(fetchRequest(11, 1, forEver, wanted{topic: topic}))
	}
	c.newTopic() // the broker had time to read the fetches
	if err := r.running.Stop(); err != nil {
		r.Fatalf("stop a broker with four long polls: %v", err)
	}
}

func fetchReleases(t *lab.T, impl Impl) {
	s := &spy{}
	r := newRig(t, impl, s.open)
	consumer, producer := r.dial(), r.dial()
	one, two := producer.newTopic(), producer.newTopic()
	for range 3 {
		producer.produce(one, batchOf(1, 500))
		producer.produce(two, batchOf(1, 500))
	}
	q := fetchRequest(11, 1, forEver, wanted{topic: one}, wanted{topic: two})
	q.MaxBytes = 700
	consumer.fetch(q) // the second partition's batch is read and left out
	consumer.fetch(fetchRequest(11, 1<<20, 30, wanted{topic: one}))
	q = fetchRequest(11, 5000, forEver, wanted{topic: one}, wanted{topic: two})
	id := consumer.send(q)
	for range 3 { // each wakes the fetch, which looks and waits again
		producer.produce(one, batchOf(1, 500))
		producer.produce(two, batchOf(1, 500))
	}
	consumer.fetched(q, consumer.receive(q, id))
	if err := r.running.Stop(); err != nil {
		r.Fatalf("stop: %v", err)
	}
	if out, back := s.handedOut.Load(), s.released.Load(); out != back {
		r.Fatalf("the logs handed out %d regions, %d came back: each one that is missing keeps a deleted segment's file open", out, back)
	}
}

// live is how many bytes of memory are in use.
func live() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first one put into sync.Pool's victim caches
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func fetchLeavesNothing(t *lab.T, impl Impl) {
	r := newRig(t, impl, nil)
	consumer, producer := r.dial(), r.dial()
	quiet, busy := producer.newTopic(), producer.newTopic()
	const rounds, rack = 200, 30_000
	ask := func(topic string, from int64, maxWaitMs int32) *kmsg.FetchRequest {
		q := fetchRequest(11, 1, maxWaitMs, wanted{topic: topic, from: from})
		q.Rack = string(make([]byte, rack)) // makes a request that is kept show
		return q
	}
	timeIsUp := func(int64) { consumer.fetch(ask(quiet, 0, 1)) }
	wokenUp := func(round int64) {
		q := ask(busy, round, forEver)
		id := consumer.send(q)
		producer.chat()
		producer.produce(busy, batchOf(1, 1))
		consumer.fetched(q, consumer.receive(q, id))
	}
	timeIsUp(0) // buffers that stay with the connection
	wokenUp(0)
	for _, way := range []struct {
		name  string
		fetch func(round int64)
	}{{"waited in vain", timeIsUp}, {"were woken by a Produce", wokenUp}} {
		before := live()
		for round := range int64(rounds) {
			way.fetch(round + 1)
		}
		if grown := live() - before; grown > rounds*rack/4 {
			r.Fatalf("%d fetches of %d bytes each %s and were answered: the broker holds %d bytes more than before", rounds, rack, way.name, grown)
		}
	}
}
