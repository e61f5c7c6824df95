package load

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const goodWorkload = `# one topic
name: 1 topic / 16 partitions / 1kb
topics: 2
partitionsPerTopic: 16
keyDistributor: "KEY_ROUND_ROBIN"
messageSize: 1024
useRandomizedPayloads: true
randomBytesRatio: 0.3
randomizedPayloadPoolSize: 100
subscriptionsPerTopic: 3
consumerPerSubscription: 4
producersPerTopic: 5
producerRate: 50000
consumerBacklogSizeGB: 1
testDurationMinutes: 5
`

func TestWorkload(t *testing.T) {
	file := filepath.Join(t.TempDir(), "w.yaml")
	require.NoError(t, os.WriteFile(file, []byte(goodWorkload), 0o600))
	o := Defaults()
	o.Linger = time.Minute
	name, err := ReadWorkload(file, &o)
	require.NoError(t, err)
	require.Equal(t, "1 topic / 16 partitions / 1kb", name)
	want := Defaults()
	want.Linger = time.Minute // the client stays as it was
	want.Topics, want.Partitions, want.RecordBytes, want.Keys = 2, 16, 1024, Keys{"sequential", 10_000}
	want.Payload = Payload{RandomRatio: 0.3, Pool: 100}
	want.Subscriptions, want.Consumers, want.Producers, want.Rate = 3, 4, 5, 50_000
	want.Backlog, want.Duration, want.WarmUp = 1<<30, 5*time.Minute, time.Minute
	require.Equal(t, want, o)
	require.NoError(t, o.Validate())

	_, err = ReadWorkload(file+"!", &o)
	require.ErrorIs(t, err, os.ErrNotExist)
}

// Each error names the file and the line, and what would be right.
func TestBadWorkloads(t *testing.T) {
	change := func(from, to string) string { return strings.Replace(goodWorkload, from, to, 1) }
	for name, c := range map[string]struct {
		content string
		wants   []string
	}{
		"unknown":        {goodWorkload + "useReplay: true\n", []string{"w.yaml:16:", `"useReplay" is not supported`, "producerRate"}},
		"twice":          {goodWorkload + "topics: 3\n", []string{"w.yaml:16:", `"topics" again, first on line 3`}},
		"not a number":   {change("messageSize: 1024", "messageSize: 1k"), []string{"w.yaml:6:", `"messageSize"`, "1k"}},
		"a list":         {change("topics: 2", "topics: [2]"), []string{"w.yaml:3:", `"topics"`}},
		"too small":      {change("messageSize: 1024", "messageSize: 15"), []string{"w.yaml:6:", "at least 16"}},
		"ratio":          {change("0.3", "1.3"), []string{"w.yaml:8:", "0 to 1"}},
		"idle consumers": {change("consumerPerSubscription: 4", "consumerPerSubscription: 17"), []string{"w.yaml:11:", "at most partitionsPerTopic"}},
		"distributor":    {change("KEY_ROUND_ROBIN", "ROUND"), []string{"w.yaml:5:", "NO_KEY, KEY_ROUND_ROBIN or RANDOM_NANO"}},
		"missing":        {change("producersPerTopic: 5\n", ""), []string{"w.yaml:1:", `"producersPerTopic" is missing`}},
		"no payload":     {change("useRandomizedPayloads: true", "useRandomizedPayloads: false"), []string{"w.yaml:7:", "payloadFile"}},
		"two payloads":   {goodWorkload + "payloadFile: x.data\n", []string{"w.yaml:7:", "not both"}},
		"no time":        {change("testDurationMinutes: 5", "testDurationMinutes: 0"), []string{"w.yaml:15:", "more than 0"}},
		"not yaml":       {"name: a\n\ttopics: 3\n", []string{"w.yaml", "line 2"}},
		"not a mapping":  {"\n- topics\n", []string{"w.yaml:2:", "mapping"}},
		"empty":          {"# nothing\n", []string{"w.yaml:1:", "empty"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseWorkload("w.yaml", []byte(c.content))
			require.Error(t, err)
			for _, want := range c.wants {
				require.ErrorContains(t, err, want)
			}
		})
	}
}
