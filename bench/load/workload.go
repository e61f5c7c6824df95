package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// A workload file is the OpenMessaging benchmark's description of a load. What its fields mean here:
//
//	name                       the key workload= of the benchmark line
//	topics, partitionsPerTopic so many topics, each with so many partitions; made for the run and removed unless --topic names them
//	messageSize                bytes of a record's value; the first 16 hold the run's id and the due time
//	payloadFile                its content, of exactly messageSize bytes; the path is relative to the working directory, as there
//	useRandomizedPayloads      instead of payloadFile: values of randomBytesRatio random bytes, the rest zeros, of which there
//	                           are randomizedPayloadPoolSize different ones
//	subscriptionsPerTopic      each reads every record
//	consumerPerSubscription    so many consumers share a subscription's partitions, which are assigned, not by a group
//	producersPerTopic          each a client of its own
//	producerRate               records a second of all producers of all topics; 0: as fast as possible, where the original
//	                           looks for the highest rate that consumers keep up with
//	consumerBacklogSizeGB      consumers begin when so many GiB are written; drain-s is how long they took to catch up
//	testDurationMinutes        the measured part
//	warmupDurationMinutes      before it; default 1
//	keyDistributor             NO_KEY (default): none, partitions in turn; KEY_ROUND_ROBIN: 10,000 keys in turn;
//	                           RANDOM_NANO: 10,000 keys at random
type workload struct {
	Name             string  `yaml:"name"`
	Topics           int     `yaml:"topics"`
	Partitions       int32   `yaml:"partitionsPerTopic"`
	MessageSize      int     `yaml:"messageSize"`
	PayloadFile      string  `yaml:"payloadFile"`
	Randomized       bool    `yaml:"useRandomizedPayloads"`
	RandomBytesRatio float64 `yaml:"randomBytesRatio"`
	PayloadPool      int     `yaml:"randomizedPayloadPoolSize"`
	Subscriptions    int     `yaml:"subscriptionsPerTopic"`
	Producers        int     `yaml:"producersPerTopic"`
	Consumers        int     `yaml:"consumerPerSubscription"`
	ProducerRate     float64 `yaml:"producerRate"`
	BacklogGiB       float64 `yaml:"consumerBacklogSizeGB"`
	TestMinutes      float64 `yaml:"testDurationMinutes"`
	WarmUpMinutes    float64 `yaml:"warmupDurationMinutes"`
	KeyDistributor   string  `yaml:"keyDistributor"`
	fieldLine        map[string]int
}

// workloadFields are those of the yaml tags above, in their order.
var workloadFields = []string{
	"name", "topics", "partitionsPerTopic", "messageSize", "payloadFile", "useRandomizedPayloads", "randomBytesRatio",
	"randomizedPayloadPoolSize", "subscriptionsPerTopic", "producersPerTopic", "consumerPerSubscription", "producerRate",
	"consumerBacklogSizeGB", "testDurationMinutes", "warmupDurationMinutes", "keyDistributor",
}

var keyDistributors = map[string]string{"NO_KEY": "none", "KEY_ROUND_ROBIN": "sequential:10000", "RANDOM_NANO": "uniform:10000"}

// ReadWorkload lays the load that the file describes over o and returns its name. Clients, topic and bootstrap stay o's.
func ReadWorkload(file string, o *Options) (name string, err error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("workload: %w", err)
	}
	w, err := parseWorkload(file, content)
	if err != nil {
		return "", err
	}
	keys, err := ParseKeys(keyDistributors[w.KeyDistributor])
	if err != nil {
		return "", err
	}
	o.Topics, o.Partitions, o.RecordBytes, o.Keys = w.Topics, w.Partitions, w.MessageSize, keys
	o.Payload = Payload{File: w.PayloadFile, RandomRatio: w.RandomBytesRatio, Pool: w.PayloadPool}
	o.Subscriptions, o.Consumers, o.Producers, o.Rate = w.Subscriptions, w.Consumers, w.Producers, w.ProducerRate
	o.Backlog, o.Bytes = int64(w.BacklogGiB*(1<<30)), 0
	o.Duration, o.WarmUp = minutes(w.TestMinutes), minutes(w.WarmUpMinutes)
	return w.Name, nil
}

func minutes(n float64) time.Duration { return time.Duration(n * float64(time.Minute)) }

// parseWorkload reads the content; every error names file and line.
func parseWorkload(file string, content []byte) (*workload, error) {
	var doc yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(content)).Decode(&doc); errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s:1: the file is empty; a workload has the fields %s", file, strings.Join(workloadFields, ", "))
	} else if err != nil { // "yaml: line 3: …"
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s:%d: a workload is a mapping of fields to values", file, root.Line)
	}
	w := &workload{WarmUpMinutes: 1, KeyDistributor: "NO_KEY", Topics: 1, fieldLine: map[string]int{}}
	for i := 0; i < len(root.Content); i += 2 {
		field, value := root.Content[i], root.Content[i+1]
		if !slices.Contains(workloadFields, field.Value) {
			return nil, fmt.Errorf("%s:%d: field %q is not supported; supported are %s", file, field.Line, field.Value, strings.Join(workloadFields, ", "))
		}
		if first, twice := w.fieldLine[field.Value]; twice {
			return nil, fmt.Errorf("%s:%d: field %q again, first on line %d", file, field.Line, field.Value, first)
		}
		w.fieldLine[field.Value] = field.Line
		one := yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{field, value}}
		if err := one.Decode(w); err != nil {
			return nil, fmt.Errorf("%s:%d: field %q: %q is not what it holds: %w", file, value.Line, field.Value, value.Value, err)
		}
	}
	return w, w.check(file)
}

// check sees that the values make a load. What a field alone cannot say is Options.Validate's.
func (w *workload) check(file string) error {
	for _, field := range []struct {
		name string
		ok   bool
		want string
	}{
		{"topics", w.Topics >= 1, "at least 1"},
		{"partitionsPerTopic", w.Partitions >= 1, "at least 1"},
		{"messageSize", w.MessageSize >= StampBytes, fmt.Sprintf("at least %d", StampBytes)},
		{"producersPerTopic", w.Producers >= 1, "at least 1"},
		{"subscriptionsPerTopic", w.Subscriptions >= 0, "at least 0"},
		{"consumerPerSubscription", w.Consumers >= 0 && w.Consumers <= int(w.Partitions), "at most partitionsPerTopic: more would have nothing to read"},
		{"producerRate", w.ProducerRate >= 0, "at least 0"},
		{"randomBytesRatio", w.RandomBytesRatio >= 0 && w.RandomBytesRatio <= 1, "0 to 1"},
		{"randomizedPayloadPoolSize", w.PayloadPool >= 0, "at least 0"},
		{"consumerBacklogSizeGB", w.BacklogGiB >= 0, "at least 0"},
		{"testDurationMinutes", w.TestMinutes > 0, "more than 0"},
		{"warmupDurationMinutes", w.WarmUpMinutes >= 0, "at least 0"},
		{"keyDistributor", keyDistributors[w.KeyDistributor] != "", "NO_KEY, KEY_ROUND_ROBIN or RANDOM_NANO"},
		{"useRandomizedPayloads", w.Randomized != (w.PayloadFile != ""), "true, or false and there is a payloadFile; not both"},
	} {
		if field.ok {
			continue
		}
		if line, there := w.fieldLine[field.name]; there {
			return fmt.Errorf("%s:%d: field %q must be %s", file, line, field.name, field.want)
		}
		return fmt.Errorf("%s:1: field %q is missing; it must be %s", file, field.name, field.want)
	}
	return nil
}
