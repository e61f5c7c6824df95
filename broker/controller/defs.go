package controller

import (
	"errors"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/broker/config"
)

var (
	topicDefs  = index(config.TopicDefs())
	brokerDefs = index(config.BrokerDefs())
	// dynamic are the server keys that a running broker takes: those that give topics their defaults. By
	// server key: the topic keys that they are the default of.
	dynamic = func() map[string][]string {
		m := map[string][]string{}
		for _, d := range config.TopicDefs() {
			if d.Synonym != "" {
				m[d.Synonym] = append(m[d.Synonym], d.Name)
			}
		}
		return m
	}()
)

func index(defs []config.Def) map[string]config.Def {
	m := make(map[string]config.Def, len(defs))
	for _, d := range defs {
		m[d.Name] = d
	}
	return m
}

// topicDefault is a topic key's default and whether it is a list.
func topicDefault(key string) (string, bool) {
	d := topicDefs[key]
	return d.Default, d.Type == config.TypeList
}

// brokerDefault is the same of a server key.
func brokerDefault(key string) (string, bool) {
	d := brokerDefs[key]
	return d.Default, d.Type == config.TypeList
}

// checkTopicConfigs checks a topic's configs as a whole.
func (m *Machine) checkTopicConfigs(configs map[string]string) *apiError {
	for _, key := range sortedKeys(configs) {
		if _, known := topicDefs[key]; !known {
			return refuse(kerr.InvalidConfig, "Unknown topic config name: %s", key)
		}
	}
	t, err := m.o.Config.Topic(configs)
	if err != nil {
		return refuse(kerr.InvalidConfig, "%s", err.Error())
	}
	if t.MinCompactionLagMs > t.MaxCompactionLagMs {
		return refuse(kerr.InvalidConfig, "conflict topic config setting min.compaction.lag.ms (%d) > max.compaction.lag.ms (%d)",
			t.MinCompactionLagMs, t.MaxCompactionLagMs)
	}
	return nil
}

// checkBrokerConfigs checks what r sets of a broker's or all brokers' dynamic configs.
func (m *Machine) checkBrokerConfigs(r *resource, next map[string]string) *apiError {
	var static []string
	var problems []error
	for _, c := range r.changes {
		if c.op == opDelete {
			continue
		}
		if len(dynamic[c.key]) == 0 {
			static = append(static, c.key)
			continue
		}
		for _, key := range dynamic[c.key] {
			problems = append(problems, topicDefs[key].Validate(next[c.key]))
		}
	}
	if len(static) > 0 {
		return refuse(kerr.InvalidRequest, "Cannot update these configs dynamically: [%s]", strings.Join(static, ", "))
	}
	if err := errors.Join(problems...); err != nil {
		return refuse(kerr.InvalidRequest, "%s", err.Error())
	}
	return nil
}

// The config sources of Kafka's protocol that a new topic's answer can have.
const (
	sourceTopic   = int8(kmsg.ConfigSourceDynamicTopicConfig)
	sourceBroker  = int8(kmsg.ConfigSourceDynamicDefaultBrokerConfig)
	sourceStatic  = int8(kmsg.ConfigSourceStaticBrokerConfig)
	sourceDefault = int8(kmsg.ConfigSourceDefaultConfig)
)

// effective describes all configs of a new topic, in the order of their names.
func (m *Machine) effective(own map[string]string) []kmsg.CreateTopicsResponseTopicConfig {
	return nil
}

func sortConfigs(c []kmsg.CreateTopicsResponseTopicConfig) {
	slices.SortFunc(c, func(a, b kmsg.CreateTopicsResponseTopicConfig) int { return strings.Compare(a.Name, b.Name) })
}
