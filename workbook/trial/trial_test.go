package trial

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"highwater.dev/workbook/lab"
)

// program makes a shell script that stands in for a test binary. Its functions say what package lab would.
func program(t *testing.T, script string) Binary {
	file := filepath.Join(t.TempDir(), "program")
	head := `#!/bin/sh
read -r nonce <&4
say() { echo "{\"nonce\":\"$nonce\",$1}" >&3; }
open() { say '"kind":"open"'; }
begin() { say "\"kind\":\"begin\",\"exercise\":\"1.1\",\"test\":\"$1\""; }
end() { say "\"kind\":\"verdict\",\"exercise\":\"1.1\",\"test\":\"$1\",\"state\":\"$2\",\"message\":\"$3\""; }
tried() { begin "$1"; end "$1" "$2" "$3"; }
last() { say "\"kind\":\"last\",\"count\":$1"; }
`
	require.NoError(t, os.WriteFile(file, []byte(head+script+"\n"), 0o755))
	return Binary{File: file}
}

func limits() Limits {
	return Limits{Time: 20 * time.Second, MemoryBytes: 1 << 30, OutputBytes: 1 << 10}
}

func TestOnlyACompleteListOfPassesPasses(t *testing.T) {
	both := Case{Impl: "mine", Exercise: "1.1", Tests: []string{"a", "b"}}
	for name, c := range map[string]struct {
		script  string
		state   lab.State
		message string
	}{
		"all pass":              {"open; tried a PASS; tried b PASS; last 2", lab.Pass, ""},
		"nothing, exit 0":       {"exit 0", lab.Fail, "before the first test"},
		"opened, exit 0":        {"open; exit 0", lab.Fail, "between tests (exit status 0"},
		"ends inside a test":    {"open; tried a PASS; begin b; echo bye; exit 0", lab.Fail, "in the test b (exit status 0"},
		"no last record":        {"open; tried a PASS; tried b PASS", lab.Fail, "last record"},
		"exit 1 after all":      {"open; tried a PASS; tried b PASS; last 2; echo why; exit 1", lab.Fail, "exit status 1\nwhy"},
		"killed after all":      {"open; tried a PASS; tried b PASS; last 2; kill -9 $$", lab.Fail, "signal: killed"},
		"a test is missing":     {"open; tried a PASS; last 1", lab.NotRun, "no verdict for the test b"},
		"a test too many":       {"open; tried a PASS; tried b PASS; tried c PASS; last 3", lab.NotRun, "not those of the manifest"},
		"one fails":             {"open; tried a PASS; tried b FAIL because; last 2; exit 1", lab.Fail, "b: because"},
		"one is not started":    {"open; tried a FAIL x; tried b NOT_STARTED stub; last 2; exit 1", lab.NoStart, "b: stub"},
		"one needs another":     {"open; tried a FAIL x; tried b NOT_RUN 'needs 1.2'; last 2; exit 1", lab.NotRun, "needs 1.2"},
		"an unknown state":      {"open; tried a PASS; tried b OK; last 2", lab.NotRun, `state "OK"`},
		"forged nonce":          {"nonce=x; open; tried a PASS; tried b PASS; last 2", lab.Fail, "secret"},
		"printed, not sent":     {"exec 3>&1; open; tried a PASS; tried b PASS; last 2", lab.Fail, "before the first test"},
		"two runs":              {"open; tried a PASS; tried b PASS; last 2; open", lab.Fail, "after the last"},
		"rubbish in the pipe":   {"open; /bin/dd if=/dev/zero bs=65536 count=100 >&3 2>/dev/null; exit 0", lab.Fail, "invalid character"},
		"reports, then hangs":   {"open; tried a PASS; tried b PASS; last 2; exec /bin/sleep 60", lab.Timeout, "stopped after"},
		"hangs before":          {"exec /bin/sleep 60", lab.Timeout, "before the first test"},
		"hangs in a test":       {"open; tried a PASS; begin b; exec /bin/sleep 60", lab.Timeout, "in the test b"},
		"closes the pipe, runs": {"open; exec 3>&-; exec /bin/sleep 60", lab.Timeout, "between tests"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := limits()
			if c.state == lab.Timeout {
				l.Time = 500 * time.Millisecond
			}
			o, err := Run(t.Context(), program(t, c.script), both, l)
			require.NoError(t, err)
			require.Equal(t, c.state, o.State, o.Message)
			require.Contains(t, o.Message, c.message)
		})
	}
}

