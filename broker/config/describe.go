package config

import (
	"strconv"
	"strings"
)

// Source says where a value comes from, with the numbers of Kafka's DescribeConfigs response (ConfigSource).
type Source int8

// The sources that Highwater has.
const (
	SourceTopic   Source = 1 // the topic's own override (DYNAMIC_TOPIC_CONFIG)
	SourceFile    Source = 4 // the node's properties (STATIC_BROKER_CONFIG)
	SourceDefault Source = 5 // nobody set it (DEFAULT_CONFIG)
)

// Described is one key with its value in effect, for DescribeConfigs.
type Described struct {
	Def    Def
	Value  string // meaningless when Null; show it to nobody when Def.Sensitive
	Null   bool
	Source Source
	// Synonyms lists the values that were set under this key or its synonym, the one in effect first, as Kafka does:
	// empty where the value was computed from other keys (retention.ms from log.retention.hours).
	Synonyms []Setting
}

// Setting is a value under the name that it was set by.
type Setting struct {
	Name, Value string
	Source      Source
}

// Describe returns every server key with its value in effect, sorted by name. Internal keys are there when they were set.
func (s *Server) Describe() []Described {
	all := make([]Described, 0, len(brokerDefs))
	for _, d := range brokerDefs {
		if _, set := s.set[d.Name]; d.Internal && !set {
			continue
		}
		e := describe(d, s.settings(d.Name))
		switch d.Name {
		case "node.id", "broker.id": // one number under two names
			e.Value = strconv.Itoa(int(s.NodeID))
		}
		all = append(all, e)
	}
	return all
}

// DescribeTopic returns every topic key with its value in effect for a topic with these overrides, sorted by name.
func (s *Server) DescribeTopic(overrides map[string]string) []Described {
	all := make([]Described, 0, len(topicDefs))
	for _, d := range topicDefs {
		value, overridden := overrides[d.Name]
		if d.Internal && !overridden {
			continue
		}
		var settings []Setting
		if overridden {
			settings = []Setting{{Name: d.Name, Value: strings.TrimSpace(value), Source: SourceTopic}}
		}
		if d.Synonym != "" {
			settings = append(settings, s.settings(d.Synonym)...)
		}
		e := describe(d, settings)
		if computed, ok := s.computed(d.Name); ok && len(settings) == 0 {
			e.Value = computed
		}
		all = append(all, e)
	}
	return all
}

// settings lists a server key's value from the file and its default, as far as there are.
func (s *Server) settings(name string) []Setting {
	var list []Setting
	if v, ok := s.set[name]; ok {
		list = append(list, Setting{Name: name, Value: v, Source: SourceFile})
	}
	if d := brokerIndex[name]; !d.NullDefault {
		list = append(list, Setting{Name: name, Value: d.Default, Source: SourceDefault})
	}
	return list
}

// computed is the value of a topic key whose server keys form a chain.
func (s *Server) computed(name string) (string, bool) {
	var v int64
	switch name {
	case "retention.ms":
		v = s.TopicDefaults.RetentionMs
	case "segment.ms":
		v = s.TopicDefaults.SegmentMs
	case "segment.jitter.ms":
		v = s.TopicDefaults.SegmentJitterMs
	case "flush.ms":
		v = s.TopicDefaults.FlushMs
	default:
		return "", false
	}
	return strconv.FormatInt(v, 10), true
}

func describe(d Def, settings []Setting) Described {
	e := Described{Def: d, Value: d.Default, Null: d.NullDefault, Source: SourceDefault, Synonyms: settings}
	if len(settings) > 0 {
		e.Value, e.Null, e.Source = settings[0].Value, false, settings[0].Source
	}
	return e
}
