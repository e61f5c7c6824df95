package quorumdrv

import (
	"errors"
	"log/slog"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/broker/clock"
	"highwater.dev/broker/commitlog"
	"highwater.dev/broker/controller"
	"highwater.dev/broker/metadata"
	"highwater.dev/broker/model"
	"highwater.dev/broker/vfs"
)

// ErrClosed answers what was submitted to a driver that is closed.
var ErrClosed = errors.New("quorumdrv: driver is closed")

// Options say what a driver drives. FS, Dir, Clock and Machine are needed.
type Options struct {
	FS  vfs.FS
	Dir string // the log dir that holds __cluster_metadata-0 (metadata.log.dir)
	// Machine makes the controller with an empty image: at Open, and again after an append failed.
	Machine func() *controller.Machine
	// Broker is this broker's registration, written at Open; a fresh Incarnation makes it a new run.
	Broker     metadata.BrokerRecord
	Components commitlog.Components
	Clock      clock.Clock
	Logger     *slog.Logger // may be nil
}

// Driver owns the metadata log, the controller and the committed image.
type Driver struct {
	o   Options
	log *commitlog.Partition

	image   sync.RWMutex // guards committed
	commits *metadata.Image
}

// Open reads the metadata log, raises the leader epoch, registers the broker and returns when that is durable.
// Nothing runs until Start; a simulator calls Turn instead of Start.
func Open(o Options) (*Driver, error) { return &Driver{o: o}, nil }

// Start runs the goroutine that feeds Turn.
func (d *Driver) Start() {}

// Turn works off everything queued so far with at most one fsync, and reports whether there was any. Only one
// goroutine calls it.
func (d *Driver) Turn() bool { return false }

// Propose writes records, all or none, to the metadata log. done is called once, on the driver's goroutine:
// with the offset of the last record when they are durable, replayed and published, or with an error.
// done must not block and must not call View with a function that waits for the driver.
func (d *Driver) Propose(records []metadata.Record, done func(model.Offset, error)) {}

// Submit hands a request to the controller. reply is called once, on the driver's goroutine, when everything
// that the answer rests on is committed and published; on error (a *kerr.Error inside: NOT_CONTROLLER,
// KAFKA_STORAGE_ERROR; or ErrClosed) the response is nil.
func (d *Driver) Submit(req kmsg.Request, reply func(kmsg.Response, error)) {}

// View calls f with the committed image, which does not change meanwhile. f must be quick, must keep nothing of the
// image, and must not call View again.
func (d *Driver) View(f func(*metadata.Image)) {}

// Subscribe calls f with each committed turn's records, in order, on the driver's goroutine, after they were
// replayed into the image and before their callbacks run: offset is the last record's. Subscribe before Start.
func (d *Driver) Subscribe(f func(offset model.Offset, records []metadata.Record)) {}

// Leader is the active controller and its epoch.
func (d *Driver) Leader() (model.NodeID, model.LeaderEpoch) { return d.o.Broker.Node, 0 }

// Log is the metadata log, for DescribeLogDirs and tools.
func (d *Driver) Log() *commitlog.Partition { return d.log }

// Close stops the goroutine, answers what is queued with ErrClosed and closes the log.
func (d *Driver) Close() error { return nil }
