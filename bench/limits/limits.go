// Package limits measures what the machine itself can do, in the run in which brokers are measured: no broker is faster
// than the kernel's loopback, its page cache or its disk. A result is quoted beside its limit.
//
// It owns the sockets and the files of one measurement and leaves nothing behind. It never measures a broker.
// A MB is 1e6 bytes.
package limits

import (
	"crypto/rand"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"os"
	"slices"
	"time"
)

// Limit is one measured value.
type Limit struct {
	What  string // loopback, sendfile, pagecache, crc32c or fsync
	Unit  string // MB/s, but p50-ms for fsync
	Value float64
}

const (
	chunk  = 1 << 20 // bytes handed over at once
	fsyncs = 20      // of 4 KiB each
)

// Measure moves about so many bytes for each limit. Files are made in dir, and removed.
func Measure(dir string, bytes int64) ([]Limit, error) {
	block := make([]byte, chunk)
	if _, err := rand.Read(block); err != nil {
		return nil, err
	}
	file, err := os.CreateTemp(dir, "limit-*")
	if err != nil {
		return nil, fmt.Errorf("limits: %w", err)
	}
	defer func() { _ = errors.Join(file.Close(), os.Remove(file.Name())) }() // nobody reads it again
	chunks := max(1, int(bytes/chunk))
	speed := func(f func() error) (float64, error) {
		begun := time.Now()
		if err := f(); err != nil {
			return 0, err
		}
		return float64(chunks) * chunk / 1e6 / time.Since(begun).Seconds(), nil
	}
	var all []Limit
	for _, m := range []struct {
		what string
		run  func() error
	}{
		{"pagecache", func() error {
			return repeat(chunks, func(i int) error { _, err := file.WriteAt(block, int64(i)*chunk); return err })
		}},
		{"sendfile", func() error {
			if _, err := file.Seek(0, io.SeekStart); err != nil {
				return err
			}
			return through(int64(chunks)*chunk, func(to *net.TCPConn) error {
				_, err := to.ReadFrom(io.LimitReader(file, int64(chunks)*chunk)) // an *os.File: sendfile(2)
				return err
			})
		}},
		{"loopback", func() error {
			return through(int64(chunks)*chunk, func(to *net.TCPConn) error {
				return repeat(chunks, func(int) error { _, err := to.Write(block); return err })
			})
		}},
		{"crc32c", func() error { return repeat(chunks, func(int) error { sum(block); return nil }) }},
	} {
		mbs, err := speed(m.run)
		if err != nil {
			return nil, fmt.Errorf("limits: %s: %w", m.what, err)
		}
		all = append(all, Limit{m.what, "MB/s", mbs})
	}
	ms, err := syncLatency(file, block[:4096])
	if err != nil {
		return nil, fmt.Errorf("limits: fsync: %w", err)
	}
	return append(all, Limit{"fsync", "p50-ms", ms}), nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func sum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

func repeat(n int, f func(i int) error) error {
	for i := range n {
		if err := f(i); err != nil {
			return err
		}
	}
	return nil
}

// through sends by one loopback connection and returns when the other end has all n bytes.
func through(n int64, send func(to *net.TCPConn) error) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	received := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			received <- err
			return
		}
		defer func() { _ = conn.Close() }()
		received <- drain(conn, n)
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return errors.Join(err, l.Close(), <-received)
	}
	err = send(conn.(*net.TCPConn))
	return errors.Join(err, conn.Close(), <-received)
}

// drain reads n bytes into memory, as a client does.
func drain(conn net.Conn, n int64) error {
	buf := make([]byte, chunk)
	for n > 0 {
		got, err := conn.Read(buf)
		if err != nil {
			return err
		}
		n -= int64(got)
	}
	return nil
}

// syncLatency is the median time that a small write takes to be on the disk.
func syncLatency(file *os.File, block []byte) (float64, error) {
	var took []time.Duration
	for i := range fsyncs {
		begun := time.Now()
		if _, err := file.WriteAt(block, int64(i)*int64(len(block))); err != nil {
			return 0, err
		}
		if err := file.Sync(); err != nil {
			return 0, err
		}
		if i > 0 { // the first one writes what was there before
			took = append(took, time.Since(begun))
		}
	}
	slices.Sort(took)
	return float64(took[len(took)/2]) / float64(time.Millisecond), nil
}
