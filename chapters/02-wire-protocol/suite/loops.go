package suite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/goleak"

	"highwater.dev/broker/wire"
	"highwater.dev/workbook/lab"
)

var (
	wire24 = lab.Invariant{ID: "WIRE-24", Sentence: "every request is answered once, to who asked, with its correlation id"}
	wire25 = lab.Invariant{ID: "WIRE-25", Sentence: "a connection has one request in work, and its responses leave in the order of its requests"}
	wire26 = lab.Invariant{ID: "WIRE-26", Sentence: "who sends nonsense, half a frame, or nothing, or reads nothing, holds up nobody else"}
	wire27 = lab.Invariant{ID: "WIRE-27", Sentence: "a long poll keeps no handler from other requests"}
	wire28 = lab.Invariant{ID: "WIRE-28", Sentence: "each session is closed once, after its last request; a stop leaves no session and no goroutine"}
)

// Exercise 2.5: request loops.
var loops = []lab.Test[Impl]{
	{Exercise: "2.5", Name: "loop-answers", Kind: lab.Public, Invariant: wire24, Run: eachLoopOf(3, loopAnswers)},
	{Exercise: "2.5", Name: "loop-silence-and-failure", Kind: lab.Public, Invariant: wire24, Run: eachLoop(loopSilence)},
	{Exercise: "2.5", Name: "loop-order", Kind: lab.Property, Invariant: wire25, Run: eachLoop(loopOrder)},
	{Exercise: "2.5", Name: "loop-slow-client", Kind: lab.Fault, Invariant: wire26, Run: eachLoop(loopSlowClient)},
	{Exercise: "2.5", Name: "loop-hostile-peers", Kind: lab.Fault, Invariant: wire26, Run: eachLoop(loopHostile)},
	{Exercise: "2.5", Name: "loop-long-polls", Kind: lab.Public, Invariant: wire27, Run: eachLoop(loopLongPolls)},
	{Exercise: "2.5", Name: "loop-stops", Kind: lab.Fault, Invariant: wire28, Run: eachLoop(loopStops)},
}

// What a request's body asks of the test's handler, by its first byte.
const (
	doEcho = 'e' // answer the body
	doGate = 'g' // answer the body when the gate opens: the handler waits
	doPoll = 'p' // answer the body when the gate opens: a long poll
	doBig  = 'b' // answer bigBytes
	doNone = 'n' // answer nothing (acks=0)
	doFail = 'f' // answer the body, and fail
)

const bigBytes = 9 << 20

// bench is a loop with the test's handler behind it.
type bench struct {
	*lab.T
	name string
	addr string
	stop func()

	gate           chan struct{}
	openGate       func()
	entered        chan byte // what reached the handler; room for all
	opened, closed atomic.Int64
	together       atomic.Int64 // requests of a connection that were in work beside another of its own
	strangers      atomic.Int64 // requests that came with another peer than their connection's
}

const loopLimit = 1 << 20

// eachLoop runs the test over each loop of the implementation, with one processor, so that one which waits holds up everybody.
func eachLoop(test func(b *bench)) func(*lab.T, Impl) { return eachLoopOf(1, test) }

func eachLoopOf(processors int, test func(b *bench)) func(*lab.T, Impl) {
	return func(t *lab.T, impl Impl) {
		for _, loop := range impl.Loops {
			b := &bench{T: t, name: loop.Name, gate: make(chan struct{}), entered: make(chan byte, 10_000)}
			b.openGate = sync.OnceFunc(func() { close(b.gate) })
			others := goleak.IgnoreCurrent()
			addr, stop, err := loop.Start(b, LoopOptions{MaxRequestBytes: loopLimit, Processors: processors, Handlers: 3, QueuedRequests: 2})
			if err != nil {
				t.Fatalf("%s: start: %v", loop.Name, err)
			}
			b.addr, b.stop = addr, sync.OnceFunc(stop)
			func() {
				defer b.mustStop()
				defer b.openGate()
				test(b)
			}()
			if err := goleak.Find(others); err != nil {
				t.Fatalf("%s: it was stopped, and goroutines are left:\n%v", loop.Name, err)
			}
		}
	}
}

// mustStop ends the loop.
func (b *bench) mustStop() {
	b.Helper()
	stopped := make(chan struct{})
	go func() {
		b.stop()
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-time.After(patience / 2):
		b.Fatalf("%s: it does not stop", b.name)
	}
}

// Open implements wire.Handler.
func (b *bench) Open(peer wire.Peer) wire.Session {
	b.opened.Add(1)
	return &benchSession{bench: b, peer: peer, cancelled: make(chan struct{})}
}

type benchSession struct {
	bench     *bench
	peer      wire.Peer
	inWork    atomic.Int64
	once      sync.Once
	cancelled chan struct{}
}

