package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/dump"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/vfs"
	"highwater.dev/workbook/lab"
)

func play(t *testing.T, o options, commands string) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, run(o, strings.NewReader(strings.ReplaceAll(commands, ";", "\n")), &out), out.String())
	return out.String()
}

func TestStage(t *testing.T) {
	for name := range impls {
		t.Run(name, func(t *testing.T) {
			o := options{impl: name, segmentBytes: 1000, interval: 150}
			out := play(t, o, "append a b c; append d; flush; append e f; kill; recover; append g; read 3; fill 12; files; time 1700000009000; close; read 2")
			require.Contains(t, out, "are no whole batch:", "what the power cut left")
			require.Contains(t, out, "offsets 0 to 4\n", "what was flushed")
			require.Contains(t, out, "index entry ")
			require.Contains(t, out, "OffsetForTime answers offset ")
			require.Regexp(t, `offset 2, time \d+: c`, out)

			out = play(t, o, "append a; flush; append b; kill; careless c; recover; read 0")
			require.NotContains(t, out[strings.Index(out, "> recover"):], ": c\n", "a batch behind a torn one is lost")
		})
	}
}

func TestStageOnFiles(t *testing.T) {
	for name := range impls {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "hello-0")
			o := options{impl: name, dir: dir, segmentBytes: 1000, interval: 150}
			out := play(t, o, "append a; flush; append b; kill; recover; fill 20")
			require.Contains(t, out, "durable up to offset 1")
			out = play(t, o, "read 20")
			require.Contains(t, out, "record-")
			files, err := filepath.Glob(dir + "/*.*")
			require.NoError(t, err)
			require.NotEmpty(t, files)
			for _, file := range files {
				require.NoError(t, dump.File(vfs.OS(), file, dump.Options{Records: true, IndexCheck: true}, &bytes.Buffer{}), file)
			}
		})
	}
}

// TestStageStub: an exercise that is not written yet is named, and the session goes on.
func TestStageStub(t *testing.T) {
	s := session{log: stub{}}
	require.EqualError(t, s.try("flush", nil), "exercise 1.2 is not started: stub.Flush is still a stub")
	require.Panics(t, func() { _ = s.try("files", nil) }, "another panic is a fault, and shown with its stack")
}

// stub is a log whose Flush is an exercise.
type stub struct{ segment.Log }

func (stub) Flush() error { panic(lab.NotStarted("1.2")) }

// TestStageCloseFlushes: what was there at a clean end is there after a power cut.
func TestStageCloseFlushes(t *testing.T) {
	out := play(t, options{impl: "solution", segmentBytes: 1000, interval: 150}, "append a b; close; append c; kill; recover")
	require.Contains(t, out, "Everything below offset 2 was flushed")
}

func TestStageRefuses(t *testing.T) {
	for _, commands := range []string{"read 5", "kill; append a", "sing", "time now"} {
		var out bytes.Buffer
		err := run(options{impl: "solution", segmentBytes: 1000, interval: 150}, strings.NewReader(strings.ReplaceAll(commands+";recover;append b;read", ";", "\n")), &out)
		require.EqualError(t, err, "1 of the commands failed", commands)
		require.Contains(t, out.String(), "  error: ", commands)
		require.Contains(t, out.String(), ": b\n", "what comes behind a command that failed is done")
	}
	require.Error(t, run(options{impl: "nobody's"}, strings.NewReader(""), &bytes.Buffer{}))
}
