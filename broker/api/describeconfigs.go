package api

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/broker/config"
	"highwater.dev/broker/metadata"
)

// DescribeConfigs, versions 1 to 4 (KIP-133, KIP-226, KIP-569): the configs of topics and of this broker, each with its value in
// effect, where that comes from, its synonyms, its type and (version 3 on) its documentation. No keys, or null, asks for all. A broker is named by
// its node id; the empty name asks for the cluster-wide dynamic defaults only. Sensitive values are never shown.
//
// Left out: the other resource types (broker loggers, client metrics, groups) are INVALID_REQUEST.

func (s *session) describeConfigs(q *kmsg.DescribeConfigsRequest) *kmsg.DescribeConfigsResponse {
	answer := kmsg.NewPtrDescribeConfigsResponse()
	for i := range q.Resources {
		asked := &q.Resources[i]
		r := kmsg.NewDescribeConfigsResponseResource()
		r.ResourceType, r.ResourceName = asked.ResourceType, asked.ResourceName
		found, err := s.describeResource(asked)
		if err != nil {
			r.ErrorCode, r.ErrorMessage = s.failure("DescribeConfigs", err)
		}
		for j := range found {
			if len(asked.ConfigNames) == 0 || slices.Contains(asked.ConfigNames, found[j].Def.Name) {
				r.Configs = append(r.Configs, describedConfig(q, asked.ResourceType, &found[j]))
			}
		}
		answer.Resources = append(answer.Resources, r)
	}
	return answer
}

// Sources of values that were set while the cluster runs (KIP-226); config has the others.
const (
	sourceBroker  config.Source = 2 // for this broker
	sourceCluster config.Source = 3 // for every broker
)

func (s *session) describeResource(asked *kmsg.DescribeConfigsRequestResource) (found []config.Described, err error) {
	server := s.api.Config
	self := strconv.Itoa(int(s.api.self))
	s.api.Quorum.View(func(image *metadata.Image) {
		overlay := dynamic{image.Config(metadata.BrokerResource, self), image.Config(metadata.BrokerResource, "")}
		switch {
		case asked.ResourceType == kmsg.ConfigResourceTypeTopic:
			switch {
			case !validTopicName(asked.ResourceName):
				err = fmt.Errorf("%w: topic name %q", kerr.InvalidTopicException, asked.ResourceName)
			case image.Topic(asked.ResourceName) == nil:
				err = kerr.UnknownTopicOrPartition
			default:
				found = server.DescribeTopic(image.Config(metadata.TopicResource, asked.ResourceName))
				overlay.topic(found)
			}
		case asked.ResourceType != kmsg.ConfigResourceTypeBroker:
			err = fmt.Errorf("%w: resources of type %d have no configs here", kerr.InvalidRequest, asked.ResourceType)
		case asked.ResourceName == "":
			found = overlay.clusterOnly(server.Describe())
		case asked.ResourceName == self:
			found = server.Describe()
			overlay.broker(found)
		default:
			err = fmt.Errorf("%w: this is broker %s, not %q; an empty name asks for the cluster's defaults", kerr.InvalidRequest, self, asked.ResourceName)
		}
	})
	return found, err
}

// dynamic holds the broker configs that were altered while running; a broker's own go before the cluster's.
type dynamic struct{ own, cluster map[string]string }

// settings are the dynamic values of a server key, the one in effect first.
func (d dynamic) settings(name string) (list []config.Setting) {
	if v, ok := d.own[name]; ok {
		list = append(list, config.Setting{Name: name, Value: v, Source: sourceBroker})
	}
	if v, ok := d.cluster[name]; ok {
		list = append(list, config.Setting{Name: name, Value: v, Source: sourceCluster})
	}
	return list
}

func (d dynamic) broker(found []config.Described) {
	for i := range found {
		put(&found[i], 0, d.settings(found[i].Def.Name))
	}
}

// topic puts the dynamic values of a topic key's synonym behind the topic's own override.
func (d dynamic) topic(found []config.Described) {
	for i := range found {
		at := 0
		if found[i].Source == config.SourceTopic {
			at = 1
		}
		put(&found[i], at, d.settings(found[i].Def.Synonym))
	}
}

func put(c *config.Described, at int, settings []config.Setting) {
	if len(settings) == 0 {
		return
	}
	c.Synonyms = slices.Insert(slices.Clone(c.Synonyms), at, settings...)
	c.Value, c.Null, c.Source = c.Synonyms[0].Value, false, c.Synonyms[0].Source
}

// clusterOnly keeps what was set for every broker.
func (d dynamic) clusterOnly(all []config.Described) (found []config.Described) {
	for _, c := range all {
		if v, ok := d.cluster[c.Def.Name]; ok {
			c.Synonyms = nil
			put(&c, 0, []config.Setting{{Name: c.Def.Name, Value: v, Source: sourceCluster}})
			found = append(found, c)
		}
	}
	return found
}

func describedConfig(q *kmsg.DescribeConfigsRequest, typ kmsg.ConfigResourceType, c *config.Described) kmsg.DescribeConfigsResponseResourceConfig {
	out := kmsg.NewDescribeConfigsResponseResourceConfig()
	out.Name, out.Source, out.IsSensitive = c.Def.Name, kmsg.ConfigSource(c.Source), c.Def.Sensitive
	out.IsDefault = c.Source == config.SourceDefault
	out.ReadOnly = typ == kmsg.ConfigResourceTypeBroker && c.Def.ReadOnly
	out.ConfigType = kmsg.ConfigType(c.Def.Type)
	shown := func(value string) *string {
		if c.Def.Sensitive {
			return nil
		}
		return &value
	}
	if !c.Null {
		out.Value = shown(c.Value)
	}
	if q.IncludeDocumentation {
		out.Documentation = &c.Def.Doc
	}
	if q.IncludeSynonyms {
		for _, s := range c.Synonyms {
			out.ConfigSynonyms = append(out.ConfigSynonyms, kmsg.DescribeConfigsResponseResourceConfigConfigSynonym{
				Name: s.Name, Value: shown(s.Value), Source: kmsg.ConfigSource(s.Source)})
		}
	}
	return out
}