func (s *benchSession) Cancel() { s.once.Do(func() { close(s.cancelled) }) }
func (s *benchSession) Close()  { s.bench.closed.Add(1) }

func (s *benchSession) wait() {
	select {
	case <-s.bench.gate:
	case <-s.cancelled:
	}
}

func (s *benchSession) Serve(req *wire.Request, resp *wire.Response) error {
	answered := make(chan error, 1)
	s.ServeAsync(req, resp, func(err error) { answered <- err })
	return <-answered
}

// ServeAsync implements seam.AsyncSession.
func (s *benchSession) ServeAsync(req *wire.Request, resp *wire.Response, done func(error)) {
	if s.inWork.Add(1) > 1 {
		s.bench.together.Add(1)
	}
	if req.Peer != s.peer {
		s.bench.strangers.Add(1)
	}
	body := bytes.Clone(req.Body)
	do := body[0]
	s.bench.entered <- do
	finish := func() {
		resp.Buf = binary.BigEndian.AppendUint32(resp.Buf, uint32(req.Header.CorrelationID))
		var err error
		switch do {
		case doBig:
			resp.Buf = append(resp.Buf, bytes.Repeat([]byte{doBig}, bigBytes)...)
		case doNone:
			resp.Buf, resp.None = resp.Buf[:0], true
		case doFail:
			resp.Buf, err = append(resp.Buf, body...), errors.New("the session failed")
		default:
			resp.Buf = append(resp.Buf, body...)
		}
		s.inWork.Add(-1)
		done(err)
	}
	switch do {
	case doGate:
		s.wait()
		finish()
	case doPoll:
		go func() {
			s.wait()
			finish()
		}()
	default:
		finish()
	}
}

// loopClient is a peer of a loop.
type loopClient struct {
	b    *bench
	conn net.Conn
}

func (b *bench) dial() *loopClient {
	b.Helper()
	conn := mustDial(b, b.addr)
	b.Cleanup(func() { _ = conn.Close() })
	return &loopClient{b, conn}
}

func (c *loopClient) send(correlation int32, do byte, payload ...byte) {
	c.b.Helper()
	frame := frameOf(append(header(wire.Metadata, 8, correlation, nil, nil), append([]byte{do}, payload...)...))
	if _, err := c.conn.Write(frame); err != nil {
		c.b.Fatalf("%s: send a request: %v", c.b.name, err)
	}
}

func (c *loopClient) read() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(c.conn, head[:]); err != nil {
		return nil, err
	}
	frame := make([]byte, min(binary.BigEndian.Uint32(head[:]), 64<<20))
	_, err := io.ReadFull(c.conn, frame)
	return frame, err
}

func (c *loopClient) expect(correlation int32, body ...byte) {
	c.b.Helper()
	frame, err := c.read()
	if err != nil {
		c.b.Fatalf("%s: expected the response to request %d, got %v", c.b.name, correlation, err)
	}
	want := append(binary.BigEndian.AppendUint32(nil, uint32(correlation)), body...)
	if !bytes.Equal(frame, want) {
		at := 0
		for at < min(len(frame), len(want)) && frame[at] == want[at] {
			at++
		}
		c.b.Fatalf("%s: expected the response to request %d with a body of %d bytes, got %d bytes:\n%s", c.b.name, correlation, len(body), len(frame),
			lab.Picture(frame[:min(len(frame), 40)], []lab.Field{{Name: "correlation id", Len: 4}}, at))
	}
}

func (c *loopClient) roundTrip(correlation int32, payload ...byte) {
	c.b.Helper()
	c.send(correlation, doEcho, payload...)
	c.expect(correlation, append([]byte{doEcho}, payload...)...)
}

// expectEnd waits until the broker has closed the connection, without another response.
func (c *loopClient) expectEnd(why string) {
	c.b.Helper()
	frame, err := c.read()
	var timeout net.Error
	if err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		c.b.Fatalf("%s: %s: expected the connection to be closed, got a frame of %d bytes, error %v", c.b.name, why, len(frame), err)
	}
}

func (b *bench) awaitEntered(do byte) {
	b.Helper()
	late := time.After(patience)
	for {
		select {
		case got := <-b.entered:
			if got == do {
				return
			}
		case <-late:
			b.Fatalf("%s: a request did not reach the session", b.name)
		}
	}
}

func loopAnswers(b *bench) {
	one, two := b.dial(), b.dial()
	for i := range int32(5) {
		one.roundTrip(i)
		two.roundTrip(-i, bytes.Repeat([]byte{byte(i)}, int(i)*30_000)...)
	}
	three := b.dial()
	three.roundTrip(1, bytes.Repeat([]byte{7}, loopLimit-100)...)
	if n := b.strangers.Load(); n > 0 {
		b.Fatalf("%s: %d requests came with another peer than their connection's", b.name, n)
	}
}

