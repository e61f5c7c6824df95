package controller_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var kafka = flag.String("kafka", "", "host:port of an Apache Kafka broker with node.id 1 and no topics: write testdata/kafka.golden with its answers")

const golden = "testdata/kafka.golden"

// step is one request of the script, and how its answer is compared.
type step struct {
	name string
	req  kmsg.Request
	// words: the code is Kafka's, the message is our own.
	words bool
	// ours is our answer where it differs on purpose (see doc.go).
	ours string
}

// TestAsKafka plays the script on a machine and compares with what Apache Kafka 4.3 answered to the same requests.
func TestAsKafka(t *testing.T) {
	var answer func(kmsg.Request) kmsg.Response
	if *kafka != "" {
		client, err := kgo.NewClient(kgo.SeedBrokers(*kafka))
		require.NoError(t, err)
		defer client.Close()
		answer = func(req kmsg.Request) kmsg.Response {
			resp, err := client.Broker(1).Request(context.Background(), req)
			require.NoError(t, err)
			return resp
		}
	} else {
		answer = newCluster(t, 1).do
	}
	var out strings.Builder
	want := map[string]string{}
	if *kafka == "" {
		data, err := os.ReadFile(golden)
		require.NoError(t, err)
		for _, block := range strings.Split(strings.TrimSpace(string(data)), "\n\n") {
			name, text, _ := strings.Cut(block, "\n")
			want[strings.TrimPrefix(name, "# ")] = text
		}
		require.Len(t, want, len(script()))
	}
	for _, s := range script() {
		got := text(answer(s.req))
		if *kafka != "" {
			fmt.Fprintf(&out, "# %s\n%s\n\n", s.name, got)
			continue
		}
		expected := want[s.name]
		switch {
		case s.ours != "":
			require.NotEqual(t, s.ours, expected, "%s: Kafka answers the same, so it is no difference", s.name)
			expected = s.ours
		case s.words:
			got, expected = codes(got), codes(expected)
		}
		require.Equal(t, expected, got, s.name)
	}
	if *kafka != "" {
		require.NoError(t, os.WriteFile(golden, []byte(out.String()), 0o644))
	}
}

// text is an answer in lines: name, error code, message, and what else it says.
func text(r kmsg.Response) string {
	var b strings.Builder
	line := func(name string, code int16, message *string, more ...any) {
		fmt.Fprintf(&b, "%s: %d", name, code)
		if message != nil {
			fmt.Fprintf(&b, " %q", *message)
		}
		for _, m := range more {
			fmt.Fprintf(&b, " %v", m)
		}
		b.WriteByte('\n')
	}
	switch r := r.(type) {
	case *kmsg.CreateTopicsResponse:
		for _, t := range r.Topics {
			more := []any{t.NumPartitions, t.ReplicationFactor, fmt.Sprintf("id=%t", t.TopicID != [16]byte{}), fmt.Sprintf("configs=%d", len(t.Configs))}
			for _, c := range t.Configs {
				if c.Source == int8ConfigSourceTopic {
					more = append(more, c.Name+"="+*c.Value)
				}
			}
			line(t.Topic, t.ErrorCode, t.ErrorMessage, more...)
		}
	case *kmsg.CreatePartitionsResponse:
		for _, t := range r.Topics {
			line(t.Topic, t.ErrorCode, t.ErrorMessage)
		}
	case *kmsg.DeleteTopicsResponse:
		for _, t := range r.Topics {
			name := "null"
			if t.Topic != nil {
				name = *t.Topic
			}
			line(name, t.ErrorCode, t.ErrorMessage, fmt.Sprintf("id=%t", t.TopicID != [16]byte{}))
		}
	case *kmsg.IncrementalAlterConfigsResponse:
		for _, t := range r.Resources {
			line(fmt.Sprintf("%v %s", t.ResourceType, t.ResourceName), t.ErrorCode, t.ErrorMessage)
		}
	case *kmsg.AlterConfigsResponse:
		for _, t := range r.Resources {
			line(fmt.Sprintf("%v %s", t.ResourceType, t.ResourceName), t.ErrorCode, t.ErrorMessage)
		}
	default:
		panic(fmt.Sprintf("no text for %T", r))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

const int8ConfigSourceTopic = int8(kmsg.ConfigSourceDynamicTopicConfig)

// codes cuts the messages out of a text.
func codes(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if at := strings.IndexByte(l, '"'); at > 0 {
			lines[i] = l[:at] + l[strings.LastIndexByte(l, '"')+1:]
		}
	}
	return strings.Join(lines, "\n")
}
