package suite

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"highwater.dev/broker/network"
	"highwater.dev/broker/vfs"
	"highwater.dev/workbook/lab"
)

var (
	wire29 = lab.Invariant{ID: "WIRE-29", Sentence: "a region arrives whole and in order, from the middle of any file, to any connection, however slowly it is read"}
	wire30 = lab.Invariant{ID: "WIRE-30", Sentence: "concurrent sends share a file and no position"}
	wire31 = lab.Invariant{ID: "WIRE-31", Sentence: "a file that is shorter than its region is an error: the length was already promised, and nothing may stand in for the bytes"}
	wire32 = lab.Invariant{ID: "WIRE-32", Sentence: "by sendfile, the bytes of a file do not pass through the broker's memory; by copy, a bounded part of them at a time"}
)

// Exercise 2.6: transfers.
var transfers = []lab.Test[Impl]{
	{Exercise: "2.6", Name: "transfer-regions", Kind: lab.Property, Invariant: wire29, Run: eachTransfer(transferRegions)},
	{Exercise: "2.6", Name: "transfer-any-file-any-connection", Kind: lab.Public, Invariant: wire29, Run: eachTransfer(transferAny)},
	{Exercise: "2.6", Name: "transfer-slow-reader", Kind: lab.Fault, Invariant: wire29, Run: eachTransfer(transferSlowReader)},
	{Exercise: "2.6", Name: "transfer-ends-with-its-connection", Kind: lab.Fault, Invariant: wire29, Run: eachTransfer(transferEnds)},
	{Exercise: "2.6", Name: "transfer-shared-file", Kind: lab.Property, Invariant: wire30, Run: eachTransfer(transferShared)},
	{Exercise: "2.6", Name: "transfer-short-file", Kind: lab.Fault, Invariant: wire31, Run: eachTransfer(transferShort)},
	{Exercise: "2.6", Name: "transfer-memory", Kind: lab.Public, Invariant: wire32, Run: eachTransfer(transferMemory)},
}

func eachTransfer(test func(t *lab.T, transfer Transfer)) func(*lab.T, Impl) {
	return func(t *lab.T, impl Impl) {
		for _, transfer := range impl.Transfers {
			test(t, transfer)
		}
	}
}

// randomFile makes a file of n bytes on fs.
func randomFile(t *lab.T, fs vfs.FS, dir string, n int) (*vfs.SharedFile, []byte) {
	t.Helper()
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(t.Seed())}).Read(data) // never fails
	f, err := fs.Create(filepath.ToSlash(filepath.Join(dir, "00000000000000000000.log")))
	if err == nil {
		_, err = f.WriteAt(data, 0)
	}
	if err != nil {
		t.Fatalf("make a file: %v", err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return vfs.Share(f), data
}

// socketPair are the two ends of a TCP connection.
func socketPair(t *lab.T) (ours, theirs *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	defer l.Close() //nolint:errcheck // nothing was promised on it
	theirs, _ = mustDial(t, l.Addr().String()).(*net.TCPConn)
	conn, err := l.Accept()
	if err != nil {
		t.Fatalf("accept: %v", err)
	}
	ours, _ = conn.(*net.TCPConn)
	_ = ours.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() {
		_ = ours.Close()
		_ = theirs.Close()
	})
	return ours, theirs
}

// smallBuffers make a socket full soon. They are a wish.
func smallBuffers(ours, theirs *net.TCPConn) {
	_ = ours.SetWriteBuffer(16 << 10)
	_ = theirs.SetReadBuffer(16 << 10)
}

// sendAll sends the region on a goroutine of its own.
func sendAll(t *lab.T, transfer network.Transfer, conn net.Conn, region vfs.Region) (done func() error) {
	type result struct {
		err   error
		panic any
	}
	ended := make(chan result, 1)
	go func() {
		var r result
		defer func() {
			if r.panic = recover(); r.panic != nil {
				_ = conn.Close()
			}
			ended <- r
		}()
		r.err = transfer.Send(conn, region)
	}()
	return func() error {
		t.Helper()
		select {
		case r := <-ended:
			if r.panic != nil {
				panic(r.panic)
			}
			return r.err
		case <-time.After(2 * patience):
			t.Fatalf("Send of %d bytes does not return", region.Len)
			return nil
		}
	}
}