// The message and the test that is said to be decisive are one test's, whatever order the tests ran in.
func TestTheDecisiveTest(t *testing.T) {
	c := Case{Impl: "mine", Exercise: "1.1", Tests: []string{"a", "b"}}
	l := limits()
	l.Time = 2 * time.Second
	for script, want := range map[string]string{
		"open; tried b FAIL late; tried a FAIL first; last 2; exit 1":           "a",
		"open; tried a FAIL x; tried b NOT_RUN 'needs 1.2'; last 2; exit 1":     "b",
		"open; tried a PASS; begin b; exit 0":                                   "b",
		"open; tried a FAIL x; begin b; exec /bin/sleep 60":                     "b",
		"open; tried a PASS; tried b PASS; last 2":                              "",
		"open; tried a PASS; tried b PASS; last 2; echo every test; exit 1":     "",
		"open; tried a PASS; tried b PASS; tried c PASS; last 3; echo too many": "",
	} {
		o, err := Run(t.Context(), program(t, script), c, l)
		require.NoError(t, err, script)
		require.Equal(t, want, o.Decisive, script)
		require.Contains(t, o.Message, want, script)
	}
}

func TestNoTestsAreNoPass(t *testing.T) {
	o, err := Run(t.Context(), program(t, "open; last 0"), Case{Impl: "mine", Exercise: "1.1"}, limits())
	require.NoError(t, err)
	require.Equal(t, lab.NotRun, o.State)
}

// A process that leaves others behind, which hold its pipes, neither holds us nor survives.
func TestNothingIsLeftBehind(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	begin := time.Now()
	o, err := Run(t.Context(), program(t, "/bin/sleep 300 & echo $! >"+pidFile+"; open; tried a PASS; last 1"),
		Case{Impl: "mine", Exercise: "1.1", Tests: []string{"a"}}, limits())
	require.NoError(t, err)
	require.Less(t, time.Since(begin), 15*time.Second)
	require.Equal(t, lab.Pass, o.State, o.Message)
	content, err := os.ReadFile(pidFile)
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return !alive(pid) }, 10*time.Second, 10*time.Millisecond)
}

// alive is false for a process that is gone or only waits to be reaped.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && syscall.Kill(pid, 0) == nil && !strings.Contains(string(stat), ") Z ")
}

func TestAStoppedGraderHasNoVerdict(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := Run(ctx, program(t, "exec /bin/sleep 60"), Case{Impl: "mine", Exercise: "1.1", Tests: []string{"a"}}, limits())
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestLongOutputIsCut(t *testing.T) {
	out := &tail{max: 10}
	for range 100 {
		n, err := out.Write([]byte("0123456"))
		require.NoError(t, err)
		require.Equal(t, 7, n)
	}
	require.LessOrEqual(t, out.buf.Len(), 20)
	require.Equal(t, "… (the beginning is cut)\n4560123456", out.String())
	short := &tail{max: 10}
	_, err := short.Write([]byte("all"))
	require.NoError(t, err)
	require.Equal(t, "all", short.String())
}

// A compiler that takes too long is the program's fault, not the grader's.
func TestASlowBuildIsABuildError(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "go.mod"), []byte("module highwater.dev\n"), 0o644))
	_, err := Build(t.Context(), Source{Root: root, Chapter: "01-none", Time: time.Nanosecond}, t.TempDir())
	var broken *BuildError
	require.ErrorAs(t, err, &broken)
	require.Contains(t, broken.Output, "stopped after 1ns")
}
