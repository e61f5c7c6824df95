package wire

import (
	"math"

	"highwater.dev/broker/model"
)

// NoHighWatermark is what a fetching replica sends when it does not tell its high watermark (KIP-1166).
const NoHighWatermark model.Offset = math.MaxInt64

// FetchRequest is a decoded Fetch request, versions 4 to 18. One per connection, reused by Decode.
//
// It holds places in the body instead of names: the body must stay as it is for as long as the request is used.
// A topic comes with its partitions; Partitions and Forgotten index over all topics, as Topic.First says.
type FetchRequest struct {
	Version int16
	// ClusterID is the cluster the client takes this for (from version 12); HasClusterID is false for null.
	ClusterID    string
	HasClusterID bool
	// ReplicaID is the fetching broker, or model.NoNode for a consumer; ReplicaEpoch its broker epoch or -1 (KIP-903).
	ReplicaID    model.NodeID
	ReplicaEpoch int64
	MaxWaitMs    int32
	MinBytes     int32
	MaxBytes     int32
	// IsolationLevel is 0 for read_uncommitted, 1 for read_committed.
	IsolationLevel int8
	// SessionID and SessionEpoch (KIP-227): 0 and -1 before version 7, which is no session.
	SessionID    int32
	SessionEpoch int32
	// Partitions of all topics. They stay valid without the body.
	Partitions []FetchPartition
	// Forgotten partition indexes of all forgotten topics (from version 7).
	Forgotten []int32
	// RackID is the client's rack (from version 11).
	RackID string

	body            []byte
	topics          []topicRef
	forgottenTopics []topicRef
}

// FetchPartition is a partition of a Fetch request. Its 40 bytes are at most two and a half times its size on the
// wire. The field ReplicaDirectoryId is not kept: only the quorum of Kafka's own KRaft uses it.
type FetchPartition struct {
	Index              int32
	CurrentLeaderEpoch model.LeaderEpoch // from version 9, otherwise -1
	FetchOffset        model.Offset
	LogStartOffset     model.Offset      // of a follower; from version 5, otherwise -1
	HighWatermark      model.Offset      // of a follower; from version 18, otherwise NoHighWatermark
	LastFetchedEpoch   model.LeaderEpoch // from version 12, otherwise -1
	MaxBytes           int32
}

// Topics is the number of topics with partitions to fetch.
func (q *FetchRequest) Topics() int { return len(q.topics) }

// Topic returns topic i; its partitions are in q.Partitions.
func (q *FetchRequest) Topic(i int) Topic {
	return topicAt(q.body, q.topics, i, len(q.Partitions), q.Version >= firstIDVersion, q.Version >= 12)
}

// ForgottenTopics is the number of topics with partitions to drop from the session.
func (q *FetchRequest) ForgottenTopics() int { return len(q.forgottenTopics) }

// ForgottenTopic returns forgotten topic i; its partitions are in q.Forgotten.
func (q *FetchRequest) ForgottenTopic(i int) Topic {
	return topicAt(q.body, q.forgottenTopics, i, len(q.Forgotten), q.Version >= firstIDVersion, q.Version >= 12)
}

// fetchCounts is what a walk over a body has found.
type fetchCounts struct{ topics, partitions, forgottenTopics, forgotten int }

// Decode reads a request body of a version that Serves reports as served. It walks the body once to check and to
// count, and only then allocates. Error: ErrMalformed, after which q must not be used.
func (q *FetchRequest) Decode(version int16, body []byte) error {
	q.Version, q.body = version, body
	n, ok := q.walk(false)
	if !ok {
		n = fetchCounts{}
	}
	q.topics, q.Partitions = resize(q.topics, n.topics), resize(q.Partitions, n.partitions)
	q.forgottenTopics, q.Forgotten = resize(q.forgottenTopics, n.forgottenTopics), resize(q.Forgotten, n.forgotten)
	if !ok {
		return ErrMalformed
	}
	q.walk(true)
	return nil
}

