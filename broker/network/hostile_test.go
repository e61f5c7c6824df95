package network

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/vfs"
	"highwater.dev/broker/wire"
)

// logBuffer is a log that tests read.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// TestHostilePeers: whatever a peer sends, its connection alone ends, and one line is logged about it.
func TestHostilePeers(t *testing.T) {
	header := func(key, version int16) []byte {
		b := binary.BigEndian.AppendUint16(nil, uint16(key))
		b = binary.BigEndian.AppendUint16(b, uint16(version))
		return append(b, 0, 0, 0, 1, 0xff, 0xff)
	}
	framed := func(payload []byte) []byte {
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(payload))), payload...)
	}
	cases := []struct {
		name string
		sent []byte
		want string // in the log
	}{
		{"2 GiB", []byte{0x7f, 0xff, 0xff, 0xff}, "exceeds socket.request.max.bytes: 2147483647 bytes, at most 104857600"},
		{"one byte over the limit", binary.BigEndian.AppendUint32(nil, 100<<20+1), "exceeds socket.request.max.bytes"},
		{"negative", []byte{0xff, 0xff, 0xff, 0xff}, "negative frame length: -1"},
		{"zero length", []byte{0, 0, 0, 0}, "malformed"},
		{"half a header", framed([]byte{0, 18, 0}), "malformed"},
		{"HTTP", []byte("GET / HTTP/1.1\r\nHost: broker\r\n\r\n"), "exceeds socket.request.max.bytes"},
		{"TLS", []byte{0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3}, "exceeds socket.request.max.bytes"},
		{"unknown key", framed(header(4711, 0)), "key 4711"},
		{"unknown version", framed(header(0, 99)), "version 99"},
		{"client id past the end", framed([]byte{0, 18, 0, 0, 0, 0, 0, 1, 0x7f, 0xff, 'x'}), "malformed"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			var log logBuffer
			s := start(t, handlerFunc(echo), func(o *Options) { o.Logger = log.logger() })
			other := dial(t, s)
			other.roundTrip([]byte("before"))
			for range 3 {
				c := dial(t, s)
				c.send(tc.sent)
				c.requireClosed()
			}
			other.roundTrip([]byte("after"))
			require.Contains(t, log.String(), tc.want)
			require.Equal(t, 1, strings.Count(log.String(), "\n"), "once per peer address: %s", &log)
			require.Equal(t, int64(3), s.counters.refused.Value())
		})
	}
}

// TestAnswersBeforeItCloses: what came before the bad frame is answered, and the peer can read it.
func TestAnswersBeforeItCloses(t *testing.T) {
	s := start(t, handlerFunc(echo), nil)
	c := dial(t, s)
	c.send(append(append(frame(1, []byte("good")), 0xff, 0xff, 0xff, 0xff), make([]byte, 5000)...))
	id, body := c.receive()
	require.Equal(t, int32(1), id)
	require.Equal(t, "good", string(body))
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF, "a reset may make the peer lose what it has not read")
}

// TestLyingLengthTakesNoMemory: many peers claim the largest frame and send nothing or little of it.
func TestLyingLengthTakesNoMemory(t *testing.T) {
	const peers = 200
	cases := []struct {
		name  string
		sent  int
		bound int // bytes held for each peer
	}{
		{"nothing", 0, 0},
		{"one byte", 1, 0},
		{"a kilobyte", startBytes, firstStage},
		{"64 KiB", firstStage, growth * firstStage},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			s := start(t, handlerFunc(echo), nil)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			claim := binary.BigEndian.AppendUint32(nil, 100<<20)
			peers := peers
			if tc.sent >= firstStage {
				peers = 8
			}
			for range peers {
				c := dial(t, s)
				c.send(append(claim, make([]byte, tc.sent)...))
			}
			// A well-behaved peer's round trip is no proof that the others' bytes were read, but the buffers are.
			require.Eventually(t, func() bool {
				inUse, _ := s.pool.usage()
				return inUse == peers*tc.bound && s.counters.connections.Value() == int64(peers)
			}, patience, time.Millisecond)
			runtime.GC()
			runtime.ReadMemStats(&after)
			grown := int64(after.HeapAlloc) - int64(before.HeapAlloc)
			require.Less(t, grown, int64(peers*(tc.bound+16<<10)+maxRetained))
		})
	}
}

