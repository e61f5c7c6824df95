package quorumdrv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"path"
	"time"

	"highwater.dev/broker/commitlog"
	"highwater.dev/broker/config"
	"highwater.dev/broker/metadata"
	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
)

// topicName is the metadata log's name, as in Kafka; its only partition is 0.
const topicName = "__cluster_metadata"

// openLog opens the metadata log. It is always opened as after a crash: all of it is read at each start anyway, and
// so every batch of it is checked.
func openLog(o *Options, logger *slog.Logger) (*commitlog.Partition, error) {
	tp := model.TopicPartition{Topic: topicName}
	log, err := commitlog.Open(o.FS, path.Join(o.Dir, tp.String()), tp, commitlog.Options{
		Topic: logConfig(o.Config), Components: o.Components, Clock: o.Clock, Logger: logger,
		ProducerIDExpirationMs: math.MaxInt64,
	})
	if err != nil {
		return nil, err
	}
	// The folder may be new: its name must be durable before anything in it is promised.
	if err := o.FS.SyncDir(o.Dir); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	return log, nil
}

// logConfig is the server's file sizes and nothing else of its defaults: the metadata log is kept for ever.
func logConfig(server *config.Server) config.Topic {
	t := server.TopicDefaults
	t.CleanupDelete, t.CleanupCompact = false, false
	t.RetentionMs, t.RetentionBytes = -1, -1
	t.MaxMessageBytes = math.MaxInt32
	t.TimestampType = config.CreateTime
	t.TimestampBeforeMaxMs, t.TimestampAfterMaxMs = math.MaxInt64, math.MaxInt64
	t.FlushMessages, t.FlushMs = math.MaxInt64, math.MaxInt64
	t.CompressionType = "producer"
	return t
}

// writer turns records into batches. Its memory is reused.
type writer struct {
	epoch model.LeaderEpoch
	build record.Builder
	key   []byte
	value []byte
	batch []byte
}

// append writes one proposal. After an error some of it may be in the log.
func (w *writer) append(log *commitlog.Partition, now time.Time, records []metadata.Record) error {
	for i, r := range records {
		w.key = w.key[:0]
		if following := len(records) - 1 - i; following > 0 {
			w.key = binary.AppendUvarint(w.key, uint64(following))
		}
		var key []byte
		if len(w.key) > 0 {
			key = w.key
		}
		w.value = metadata.AppendRecord(w.value[:0], r)
		w.build.Reset()
		w.build.Add(model.TimestampMs(now.UnixMilli()), key, w.value)
		w.batch = w.build.AppendTo(w.batch[:0])
		if _, err := log.AppendAsLeader(w.batch, w.epoch); err != nil {
			return err
		}
	}
	return nil
}

// load makes a controller out of the log, and publishes what the committed image lacks of it: everything at Open,
// and after a failure the proposals that are complete in the log although their proposers were told of an error.
func (d *Driver) load() error {
	machine := d.o.Machine()
	d.committed.RLock()
	published := d.committed.image.NextOffset()
	d.committed.RUnlock()
	var fresh turn
	apply := func(first model.Offset, records []metadata.Record) error {
		for i, r := range records {
			offset := first + model.Offset(i)
			if err := machine.Replay(offset, r); err != nil {
				return err
			}
			if offset < published {
				continue
			}
			if len(fresh.records) == 0 {
				fresh.first = offset
			}
			fresh.records = append(fresh.records, r)
		}
		return nil
	}
	complete, err := readProposals(d.log, apply)
	if err != nil {
		return fmt.Errorf("quorumdrv: read metadata log in %s: %w", d.o.Dir, err)
	}
	if complete < d.log.EndOffset() {
		d.logger.Warn("metadata log ends in a proposal that was not finished: cutting it off",
			"from", complete, "logEnd", d.log.EndOffset())
		if err := d.log.Truncate(complete); err != nil {
			return fmt.Errorf("quorumdrv: cut metadata log at %d: %w", complete, err)
		}
	}
	if err := d.log.FlushTo(d.log.EndOffset()); err != nil {
		return fmt.Errorf("quorumdrv: flush metadata log: %w", err)
	}
	if len(fresh.records) > 0 {
		d.publish(fresh.first, fresh.records)
	}
	d.writer.epoch = d.log.LatestEpoch() + 1
	d.log.AssignEpoch(d.writer.epoch)
	d.committed.Lock()
	d.committed.epoch = d.writer.epoch
	d.committed.Unlock()
	d.machine = machine
	return nil
}

