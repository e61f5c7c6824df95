package wire

// ProduceRequest is a decoded Produce request, versions 3 to 13. One per connection, reused by Decode.
//
// It holds places in the body instead of copies: the body must stay as it is, apart from the insides of the record
// batches, for as long as the request is used.
type ProduceRequest struct {
	Version int16
	// TransactionalID is the producer's transactional.id; Transactional is false when it is null.
	TransactionalID string
	Transactional   bool
	// Acks is 0 (no answer), 1 (leader) or -1 (all in-sync replicas); the handler refuses others.
	Acks int16
	// TimeoutMs bounds the wait for replicas.
	TimeoutMs int32

	body       []byte
	topics     []topicRef
	partitions []producePartitionRef
}

// producePartitionRef is twice the smallest partition's size on the wire (6 bytes).
type producePartitionRef struct {
	index int32
	at    uint32 // of the records in the body
	size  int32  // of the records; -1 for null
}

// ProducePartition is one partition's data in a Produce request.
type ProducePartition struct {
	Index int32
	// Records are the batches as they came, a stretch of the frame that may be written into; nil when null.
	Records []byte
}

// Topics is the number of topics.
func (q *ProduceRequest) Topics() int { return len(q.topics) }

// Partitions is the number of partitions of all topics.
func (q *ProduceRequest) Partitions() int { return len(q.partitions) }

// Topic returns topic i.
func (q *ProduceRequest) Topic(i int) Topic {
	return topicAt(q.body, q.topics, i, len(q.partitions), q.Version >= firstIDVersion, q.Version >= 9)
}

// Partition returns partition i, counted over all topics; Topic.First is the first of a topic.
func (q *ProduceRequest) Partition(i int) ProducePartition {
	p := &q.partitions[i]
	if p.size < 0 {
		return ProducePartition{Index: p.index}
	}
	end := p.at + uint32(p.size)
	return ProducePartition{Index: p.index, Records: q.body[p.at:end:end]}
}

// Decode reads a request body of a version that Serves reports as served. It walks the body once to check and to
// count, and only then allocates. Error: ErrMalformed, after which q must not be used.
func (q *ProduceRequest) Decode(version int16, body []byte) error {
	q.Version, q.body = version, body
	topics, partitions, ok := q.walk(false)
	if !ok {
		q.topics, q.partitions = q.topics[:0], q.partitions[:0]
		return ErrMalformed
	}
	q.topics, q.partitions = resize(q.topics, topics), resize(q.partitions, partitions)
	q.walk(true)
	return nil
}

// walk reads the body. With store it fills q's arrays, which have room for what a walk without store has counted.
func (q *ProduceRequest) walk(store bool) (topics, partitions int, ok bool) {
	flexible, byID := q.Version >= 9, q.Version >= firstIDVersion
	minTopic, minPartition := 6, 8 // bytes
	if flexible {
		minTopic, minPartition = 3, 6
	}
	r := NewReader(q.body)
	q.TransactionalID, q.Transactional = r.NullableString(flexible)
	q.Acks = r.Int16()
	q.TimeoutMs = r.Int32()
	nt := r.FullArray(flexible, minTopic)
	for ; topics < nt && !r.bad; topics++ {
		if store {
			q.topics[topics] = topicRef{at: uint32(r.pos), first: uint32(partitions)}
		}
		skipTopicName(&r, byID, flexible)
		np := r.FullArray(flexible, minPartition)
		for end := partitions + max(np, 0); partitions < end && !r.bad; partitions++ {
			index := r.Int32()
			size := r.length(flexible)
			at := r.pos
			if size > 0 {
				r.Span(size)
			}
			if flexible {
				r.SkipTags()
			}
			if store {
				q.partitions[partitions] = producePartitionRef{index: index, at: uint32(at), size: int32(size)}
			}
		}
		if flexible {
			r.SkipTags()
		}
	}
	if flexible {
		r.SkipTags()
	}
	return topics, partitions, !r.bad
}
