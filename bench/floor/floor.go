// Package floor is the cheapest thing that could be called a log server: it receives a frame, computes the
// CRC-32C over it and writes it to a file. What it costs is the physical limit beside which the broker's
// cost is quoted: no broker in Go that copies the payload once, checks it and keeps it can cost less.
package floor

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"os"
	"path/filepath"
)

// MaxFrame is the largest frame that the server takes, in bytes.
const MaxFrame = 16 << 20

// RotateBytes is the size at which a connection's file is started again from its beginning, after having been
// cut to zero: the same growth of fresh files that a log of segments shows.
const RotateBytes = 1 << 30

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Serve accepts connections from l until it is closed. Each connection's frames (4 bytes of length, big-endian,
// then the payload) go to a file of its own in dir; the answer to each is the 4 bytes of its CRC-32C.
func Serve(l net.Listener, dir string) error {
	for id := 0; ; id++ {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		name := filepath.Join(dir, fmt.Sprintf("floor-%d.log", id))
		go func() {
			// The client sees the closed connection and reports it: nothing to add here.
			_ = errors.Join(serve(conn, name), conn.Close())
		}()
	}
}

func serve(conn net.Conn, name string) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // nobody reads it again
	in := bufio.NewReaderSize(conn, 4096)
	buf := make([]byte, 0, 1<<20)
	var pos int64
	var word [4]byte
	for {
		if _, err := io.ReadFull(in, word[:]); err != nil {
			return err
		}
		n := int(binary.BigEndian.Uint32(word[:]))
		if n > MaxFrame {
			return fmt.Errorf("floor: frame of %d bytes, at most %d", n, MaxFrame)
		}
		if cap(buf) < n {
			buf = make([]byte, 0, n)
		}
		if _, err := io.ReadFull(in, buf[:n]); err != nil {
			return err
		}
		sum := crc32.Checksum(buf[:n], castagnoli)
		if pos >= RotateBytes {
			if err := file.Truncate(0); err != nil {
				return err
			}
			pos = 0
		}
		if _, err := file.WriteAt(buf[:n], pos); err != nil {
			return err
		}
		pos += int64(n)
		binary.BigEndian.PutUint32(word[:], sum)
		if _, err := conn.Write(word[:]); err != nil {
			return err
		}
	}
}

// Push sends total bytes to the server at addr in frames of frameBytes over conns connections at once, waiting for each
// frame's answer as an acks=all producer with one request in flight does, and checks every sum.
func Push(addr string, conns int, frameBytes, total int64) error {
	errs := make(chan error, conns)
	for range conns {
		go func() { errs <- push(addr, frameBytes, total/int64(conns)) }()
	}
	var first error
	for range conns {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}

func push(addr string, frameBytes, total int64) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // every answer has been read
	frame := make([]byte, 4+frameBytes)
	binary.BigEndian.PutUint32(frame, uint32(frameBytes))
	for i := range frame[4:] {
		frame[4+i] = byte(i * 7)
	}
	want := crc32.Checksum(frame[4:], castagnoli)
	var sum [4]byte
	for sent := int64(0); sent < total; sent += frameBytes {
		if _, err := conn.Write(frame); err != nil {
			return err
		}
		if _, err := io.ReadFull(conn, sum[:]); err != nil {
			return err
		}
		if got := binary.BigEndian.Uint32(sum[:]); got != want {
			return fmt.Errorf("floor: CRC-32C %08x came back, %08x was sent", got, want)
		}
	}
	return nil
}
