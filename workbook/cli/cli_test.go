package cli

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// output may be written and read at once.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// command runs the command line until it ends.
func command(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, errs output
	code = Run(args, Host{Stdout: &out, Stderr: &errs,
		Stopped: func() (context.Context, func()) { return ctx, func() {} }})
	return code, out.String(), errs.String()
}

func TestServeListsEverythingWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "server.properties")
	require.NoError(t, os.WriteFile(file, []byte("node.id=one\nlog.segment.bytes=3\nlisteners=nonsense\n"), 0o600))
	code, _, stderr := command(t.Context(), "serve", file)
	require.Equal(t, 2, code)
	for _, want := range []string{file + ":1: node.id=one", file + ":2: log.segment.bytes=3", file + ":3: listeners=nonsense", "allowed is"} {
		require.Contains(t, stderr, want)
	}
	code, _, stderr = command(t.Context(), "serve", "--override", "nothing")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "key=value")
	code, _, _ = command(t.Context(), "serve", filepath.Join(t.TempDir(), "missing"))
	require.Equal(t, 2, code)
	code, _, _ = command(t.Context(), "serve", "--no-such-flag")
	require.Equal(t, 2, code)
}

// serving starts a node over dir and returns what stops it.
func serving(t *testing.T, dir string) (errs *output, stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	errs = &output{}
	ended := make(chan int, 1)
	go func() {
		ended <- Run([]string{"serve", "--override", "log.dirs=" + dir, "--override", "listeners=PLAINTEXT://127.0.0.1:0",
			"--override", "highwater.admin.listener=127.0.0.1:0"}, Host{Stdout: &output{}, Stderr: errs,
			Stopped: func() (context.Context, func()) { return ctx, func() {} }})
	}()
	require.Eventually(t, func() bool { return strings.Contains(errs.String(), "msg=ready") }, 10*time.Second, time.Millisecond, "%s", errs)
	return errs, func() int { cancel(); return <-ended }
}

func TestServeSaysWhereEverythingIs(t *testing.T) {
	dir := t.TempDir()
	errs, stop := serving(t, dir)
	require.Regexp(t, regexp.MustCompile(`msg=ready node=1 cluster=\S+ listener=PLAINTEXT://127\.0\.0\.1:\d+ data=`+regexp.QuoteMeta(dir)+` admin=http://127\.0\.0\.1:\d+`), errs.String())

	code, _, stderr := command(t.Context(), "serve", "--override", "log.dirs="+dir, "--override", "listeners=PLAINTEXT://127.0.0.1:0")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, dir+" is in use by another process")

	require.Zero(t, stop())
	require.Contains(t, errs.String(), "everything is flushed")
}

// A closed terminal is a stop as any other, not a crash that the next start has to recover from.
func TestSignalsStop(t *testing.T) {
	// Whoever runs the tests below nohup has SIGHUP ignored for them: asking for it once ends that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	signal.Reset(syscall.SIGHUP)
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		ctx, release := System().Stopped()
		require.NoError(t, syscall.Kill(os.Getpid(), s))
		<-ctx.Done()
		release()
	}
}

// Under nohup the closing terminal stops nothing.
func TestAnIgnoredSignalStopsNothing(t *testing.T) {
	signal.Ignore(syscall.SIGHUP)
	defer signal.Reset(syscall.SIGHUP)
	ctx, release := System().Stopped()
	defer release()
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGTERM))
	<-ctx.Done()
	require.ErrorContains(t, context.Cause(ctx), "terminated")
}

// log.dir and broker.id are the old names of log.dirs and node.id: a node without a file takes them as well.
func TestServeOverridesItsDefaults(t *testing.T) {
	logger := slog.New(slog.DiscardHandler)
	server, err := loadServer(nil, nil, logger)
	require.NoError(t, err)
	here, err := os.Getwd()
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join(here, ".highwater/data")}, server.LogDirs)
	require.EqualValues(t, 1, server.NodeID)
	require.Equal(t, "127.0.0.1:9092", server.Listeners[0].Address())
	for _, key := range []string{"log.dir", "log.dirs"} {
		server, err = loadServer(nil, []string{key + "=elsewhere"}, logger)
		require.NoError(t, err)
		require.Equal(t, []string{filepath.Join(here, "elsewhere")}, server.LogDirs)
	}
	server, err = loadServer(nil, []string{"log.dirs=a,/b", "metadata.log.dir=c/"}, logger)
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join(here, "a"), "/b"}, server.LogDirs)
	require.Equal(t, filepath.Join(here, "c"), server.MetadataLogDir)
	server, err = loadServer(nil, []string{"broker.id=5"}, logger)
	require.NoError(t, err)
	require.EqualValues(t, 5, server.NodeID)
}

func TestDumpLogCodes(t *testing.T) {
	dir := t.TempDir()
	good, torn := filepath.Join(dir, "00000000000000000000.log"), filepath.Join(dir, "00000000000000000005.log")
	require.NoError(t, os.WriteFile(good, nil, 0o600))
	require.NoError(t, os.WriteFile(torn, []byte("not a batch at all, but long enough to have a header of sixty-one bytes"), 0o600))
	code, stdout, _ := command(t.Context(), "dump-log", good)
	require.Zero(t, code)
	require.Contains(t, stdout, "0 batches")
	code, stdout, stderr := command(t.Context(), "dump-log", torn, good)
	require.Equal(t, 1, code)
	require.Contains(t, stdout, "DAMAGED at byte 0")
	require.Contains(t, stdout, "0 batches", "the next file is printed all the same")
	require.Contains(t, stderr, torn)
	code, _, _ = command(t.Context(), "dump-log", torn, filepath.Join(dir, "missing.log"))
	require.Equal(t, 2, code)
}

func TestVersionListsTheAPIs(t *testing.T) {
	code, stdout, _ := command(t.Context(), "version")
	require.Zero(t, code)
	require.Contains(t, stdout, "Produce")
	require.Contains(t, stdout, "3 to 13")
}

func TestCompletion(t *testing.T) {
	code, stdout, _ := command(t.Context(), "completion", "bash")
	require.Zero(t, code)
	require.Contains(t, stdout, "highwater")
}
