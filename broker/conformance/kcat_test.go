package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// kcat runs kcat against addr with standard input in and returns its standard output. A failure's error holds standard error.
func kcat(ctx context.Context, addr string, in []byte, args ...string) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	c := exec.CommandContext(ctx, "kcat", append([]string{"-b", addr}, args...)...)
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(in), &stdout, &stderr
	if err := c.Run(); err != nil {
		return stdout.Bytes(), fmt.Errorf("kcat %s: %w\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return stdout.Bytes(), nil
}

// kcatOK is kcat that must succeed.
func kcatOK(t *testing.T, in []byte, args ...string) []byte {
	t.Helper()
	out, err := kcat(testContext(t, 60*time.Second), bootstrap(t), in, args...)
	require.NoError(t, err)
	return out
}

func TestKcat(t *testing.T) {
	addr := bootstrap(t)
	var text bytes.Buffer
	for i := range 5000 {
		fmt.Fprintf(&text, "line %d of a text that compresses, %x\n", i, i*7919)
	}
	for _, codec := range codecs {
		t.Run("round trip "+codec, func(t *testing.T) {
			topic := createTopic(t, addr, 1, nil)
			kcatOK(t, text.Bytes(), "-P", "-t", topic, "-p", "0", "-z", codec, "-X", "linger.ms=5")
			got := kcatOK(t, nil, "-C", "-t", topic, "-p", "0", "-o", "beginning", "-e")
			require.True(t, bytes.Equal(text.Bytes(), got), "what was read is what was written")
		})
	}
	for _, acks := range []string{"0", "1", "all"} {
		t.Run("acks "+acks, func(t *testing.T) {
			topic := createTopic(t, addr, 1, nil)
			kcatOK(t, text.Bytes(), "-P", "-t", topic, "-p", "0", "-X", "acks="+acks)
			got := kcatOK(t, nil, "-C", "-t", topic, "-p", "0", "-o", "beginning", "-c", "5000")
			require.True(t, bytes.Equal(text.Bytes(), got))
		})
	}
	t.Run("idempotent", func(t *testing.T) {
		topic := createTopic(t, addr, 1, nil)
		kcatOK(t, text.Bytes(), "-P", "-t", topic, "-p", "0", "-X", "enable.idempotence=true")
		got := kcatOK(t, nil, "-C", "-t", topic, "-p", "0", "-o", "beginning", "-e")
		require.True(t, bytes.Equal(text.Bytes(), got))
	})
	t.Run("keys headers nulls", kcatShapes)
	t.Run("offsets", kcatOffsets)
	t.Run("metadata", kcatMetadata)
	t.Run("too large", func(t *testing.T) {
		topic := createTopic(t, addr, 1, map[string]string{"max.message.bytes": "5000"})
		_, err := kcat(testContext(t, 30*time.Second), addr, bytes.Repeat([]byte("x"), 6000), "-P", "-t", topic, "-p", "0", "-X", "message.timeout.ms=10000")
		require.ErrorContains(t, err, "Message size too large")
	})
}

// kcatMessage is a record as kcat -J prints it.
type kcatMessage struct {
	Offset  int64    `json:"offset"`
	Key     *string  `json:"key"`
	Payload *string  `json:"payload"`
	Headers []string `json:"headers"`
	TsType  string   `json:"tstype"`
}

func kcatShapes(t *testing.T) {
	topic := createTopic(t, bootstrap(t), 1, nil)
	kcatOK(t, []byte("k1:v1\nk2:\nno key\n"), "-P", "-t", topic, "-p", "0", "-K", ":", "-Z", "-H", "a=1", "-H", "b=2")
	var got []kcatMessage
	for line := range bytes.Lines(kcatOK(t, nil, "-C", "-t", topic, "-p", "0", "-o", "beginning", "-e", "-J")) {
		var m kcatMessage
		require.NoError(t, json.Unmarshal(line, &m))
		got = append(got, m)
	}
	require.Len(t, got, 3)
	headers := []string{"a", "1", "b", "2"}
	require.Equal(t, kcatMessage{0, pointer("k1"), pointer("v1"), headers, "create"}, got[0])
	require.Equal(t, kcatMessage{1, pointer("k2"), nil, headers, "create"}, got[1])
	require.Equal(t, kcatMessage{2, nil, pointer("no key"), headers, "create"}, got[2])
}

func kcatOffsets(t *testing.T) {
	addr := bootstrap(t)
	topic := createTopic(t, addr, 1, nil)
	records := sampleRecords(40)
	for i := range records {
		records[i] = record{value: fmt.Appendf(nil, "v%d", i), timestamp: firstTimestamp + int64(i)*10}
	}
	require.NoError(t, franz(t, addr).ProduceSync(testContext(t, 20*time.Second), franzRecords(topic, records)...).FirstErr())
	read := func(from string) string {
		return string(kcatOK(t, nil, "-C", "-t", topic, "-p", "0", "-o", from, "-c", "1"))
	}
	require.Equal(t, "v0\n", read("beginning"))
	require.Equal(t, "v17\n", read("17"))
	require.Equal(t, "v35\n", read("-5"), "from the end")
	require.Equal(t, "v13\n", read(fmt.Sprintf("s@%d", firstTimestamp+121)), "from a time")
	query := kcatOK(t, nil, "-Q", "-t", fmt.Sprintf("%s:0:%d", topic, firstTimestamp+55))
	require.Contains(t, string(query), "[0] offset 6")
	until := kcatOK(t, nil, "-C", "-t", topic, "-p", "0", "-o", fmt.Sprintf("s@%d", firstTimestamp+100), "-o", fmt.Sprintf("e@%d", firstTimestamp+125))
	require.Equal(t, "v10\nv11\nv12\n", string(until))
}

func kcatMetadata(t *testing.T) {
	addr := bootstrap(t)
	topic := createTopic(t, addr, 3, nil)
	var meta struct {
		Brokers []struct {
			ID   int    `json:"id"`
			Name string `json:"name"`
		} `json:"brokers"`
		Topics []struct {
			Topic      string `json:"topic"`
			Error      string `json:"error"`
			Partitions []struct {
				Leader   int `json:"leader"`
				Replicas []struct {
					ID int `json:"id"`
				} `json:"replicas"`
			} `json:"partitions"`
		} `json:"topics"`
	}
	require.NoError(t, json.Unmarshal(kcatOK(t, nil, "-L", "-J", "-t", topic), &meta))
	require.Len(t, meta.Brokers, 1)
	require.Equal(t, addr, meta.Brokers[0].Name)
	require.Len(t, meta.Topics, 1)
	require.Equal(t, topic, meta.Topics[0].Topic)
	require.Len(t, meta.Topics[0].Partitions, 3)
	require.Equal(t, meta.Brokers[0].ID, meta.Topics[0].Partitions[0].Leader)

	meta.Topics = nil
	require.NoError(t, json.Unmarshal(kcatOK(t, nil, "-L", "-J", "-t", topicName(t)+"-missing", "-X", "allow.auto.create.topics=false"), &meta))
	require.Len(t, meta.Topics, 1)
	require.Contains(t, meta.Topics[0].Error, "Unknown topic")
}
