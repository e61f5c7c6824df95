// Package proc reads what the kernel accounts to a process: CPU time and memory. It measures servers from
// outside, so that a broker in Go and one in Java are measured alike. Linux only.
package proc

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// clockTicks is USER_HZ, the unit of /proc/PID/stat: 100 a second on every Linux that Go runs on.
const clockTicks = 100

// CPU is the processor time, user and system, that the process pid has used so far, in steps of 10 ms.
func CPU(pid int) (time.Duration, error) {
	name := fmt.Sprintf("/proc/%d/stat", pid)
	stat, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	// The second field is the command in parentheses and may hold spaces: fields are counted after it.
	after := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(after) < 13 {
		return 0, fmt.Errorf("proc: %s has %d fields after the command, want at least 13", name, len(after))
	}
	user, err := strconv.ParseInt(string(after[11]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("proc: %s: utime: %w", name, err)
	}
	system, err := strconv.ParseInt(string(after[12]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("proc: %s: stime: %w", name, err)
	}
	return time.Duration(user+system) * time.Second / clockTicks, nil
}

// PeakRSS is the largest resident memory, in bytes, that the process pid has had (VmHWM).
func PeakRSS(pid int) (int64, error) { return status(pid, "VmHWM:") }

// RSS is the resident memory, in bytes, that the process pid has now (VmRSS).
func RSS(pid int) (int64, error) { return status(pid, "VmRSS:") }

// status reads a size from /proc/PID/status.
func status(pid int, key string) (int64, error) {
	name := fmt.Sprintf("/proc/%d/status", pid)
	content, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(content) {
		rest, ok := bytes.CutPrefix(line, []byte(key))
		if !ok {
			continue
		}
		kib, err := strconv.ParseInt(string(bytes.TrimSuffix(bytes.TrimSpace(rest), []byte(" kB"))), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("proc: %s: %s %w", name, key, err)
		}
		return kib << 10, nil
	}
	return 0, fmt.Errorf("proc: %s has no %s", name, key)
}

// IO is what a process has asked the kernel to move, by its own reads and writes: files, sockets and sendfile alike.
type IO struct {
	ReadBytes, WrittenBytes int64 // rchar, wchar
	Reads, Writes           int64 // system calls: syscr, syscw
}

// Minus is what was moved since before.
func (a IO) Minus(before IO) IO {
	return IO{a.ReadBytes - before.ReadBytes, a.WrittenBytes - before.WrittenBytes, a.Reads - before.Reads, a.Writes - before.Writes}
}

// Moved reads /proc/PID/io.
func Moved(pid int) (IO, error) {
	name := fmt.Sprintf("/proc/%d/io", pid)
	content, err := os.ReadFile(name)
	if err != nil {
		return IO{}, err
	}
	var io IO
	n, err := fmt.Sscanf(string(content), "rchar: %d\nwchar: %d\nsyscr: %d\nsyscw: %d\n", &io.ReadBytes, &io.WrittenBytes, &io.Reads, &io.Writes)
	if err != nil {
		return IO{}, fmt.Errorf("proc: %s: field %d: %w", name, n+1, err)
	}
	return io, nil
}
