package controller

import (
	"errors"
	"maps"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/broker/config"
	"highwater.dev/broker/model"
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
	if _, err := m.o.Config.Topic(configs); err != nil {
		return refuse(kerr.InvalidConfig, "%s", err.Error())
	}
	if strings.EqualFold(strings.TrimSpace(configs["remote.storage.enable"]), "true") {
		return refuse(kerr.InvalidConfig, "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.")
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
		problems = append(problems, checkDynamic(c.key, next[c.key]))
	}
	if len(static) > 0 {
		return refuse(kerr.InvalidRequest, "Cannot update these configs dynamically: [%s]", strings.Join(static, ", "))
	}
	if err := errors.Join(problems...); err != nil {
		return refuse(kerr.InvalidRequest, "%s", err.Error())
	}
	return nil
}

// checkDynamic checks a server key's value as the default of the topic keys that it becomes.
func checkDynamic(key, value string) error {
	for _, topicKey := range dynamic[key] {
		err := topicDefs[topicKey].Validate(value)
		if problem := (*config.Problem)(nil); errors.As(err, &problem) {
			problem.Key = key
		}
		if err != nil {
			return err
		}
	}
	// A topic may keep nothing; a server on which every topic does is a mistake, to Kafka too.
	if n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64); key == "log.retention.ms" && err == nil && n == 0 {
		return &config.Problem{Key: key, Value: value, Allowed: "allowed is a time above 0, or -1 for unlimited"}
	}
	return nil
}

// effective describes all configs of a new topic, in the order of their names. What a dynamic broker config decides is
// given as such.
func (m *Machine) effective(name string, own map[string]string) []kmsg.CreateTopicsResponseTopicConfig {
	overrides := maps.Clone(m.image.TopicOverrides(name, model.NodeID(m.o.Config.NodeID)))
	if overrides == nil {
		overrides = own
	}
	maps.Copy(overrides, own)
	described := m.o.Config.DescribeTopic(overrides)
	configs := make([]kmsg.CreateTopicsResponseTopicConfig, len(described))
	for i, d := range described {
		c := kmsg.NewCreateTopicsResponseTopicConfig()
		c.Name, c.ReadOnly, c.IsSensitive, c.Source = d.Def.Name, d.Def.ReadOnly, d.Def.Sensitive, int8(d.Source)
		if _, set := own[c.Name]; !set && d.Source == config.SourceTopic {
			c.Source = int8(kmsg.ConfigSourceDynamicDefaultBrokerConfig)
		}
		if !d.Null && !d.Def.Sensitive {
			c.Value = &d.Value
		}
		configs[i] = c
	}
	return configs
}