// TestFrameReaderOnAnyStream: the frames are the same however the bytes arrive.
func TestFrameReaderOnAnyStream(t *testing.T) {
	var stream []byte
	sizes := []int{1, 1000, startBytes, startBytes + 1, 3, firstStage, firstStage + 1, 700, growth*firstStage + 1, 0, 12}
	for i, n := range sizes {
		stream = binary.BigEndian.AppendUint32(stream, uint32(n))
		stream = append(stream, bytes.Repeat([]byte{byte(i)}, n)...)
	}
	for name, src := range map[string]io.Reader{
		"all at once":        bytes.NewReader(stream),
		"one byte at a time": iotest.OneByteReader(bytes.NewReader(stream)),
		"half of each read":  iotest.HalfReader(bytes.NewReader(stream)),
	} {
		t.Run(name, func(t *testing.T) {
			var pool bufferPool
			f := frameReader{src: src, pool: &pool, limit: DefaultMaxRequestBytes}
			for i, n := range sizes {
				got, err := f.next()
				require.NoError(t, err)
				require.True(t, bytes.Equal(bytes.Repeat([]byte{byte(i)}, n), got), "frame %d of %d bytes", i, n)
			}
			_, err := f.next()
			require.ErrorIs(t, err, io.EOF)
			inUse, _ := pool.usage()
			require.Zero(t, inUse)
		})
	}
	for _, cut := range []int{1, 4, 5, 4 + 1 + 4 + 999, len(stream) - 1} {
		var pool bufferPool
		f := frameReader{src: bytes.NewReader(stream[:cut]), pool: &pool, limit: DefaultMaxRequestBytes}
		var err error
		for err == nil {
			_, err = f.next()
		}
		if cut == 5 {
			require.ErrorIs(t, err, io.EOF, "the cut is between two frames")
		} else {
			require.ErrorIs(t, err, io.ErrUnexpectedEOF, "cut after %d bytes", cut)
		}
		inUse, _ := pool.usage()
		require.Zero(t, inUse)
	}
}

// TestPipelinedRequestsAreAnsweredInOrder also covers requests without a response (acks=0).
func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	s := start(t, handlerFunc(func(ts *testSession, req *wire.Request, resp *wire.Response) error {
		if resp.None = req.Header.CorrelationID%10 == 3; resp.None {
			return nil
		}
		return echo(ts, req, resp)
	}), nil)
	c := dial(t, s)
	var all []byte
	for i := range 100 {
		all = append(all, frame(int32(i), bytes.Repeat([]byte{byte(i)}, i*53))...)
	}
	go c.send(all)
	for i := range 100 {
		if i%10 == 3 {
			continue
		}
		id, body := c.receive()
		require.Equal(t, int32(i), id)
		require.Equal(t, bytes.Repeat([]byte{byte(i)}, i*53), body)
	}
}

// TestHalfClosedPeer: a peer that has said all it will say still gets its answers.
func TestHalfClosedPeer(t *testing.T) {
	s := start(t, handlerFunc(echo), nil)
	c := dial(t, s)
	c.send(append(frame(1, []byte("a")), frame(2, []byte("b"))...))
	require.NoError(t, c.CloseWrite())
	for i := range 2 {
		id, _ := c.receive()
		require.Equal(t, int32(i+1), id)
	}
	c.requireClosed()
}

// TestPeerGoneWithinAFrame is noticed at once, also while the goroutine waits for many bytes.
func TestPeerGoneWithinAFrame(t *testing.T) {
	s := start(t, handlerFunc(echo), nil)
	for _, sent := range []int{2, 5, 2000, 70 << 10, 900 << 10} {
		c := dial(t, s)
		c.send(frame(1, make([]byte, 1<<20))[:sent])
		require.NoError(t, c.CloseWrite())
		c.requireClosed()
	}
	requireNoBuffers(t, s)
}

