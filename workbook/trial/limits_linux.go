package trial

import (
	"context"
	"os"
	"os/exec"
	"runtime"
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

const (
	// pollEvery is how often resident memory is looked at.
	pollEvery = 20 * time.Millisecond
	// dumpFor is how long a process that ran out of time may take to print where its goroutines are.
	dumpFor = time.Second
	// maxFileBytes bounds every file that a process writes.
	maxFileBytes = 1 << 30
)

// supervise starts cmd in a process group of its own, waits for it and leaves nothing of the group behind. It ends the group when
// ctx ends or the process's resident memory passes memoryBytes. started is called once the process runs. The error is Wait's, or startErr says
// why there was no process.
func supervise(ctx context.Context, cmd *exec.Cmd, memoryBytes int64, started func()) (reason limit, waitErr, startErr error) {
	// The kernel ends the process when the thread that started it ends: with the grader, and not before it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second // a child that holds the pipes open does not hold us
	if err := cmd.Start(); err != nil {
		return noLimit, nil, err
	}
	pid := cmd.Process.Pid
	bound(pid, memoryBytes)
	started()
	killed := watch(ctx, pid, memoryBytes)
	waitEnd(pid)
	reason = killed() // before Wait: until then the group's number cannot belong to anyone else
	return reason, cmd.Wait(), nil
}

// waitEnd returns when the process has ended and leaves its exit status to be waited for.
func waitEnd(pid int) {
	for {
		if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != unix.EINTR {
			return
		}
	}
}

// bound sets limits that the kernel keeps, for the process and those it starts. The data segment bounds what Go's heap can map between
// two looks at resident memory; the race detector's shadow memory is not data, and address space limits would break it.
func bound(pid int, memoryBytes int64) {
	for resource, bytes := range map[int]uint64{
		unix.RLIMIT_DATA: uint64(4 * memoryBytes), unix.RLIMIT_FSIZE: maxFileBytes, unix.RLIMIT_CORE: 0,
	} {
		// The process may be gone already; resident memory and time are watched too.
		_ = unix.Prlimit(pid, resource, &unix.Rlimit{Cur: bytes, Max: bytes}, nil)
	}
}

// watch kills the process group when ctx ends or resident memory passes bytes. The function it returns ends the watch,
// kills what is left of the group, and says which limit was reached.
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
				_ = syscall.Kill(pid, syscall.SIGQUIT) // Go's runtime prints where the goroutines are
				select {
				case <-stop:
				case <-time.After(dumpFor):
				}
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

// resident is the process's resident memory in bytes; 0 when it has ended.
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
