package conformance

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"highwater.dev/bench/peer"
)

// TestTheSameFileStartsBoth starts Highwater with the server.properties of an Apache Kafka KRaft node, its listeners' ports and
// its folder apart, and serves from it.
func TestTheSameFileStartsBoth(t *testing.T) {
	kafka := startOwn(t, "kafka", peer.Options{})
	require.NoError(t, kafka.Stop())
	binary, err := highwater(t.Context())
	require.NoError(t, err)
	data := filepath.Join(t.TempDir(), "data")
	wrapper := filepath.Join(t.TempDir(), "highwater") // serve takes the file before the overrides that the starter passes
	file := filepath.Join(kafka.options.Dir, "server.properties")
	script := "#!/bin/sh\nshift\nexec '" + binary + "' serve '" + file + "' --override 'log.dirs=" + data + "' --override highwater.admin.listener=\n"
	require.NoError(t, os.WriteFile(wrapper, []byte(script), 0o700))
	broker, err := peer.StartHighwater(t.Context(), peer.Options{Dir: t.TempDir(), Port: kafka.options.Port, Binary: wrapper})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, broker.Kill()) })
	topic := createTopic(t, broker.Addr, 1, nil)
	require.NoError(t, franz(t, broker.Addr).ProduceSync(testContext(t, 20*time.Second), franzRecords(topic, sampleRecords(10))...).FirstErr())
	require.DirExists(t, filepath.Join(data, topic+"-0"))
}

// TestServeRefuses: what must not start ends with exit code 2 or 1 and says why.
func TestServeRefuses(t *testing.T) {
	running := startOwn(t, "highwater", peer.Options{})
	binary, err := highwater(t.Context())
	require.NoError(t, err)
	for what, c := range map[string]struct {
		overrides []string
		code      int
		says      []string
	}{
		"a bad value":     {[]string{"log.segment.bytes=lots", "num.partitions=0"}, 2, []string{"log.segment.bytes", "lots", "num.partitions"}},
		"a folder in use": {[]string{"log.dirs=" + running.DataDir, "listeners=PLAINTEXT://127.0.0.1:0"}, 1, []string{running.DataDir}},
		"a port in use":   {[]string{"log.dirs=" + t.TempDir(), "listeners=PLAINTEXT://" + running.Addr}, 1, []string{"address already in use"}},
	} {
		t.Run(what, func(t *testing.T) {
			args := []string{"serve", "--override", "highwater.admin.listener="}
			for _, o := range c.overrides {
				args = append(args, "--override", o)
			}
			out, err := exec.CommandContext(testContext(t, 20*time.Second), binary, args...).CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			require.Equalf(t, c.code, exit.ExitCode(), "%s", out)
			for _, words := range c.says {
				require.Contains(t, string(out), words)
			}
		})
	}
	other := startOwn(t, "highwater", peer.Options{})
	require.NoError(t, other.Stop())
	out, err := exec.CommandContext(testContext(t, 20*time.Second), binary, "serve", "--override", "highwater.admin.listener=",
		"--override", "log.dirs="+other.DataDir, "--override", "node.id=2", "--override", "listeners=PLAINTEXT://127.0.0.1:0").CombinedOutput()
	require.Errorf(t, err, "%s", out)
	require.True(t, strings.Contains(string(out), "node"), "another node's folder: %s", out)
}
