package api

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/broker/metadata"
	"highwater.dev/broker/model"
)

// Metadata, versions 0 to 13.
//
// Version 0 takes an empty list for all topics; from version 1 on null is all and empty is none. Topics are asked for by name
// or, from version 12 on, by id; a request with any id is answered for its ids only. Versions 10 and 11 carry ids in
// the answer, but asking by them is INVALID_REQUEST. A broker's address is that of the listener the request came in by. Without
// an authorizer the authorized operations are all that there are.
//
// A topic that does not exist is created when both auto.create.topics.enable and the request allow it (always before version
// 4). Unlike Apache Kafka the answer waits for the creation and has the new topic in it, so that the client need not ask again;
// when it fails for another reason than the name, the answer is UNKNOWN_TOPIC_OR_PARTITION as with Apache Kafka.
//
// Leader epochs come from the metadata image: a partition without one is never shown (clients fence by what they
// saw, KIP-320).

// Bits of authorized operations (KIP-430): 1 << AclOperation code, for a topic and for the cluster.
const (
	topicOperations   = 1<<3 | 1<<4 | 1<<5 | 1<<6 | 1<<7 | 1<<8 | 1<<10 | 1<<11
	clusterOperations = 1<<5 | 1<<7 | 1<<8 | 1<<9 | 1<<10 | 1<<11 | 1<<12
)

// firstMetadataByID is the first version that may ask by topic id.
const firstMetadataByID = 12

func (s *session) metadata(q *kmsg.MetadataRequest) *kmsg.MetadataResponse {
	answer := kmsg.NewPtrMetadataResponse()
	answer.ClusterID = kmsg.StringPtr(s.api.ClusterID)
	leader, _ := s.api.Quorum.Leader()
	answer.ControllerID = int32(leader)
	if q.IncludeClusterAuthorizedOperations {
		answer.AuthorizedOperations = clusterOperations
	}
	if refused := refuseMetadata(q); refused != nil {
		answer.Topics = refused
		return answer
	}
	all := q.Topics == nil || q.Version == 0 && len(q.Topics) == 0
	if !all && s.mayCreate(q) {
		s.createMissing(q.Topics)
	}
	s.api.Quorum.View(func(image *metadata.Image) {
		v := metadataView{image: image, listener: s.peer.Listener, version: q.Version, self: s.api.self}
		if q.IncludeTopicAuthorizedOperations {
			v.operations = topicOperations
		}
		v.brokers(answer)
		if all {
			for _, t := range image.Topics() {
				answer.Topics = append(answer.Topics, v.topic(t))
			}
			return
		}
		v.named(answer, q.Topics)
	})
	return answer
}

// refuseMetadata answers a request that names topics in a way its version does not allow.
func refuseMetadata(q *kmsg.MetadataRequest) []kmsg.MetadataResponseTopic {
	if q.Version >= firstMetadataByID {
		return nil
	}
	bad := slices.ContainsFunc(q.Topics, func(t kmsg.MetadataRequestTopic) bool {
		return t.Topic == nil || t.TopicID != model.TopicID{}
	})
	if !bad {
		return nil
	}
	var topics []kmsg.MetadataResponseTopic
	for _, t := range q.Topics {
		refused := kmsg.NewMetadataResponseTopic()
		refused.ErrorCode = kerr.InvalidRequest.Code
		refused.Topic, refused.TopicID = t.Topic, t.TopicID
		if t.Topic == nil {
			refused.Topic = kmsg.StringPtr("")
		}
		topics = append(topics, refused)
	}
	return topics
}

func (s *session) mayCreate(q *kmsg.MetadataRequest) bool {
	return s.api.Config.AutoCreateTopics && (q.Version < 4 || q.AllowAutoTopicCreation) && !asksByID(q.Topics)
}

func asksByID(topics []kmsg.MetadataRequestTopic) bool {
	return slices.ContainsFunc(topics, func(t kmsg.MetadataRequestTopic) bool { return t.TopicID != model.TopicID{} })
}

// createMissing creates the topics that do not exist yet and waits for them. Failures show in the image.
func (s *session) createMissing(topics []kmsg.MetadataRequestTopic) {
	create := kmsg.NewPtrCreateTopicsRequest()
	create.Version = create.MaxVersion()
	seen := map[string]bool{}
	s.api.Quorum.View(func(image *metadata.Image) {
		for _, t := range topics {
			if t.Topic == nil || seen[*t.Topic] || image.Topic(*t.Topic) != nil || !validTopicName(*t.Topic) {
				continue
			}
			seen[*t.Topic] = true
			c := kmsg.NewCreateTopicsRequestTopic()
			c.Topic, c.NumPartitions, c.ReplicationFactor = *t.Topic, -1, -1
			create.Topics = append(create.Topics, c)
		}
	})
	if len(create.Topics) == 0 {
		return
	}
	reply, err := s.submit(create)
	if err != nil {
		s.api.Logger.Warn("topics were not created automatically", "error", err)
		return
	}
	for _, t := range reply.(*kmsg.CreateTopicsResponse).Topics {
		if t.ErrorCode != 0 && t.ErrorCode != kerr.TopicAlreadyExists.Code {
			s.api.Logger.Warn("topic was not created automatically", "topic", t.Topic, "error", kerr.ErrorForCode(t.ErrorCode))
		}
	}
}

