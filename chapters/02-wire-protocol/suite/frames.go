package suite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"testing/iotest"

	"pgregory.net/rapid"

	"highwater.dev/broker/network"
	"highwater.dev/workbook/lab"
)

var (
	wire1 = lab.Invariant{ID: "WIRE-1", Sentence: "frames come out as they went in, however the network cuts the stream"}
	wire2 = lab.Invariant{ID: "WIRE-2", Sentence: "a length below 0 or above the limit is refused, the limit itself is not"}
	wire3 = lab.Invariant{ID: "WIRE-3", Sentence: "io.EOF says that the stream ended between two frames, and nothing else does"}
	wire4 = lab.Invariant{ID: "WIRE-4", Sentence: "memory follows the bytes that came, not the length that was claimed"}
)

// Exercise 2.1: frames with limits.
var frames = []lab.Test[Impl]{
	{Exercise: "2.1", Name: "frames-in-a-row", Kind: lab.Public, Invariant: wire1, Run: framesInARow},
	{Exercise: "2.1", Name: "frames-any-cut", Kind: lab.Property, Invariant: wire1, Run: framesAnyCut},
	{Exercise: "2.1", Name: "length-limits", Kind: lab.Public, Invariant: wire2, Run: lengthLimits},
	{Exercise: "2.1", Name: "stream-ends", Kind: lab.Fault, Invariant: wire3, Run: streamEnds},
	{Exercise: "2.1", Name: "lying-length", Kind: lab.Fault, Invariant: wire4, Run: lyingLength},
}

