package quorumdrv

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"highwater.dev/broker/metadata"
	"highwater.dev/broker/model"
)

// turn is what one Turn has appended and not yet committed.
type turn struct {
	first   model.Offset // of records
	records []metadata.Record
}

// Turn works off everything queued so far with at most one fsync, and reports whether there was any. One goroutine
// at a time calls it.
func (d *Driver) Turn() bool {
	events := d.take()
	if len(events) == 0 {
		return false
	}
	err := d.ready()
	var t turn
	for i := range events {
		if err == nil {
			err = d.handle(&events[i], &t)
		} else {
			events[i].err = err
		}
	}
	if err == nil {
		err = d.commit(&t)
	}
	if err != nil {
		d.drop(err, events)
	}
	for i := range events {
		events[i].answer()
		events[i] = event{}
	}
	return true
}

func (d *Driver) take() []event {
	d.queue.Lock()
	defer d.queue.Unlock()
	d.taken, d.queue.events = d.queue.events, d.taken[:0]
	return d.taken
}

// ready loads the controller again when it was dropped.
func (d *Driver) ready() error {
	if err := d.log.Failed(); err != nil {
		return storageError(err)
	}
	if d.machine != nil {
		return nil
	}
	if err := d.load(); err != nil {
		return fmt.Errorf("%w: %w", kerr.NotController, err)
	}
	return nil
}

// handle has the controller decide about e and appends what it decides. An error means that the controller is ahead
// of the log and must be dropped; a refusal of e alone goes into e.
func (d *Driver) handle(e *event, t *turn) error {
	records := e.records
	if e.req != nil {
		records, e.resp = d.machine.Handle(d.o.Clock.Now(), e.req)
		if e.resp == nil {
			e.err = fmt.Errorf("%w: the controller does not answer %T", kerr.UnsupportedVersion, e.req)
			return nil
		}
	}
	next := d.log.EndOffset()
	e.last = next + model.Offset(len(records)) - 1
	if len(records) == 0 {
		return nil
	}
	// Into the machine first: what it refuses must not reach the log, where every later start would find it.
	for i, r := range records {
		if err := d.machine.Replay(next+model.Offset(i), r); err != nil {
			return fmt.Errorf("%w: %w", kerr.NotController, err)
		}
	}
	if err := d.writer.append(d.log, d.o.Clock.Now(), records); err != nil {
		return storageError(err)
	}
	if len(t.records) == 0 {
		t.first = next
	}
	t.records = append(t.records, records...)
	return nil
}

// commit makes the turn's records durable and publishes them.
func (d *Driver) commit(t *turn) error {
	if len(t.records) == 0 {
		return nil
	}
	if err := d.log.FlushTo(t.first + model.Offset(len(t.records))); err != nil {
		return storageError(err)
	}
	d.publish(t.first, t.records)
	return nil
}

// publish replays durable records into the committed image and tells the subscribers.
func (d *Driver) publish(first model.Offset, records []metadata.Record) {
	d.committed.Lock()
	for i, r := range records {
		if err := d.committed.image.Replay(first+model.Offset(i), r); err != nil {
			panic(fmt.Sprintf("quorumdrv: what the controller replayed does not fit the committed image: %v", err))
		}
	}
	d.committed.Unlock()
	last := first + model.Offset(len(records)) - 1
	for _, f := range d.subscribers {
		f(last, records)
	}
}

// drop gives up the controller, which may be ahead of the log, and gives err to all that wait.
func (d *Driver) drop(err error, events []event) {
	d.logger.Error("controller dropped: its next request loads it again from the metadata log", "error", err)
	d.machine = nil
	for i := range events {
		if events[i].err == nil {
			events[i].resp, events[i].err = nil, err
		}
	}
}

func (e *event) answer() {
	switch {
	case e.reply != nil:
		e.reply(e.resp, e.err)
	case e.done != nil && e.err != nil:
		e.done(model.NoOffset, e.err)
	case e.done != nil:
		e.done(e.last, nil)
	}
}

// storageError makes sure that err says KAFKA_STORAGE_ERROR.
func storageError(err error) error {
	if errors.Is(err, kerr.KafkaStorageError) {
		return err
	}
	return fmt.Errorf("%w: %w", kerr.KafkaStorageError, err)
}