// TestIdlePeers: silence before, within and after a frame ends the connection after connections.max.idle.ms, and not
// earlier; a peer that sends now and then stays.
func TestIdlePeers(t *testing.T) {
	const idle = 150 * time.Millisecond
	for name, sent := range map[string][]byte{
		"nothing":      nil,
		"half a frame": frame(1, make([]byte, 100<<10))[:70<<10],
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, handlerFunc(echo), func(o *Options) { o.Config.MaxIdle = idle })
			began := time.Now()
			c := dial(t, s)
			c.send(sent)
			c.requireClosed()
			require.GreaterOrEqual(t, time.Since(began), idle)
			require.Eventually(t, func() bool { return s.counters.expired.Value() == 1 }, patience, time.Millisecond)
			requireNoBuffers(t, s)
		})
	}
	t.Run("not reading", func(t *testing.T) {
		s := start(t, handlerFunc(func(ts *testSession, req *wire.Request, resp *wire.Response) error {
			wire.BeginResponse(resp, &req.Header)
			resp.Buf = append(resp.Buf, make([]byte, 64<<20)...) // more than any socket buffer
			return nil
		}), func(o *Options) { o.Config.MaxIdle = idle })
		c := dial(t, s)
		c.send(frame(1, nil))
		require.Eventually(t, func() bool { return s.counters.expired.Value() == 1 }, patience, time.Millisecond)
	})
	t.Run("reading slowly", func(t *testing.T) {
		file, data := randomFile(t, vfs.OS(), t.TempDir(), 32<<20)
		defer file.Release()
		s := start(t, handlerFunc(func(_ *testSession, req *wire.Request, resp *wire.Response) error {
			wire.BeginResponse(resp, &req.Header)
			require.True(t, file.Acquire())
			resp.AppendRegion(vfs.Region{File: file, Len: int64(len(data))})
			return nil
		}), func(o *Options) { o.Config.MaxIdle = idle })
		c := dial(t, s)
		c.send(frame(1, nil))
		left := int64(8 + len(data))
		for began := time.Now(); time.Since(began) < 4*idle; {
			n, err := io.CopyN(io.Discard, c, 1<<20)
			require.NoError(t, err)
			left -= n
			time.Sleep(idle / 5) // the rhythm is what is tested
		}
		_, err := io.CopyN(io.Discard, c, left)
		require.NoError(t, err)
	})
	t.Run("a slow frame", func(t *testing.T) {
		s := start(t, handlerFunc(echo), func(o *Options) { o.Config.MaxIdle = idle })
		c := dial(t, s)
		whole := frame(1, make([]byte, 500<<10))
		c.send(whole[:200<<10])
		rest := whole[200<<10:]
		for began := time.Now(); time.Since(began) < 4*idle; {
			c.send(rest[:1])
			rest = rest[1:]
			time.Sleep(idle / 5) // the rhythm is what is tested
		}
		c.send(rest)
		_, body := c.receive()
		require.Len(t, body, 500<<10)
	})
	t.Run("sending now and then", func(t *testing.T) {
		s := start(t, handlerFunc(echo), func(o *Options) { o.Config.MaxIdle = idle })
		c := dial(t, s)
		for began := time.Now(); time.Since(began) < 3*idle; {
			c.roundTrip([]byte("still here"))
			time.Sleep(idle / 5) // the rhythm is what is tested
		}
		require.Zero(t, s.counters.expired.Value())
	})
}

// TestSlowReaderBlocksOnlyItself, with bytes and with regions by either transfer, and gets all of it in the end.
func TestSlowReaderBlocksOnlyItself(t *testing.T) {
	file, data := randomFile(t, vfs.OS(), t.TempDir(), 32<<20)
	defer file.Release()
	for name, transfer := range map[string]Transfer{"sendfile": NewSendfile(), "copy": NewCopy()} {
		t.Run(name, func(t *testing.T) {
			s := start(t, handlerFunc(func(ts *testSession, req *wire.Request, resp *wire.Response) error {
				if req.Header.CorrelationID != 1 {
					return echo(ts, req, resp)
				}
				wire.BeginResponse(resp, &req.Header)
				require.True(t, file.Acquire())
				resp.AppendRegion(vfs.Region{File: file, Len: int64(len(data))})
				resp.Buf = append(resp.Buf, "end"...)
				return nil
			}), func(o *Options) { o.Transfer = transfer })
			slow := dial(t, s)
			slow.send(frame(1, nil))
			slow.send(frame(2, []byte("pipelined")))
			for range 10 {
				dial(t, s).roundTrip([]byte("quick"))
			}
			id, body := slow.receive()
			require.Equal(t, int32(1), id)
			require.True(t, bytes.Equal(append(bytes.Clone(data), "end"...), body))
			id, _ = slow.receive()
			require.Equal(t, int32(2), id)
		})
	}
}

// TestDisconnectInMidResponse: the regions are released and nothing is logged as a failure.
func TestDisconnectInMidResponse(t *testing.T) {
	for name, transfer := range map[string]Transfer{"sendfile": NewSendfile(), "copy": NewCopy()} {
		t.Run(name, func(t *testing.T) {
			file, _ := randomFile(t, vfs.OS(), t.TempDir(), 32<<20)
			var log logBuffer
			s := start(t, handlerFunc(func(ts *testSession, req *wire.Request, resp *wire.Response) error {
				wire.BeginResponse(resp, &req.Header)
				for range 3 {
					if !file.Acquire() {
						return errors.New("released too often")
					}
					resp.AppendRegion(vfs.Region{File: file, Len: 32 << 20})
				}
				return nil
			}), func(o *Options) { o.Transfer, o.Logger = transfer, log.logger() })
			c := dial(t, s)
			c.send(frame(1, nil))
			_, err := io.ReadFull(c, make([]byte, 1<<20))
			require.NoError(t, err)
			require.NoError(t, c.SetLinger(0)) // reset
			require.NoError(t, c.Close())
			require.Eventually(t, func() bool { return s.counters.connections.Value() == 0 }, patience, time.Millisecond)
			require.NoError(t, file.Release())
			require.False(t, file.Acquire(), "a region was not released")
			require.Empty(t, log.String())
		})
	}
}

