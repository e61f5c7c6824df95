package api

import (
	"highwater.dev/broker/metadata"
	"highwater.dev/broker/model"
	"highwater.dev/broker/wire"
)

// endpointSet collects where the leaders that an answer names listen (KIP-951).
type endpointSet struct{ list []wire.Endpoint }

func (e *endpointSet) add(b *metadata.Broker, listener string) {
	for i := range e.list {
		if e.list[i].ID == b.Node {
			return
		}
	}
	if host, port, ok := endpoint(b, listener); ok {
		e.list = append(e.list, wire.Endpoint{ID: b.Node, Host: host, Port: port, Rack: b.Rack})
	}
}

// leaderOf tells a client that asked the wrong broker, or with an old epoch, who leads the partition. The topic is found by
// its id, or by name when the id is zero.
func (s *session) leaderOf(name string, id model.TopicID, index int32, leaders *endpointSet) wire.Leader {
	leader := wire.NoLeader
	s.api.Quorum.View(func(image *metadata.Image) {
		t := image.TopicByID(id)
		if t == nil {
			t = image.Topic(name)
		}
		if t == nil || index < 0 || int(index) >= len(t.Partitions) {
			return
		}
		p := &t.Partitions[index]
		leader = wire.Leader{ID: p.Leader, Epoch: p.LeaderEpoch}
		if b := image.Broker(p.Leader); b != nil {
			leaders.add(b, s.peer.Listener)
		}
	})
	return leader
}
