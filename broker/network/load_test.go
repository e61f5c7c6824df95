package network

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// loadEnv makes the test binary a load generator, so that the processor time of a benchmark's process is the
// server's alone. Its value: address, request bytes, response bytes, rounds.
const loadEnv = "HIGHWATER_NETWORK_LOAD"

// generateLoad is the load generator's main function.
func generateLoad(task string) error {
	var addr string
	var request, response, rounds int
	if _, err := fmt.Sscan(task, &addr, &request, &response, &rounds); err != nil {
		return err
	}
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	out, sink := frame(1, make([]byte, request-10)), make([]byte, 256<<10)
	const warm = 5
	for i := range warm + rounds {
		if i == warm {
			fmt.Println("warm")
			if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
				return err
			}
		}
		if _, err := c.Write(out); err != nil {
			return err
		}
		if _, err := io.ReadFull(c, sink[:4]); err != nil {
			return err
		}
		left := int(binary.BigEndian.Uint32(sink))
		if left != response {
			return fmt.Errorf("response of %d bytes", left)
		}
		for left > 0 {
			n, err := c.Read(sink[:min(left, len(sink))])
			if err != nil {
				return err
			}
			left -= n
		}
	}
	fmt.Println("done")
	_, err = bufio.NewReader(os.Stdin).ReadString('\n')
	return err
}

// exchange has another process send b.N requests, one after the other, and reports the server's processor time.
func exchange(b *testing.B, s *Server, request, response int) {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %d %d", loadEnv, s.Addr("PLAINTEXT"), request, response, b.N))
	child.Stderr = os.Stderr
	in, err := child.StdinPipe()
	require.NoError(b, err)
	out, err := child.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, child.Start())
	lines := bufio.NewReader(out)
	expect := func(word string) {
		line, err := lines.ReadString('\n')
		require.NoError(b, err)
		require.Equal(b, word, strings.TrimSpace(line))
	}
	expect("warm")
	b.ReportAllocs()
	b.SetBytes(int64(request + response + 2*lengthBytes))
	before := cpu(b)
	b.ResetTimer()
	_, err = io.WriteString(in, "go\n")
	require.NoError(b, err)
	expect("done")
	b.StopTimer()
	b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/float64(b.N), "server-cpu-ns/op")
	require.NoError(b, in.Close())
	_ = child.Wait() // it ends with the closed pipe
}

// cpu is the processor time that this process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