// TestShortRegionClosesTheConnection: a file that was cut after the region was promised never becomes garbage.
func TestShortRegionClosesTheConnection(t *testing.T) {
	for name, transfer := range map[string]Transfer{"sendfile": NewSendfile(), "copy": NewCopy()} {
		for _, length := range []int64{1 << 20, 100} {
			t.Run(name, func(t *testing.T) {
				file, data := randomFile(t, vfs.OS(), t.TempDir(), int(length)-10)
				defer file.Release()
				var log logBuffer
				s := start(t, handlerFunc(func(ts *testSession, req *wire.Request, resp *wire.Response) error {
					wire.BeginResponse(resp, &req.Header)
					require.True(t, file.Acquire())
					resp.AppendRegion(vfs.Region{File: file, Len: length})
					resp.Buf = append(resp.Buf, "must never be seen as the file's end"...)
					return nil
				}), func(o *Options) { o.Transfer, o.Logger = transfer, log.logger() })
				c := dial(t, s)
				c.send(frame(1, nil))
				got, _ := io.ReadAll(c)
				if len(got) > 8 {
					require.True(t, bytes.HasPrefix(data, got[8:]), "bytes that are not the file's were sent")
				}
				require.Eventually(t, func() bool { return s.counters.failed.Value() == 1 }, patience, time.Millisecond)
				require.Contains(t, log.String(), io.ErrUnexpectedEOF.Error())
			})
		}
	}
}

// TestMemoryFilesAreCopied: files that are no descriptors work with both transfers.
func TestMemoryFilesAreCopied(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789"), 20<<10)
	file := vfs.Share(memFile{bytes.NewReader(data)})
	for name, transfer := range map[string]Transfer{"sendfile": NewSendfile(), "copy": NewCopy()} {
		t.Run(name, func(t *testing.T) {
			s := start(t, handlerFunc(func(ts *testSession, req *wire.Request, resp *wire.Response) error {
				wire.BeginResponse(resp, &req.Header)
				require.True(t, file.Acquire())
				resp.AppendRegion(vfs.Region{File: file, Pos: 3, Len: int64(len(data)) - 3})
				return nil
			}), func(o *Options) { o.Transfer = transfer })
			c := dial(t, s)
			c.send(frame(1, nil))
			_, got := c.receive()
			require.True(t, bytes.Equal(data[3:], got))
		})
	}
}

type memFile struct{ *bytes.Reader }

func (memFile) WriteAt([]byte, int64) (int, error) { return 0, errors.ErrUnsupported }
func (memFile) Close() error                       { return nil }
func (m memFile) Size() (int64, error)             { return m.Reader.Size(), nil }
func (memFile) Truncate(int64) error               { return errors.ErrUnsupported }
func (memFile) Sync() error                        { return nil }
func (memFile) Name() string                       { return "memory" }

// TestLogLimiterIsBounded: one line per address and interval, for a bounded number of addresses.
func TestLogLimiterIsBounded(t *testing.T) {
	var l logLimiter
	now := time.Unix(1000, 0)
	peer := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}) }
	allowed, _ := l.allow(peer(1), now)
	require.True(t, allowed)
	for range 5 {
		allowed, _ = l.allow(peer(1), now.Add(logEvery-1))
		require.False(t, allowed)
	}
	allowed, suppressed := l.allow(peer(1), now.Add(logEvery))
	require.True(t, allowed)
	require.Equal(t, 5, suppressed)

	lines := 0
	for i := range 10 * logTracked {
		if allowed, _ := l.allow(peer(i), now.Add(2*logEvery)); allowed {
			lines++
		}
	}
	require.LessOrEqual(t, lines, logTracked+1)
	require.LessOrEqual(t, len(l.peers), logTracked+1)
	allowed, _ = l.allow(peer(20*logTracked), now.Add(4*logEvery))
	require.True(t, allowed)
	require.LessOrEqual(t, len(l.peers), 2, "what is out of date is forgotten when there is need")
}
