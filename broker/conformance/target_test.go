package conformance

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"highwater.dev/bench/peer"
)

// shared is the broker that most tests use, started by the first one that asks.
var shared struct {
	once   sync.Once
	addr   string
	broker *peer.Broker
	err    error
}

// program is Highwater's program, built by the first test that needs it.
var program struct {
	once sync.Once
	path string
	err  error
}

// workDir holds everything a run writes; removed at the end.
var workDir string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) (code int) {
	if name := targetName(); name != "highwater" && name != "kafka" {
		fmt.Fprintf(os.Stderr, "HIGHWATER_TARGET=%s: want highwater or kafka\n", name)
		return 2
	}
	var err error
	if workDir, err = os.MkdirTemp("", "highwater-conformance-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	defer func() {
		if shared.broker != nil {
			if ended := shared.broker.Ended(); ended != "" {
				fmt.Fprintf(os.Stderr, "the shared broker ended by itself: %s\n", ended)
				code = max(code, 1)
			}
			if code != 0 {
				fmt.Fprintf(os.Stderr, "the end of the shared broker's log:\n%s\n", shared.broker.Log())
			}
			err = errors.Join(err, shared.broker.Kill())
		}
		if err = errors.Join(err, os.RemoveAll(workDir)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}()
	return m.Run()
}

// targetName is the broker under test: highwater or kafka.
func targetName() string {
	if name := os.Getenv("HIGHWATER_TARGET"); name != "" {
		return name
	}
	return "highwater"
}

// bootstrap is the address of the broker that tests share; they keep apart by the names of their topics.
func bootstrap(t *testing.T) string {
	t.Helper()
	shared.once.Do(func() {
		if shared.addr = os.Getenv("HIGHWATER_BOOTSTRAP"); shared.addr != "" {
			return
		}
		shared.broker, shared.err = start(context.Background(), targetName(), peer.Options{
			Dir:        filepath.Join(workDir, "shared"),
			Properties: map[string]string{"log.initial.task.delay.ms": "3600000"}, // no retention: samples have timestamps of years ago
		})
		if shared.err == nil {
			shared.addr = shared.broker.Addr
		}
	})
	require.NoError(t, shared.err)
	return shared.addr
}

// start starts a broker of the given kind.
func start(ctx context.Context, kind string, o peer.Options) (*peer.Broker, error) {
	if kind == "kafka" {
		return peer.StartKafka(ctx, o)
	}
	binary, err := highwater(ctx)
	if err != nil {
		return nil, err
	}
	o.Binary = binary
	return peer.StartHighwater(ctx, o)
}

// own is a broker for one test alone, which may kill it and start it again on the same folder and port.
type own struct {
	*peer.Broker
	t       *testing.T
	kind    string
	options peer.Options
}

// startOwn starts a broker for one test. It is killed when the test ends, and its log shown when the test failed.
func startOwn(t *testing.T, kind string, o peer.Options) *own {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	b, err := start(t.Context(), kind, o)
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(b.Addr)
	require.NoError(t, err)
	o.Port, err = strconv.Atoi(port)
	require.NoError(t, err)
	running := &own{Broker: b, t: t, kind: kind, options: o}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s %s; the end of its log:\n%s", kind, running.Ended(), running.Log())
		}
		require.NoError(t, running.Kill())
	})
	return running
}

// again starts the broker again, which has been stopped or killed, with the same folder, port and properties.
func (o *own) again() {
	o.t.Helper()
	b, err := start(o.t.Context(), o.kind, o.options)
	require.NoError(o.t, err)
	o.Broker = b
}

// highwater is the path of Highwater's program: HIGHWATER_BINARY, or one built from this tree.
func highwater(ctx context.Context) (string, error) {
	program.once.Do(func() {
		if program.path = os.Getenv("HIGHWATER_BINARY"); program.path != "" {
			return
		}
		program.path, program.err = peer.BuildHighwater(ctx, workDir)
	})
	return program.path, program.err
}

// testContext is bounded: no check of the suite may hang.
func testContext(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

var topics atomic.Int64

// topicName is a new topic's name: it tells the test, and differs from run to run on a broker that runs longer.
func topicName(t *testing.T) string {
	t.Helper()
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-':
			return r
		default:
			return '-'
		}
	}, t.Name())
	name = name[:min(len(name), 150)]
	return fmt.Sprintf("%s-%d-%d", name, os.Getpid(), topics.Add(1))
}
