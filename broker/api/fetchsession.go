package api

import (
	"math"
	"math/rand/v2"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"

	"highwater.dev/broker/model"
)

// Fetch sessions (KIP-227): a consumer of many partitions names them once; later fetches carry only what
// changed, and answers only the partitions with news. A session is a cache: any of them may be evicted at any time,
// and its client then starts again with a full fetch.

// Epochs of a fetch session's requests.
const (
	sessionInitialEpoch = 0  // a full fetch that asks for a new session
	sessionFinalEpoch   = -1 // a full fetch without a session, or the end of one
)

// sessionEvictionMs is how long a session must have been idle before another may take its place
// (Kafka's MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS).
const sessionEvictionMs = 120_000

// fetchKey names a partition in a session: by id from Fetch 13 on (the name is empty), by name before.
type fetchKey struct {
	id    model.TopicID
	topic string
	index int32
}

// fetchAsk is what a client wants of one partition.
type fetchAsk struct {
	fetchKey
	offset       model.Offset
	maxBytes     int32
	currentEpoch model.LeaderEpoch // the client's view of the leader epoch; NoLeaderEpoch: not fenced
	lastEpoch    model.LeaderEpoch // of the last record fetched, for divergence (KIP-595); NoLeaderEpoch: unknown
}

// fetchCached is a partition in a session: what the client wants of it and was told last.
type fetchCached struct {
	fetchAsk
	highWatermark model.Offset // NoOffset when the last answer was an error
	logStart      model.Offset
	prev, next    *fetchCached // the session's order
}

// fetchSession is a list of partitions, in the order in which they are read: those that had data move to the end,
// so that a busy partition does not starve the others.
type fetchSession struct {
	id     int32
	useIDs bool // Fetch 13 and later

	mu    sync.Mutex
	epoch int32 // of the next request
	byKey map[fetchKey]*fetchCached
	ring  fetchCached // sentinel: ring.next is the first

	lastUsedMs int64 // under the cache's mutex, like the next field
	size       int
}

// newFetchSession remembers the items of a full fetch and what it answers.
func newFetchSession(id int32, useIDs bool, items []fetchItem) *fetchSession {
	s := &fetchSession{id: id, useIDs: useIDs, epoch: 1, byKey: make(map[fetchKey]*fetchCached, len(items))}
	s.ring.prev, s.ring.next = &s.ring, &s.ring
	for i := range items {
		s.news(s.put(&items[i].fetchAsk), &items[i].answer)
	}
	return s
}

// put adds a partition or changes what is wanted of it. Called with mu held, or before the session is shared.
func (s *fetchSession) put(ask *fetchAsk) *fetchCached {
	if c, ok := s.byKey[ask.fetchKey]; ok {
		c.fetchAsk = fetchAsk{c.fetchKey, ask.offset, ask.maxBytes, ask.currentEpoch, ask.lastEpoch}
		return c
	}
	c := &fetchCached{fetchAsk: *ask, highWatermark: model.NoOffset, logStart: model.NoOffset}
	// The name lies in the frame that is reused: the session keeps a copy.
	c.topic = strings.Clone(ask.topic)
	s.byKey[c.fetchKey] = c
	s.append(c)
	return c
}

func (s *fetchSession) append(c *fetchCached) {
	c.prev, c.next = s.ring.prev, &s.ring
	c.prev.next, s.ring.prev = c, c
}

func (c *fetchCached) unlink() { c.prev.next, c.next.prev = c.next, c.prev }

func (s *fetchSession) forget(key fetchKey) {
	if c, ok := s.byKey[key]; ok {
		c.unlink()
		delete(s.byKey, key)
	}
}

