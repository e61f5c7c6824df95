package broker

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"sync"

	"highwater.dev/broker/api"
	"highwater.dev/broker/clock"
	"highwater.dev/broker/commitlog"
	"highwater.dev/broker/config"
	"highwater.dev/broker/controller"
	"highwater.dev/broker/logmgr"
	"highwater.dev/broker/metadata"
	"highwater.dev/broker/metrics"
	"highwater.dev/broker/model"
	"highwater.dev/broker/network"
	"highwater.dev/broker/observe"
	"highwater.dev/broker/quorumdrv"
	"highwater.dev/broker/replmgr"
	"highwater.dev/broker/vfs"
	"highwater.dev/broker/wire"
)

// Config says what a broker is. Server comes from config.LoadServer; the rest may be zero.
type Config struct {
	Server config.Server
	FS     vfs.FS       // nil: the operating system's files
	Clock  clock.Clock  // nil: the real one
	Logger *slog.Logger // nil: slog.Default()
	// Seed makes ids and placement repeatable. A node that starts again needs another seed: its incarnation comes from it. 0: the
	// operating system's randomness.
	Seed uint64
}

// Broker is one node. Its methods are safe for concurrent use.
type Broker struct {
	config  Config
	metrics *metrics.Registry
	logs    *logmgr.Manager
	quorum  *quorumdrv.Driver
	parts   *replmgr.Manager
	net     *network.Server
	admin   *observe.Server // nil: highwater.admin.listener is empty

	failure chan error // the first error of a goroutine that should run until Close
	running sync.WaitGroup
	start   sync.Mutex // guards ending, and running against a Close before Serve
	ending  bool
	once    sync.Once
	closed  chan struct{}
	closing error
}

// handler is the API, known only after network has bound its listeners.
type handler struct{ wire.Handler }

// Open starts a broker up to where its listeners are bound and its partitions are open; no client is answered before Serve. When
// it fails, everything that was started is closed again. The log dirs are formatted when they are new.
// Errors: vfs.ErrLocked (another process has a log dir), a log dir of another node or cluster, an address in use,
// damaged metadata, a configuration for several nodes; each says which.
func Open(c Config, components Components) (*Broker, error) {
	c = c.withDefaults()
	b := &Broker{config: c, metrics: &metrics.Registry{}, failure: make(chan error, 2), closed: make(chan struct{})}
	if err := b.open(components); err != nil {
		return nil, errors.Join(err, b.stop())
	}
	return b, nil
}

func (c Config) withDefaults() Config {
	if c.FS == nil {
		c.FS = vfs.OS()
	}
	if c.Clock == nil {
		c.Clock = clock.Real()
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Seed == 0 {
		var seed [8]byte
		_, _ = crand.Read(seed[:]) // never fails: documented so since Go 1.24
		c.Seed = binary.LittleEndian.Uint64(seed[:])
	}
	return c
}

// open goes up the layers. What it has started is in b when it fails.
func (b *Broker) open(components Components) (err error) {
	c := &b.config
	if err := alone(&c.Server); err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	late := &handler{}
	if err = b.listen(late, components); err != nil { // first: it leaves nothing behind when it fails, and log dirs are formatted
		return err
	}
	parts := commitlog.Components{OpenLog: components.OpenLog, OpenEpochs: components.OpenEpochs, NewTable: components.NewTable}
	b.logs, err = logmgr.Open(logmgr.Options{FS: c.FS, Config: &c.Server, Components: parts, Seed: c.Seed,
		Clock: c.Clock, Logger: c.Logger})
	if err != nil {
		return fmt.Errorf("broker: log dirs: %w", err)
	}
	registration, err := b.registration(rand.New(rand.NewPCG(c.Seed, 1)))
	if err != nil {
		return fmt.Errorf("broker: advertised.listeners: %w", err)
	}
	if err = b.openQuorum(parts, registration); err != nil {
		return fmt.Errorf("broker: metadata: %w", err)
	}
	if err = b.openPartitions(); err != nil {
		return fmt.Errorf("broker: partitions: %w", err)
	}
	late.Handler = api.New(api.Deps{Config: &c.Server, ClusterID: b.logs.ClusterID(), Replicas: b.parts, Quorum: b.quorum,
		Logs: b.logs, Clock: c.Clock, Logger: c.Logger, Metrics: b.metrics, Rand: rand.New(rand.NewPCG(c.Seed, 2))})
	return b.openAdmin()
}

// alone refuses what a node of a larger cluster is configured with. Started all the same, each would be a cluster of its own,
// and clients would find other records at each.
func alone(s *config.Server) error {
	const only = "Highwater runs as one node so far"
	for _, v := range s.QuorumVoters {
		if v.NodeID != s.NodeID {
			return fmt.Errorf("controller.quorum.voters names node %d, and this is node %d: %s; leave the key out", v.NodeID, s.NodeID, only)
		}
	}
	if len(s.QuorumBootstrap) > 1 {
		return fmt.Errorf("controller.quorum.bootstrap.servers names %d controllers: %s; leave the key out", len(s.QuorumBootstrap), only)
	}
	if !s.BrokerRole || !s.ControllerRole {
		return fmt.Errorf("process.roles leaves a role to other nodes: %s; set process.roles=broker,controller", only)
	}
	return nil
}

// listen binds the listeners. Connections wait in their backlogs until Serve.
func (b *Broker) listen(h wire.Handler, components Components) error {
	c, err := network.ConfigFrom(context.Background(), &b.config.Server)
	if err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	options := network.Options{Handler: h, Logger: b.config.Logger, Metrics: b.metrics, Config: c}
	if components.NewTransfer != nil {
		options.Transfer = components.NewTransfer()
	}
	if components.NewDispatcher != nil {
		options.Dispatcher = components.NewDispatcher()
	}
	server := network.New(options)
	if err := server.Listen(); err != nil {
		return fmt.Errorf("broker: listeners: %w", err)
	}
	b.net = server
	return nil
}

func (b *Broker) openQuorum(parts commitlog.Components, registration metadata.BrokerRecord) (err error) {
	c := &b.config
	if err := b.logs.RequireMetadata(); err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(c.Seed, 3))
	b.quorum, err = quorumdrv.Open(quorumdrv.Options{FS: c.FS, Dir: b.logs.MetadataDir(), Config: &c.Server, Components: parts, Clock: c.Clock, Logger: c.Logger,
		Machine: func() *controller.Machine { return controller.New(controller.Options{Config: &c.Server, Rand: random}) },
		Broker:  registration})
	return err
}