// readBytes is how much of the log is in memory at a time; a larger batch is read alone.
const readBytes = 1 << 20

// readProposals calls apply with each complete proposal, and returns the offset after the last one.
func readProposals(log *commitlog.Partition, apply func(model.Offset, []metadata.Record) error) (model.Offset, error) {
	from, end := log.StartOffset(), log.EndOffset()
	p := proposals{apply: apply, complete: from}
	var buf []byte
	for from < end {
		region, err := log.Read(from, end, readBytes)
		if err != nil {
			return 0, err
		}
		if int64(cap(buf)) < region.Len {
			buf = make([]byte, region.Len)
		}
		buf = buf[:region.Len]
		_, err = region.File.ReadAt(buf, region.Pos)
		region.Release()
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		next, err := p.read(buf, from)
		if err != nil {
			return 0, err
		}
		if next <= from {
			return 0, fmt.Errorf("no whole batch at offset %d", from)
		}
		from = next
	}
	return p.complete, nil
}

// proposals puts the records of the log together to proposals.
type proposals struct {
	apply    func(model.Offset, []metadata.Record) error
	complete model.Offset // offset after the last complete proposal

	first   model.Offset // of open
	open    []metadata.Record
	missing uint64 // records that open still lacks
	it      record.Iterator
}

// read takes the whole batches in b that end above from, and returns the offset after the last.
func (p *proposals) read(b []byte, from model.Offset) (model.Offset, error) {
	for len(b) > 0 {
		var h record.Header
		err := record.ReadHeader(b, &h)
		if errors.Is(err, record.ErrShort) || err == nil && h.Size() > len(b) {
			return from, nil
		}
		if err != nil {
			return from, err
		}
		if h.NextOffset() > from {
			if err := p.batch(record.Batch(b[:h.Size()])); err != nil {
				return from, fmt.Errorf("batch at offset %d: %w", h.BaseOffset, err)
			}
			from = h.NextOffset()
		}
		b = b[h.Size():]
	}
	return from, nil
}

func (p *proposals) batch(b record.Batch) error {
	if err := p.it.Reset(b); err != nil {
		return err
	}
	defer p.it.Close()
	for p.it.Next() {
		following := uint64(0)
		if key := p.it.Record.Key; key != nil {
			v, n := binary.Uvarint(key)
			if n != len(key) {
				return fmt.Errorf("key %x is not a count of records", key)
			}
			following = v
		}
		r, err := metadata.ParseRecord(p.it.Record.Value)
		if err != nil {
			return err
		}
		if err := p.record(p.it.Offset(), r, following); err != nil {
			return err
		}
	}
	return p.it.Err()
}

func (p *proposals) record(offset model.Offset, r metadata.Record, following uint64) error {
	// One that does not go on with the open proposal ends it, unfinished: its proposer lost its leadership.
	if len(p.open) > 0 && (following != p.missing-1 || offset != p.first+model.Offset(len(p.open))) {
		p.open = p.open[:0]
	}
	if len(p.open) == 0 {
		p.first = offset
	}
	p.open, p.missing = append(p.open, r), following
	if following > 0 {
		return nil
	}
	err := p.apply(p.first, p.open)
	p.open, p.complete = p.open[:0], offset+1
	return err
}