// metadataView fills an answer from the image, for one listener and version.
type metadataView struct {
	image      *metadata.Image
	listener   string
	version    int16
	operations int32 // of topics; 0: not asked for
	self       model.NodeID
}

func (v *metadataView) brokers(answer *kmsg.MetadataResponse) {
	for _, b := range v.image.Brokers() {
		if host, port, ok := endpoint(b, v.listener); ok && !b.Fenced {
			answer.Brokers = append(answer.Brokers,
				kmsg.MetadataResponseBroker{NodeID: int32(b.Node), Host: host, Port: port, Rack: b.Rack})
		}
	}
}

// endpoint is a broker's address at the listener of that name.
func endpoint(b *metadata.Broker, listener string) (host string, port int32, ok bool) {
	for i := range b.Endpoints {
		if b.Endpoints[i].Listener == listener {
			return b.Endpoints[i].Host, int32(b.Endpoints[i].Port), true
		}
	}
	return "", 0, false
}

func (v *metadataView) named(answer *kmsg.MetadataResponse, topics []kmsg.MetadataRequestTopic) {
	byID := asksByID(topics)
	seenNames, seenIDs := map[string]bool{}, map[model.TopicID]bool{}
	for _, t := range topics {
		switch id := model.TopicID(t.TopicID); {
		case byID && (id == model.TopicID{} || seenIDs[id]), !byID && (t.Topic == nil || seenNames[*t.Topic]):
			continue
		case byID:
			seenIDs[id] = true
			if found := v.image.TopicByID(id); found != nil {
				answer.Topics = append(answer.Topics, v.topic(found))
				continue
			}
			answer.Topics = append(answer.Topics, v.missing(kerr.UnknownTopicID, nil, id))
		default:
			seenNames[*t.Topic] = true
			if found := v.image.Topic(*t.Topic); found != nil {
				answer.Topics = append(answer.Topics, v.topic(found))
				continue
			}
			reason := kerr.UnknownTopicOrPartition
			if !validTopicName(*t.Topic) {
				reason = kerr.InvalidTopicException
			}
			answer.Topics = append(answer.Topics, v.missing(reason, t.Topic, id))
		}
	}
}

func (v *metadataView) missing(reason *kerr.Error, name *string, id model.TopicID) kmsg.MetadataResponseTopic {
	t := kmsg.NewMetadataResponseTopic()
	t.ErrorCode, t.Topic, t.TopicID = reason.Code, name, id
	if name == nil && v.version < firstMetadataByID {
		t.Topic = kmsg.StringPtr("")
	}
	t.IsInternal = name != nil && internalTopic(*name)
	if v.operations != 0 && name != nil {
		t.AuthorizedOperations = v.operations
	}
	return t
}

func (v *metadataView) topic(found *metadata.Topic) kmsg.MetadataResponseTopic {
	t := kmsg.NewMetadataResponseTopic()
	t.Topic, t.TopicID, t.IsInternal = kmsg.StringPtr(found.Name), found.ID, internalTopic(found.Name)
	if v.operations != 0 {
		t.AuthorizedOperations = v.operations
	}
	t.Partitions = make([]kmsg.MetadataResponseTopicPartition, 0, len(found.Partitions))
	for i := range found.Partitions {
		p := &found.Partitions[i]
		out := kmsg.NewMetadataResponseTopicPartition()
		out.Partition, out.Leader, out.LeaderEpoch = int32(i), int32(p.Leader), int32(p.LeaderEpoch)
		out.Replicas, out.ISR = nodeIDs(p.Replicas), nodeIDs(p.ISR)
		out.OfflineReplicas = v.offline(p.Replicas)
		out.ErrorCode = v.leaderError(p.Leader)
		if out.ErrorCode != 0 {
			out.Leader = int32(model.NoNode)
		}
		t.Partitions = append(t.Partitions, out)
	}
	return t
}

// leaderError says why clients of this listener cannot reach the leader; 0 when they can.
func (v *metadataView) leaderError(leader model.NodeID) int16 {
	b := v.image.Broker(leader)
	if b == nil || b.Fenced {
		return kerr.LeaderNotAvailable.Code
	}
	if _, _, ok := endpoint(b, v.listener); !ok {
		if v.version >= 6 {
			return kerr.ListenerNotFound.Code
		}
		return kerr.LeaderNotAvailable.Code
	}
	return 0
}

func (v *metadataView) offline(replicas []model.NodeID) []int32 {
	var out []int32
	for _, r := range replicas {
		if b := v.image.Broker(r); b == nil || b.Fenced {
			out = append(out, int32(r))
		}
	}
	return out
}

func nodeIDs(nodes []model.NodeID) []int32 {
	out := make([]int32, len(nodes))
	for i, n := range nodes {
		out[i] = int32(n)
	}
	return out
}

// internalTopic reports whether a topic belongs to the brokers (Kafka's Topic.isInternal).
func internalTopic(name string) bool {
	return name == "__consumer_offsets" || name == "__transaction_state" || name == "__share_group_state"
}

// validTopicName is Kafka's rule for names that may become folders.
func validTopicName(name string) bool {
	if name == "" || name == "." || name == ".." || len(name) > 249 {
		return false
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}