// registration is what other brokers and clients learn about this one.
func (b *Broker) registration(random *rand.Rand) (metadata.BrokerRecord, error) {
	s := &b.config.Server
	r := metadata.BrokerRecord{Node: model.NodeID(s.NodeID)}
	binary.LittleEndian.PutUint64(r.Incarnation[:], random.Uint64())
	binary.LittleEndian.PutUint64(r.Incarnation[8:], random.Uint64())
	if s.Rack != "" {
		r.Rack = &s.Rack
	}
	for _, l := range s.Listeners {
		host, port := l.AdvertisedHost, l.AdvertisedPort
		if host == "" { // a listener on all interfaces, as in Kafka's own example file
			var err error
			if host, err = os.Hostname(); err != nil {
				return r, err
			}
		}
		if port == 0 {
			port = b.net.Addr(l.Name).(*net.TCPAddr).Port
		}
		r.Endpoints = append(r.Endpoints, metadata.Endpoint{Listener: l.Name, Host: host, Port: uint16(port)})
	}
	return r, nil
}

func (b *Broker) openPartitions() (err error) {
	c := &b.config
	b.parts = replmgr.New(replmgr.Options{NodeID: model.NodeID(c.Server.NodeID), Logs: b.logs, Config: &c.Server,
		Clock: c.Clock, Logger: c.Logger, Metrics: b.metrics})
	b.quorum.View(func(image *metadata.Image) { err = b.parts.Apply(image, nil) })
	if err != nil {
		return err
	}
	b.quorum.Subscribe(func(_ model.Offset, records []metadata.Record) {
		b.quorum.View(func(image *metadata.Image) {
			if err := b.parts.Apply(image, records); err != nil {
				c.Logger.Error("metadata was not applied in full", "error", err)
			}
		})
	})
	b.quorum.Start()
	b.logs.Start()
	return nil
}

func (b *Broker) openAdmin() error {
	addr := b.config.Server.AdminListener
	if addr == "" {
		return nil
	}
	admin, err := observe.New(observe.Options{Addr: addr, Metrics: b.metrics, Logger: b.config.Logger, State: b.state, Healthy: b.healthy})
	if err != nil {
		return fmt.Errorf("broker: highwater.admin.listener: %w", err)
	}
	if err := admin.Listen(); err != nil {
		return fmt.Errorf("broker: highwater.admin.listener: %w; give this node another host:port, or nothing for no admin server", err)
	}
	b.admin = admin
	return nil
}

// Addr is the address that the named listener is bound to, nil for an unknown name.
func (b *Broker) Addr(listener string) net.Addr { return b.net.Addr(listener) }

// AdminAddr is the address of the admin server, nil when it is off.
func (b *Broker) AdminAddr() net.Addr {
	if b.admin == nil {
		return nil
	}
	return b.admin.Addr()
}

// ClusterID is the id of the cluster that the log dirs belong to.
func (b *Broker) ClusterID() string { return b.logs.ClusterID() }

// Serve answers clients until Close, and returns nil then. It returns earlier, with an error, when a server
// fails for good; Close is still needed.
func (b *Broker) Serve() error {
	b.start.Lock()
	if !b.ending {
		b.run(b.net.Serve)
		if b.admin != nil {
			b.run(b.admin.Serve)
		}
	}
	b.start.Unlock()
	select {
	case err := <-b.failure:
		return err
	case <-b.closed:
		return nil
	}
}

func (b *Broker) run(serve func() error) {
	b.running.Go(func() {
		if err := serve(); err != nil {
			b.failure <- err
		}
	})
}

// Close ends long polls, has requests in work answered until ctx ends, closes connections, and then flushes and closes
// everything. It returns what went wrong; data that was acknowledged is safe as docs/durability.md says in any case. A second
// call waits and returns the same.
func (b *Broker) Close(ctx context.Context) error {
	b.once.Do(func() {
		defer close(b.closed)
		b.start.Lock()
		b.ending = true
		b.start.Unlock()
		if b.admin != nil {
			b.closing = b.admin.Shutdown(ctx)
		}
		b.closing = errors.Join(b.closing, b.net.Shutdown(ctx))
		b.running.Wait()
		b.closing = errors.Join(b.closing, b.stop())
	})
	return b.closing
}

// stop goes down the layers, from wherever open came to.
func (b *Broker) stop() error {
	var errs []error
	if b.net != nil {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := b.net.Shutdown(ctx); !errors.Is(err, context.Canceled) {
			errs = append(errs, err)
		}
	}
	if b.quorum != nil {
		errs = append(errs, b.quorum.Close())
	}
	if b.logs != nil {
		errs = append(errs, b.logs.Close())
	}
	return errors.Join(errs...)
}
