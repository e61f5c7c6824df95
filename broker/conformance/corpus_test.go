package conformance

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"

	"highwater.dev/bench/peer"
)

// corpusBytes is the least size of the text corpus.
const corpusBytes = 52 << 20

var corpus struct {
	once sync.Once
	path string
	sum  string
	err  error
}

// textCorpus is a file of real text, the Go standard library's sources without their empty lines (kcat drops those), and its
// SHA-256.
func textCorpus(t *testing.T) (path, sum string) {
	t.Helper()
	corpus.once.Do(func() {
		corpus.path = filepath.Join(workDir, "corpus.txt")
		corpus.sum, corpus.err = writeCorpus(corpus.path)
	})
	require.NoError(t, corpus.err)
	return corpus.path, corpus.sum
}

var errEnough = errors.New("enough text")

func writeCorpus(path string) (string, error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	out, err := os.Create(path)
	if err != nil {
		return "", err
	}
	sum, size := sha256.New(), 0
	both := io.MultiWriter(out, sum)
	err = filepath.WalkDir(filepath.Join(strings.TrimSpace(string(root)), "src"), func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(name) != ".go" {
			return err
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		var lines []byte
		for line := range bytes.Lines(content) {
			if text := bytes.TrimRight(line, "\n"); len(text) > 0 {
				lines = append(append(lines, text...), '\n')
			}
		}
		size += len(lines)
		if _, err := both.Write(lines); err != nil {
			return err
		}
		if size >= corpusBytes {
			return errEnough
		}
		return nil
	})
	if err == nil {
		err = errors.New("the sources under GOROOT are too small for a corpus")
	}
	if !errors.Is(err, errEnough) {
		return "", errors.Join(err, out.Close())
	}
	return hex.EncodeToString(sum.Sum(nil)), out.Close()
}

// kcatSend pipes the corpus through kcat -P to partition 0.
func kcatSend(ctx context.Context, addr, topic, path string, more ...string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // only read
	args := append([]string{"-b", addr, "-P", "-t", topic, "-p", "0", "-X", "queue.buffering.max.messages=500000"}, more...)
	c := exec.CommandContext(ctx, "kcat", args...)
	var stderr bytes.Buffer
	c.Stdin, c.Stderr = in, &stderr
	if err := c.Run(); err != nil {
		return errors.Join(err, errors.New(stderr.String()))
	}
	return nil
}

// kcatSum is the SHA-256 of what kcat -C reads of partition 0, from the start to the end.
func kcatSum(ctx context.Context, addr, topic string) (string, error) {
	c := exec.CommandContext(ctx, "kcat", "-b", addr, "-C", "-t", topic, "-p", "0", "-o", "beginning", "-e", "-q")
	sum := sha256.New()
	var stderr bytes.Buffer
	c.Stdout, c.Stderr = sum, &stderr
	if err := c.Run(); err != nil {
		return "", errors.Join(err, errors.New(stderr.String()))
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// TestCorpusRoundTrip sends at least 50 MB of real text, one line a record, with each codec and reads it back: the same by checksum.
func TestCorpusRoundTrip(t *testing.T) {
	addr := bootstrap(t)
	path, sum := textCorpus(t)
	for _, codec := range codecs {
		t.Run(codec, func(t *testing.T) {
			topic := createTopic(t, addr, 1, nil)
			ctx := testContext(t, 2*time.Minute)
			require.NoError(t, kcatSend(ctx, addr, topic, path, "-z", codec))
			got, err := kcatSum(ctx, addr, topic)
			require.NoError(t, err)
			require.Equal(t, sum, got)
			_, err = kadm.NewClient(franz(t, addr)).DeleteTopic(ctx, topic)
			require.NoError(t, err)
		})
	}
}

// TestCorpusAcrossKills kills the broker with kill -9 twice while librdkafka, idempotent, sends the text. The sender ends well only
// when every record was acknowledged: then all are there, in order, exactly once.
func TestCorpusAcrossKills(t *testing.T) {
	path, sum := textCorpus(t)
	packages := pythonPackages(t)
	broker := startOwn(t, targetName(), peer.Options{Properties: map[string]string{"log.segment.bytes": "8388608"}})
	topic := createTopic(t, broker.Addr, 1, nil)
	ctx := testContext(t, 4*time.Minute)
	sender := exec.CommandContext(ctx, "python3", "python/send_lines.py", broker.Addr, topic, path)
	sender.Env = append(os.Environ(), "PYTHONPATH="+packages, "PYTHONDONTWRITEBYTECODE=1")
	sent := make(chan error, 1)
	go func() {
		output, err := sender.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, output)
		}
		sent <- err
	}()
	lines := int64(0)
	for range 2 {
		for grown := lines + 200_000; lines < grown; {
			select {
			case err := <-sent:
				require.Failf(t, "the sender ended before the broker was killed", "after %d records: %v", lines, err)
			case <-ctx.Done():
				require.NoErrorf(t, ctx.Err(), "after %d records", lines)
			case <-time.After(5 * time.Millisecond):
			}
			lines = offsetOf(t, broker.Addr, topic, -1)
		}
		require.NoError(t, broker.Kill())
		broker.again()
	}
	require.NoError(t, <-sent)
	got, err := kcatSum(ctx, broker.Addr, topic)
	require.NoError(t, err)
	require.Equal(t, sum, got)
}