// expectRegion sends a region and compares what arrives with data, which is what the file holds.
func expectRegion(t *lab.T, transfer Transfer, ours, theirs net.Conn, f *vfs.SharedFile, data []byte, pos, n int) {
	t.Helper()
	done := sendAll(t, transfer.New(), ours, vfs.Region{File: f, Pos: int64(pos), Len: int64(n)})
	got := make([]byte, n)
	_, readErr := io.ReadFull(theirs, got)
	if err := done(); err != nil || readErr != nil {
		t.Fatalf("%s: %d bytes from %d on: sent with %v, read with %v", transfer.Name, n, pos, err, readErr)
	}
	if want := data[pos : pos+n]; !bytes.Equal(got, want) {
		at := 0
		for got[at] == want[at] {
			at++
		}
		t.Fatalf("%s: %d bytes from %d on: byte %d is wrong:\n%s", transfer.Name, n, pos, at, lab.Picture(got[at:min(n, at+16)], nil, 0))
	}
}

func transferRegions(t *lab.T, transfer Transfer) {
	f, data := randomFile(t, vfs.OS(), t.TempDir(), 1<<20)
	ours, theirs := socketPair(t)
	rng := rand.New(rand.NewPCG(t.Seed(), 0))
	for _, n := range []int{1, 2, 64 << 10, 64<<10 + 1, 200_000, 0, 1 << 19} {
		pos := rng.IntN(len(data) - n)
		expectRegion(t, transfer, ours, theirs, f, data, pos, n)
	}
	expectRegion(t, transfer, ours, theirs, f, data, 0, len(data))
	if !f.Acquire() {
		t.Fatalf("%s: Send released the region: that is its caller's", transfer.Name)
	}
}

func transferAny(t *lab.T, transfer Transfer) {
	memory, data := randomFile(t, vfs.NewMem(), ".", 200_000)
	ours, theirs := socketPair(t)
	expectRegion(t, transfer, ours, theirs, memory, data, 77, 150_000)
	disk, data := randomFile(t, vfs.OS(), t.TempDir(), 200_000)
	left, right := net.Pipe()                       // no socket, as TLS
	defer left.Close()                              //nolint:errcheck // the test is over
	defer right.Close()                             //nolint:errcheck // the test is over
	_ = right.SetDeadline(time.Now().Add(patience)) // a pipe takes deadlines
	expectRegion(t, transfer, left, right, disk, data, 77, 150_000)
}

func transferSlowReader(t *lab.T, transfer Transfer) {
	f, data := randomFile(t, vfs.OS(), t.TempDir(), 3<<20)
	ours, theirs := socketPair(t)
	smallBuffers(ours, theirs)
	done := sendAll(t, transfer.New(), ours, vfs.Region{File: f, Pos: 5, Len: int64(len(data) - 10)})
	var got []byte
	for step := 1; len(got) < len(data)-10; step = step*3/2 + 1 {
		part := make([]byte, min(step, len(data)-10-len(got)))
		if _, err := io.ReadFull(theirs, part); err != nil {
			t.Fatalf("%s: after %d of %d bytes: %v; Send says %v", transfer.Name, len(got), len(data)-10, err, done())
		}
		got = append(got, part...)
	}
	if err := done(); err != nil || !bytes.Equal(got, data[5:len(data)-5]) {
		t.Fatalf("%s: a slow reader: the bytes differ, or Send failed: %v", transfer.Name, err)
	}
}

// transferEnds: a peer reads nothing, and the broker closes the connection under a Send that waits for room.
func transferEnds(t *lab.T, transfer Transfer) {
	f, data := randomFile(t, vfs.OS(), t.TempDir(), 8<<20)
	ours, theirs := socketPair(t)
	smallBuffers(ours, theirs)
	done := sendAll(t, transfer.New(), ours, vfs.Region{File: f, Len: int64(len(data))})
	if _, err := io.ReadFull(theirs, make([]byte, 1)); err != nil { // it has begun, and more does not fit
		t.Fatalf("%s: the first byte: %v", transfer.Name, err)
	}
	go ours.Close() //nolint:errcheck // it waits for a Send that does not heed it
	if err := done(); err == nil {
		t.Fatalf("%s: the connection was closed with most of %d bytes not sent: expected an error, got none", transfer.Name, len(data))
	}
}