func loopSilence(b *bench) {
	c := b.dial()
	c.send(1, doNone)
	c.send(2, doNone)
	c.send(3, doEcho)
	c.expect(3, doEcho)
	c.send(4, doFail)
	c.send(5, doEcho)
	c.expect(4, doFail)
	c.expectEnd("a request that failed")
}

func loopOrder(b *bench) {
	rng := rand.New(rand.NewPCG(b.Seed(), 0))
	first, other := b.dial(), b.dial()
	first.send(0, doGate)
	ops := make([]byte, 8+rng.IntN(8))
	for i := range ops {
		ops[i] = []byte{doEcho, doEcho, doPoll, doNone, doGate}[rng.IntN(5)]
		first.send(int32(i+1), ops[i])
	}
	b.awaitEntered(doGate)
	for i := range int32(20) { // time enough for a request that should not be in work
		other.roundTrip(i)
	}
	b.openGate()
	first.expect(0, doGate)
	for i, op := range ops {
		if op != doNone {
			first.expect(int32(i+1), op)
		}
	}
	if n := b.together.Load(); n > 0 {
		b.Fatalf("%s: %d requests of a connection were in work beside an earlier one", b.name, n)
	}
}

func loopSlowClient(b *bench) {
	slow, other := b.dial(), b.dial()
	if tcp, ok := slow.conn.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(16 << 10) // a wish
	}
	slow.send(1, doBig)
	slow.send(2, doEcho)
	var head [8]byte // length and correlation id: the response is on its way, and does not fit into the sockets' buffers
	if _, err := io.ReadFull(slow.conn, head[:]); err != nil {
		b.Fatalf("%s: a large response: %v", b.name, err)
	}
	for i := range int32(20) {
		other.roundTrip(i)
	}
	body := make([]byte, bigBytes)
	if n, err := io.ReadFull(slow.conn, body); err != nil || bytes.Count(body, []byte{doBig}) != bigBytes {
		b.Fatalf("%s: a client that read late: expected %d bytes, got %d, error %v", b.name, bigBytes, n, err)
	}
	slow.expect(2, doEcho)
}

func loopHostile(b *bench) {
	good := b.dial()
	good.roundTrip(1)
	half := b.dial() // stays, and says no more
	if _, err := half.conn.Write([]byte{0, 0, 1, 0, 0, 3}); err != nil {
		b.Fatalf("%v", err)
	}
	metadata := header(wire.Metadata, 8, 1, nil, nil)
	for why, stream := range map[string][]byte{
		"a negative length":             {0x80, 0, 0, 0},
		"a length of 2 GiB":             {0x7f, 0xff, 0xff, 0xff},
		"an empty frame":                {0, 0, 0, 0},
		"a frame shorter than a header": frameOf(metadata[:7]),
		"an API that does not exist":    frameOf(append(header(999, 0, 1, nil, nil), doEcho)),
		"a version from the future":     frameOf(append(header(wire.Metadata, 500, 1, nil, nil), doEcho)),
		"HTTP":                          []byte("GET / HTTP/1.1\r\nHost: kafka\r\n\r\n"),
	} {
		bad := b.dial()
		if _, err := bad.conn.Write(stream); err != nil {
			b.Fatalf("%v", err)
		}
		bad.expectEnd(why)
		good.roundTrip(2)
	}
	gone := b.dial()
	gone.send(3, doEcho)
	_ = gone.conn.Close() // it does not wait for the answer
	good.roundTrip(3)
	b.mustStop()
	if opened, closed := b.opened.Load(), b.closed.Load(); opened != closed {
		b.Fatalf("%s: %d sessions were opened, %d were closed", b.name, opened, closed)
	}
}

func loopLongPolls(b *bench) {
	var polls []*loopClient
	for i := range int32(8) { // more than there are handlers
		c := b.dial()
		c.send(i, doPoll)
		polls = append(polls, c)
		b.awaitEntered(doPoll)
	}
	other := b.dial()
	for i := range int32(5) {
		other.roundTrip(i)
	}
	b.openGate()
	for i, c := range polls {
		c.expect(int32(i), doPoll)
	}
}

func loopStops(b *bench) {
	b.dial().roundTrip(1) // idle from now on
	poll := b.dial()
	poll.send(1, doPoll)
	b.awaitEntered(doPoll)
	if _, err := b.dial().conn.Write([]byte{0, 0}); err != nil {
		b.Fatalf("%v", err)
	}
	b.mustStop()
	if opened, closed := b.opened.Load(), b.closed.Load(); opened != closed {
		b.Fatalf("%s: %d sessions were opened, %d were closed", b.name, opened, closed)
	}
}