// news decides whether the partition is in an incremental answer, and remembers what the client is told by it.
func (s *fetchSession) news(c *fetchCached, a *fetchAnswer) bool {
	must := false
	if a.region.Len > 0 {
		must = true
		c.unlink()
		s.append(c)
	}
	if c.highWatermark != a.highWatermark {
		must, c.highWatermark = true, a.highWatermark
	}
	if c.logStart != a.logStart {
		must, c.logStart = true, a.logStart
	}
	if a.errorCode != 0 || a.diverging {
		// Told every time while it lasts, and the end of it too.
		must, c.highWatermark = true, model.NoOffset
	}
	return must
}

func nextSessionEpoch(epoch int32) int32 {
	if epoch == math.MaxInt32 {
		return 1
	}
	return epoch + 1
}

// fetchSessions is the node's cache of sessions, at most slots of them
// (max.incremental.fetch.session.cache.slots).
type fetchSessions struct {
	slots int
	rand  *rand.Rand

	mu      sync.Mutex
	byID    map[int32]*fetchSession
	evicted int64
}

func newFetchSessions(slots int, random *rand.Rand) *fetchSessions {
	return &fetchSessions{slots: slots, rand: random, byID: make(map[int32]*fetchSession)}
}

// open makes a session over the items of a full fetch and returns its id. It returns 0 when the cache is full of sessions that are
// in use, or when there is nothing to remember: the client then goes on with full fetches.
func (f *fetchSessions) open(nowMs int64, useIDs bool, items []fetchItem) int32 {
	if len(items) == 0 || f.slots <= 0 {
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.byID) >= f.slots && !f.evict(nowMs) {
		return 0
	}
	id := int32(0)
	for id == 0 || f.byID[id] != nil {
		// Random, not counted up: after a restart a client's old id must not meet another client's new session.
		id = f.rand.Int32N(math.MaxInt32)
	}
	s := newFetchSession(id, useIDs, items)
	s.lastUsedMs, s.size = nowMs, len(s.byKey)
	f.byID[id] = s
	return id
}

// evict makes room: the longest unused session goes, if it is idle for long enough. Called with mu held.
func (f *fetchSessions) evict(nowMs int64) bool {
	var oldest *fetchSession
	for _, s := range f.byID {
		if oldest == nil || s.lastUsedMs < oldest.lastUsedMs ||
			s.lastUsedMs == oldest.lastUsedMs && (s.size < oldest.size || s.size == oldest.size && s.id < oldest.id) {
			oldest = s
		}
	}
	if oldest == nil || nowMs-oldest.lastUsedMs <= sessionEvictionMs {
		return false
	}
	delete(f.byID, oldest.id)
	f.evicted++
	return true
}

// find returns the session that an incremental fetch continues, with its mutex held and its epoch advanced.
// Errors: FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH, FETCH_SESSION_TOPIC_ID_ERROR.
func (f *fetchSessions) find(nowMs int64, id, epoch int32, useIDs bool) (*fetchSession, *kerr.Error) {
	f.mu.Lock()
	s := f.byID[id]
	if s != nil {
		s.lastUsedMs = nowMs
	}
	f.mu.Unlock()
	if s == nil {
		return nil, kerr.FetchSessionIDNotFound
	}
	s.mu.Lock()
	if s.epoch != epoch {
		s.mu.Unlock()
		return nil, kerr.InvalidFetchSessionEpoch
	}
	if s.useIDs != useIDs {
		s.mu.Unlock()
		return nil, kerr.FetchSessionTopicIDError
	}
	s.epoch = nextSessionEpoch(epoch)
	return s, nil
}

// resized tells the cache the session's number of partitions. An empty session is given up: true.
func (f *fetchSessions) resized(s *fetchSession, size int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	s.size = size
	if size > 0 {
		return false
	}
	delete(f.byID, s.id)
	return true
}

func (f *fetchSessions) remove(id int32) {
	f.mu.Lock()
	delete(f.byID, id)
	f.mu.Unlock()
}

// stats are the number of sessions, of their partitions, and of evictions so far.
func (f *fetchSessions) stats() (sessions, partitions int, evictions int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.byID {
		partitions += s.size
	}
	return len(f.byID), partitions, f.evicted
}
