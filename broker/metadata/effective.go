package metadata

import (
	"strconv"

	"highwater.dev/broker/config"
	"highwater.dev/broker/model"
)

// synonyms are the topic keys that have a server key for their default: topic key, server key.
var synonyms = func() map[string]string {
	m := map[string]string{}
	for _, d := range config.TopicDefs() {
		if d.Synonym != "" {
			m[d.Name] = d.Synonym
		}
	}
	return m
}()

// TopicOverrides is what config.Server.Topic needs on broker node for a topic: the topic's own configs and, below them,
// the broker's dynamic configs and those of all brokers, in the form of topic configs (KIP-226). nil when
// there are none; otherwise read only, and the image's own.
func (im *Image) TopicOverrides(topic string, node model.NodeID) map[string]string {
	own := im.Config(TopicResource, topic)
	dynamic := []map[string]string{
		im.Config(BrokerResource, strconv.Itoa(int(node))),
		im.Config(BrokerResource, ""),
	}
	if len(dynamic[0]) == 0 && len(dynamic[1]) == 0 {
		return own
	}
	merged := make(map[string]string, len(own)+len(dynamic[0])+len(dynamic[1]))
	for key, value := range own {
		merged[key] = value
	}
	for _, configs := range dynamic {
		for key, server := range synonyms {
			if value, ok := configs[server]; ok {
				if _, set := merged[key]; !set {
					merged[key] = value
				}
			}
		}
	}
	return merged
}
