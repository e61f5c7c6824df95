package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"highwater.dev/bench/peer"
)

// check is one line that a client's script prints.
type check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Topic  string `json:"topic"` // holds the sample records afterwards, for another client to read; empty: no such topic
}

// runScript runs a client's script with the three arguments that every script takes, bootstrap address, prefix of topic names
// and records file, and makes each check that it prints a subtest. What a script wrote franz-go reads too.
func runScript(t *testing.T, records []record, cmd []string, environment ...string) {
	t.Helper()
	addr := bootstrap(t)
	ctx := testContext(t, 3*time.Minute)
	var stdout, stderr bytes.Buffer
	c := exec.CommandContext(ctx, cmd[0], append(cmd[1:], addr, topicName(t), recordsFile(t, records))...)
	c.Stdout, c.Stderr, c.Env, c.WaitDelay = &stdout, &stderr, append(os.Environ(), environment...), 5*time.Second
	err := c.Run()
	checks := 0
	for line := range strings.Lines(stdout.String()) {
		var result check
		require.NoErrorf(t, json.Unmarshal([]byte(line), &result), "not a check: %s", line)
		checks++
		t.Run(result.Name, func(t *testing.T) {
			require.Truef(t, result.OK, "%s", result.Detail)
			if result.Topic != "" {
				readByFranz(t, addr, result.Topic, records)
			}
		})
	}
	if t.Failed() {
		t.Logf("standard error:\n%s", stderr.String()[max(0, stderr.Len()-8000):])
	}
	require.NoErrorf(t, err, "%s", stderr.String()[max(0, stderr.Len()-4000):])
	require.NotZero(t, checks, "the script checked nothing")
}

func readByFranz(t *testing.T, addr, topic string, want []record) {
	t.Helper()
	var got []record
	for _, r := range franzRead(t, addr, topic, 0, kgo.NewOffset().AtStart(), len(want)) {
		got = append(got, fromFranz(r))
	}
	requireSameRecords(t, want, got)
}

// externalRecords are what the scripts carry in each round trip.
func externalRecords() []record { return sampleRecords(100) }

// withoutNullHeaders are the records for clients that have no null as a header's value.
func withoutNullHeaders(records []record) []record {
	for _, r := range records {
		for i := range r.headers {
			if r.headers[i].value == nil {
				r.headers[i].value = []byte{}
			}
		}
	}
	return records
}

// recordsFile writes records as JSON, bytes in base64 and null as null.
func recordsFile(t *testing.T, records []record) string {
	t.Helper()
	type jsonHeader struct {
		Key   string `json:"key"`
		Value []byte `json:"value"`
	}
	type jsonRecord struct {
		Key       []byte       `json:"key"`
		Value     []byte       `json:"value"`
		Headers   []jsonHeader `json:"headers"`
		Timestamp int64        `json:"timestamp"`
	}
	out := make([]jsonRecord, len(records))
	for i, r := range records {
		out[i] = jsonRecord{Key: r.key, Value: r.value, Headers: []jsonHeader{}, Timestamp: r.timestamp}
		for _, h := range r.headers {
			out[i].Headers = append(out[i].Headers, jsonHeader{h.key, h.value})
		}
	}
	content, err := json.Marshal(out)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "records.json")
	require.NoError(t, os.WriteFile(file, content, 0o600))
	return file
}

// prepared is a folder of the cache made by commands, for the pinned versions in the given files.
func prepared(t *testing.T, name string, files []string, fill func(ctx context.Context, dir string) error) string {
	t.Helper()
	ctx := testContext(t, 5*time.Minute)
	var pinned []byte
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		pinned = append(pinned, content...)
	}
	dir, err := peer.Cached(name, pinned, func(dir string) error { return fill(ctx, dir) })
	require.NoError(t, err)
	return dir
}

// command runs a program that must succeed; its output is part of the error.
func command(ctx context.Context, dir, program string, args ...string) error {
	c := exec.CommandContext(ctx, program, args...)
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", program, err, out[max(0, len(out)-4000):])
	}
	return nil
}

// pythonPackages is a folder of the Python clients. pip installs them as a folder, not as a virtual environment: that can
// be moved to its final name.
func pythonPackages(t *testing.T) string {
	t.Helper()
	return prepared(t, "python", []string{"python/requirements.txt"}, func(ctx context.Context, dir string) error {
		environment := filepath.Join(t.TempDir(), "venv")
		if err := command(ctx, ".", "python3", "-m", "venv", environment); err != nil {
			return err
		}
		return command(ctx, ".", filepath.Join(environment, "bin", "pip"), "install", "-q", "--target", dir, "-r", "python/requirements.txt")
	})
}

func TestConfluentPython(t *testing.T) {
	runScript(t, externalRecords(), []string{"python3", "python/confluent_checks.py"}, "PYTHONDONTWRITEBYTECODE=1", "PYTHONPATH="+pythonPackages(t))
}

func TestKafkaPython(t *testing.T) {
	runScript(t, withoutNullHeaders(externalRecords()), []string{"python3", "python/kafka_python_checks.py"}, "PYTHONDONTWRITEBYTECODE=1", "PYTHONPATH="+pythonPackages(t))
}

func TestKafkaJS(t *testing.T) {
	modules := prepared(t, "node", []string{"node/package.json", "node/package-lock.json"}, func(ctx context.Context, dir string) error {
		for _, name := range []string{"package.json", "package-lock.json"} {
			content, err := os.ReadFile(filepath.Join("node", name))
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				return err
			}
		}
		return command(ctx, dir, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	})
	runScript(t, withoutNullHeaders(externalRecords()), []string{"node", "node/checks.js"}, "NODE_PATH="+filepath.Join(modules, "node_modules"), "KAFKAJS_NO_PARTITIONER_WARNING=1")
}

func TestJavaClient(t *testing.T) {
	source := "java/src/main/java/dev/highwater/conformance/Checks.java"
	built := prepared(t, "java", []string{"java/pom.xml", source}, func(ctx context.Context, dir string) error {
		return command(ctx, ".", "mvn", "-q", "-B", "-f", "java/pom.xml", "-Dconformance.out="+dir, "package")
	})
	classes := filepath.Join(built, "classes") + string(os.PathListSeparator) + filepath.Join(built, "jars", "*")
	runScript(t, externalRecords(), []string{"java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", classes, "dev.highwater.conformance.Checks"})
}
