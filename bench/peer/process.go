package peer

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// stopTimeout bounds a graceful stop. Apache Kafka takes one to three seconds on a busy machine.
const stopTimeout = 30 * time.Second

// Broker is a running broker process. Its methods may be called from any goroutine.
type Broker struct {
	Addr    string        // bootstrap address, host:port
	Admin   string        // Highwater: the admin server's host:port, or nothing
	PID     int           // of the broker process itself, never of a shell around it
	Program string        // what runs
	DataDir string        // log.dirs
	LogFile string        // where standard output and error go
	Ready   time.Duration // from the start of the process to the first answered Metadata request

	process *os.Process
	done    chan struct{} // closed when the process has ended and was waited for
	ended   string        // how it ended; read after done only
}

// launch starts cmd with its output appended to logFile. The child is started and waited for on one locked thread:
// Linux ties the parent-death signal to the thread, not to the process.
func launch(cmd *exec.Cmd, logFile string) (*Broker, error) {
	out, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("peer: %w", err)
	}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = dieWithParent()
	b := &Broker{LogFile: logFile, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer close(b.done)
		defer out.Close() //nolint:errcheck // the child has a descriptor of its own
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		b.PID, b.process = cmd.Process.Pid, cmd.Process
		started <- nil
		_ = cmd.Wait() // the same is in ProcessState
		b.ended = cmd.ProcessState.String()
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("peer: %w", err)
	}
	return b, nil
}

// Done is closed when the process has ended.
func (b *Broker) Done() <-chan struct{} { return b.done }

// Ended says how the process ended ("exit status 2", "signal: killed"), and nothing while it runs.
func (b *Broker) Ended() string {
	select {
	case <-b.done:
		return b.ended
	default:
		return ""
	}
}

// Stop asks the broker to end (SIGTERM) and waits; a broker that does not end in 30 s is killed, which is an error.
func (b *Broker) Stop() error {
	if err := b.process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("peer: stopping %d: %w", b.PID, err)
	}
	select {
	case <-b.done:
		return nil
	case <-time.After(stopTimeout):
		return errors.Join(fmt.Errorf("peer: %d did not stop within %v", b.PID, stopTimeout), b.Kill())
	}
}

// Kill ends the broker as kill -9 does and waits until it is gone.
func (b *Broker) Kill() error {
	if err := b.process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("peer: killing %d: %w", b.PID, err)
	}
	<-b.done
	return nil
}

// Log is the end of what the broker wrote to its standard output and error, at most 16 KiB.
func (b *Broker) Log() string {
	content, err := os.ReadFile(b.LogFile)
	if err != nil {
		return err.Error()
	}
	return string(content[max(0, len(content)-16<<10):])
}

// FreePort returns a port of 127.0.0.1 that nobody listens on, below the range that the kernel gives to
// outgoing connections: a broker that is killed and started again finds it free again.
func FreePort() (int, error) {
	for range 100 {
		port := 20_000 + rand.IntN(12_000)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			return 0, fmt.Errorf("peer: %w", err)
		}
		return port, nil
	}
	return 0, errors.New("peer: no free port found between 20000 and 32000")
}
