package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/dump"
	"highwater.dev/broker/vfs"
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

func TestStageRefuses(t *testing.T) {
	for _, commands := range []string{"read 5", "kill; append a", "sing", "time now"} {
		require.Error(t, run(options{impl: "solution", segmentBytes: 1000, interval: 150}, strings.NewReader(strings.ReplaceAll(commands, ";", "\n")), &bytes.Buffer{}), commands)
	}
	require.Error(t, run(options{impl: "nobody's"}, strings.NewReader(""), &bytes.Buffer{}))
}
