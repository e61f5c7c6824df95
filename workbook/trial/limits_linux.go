package trial

import (
	"context"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// limit says which limit ended a process.
type limit int

const (
	noLimit limit = iota
	timeLimit
	memoryLimit
)

// pollEvery is how often resident memory is looked at.
const pollEvery = 20 * time.Millisecond

func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// limitData bounds the data segment, which bounds what Go's heap can map between two looks at resident memory. The race
// detector's shadow memory is not data, and address space limits would break it.
func limitData(pid int, bytes int64) {
	l := unix.Rlimit{Cur: uint64(4 * bytes), Max: uint64(4 * bytes)}
	_ = unix.Prlimit(pid, unix.RLIMIT_DATA, &l, nil) // the process may be gone already; resident memory is polled too
}

// watch kills the process group when ctx ends or resident memory passes bytes. The function it returns ends the watch
// and says what was done; it is called after the process was waited for.
func watch(ctx context.Context, pid int, bytes int64) func() limit {
	stop, result := make(chan struct{}), make(chan limit, 1)
	go func() {
		tick := time.NewTicker(pollEvery)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				result <- noLimit
				return
			case <-ctx.Done():
				killGroup(pid)
				result <- timeLimit
				return
			case <-tick.C:
				if resident(pid) > bytes {
					killGroup(pid)
					result <- memoryLimit
					return
				}
			}
		}
	}()
	return func() limit {
		close(stop)
		killGroup(pid) // whatever it left behind
		return <-result
	}
}

func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) } // it may be gone

func resident(pid int) int64 {
	statm, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(statm))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