func transferShared(t *lab.T, transfer Transfer) {
	f, data := randomFile(t, vfs.OS(), t.TempDir(), 1<<20)
	rng := rand.New(rand.NewPCG(t.Seed(), 0))
	shared := transfer.New()
	var wg sync.WaitGroup
	defer wg.Wait()
	type stream struct {
		pos, n int
		done   func() error
		got    []byte
		err    error
	}
	var streams []*stream
	for range 8 {
		ours, theirs := socketPair(t)
		smallBuffers(ours, theirs) // so that a send stands still in the middle of a buffer
		s := &stream{n: 100_000 + rng.IntN(300_000)}
		s.pos = rng.IntN(len(data) - s.n)
		s.got = make([]byte, s.n)
		s.done = sendAll(t, shared, ours, vfs.Region{File: f, Pos: int64(s.pos), Len: int64(s.n)})
		wg.Go(func() { _, s.err = io.ReadFull(theirs, s.got) })
		streams = append(streams, s)
	}
	wg.Wait()
	for i, s := range streams {
		if err := s.done(); err != nil || s.err != nil || !bytes.Equal(s.got, data[s.pos:s.pos+s.n]) {
			t.Fatalf("%s: eight sends of one file at once: number %d is wrong: sent with %v, read with %v", transfer.Name, i, err, s.err)
		}
	}
	if backed, ok := f.File.(vfs.OSBacked); ok {
		if at, err := backed.OSFile().Seek(0, io.SeekCurrent); err != nil || at != 0 {
			t.Fatalf("%s: the file's own position is %d (%v): it belongs to all its readers", transfer.Name, at, err)
		}
	}
}

func transferShort(t *lab.T, transfer Transfer) {
	for _, fs := range []struct {
		fs  vfs.FS
		dir string
	}{{vfs.OS(), t.TempDir()}, {vfs.NewMem(), "."}} {
		f, data := randomFile(t, fs.fs, fs.dir, 100_000)
		ours, theirs := socketPair(t)
		done := sendAll(t, transfer.New(), ours, vfs.Region{File: f, Pos: 40_000, Len: 100_000})
		if err := done(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("%s: 60000 of a region's 100000 bytes are in the file: expected io.ErrUnexpectedEOF, got %v", transfer.Name, err)
		}
		_ = ours.Close()
		if got, err := io.ReadAll(theirs); err != nil || !bytes.HasPrefix(data[40_000:], got) {
			t.Fatalf("%s: %d bytes arrived (%v), which are not those of the file", transfer.Name, len(got), err)
		}
	}
}

// watchedFile counts what is read of a file by its user.
type watchedFile struct {
	vfs.File
	osFile  *os.File
	read    atomic.Int64
	largest atomic.Int64
}

func (f *watchedFile) OSFile() *os.File { return f.osFile }

func (f *watchedFile) ReadAt(p []byte, off int64) (int, error) {
	f.largest.Store(max(f.largest.Load(), int64(len(p))))
	n, err := f.File.ReadAt(p, off)
	f.read.Add(int64(n))
	return n, err
}

func transferMemory(t *lab.T, transfer Transfer) {
	plain, data := randomFile(t, vfs.OS(), t.TempDir(), 4<<20)
	backed, ok := plain.File.(vfs.OSBacked)
	if !ok {
		t.Fatalf("the operating system's file is not one")
	}
	f := &watchedFile{File: plain.File, osFile: backed.OSFile()}
	ours, theirs := socketPair(t)
	expectRegion(t, transfer, ours, theirs, vfs.Share(f), data, 3, 4<<20-3)
	if n := f.read.Load(); transfer.ZeroCopy && n > 0 {
		t.Fatalf("%s: %d of %d bytes were read into memory", transfer.Name, n, len(data)-3)
	}
	if n := f.largest.Load(); n > 1<<20 {
		t.Fatalf("%s: %d bytes were read at a time: a region may be as large as memory", transfer.Name, n)
	}
}