func frameOf(body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

// expectFrames reads the bodies and then the end.
func expectFrames(t TB, f network.Frames, bodies ...[]byte) {
	t.Helper()
	for i, want := range bodies {
		got, err := f.Next()
		if err != nil {
			t.Fatalf("frame %d of %d bytes: %v", i, len(want), err)
		}
		if !bytes.Equal(got, want) {
			at := 0
			for at < min(len(got), len(want)) && got[at] == want[at] {
				at++
			}
			t.Fatalf("frame %d: expected %d bytes, got %d; they differ from byte %d on:\n%s", i, len(want), len(got), at,
				lab.Picture(got[:min(len(got), at+16)], nil, at))
		}
	}
	if got, err := f.Next(); !errors.Is(err, io.EOF) {
		t.Fatalf("after the last frame: expected io.EOF, got %d bytes and error %v", len(got), err)
	}
}

func framesInARow(t *lab.T, impl Impl) {
	bodies := [][]byte{{1, 2, 3}, {}, {4}, bytes.Repeat([]byte{5}, 100_000), {6, 7}, bytes.Repeat([]byte{8}, 70_000), {9}}
	var stream []byte
	for _, b := range bodies {
		stream = append(stream, frameOf(b)...)
	}
	expectFrames(t, impl.NewFrames(bytes.NewReader(stream), 100_000), bodies...)
	// Two connections: what one of them says stays what it is while the other reads.
	ones, twos := bytes.Repeat([]byte{1}, 3000), bytes.Repeat([]byte{2}, 3000)
	one, two := impl.NewFrames(bytes.NewReader(frameOf(ones)), 100_000), impl.NewFrames(bytes.NewReader(frameOf(twos)), 100_000)
	got, err := one.Next()
	if err != nil {
		t.Fatalf("a frame of %d bytes: %v", len(ones), err)
	}
	expectFrames(t, two, twos)
	if !bytes.Equal(got, ones) {
		t.Fatalf("the frame of one connection changed when another connection read its own: expected % x ..., got % x ...", ones[:8], got[:8])
	}
}

// chopped gives a stream in pieces of at most some bytes.
type chopped struct {
	left []byte
	rng  *rand.Rand
	most int
}

func (c *chopped) Read(p []byte) (int, error) {
	if len(c.left) == 0 {
		return 0, io.EOF
	}
	n := min(len(p), len(c.left), 1+c.rng.IntN(c.most))
	copy(p, c.left[:n])
	c.left = c.left[n:]
	return n, nil
}

func framesAnyCut(t *lab.T, impl Impl) {
	t.Check(func(rt *rapid.T) {
		sizes := rapid.SliceOfN(rapid.OneOf(rapid.IntRange(0, 40), rapid.IntRange(1000, 5000), rapid.IntRange(60_000, 200_000)), 1, 4).Draw(rt, "sizes")
		most := rapid.SampledFrom([]int{3, 1000, 9000, 1 << 20}).Draw(rt, "bytes in a piece, at most")
		rng := rand.NewChaCha8([32]byte{rapid.Byte().Draw(rt, "contents")})
		var bodies [][]byte
		var stream []byte
		for _, n := range sizes {
			body := make([]byte, n)
			_, _ = rng.Read(body) // never fails
			bodies = append(bodies, body)
			stream = append(stream, frameOf(body)...)
		}
		if most == 3 && len(stream) > 20_000 {
			most = 3000
		}
		expectFrames(rt, impl.NewFrames(&chopped{stream, rand.New(rng), most}, 300_000), bodies...)
	})
}

func lengthLimits(t *lab.T, impl Impl) {
	const limit = 1000
	next := func(length uint32, body int) ([]byte, error) {
		stream := append(binary.BigEndian.AppendUint32(nil, length), make([]byte, body)...)
		return impl.NewFrames(bytes.NewReader(stream), limit).Next()
	}
	for _, length := range []uint32{0xffffffff, 0x80000000, 0xfffffc18} {
		if _, err := next(length, 2000); !errors.Is(err, network.ErrNegativeLength) {
			t.Fatalf("a length of %d: expected ErrNegativeLength, got error %v\n%s", int32(length), err,
				lab.Picture(binary.BigEndian.AppendUint32(nil, length), []lab.Field{{Name: "length", Len: 4}}, 0))
		}
	}
	for _, length := range []uint32{limit + 1, 2000, 0x7fffffff} {
		if _, err := next(length, 2000); !errors.Is(err, network.ErrFrameTooLarge) {
			t.Fatalf("a length of %d with a limit of %d: expected ErrFrameTooLarge, got error %v", length, limit, err)
		}
	}
	if got, err := next(limit, limit); err != nil || len(got) != limit {
		t.Fatalf("a length of %d with a limit of %d: expected the frame, got %d bytes and error %v", limit, limit, len(got), err)
	}
}

// errReset is how a connection ends that does not end well.
var errReset = errors.New("connection reset by peer")

func streamEnds(t *lab.T, impl Impl) {
	rng := rand.New(rand.NewPCG(t.Seed(), 0))
	first := frameOf([]byte("first"))
	for _, size := range []int{0, 1, 7, 100_000} {
		whole := frameOf(make([]byte, size))
		cuts := []int{1, 3, 4, len(whole) - 1}
		for range 8 {
			cuts = append(cuts, 1+rng.IntN(len(whole)))
		}
		for _, cut := range cuts {
			if cut >= len(whole) {
				continue
			}
			f := impl.NewFrames(bytes.NewReader(append(bytes.Clone(first), whole[:cut]...)), 1<<20)
			if _, err := f.Next(); err != nil {
				t.Fatalf("the frame before the one that is cut: %v", err)
			}
			if _, err := f.Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("a stream that ends %d bytes into a frame of %d and its length: expected io.ErrUnexpectedEOF, got %v", cut, size, err)
			}
			broken := io.MultiReader(bytes.NewReader(whole[:cut]), iotest.ErrReader(errReset))
			if _, err := impl.NewFrames(broken, 1<<20).Next(); !errors.Is(err, errReset) {
				t.Fatalf("a connection that breaks %d bytes into a frame of %d and its length: expected what broke it, %q, got %v", cut, size, errReset, err)
			}
		}
	}
}

// allocated is how many bytes f allocates.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

func lyingLength(t *lab.T, impl Impl) {
	const claimed, limit = 64 << 20, 100 << 20
	for _, came := range []int{0, 1, 5000, 300_000} {
		stream := append(binary.BigEndian.AppendUint32(nil, claimed), make([]byte, came)...)
		used := allocated(func() {
			if _, err := impl.NewFrames(bytes.NewReader(stream), limit).Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("%d bytes of a frame of %d: expected io.ErrUnexpectedEOF, got %v", came, claimed, err)
			}
		})
		if bound := 16*came + 1<<20; used > bound {
			t.Fatalf("a peer claims a frame of %d bytes, sends %d and goes: %d bytes were allocated, at most %d are fair", claimed, came, used, bound)
		}
	}
	whole := frameOf(make([]byte, 4<<20))
	used := allocated(func() {
		if _, err := impl.NewFrames(bytes.NewReader(whole), limit).Next(); err != nil {
			t.Fatalf("a frame of %d bytes: %v", len(whole)-4, err)
		}
	})
	if bound := 6 * len(whole); used > bound {
		t.Fatalf("a whole frame of %d bytes: %d bytes were allocated, at most %d are fair: grow by a factor, not by a step", len(whole)-4, used, bound)
	}
}
