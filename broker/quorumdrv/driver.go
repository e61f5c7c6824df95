package quorumdrv

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/broker/clock"
	"highwater.dev/broker/commitlog"
	"highwater.dev/broker/config"
	"highwater.dev/broker/controller"
	"highwater.dev/broker/metadata"
	"highwater.dev/broker/model"
	"highwater.dev/broker/vfs"
)

// ErrClosed answers what was submitted to a driver that is closed.
var ErrClosed = errors.New("quorumdrv: driver is closed")

// Options say what a driver drives. All but Components and Logger are needed.
type Options struct {
	FS  vfs.FS
	Dir string // the log dir that holds __cluster_metadata-0 (metadata.log.dir)
	// Config has the segment and index sizes of the metadata log.
	Config *config.Server
	// Machine makes a controller that has replayed nothing: at Open, and again after an append failed.
	Machine func() *controller.Machine
	// Broker is this broker's registration, written at Open. A fresh Incarnation says that this is another run.
	Broker     metadata.BrokerRecord
	Components commitlog.Components
	Clock      clock.Clock
	Logger     *slog.Logger // may be nil
}

// Driver owns the metadata log, the controller and the committed image. Its methods are safe for concurrent
// use except where they say otherwise.
type Driver struct {
	o      Options
	logger *slog.Logger
	log    *commitlog.Partition
	writer writer

	// machine is nil after a failure, until it is loaded again. Only Open and Turn touch it.
	machine *controller.Machine
	taken   []event // reused by Turn

	committed struct {
		sync.RWMutex
		image *metadata.Image
		epoch model.LeaderEpoch
	}
	subscribers []func(model.Offset, []metadata.Record)

	queue struct {
		sync.Mutex
		events []event
		closed bool
	}
	wake    chan struct{} // holds one token when there is something to do
	stopped chan struct{} // closed when the goroutine has ended; nil without Start
}

// event is one proposal or one request.
type event struct {
	records []metadata.Record
	done    func(model.Offset, error)

	req   kmsg.Request
	reply func(kmsg.Response, error)
	resp  kmsg.Response

	last model.Offset // of the event's last record, or of the log when it has none
	err  error
}

// Open reads the metadata log, raises the leader epoch, registers the broker, and returns when that is durable.
// Nothing runs until Start; a simulator calls Turn instead of Start.
func Open(o Options) (*Driver, error) {
	d := &Driver{o: o, logger: o.Logger, wake: make(chan struct{}, 1)}
	if d.logger == nil {
		d.logger = slog.New(slog.DiscardHandler)
	}
	d.committed.image = metadata.NewImage()
	var err error
	if d.log, err = openLog(&d.o, d.logger); err != nil {
		return nil, fmt.Errorf("quorumdrv: open metadata log: %w", err)
	}
	if err := d.start(); err != nil {
		return nil, errors.Join(err, d.log.Close())
	}
	return d, nil
}

func (d *Driver) start() error {
	if err := d.load(); err != nil {
		return err
	}
	var failed error
	d.Propose([]metadata.Record{d.o.Broker}, func(_ model.Offset, err error) { failed = err })
	d.Turn()
	if failed != nil {
		return fmt.Errorf("quorumdrv: register broker %d: %w", d.o.Broker.Node, failed)
	}
	return nil
}

// Start runs the goroutine that feeds Turn. Call it once.
func (d *Driver) Start() {
	d.stopped = make(chan struct{})
	go d.run()
}

func (d *Driver) run() {
	defer close(d.stopped)
	for range d.wake {
		for d.Turn() {
		}
		if d.isClosed() {
			return
		}
	}
}

func (d *Driver) isClosed() bool {
	d.queue.Lock()
	defer d.queue.Unlock()
	return d.queue.closed
}

// Propose writes records, all or none, to the metadata log. done is called once, on the driver's goroutine:
// with the offset of the last record when they are durable, replayed and published, or with an error. It must
// not block.
func (d *Driver) Propose(records []metadata.Record, done func(model.Offset, error)) {
	d.enqueue(event{records: records, done: done})
}

// Submit hands a request to the controller. reply is called once, on the driver's goroutine, when everything that the
// answer rests on is committed and published, so it may not block either. With an error the response is nil;
// a *kerr.Error inside is what the client gets: NOT_CONTROLLER or KAFKA_STORAGE_ERROR, which clients
// retry, UNSUPPORTED_VERSION for a request that is not the controller's; ErrClosed has none.
func (d *Driver) Submit(req kmsg.Request, reply func(kmsg.Response, error)) {
	d.enqueue(event{req: req, reply: reply})
}

// AllocateProducerIDs gets a block of producer ids for this broker: first to first+count-1. done is as Submit's.
func (d *Driver) AllocateProducerIDs(done func(first model.ProducerID, count int, err error)) {
	req := kmsg.NewPtrAllocateProducerIDsRequest()
	req.BrokerID = int32(d.o.Broker.Node)
	d.View(func(im *metadata.Image) { req.BrokerEpoch = im.Broker(d.o.Broker.Node).Epoch })
	d.Submit(req, func(r kmsg.Response, err error) {
		if err != nil {
			done(model.NoProducerID, 0, err)
			return
		}
		resp := r.(*kmsg.AllocateProducerIDsResponse)
		done(model.ProducerID(resp.ProducerIDStart), int(resp.ProducerIDLen), kerr.ErrorForCode(resp.ErrorCode))
	})
}

func (d *Driver) enqueue(e event) {
	d.queue.Lock()
	closed := d.queue.closed
	if !closed {
		d.queue.events = append(d.queue.events, e)
	}
	d.queue.Unlock()
	if closed {
		e.err = ErrClosed
		e.answer()
		return
	}
	d.signal()
}

func (d *Driver) signal() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// View calls f with the committed image, which does not change meanwhile. f must be quick, keep nothing of the image,
// and not call View.
func (d *Driver) View(f func(*metadata.Image)) {
	d.committed.RLock()
	defer d.committed.RUnlock()
	f(d.committed.image)
}

// Subscribe has f called with each turn's committed records, in order, on the driver's goroutine: after they were
// replayed into the committed image, and before the callbacks of those who proposed them. offset is the last
// record's. f may call View. Subscribe before Start.
func (d *Driver) Subscribe(f func(offset model.Offset, records []metadata.Record)) {
	d.subscribers = append(d.subscribers, f)
}

// Leader is the active controller and its epoch, the term.
func (d *Driver) Leader() (model.NodeID, model.LeaderEpoch) {
	d.committed.RLock()
	defer d.committed.RUnlock()
	return d.o.Broker.Node, d.committed.epoch
}

// Log is the metadata log, for DescribeLogDirs and tools. It is read only for others.
func (d *Driver) Log() *commitlog.Partition { return d.log }

// Close answers what is queued, stops the goroutine and closes the log. What comes later gets ErrClosed.
func (d *Driver) Close() error {
	d.queue.Lock()
	was := d.queue.closed
	d.queue.closed = true
	d.queue.Unlock()
	if was {
		return nil
	}
	d.signal()
	if d.stopped != nil {
		<-d.stopped
	}
	for d.Turn() {
	}
	return d.log.Close()
}
