package api

import (
	crand "crypto/rand"
	"encoding/binary"
	"log/slog"
	"math/rand/v2"

	"highwater.dev/broker/clock"
	"highwater.dev/broker/config"
	"highwater.dev/broker/logmgr"
	"highwater.dev/broker/metrics"
	"highwater.dev/broker/model"
	"highwater.dev/broker/quorumdrv"
	"highwater.dev/broker/replmgr"
	"highwater.dev/broker/wire"
)

// Deps is what the handlers work with. All fields are required but Rand.
type Deps struct {
	Config    *config.Server
	ClusterID string
	Replicas  *replmgr.Manager
	Quorum    *quorumdrv.Driver
	Logs      *logmgr.Manager
	Clock     clock.Clock
	Logger    *slog.Logger
	Metrics   *metrics.Registry
	// Rand gives fetch sessions their ids. nil: a source seeded by the operating system.
	Rand *rand.Rand
}

// API serves Kafka's protocol. It is safe for concurrent use.
type API struct {
	Deps
	self     model.NodeID
	table    table
	sessions *fetchSessions
	ids      producerIDs
	counters counters
}

var _ wire.Handler = (*API)(nil)

// New makes the API over what deps names.
func New(deps Deps) *API {
	if deps.Rand == nil {
		var seed [16]byte
		_, _ = crand.Read(seed[:]) // never fails: documented so since Go 1.24
		deps.Rand = rand.New(rand.NewPCG(binary.LittleEndian.Uint64(seed[:]), binary.LittleEndian.Uint64(seed[8:])))
	}
	a := &API{Deps: deps, self: model.NodeID(deps.Config.NodeID)}
	a.sessions = newFetchSessions(deps.Config.FetchSessionCacheSlots, deps.Rand)
	a.table = newTable()
	a.counters = newCounters(a)
	return a
}

// Open makes the session of a new connection.
func (a *API) Open(peer wire.Peer) wire.Session {
	return &session{api: a, peer: peer, cancelled: make(chan struct{})}
}