// walk reads the body. With store it fills q's arrays, which have room for what a walk without store has counted.
func (q *FetchRequest) walk(store bool) (n fetchCounts, ok bool) {
	version := q.Version
	r := NewReader(q.body)
	q.ClusterID, q.HasClusterID, q.RackID = "", false, ""
	q.ReplicaID, q.ReplicaEpoch = model.NoNode, -1
	q.SessionID, q.SessionEpoch = 0, -1
	if version <= 14 {
		q.ReplicaID = model.NodeID(r.Int32())
	}
	q.MaxWaitMs = r.Int32()
	q.MinBytes = r.Int32()
	q.MaxBytes = r.Int32()
	q.IsolationLevel = r.Int8()
	if version >= 7 {
		q.SessionID = r.Int32()
		q.SessionEpoch = r.Int32()
	}
	q.walkTopics(&r, &n, store)
	if version >= 7 {
		q.walkForgotten(&r, &n, store)
	}
	flexible := version >= 12
	if version >= 11 {
		q.RackID = r.String(flexible)
	}
	if flexible {
		for t := r.Tags(); t > 0 && !r.bad; t-- {
			if !q.readTag(r.Tag()) {
				r.fail()
			}
		}
	}
	return n, !r.bad
}

func (q *FetchRequest) walkTopics(r *Reader, n *fetchCounts, store bool) {
	flexible, byID := q.Version >= 12, q.Version >= firstIDVersion
	minTopic, minPartition := 6, 16 // bytes
	if flexible {
		minTopic, minPartition = 3, 33
	}
	for nt := r.FullArray(flexible, minTopic); n.topics < nt && !r.bad; n.topics++ {
		if store {
			q.topics[n.topics] = topicRef{at: uint32(r.pos), first: uint32(n.partitions)}
		}
		skipTopicName(r, byID, flexible)
		np := r.FullArray(flexible, minPartition)
		for end := n.partitions + max(np, 0); n.partitions < end && !r.bad; n.partitions++ {
			p := q.readPartition(r)
			if store {
				q.Partitions[n.partitions] = p
			}
		}
		if flexible {
			r.SkipTags()
		}
	}
}

func (q *FetchRequest) readPartition(r *Reader) FetchPartition {
	p := FetchPartition{
		Index:              r.Int32(),
		CurrentLeaderEpoch: model.NoLeaderEpoch,
		LogStartOffset:     model.NoOffset,
		HighWatermark:      NoHighWatermark,
		LastFetchedEpoch:   model.NoLeaderEpoch,
	}
	if q.Version >= 9 {
		p.CurrentLeaderEpoch = model.LeaderEpoch(r.Int32())
	}
	p.FetchOffset = model.Offset(r.Int64())
	if q.Version >= 12 {
		p.LastFetchedEpoch = model.LeaderEpoch(r.Int32())
	}
	if q.Version >= 5 {
		p.LogStartOffset = model.Offset(r.Int64())
	}
	p.MaxBytes = r.Int32()
	if q.Version >= 12 {
		for t := r.Tags(); t > 0 && !r.bad; t-- {
			tag, value := r.Tag()
			if tag == 1 && q.Version >= 18 {
				v := NewReader(value)
				p.HighWatermark = model.Offset(v.Int64())
				if v.bad {
					r.fail()
				}
			}
		}
	}
	return p
}

func (q *FetchRequest) walkForgotten(r *Reader, n *fetchCounts, store bool) {
	flexible, byID := q.Version >= 12, q.Version >= firstIDVersion
	minTopic := 6 // bytes
	if flexible {
		minTopic = 3
	}
	for nt := r.FullArray(flexible, minTopic); n.forgottenTopics < nt && !r.bad; n.forgottenTopics++ {
		if store {
			q.forgottenTopics[n.forgottenTopics] = topicRef{at: uint32(r.pos), first: uint32(n.forgotten)}
		}
		skipTopicName(r, byID, flexible)
		np := r.FullArray(flexible, 4)
		for end := n.forgotten + max(np, 0); n.forgotten < end && !r.bad; n.forgotten++ {
			index := r.Int32()
			if store {
				q.Forgotten[n.forgotten] = index
			}
		}
		if flexible {
			r.SkipTags()
		}
	}
}

// readTag takes a tagged field of the request: 0 is the cluster id, 1 the replica's state (KIP-903). It reports
// whether the field is well-formed.
func (q *FetchRequest) readTag(tag uint32, value []byte) bool {
	v := NewReader(value)
	switch {
	case tag == 0:
		q.ClusterID, q.HasClusterID = v.NullableString(true)
	case tag == 1 && q.Version >= 15:
		q.ReplicaID, q.ReplicaEpoch = model.NodeID(v.Int32()), v.Int64()
		v.SkipTags()
	}
	return !v.bad
}
