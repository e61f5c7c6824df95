package replmgr

import (
	"errors"
	"log/slog"

	"github.com/twmb/franz-go/pkg/kerr"

	"highwater.dev/broker/clock"
	"highwater.dev/broker/config"
	"highwater.dev/broker/logmgr"
	"highwater.dev/broker/metadata"
	"highwater.dev/broker/metrics"
	"highwater.dev/broker/model"
)

// Options of a Manager. NodeID, Logs and Config are needed.
type Options struct {
	NodeID  model.NodeID
	Logs    *logmgr.Manager
	Config  *config.Server
	Clock   clock.Clock
	Logger  *slog.Logger      // may be nil
	Metrics *metrics.Registry // may be nil
}

// Manager knows the partitions that this broker holds. Its look-ups are safe for concurrent use and take no lock.
type Manager struct {
	o      Options
	logger *slog.Logger

	names  *table[string, *topic]
	ids    *table[model.TopicID, *topic]
	loaded bool
}

// topic holds a topic's partitions that are here. It is never changed, only replaced.
type topic struct {
	name       string
	id         model.TopicID
	partitions []*Partition // by number; nil: not here
}

// New makes a Manager without partitions.
func New(o Options) *Manager {
	m := &Manager{o: o, logger: o.Logger, names: newTable[string, *topic](), ids: newTable[model.TopicID, *topic]()}
	if m.logger == nil {
		m.logger = slog.New(slog.DiscardHandler)
	}
	o.Logs.SetHighWatermarks(func(tp model.TopicPartition) (model.Offset, bool) {
		p, err := m.Partition(tp.Topic, tp.Partition)
		if err != nil {
			return 0, false
		}
		return p.HighWatermark(), true
	})
	return m
}

// Partition finds a partition by its topic's name. UNKNOWN_TOPIC_OR_PARTITION when it is not here. It allocates nothing.
func (m *Manager) Partition(name string, index int32) (*Partition, error) {
	t, ok := m.names.get(name)
	if !ok {
		return nil, kerr.UnknownTopicOrPartition
	}
	return t.partition(index)
}

// PartitionByID finds a partition by its topic's id. UNKNOWN_TOPIC_ID when no such topic is here,
// UNKNOWN_TOPIC_OR_PARTITION when the topic has no such partition here. It allocates nothing.
func (m *Manager) PartitionByID(id model.TopicID, index int32) (*Partition, error) {
	t, ok := m.ids.get(id)
	if !ok {
		return nil, kerr.UnknownTopicID
	}
	return t.partition(index)
}

func (t *topic) partition(index int32) (*Partition, error) {
	if index < 0 || int(index) >= len(t.partitions) || t.partitions[index] == nil {
		return nil, kerr.UnknownTopicOrPartition
	}
	return t.partitions[index], nil
}

// Each calls f with every partition that is here, in no order that means anything.
func (m *Manager) Each(f func(*Partition)) {
	m.names.each(func(_ string, t *topic) {
		for _, p := range t.partitions {
			if p != nil {
				f(p)
			}
		}
	})
}

// Apply brings the partitions in line with the image. records are those replayed since the last Apply; the first call,
// whatever its records, loads all partitions from disk. Calls come one at a time. A partition whose disk refuses
// does not stop the others: it answers KAFKA_STORAGE_ERROR, and the error, which joins all of them, says why.
func (m *Manager) Apply(image *metadata.Image, records []metadata.Record) error {
	if !m.loaded {
		if err := m.load(image); err != nil {
			return err
		}
		m.loaded = true
		return nil
	}
	var c changes
	for _, r := range records {
		c.add(image, r)
	}
	var errs []error
	for _, id := range c.removed {
		errs = append(errs, m.removeTopic(id))
	}
	if c.all {
		for _, t := range image.Topics() {
			errs = append(errs, m.applyTopic(image, t))
		}
		return errors.Join(errs...)
	}
	for _, id := range c.changed {
		if t := image.TopicByID(id); t != nil {
			errs = append(errs, m.applyTopic(image, t))
		}
	}
	return errors.Join(errs...)
}

// changes are the topics that records touch, in the order of the records.
type changes struct {
	removed, changed []model.TopicID
	seen             map[model.TopicID]bool
	all              bool // every topic may be touched
}

func (c *changes) add(image *metadata.Image, r metadata.Record) {
	switch r := r.(type) {
	case metadata.RemoveTopicRecord:
		c.removed = append(c.removed, r.ID)
	case metadata.TopicRecord:
		c.touch(r.ID)
	case metadata.PartitionRecord:
		c.touch(r.TopicID)
	case metadata.PartitionChangeRecord:
		c.touch(r.TopicID)
	case metadata.ConfigRecord:
		t := image.Topic(r.Name)
		switch {
		case r.Resource == metadata.BrokerResource:
			c.all = true
		case t != nil:
			c.touch(t.ID)
		}
	case metadata.BrokerRecord:
		c.all = true
	}
}

func (c *changes) touch(id model.TopicID) {
	if c.seen == nil {
		c.seen = map[model.TopicID]bool{}
	}
	if !c.seen[id] {
		c.seen[id] = true
		c.changed = append(c.changed, id)
	}
}

func (m *Manager) load(image *metadata.Image) error {
	err := m.o.Logs.Load(func(tp model.TopicPartition) (logmgr.Topic, bool) {
		t := image.Topic(tp.Topic)
		if t == nil || int(tp.Partition) >= len(t.Partitions) || !m.holds(&t.Partitions[tp.Partition]) {
			return logmgr.Topic{}, false
		}
		return logmgr.Topic{ID: t.ID, Config: m.config(image, t.Name)}, true
	})
	if err != nil {
		return err
	}
	missing := m.missing(image)
	if err := m.o.Logs.FormatNew(missing); err != nil {
		return err
	}
	if len(missing) > 0 {
		m.logger.Warn("partitions are in no log dir: they begin anew, empty", "count", len(missing), "first", missing[0])
	}
	for _, t := range image.Topics() {
		// What is wrong with one partition is logged, and answered to those who want it.
		_ = m.applyTopic(image, t)
	}
	return nil
}

// missing are the partitions that this broker holds a replica of and has no log of.
func (m *Manager) missing(image *metadata.Image) (missing []model.TopicPartition) {
	for _, t := range image.Topics() {
		for i := range t.Partitions {
			tp := model.TopicPartition{Topic: t.Name, Partition: int32(i)}
			if m.holds(&t.Partitions[i]) && m.o.Logs.DirOf(tp) == nil {
				missing = append(missing, tp)
			}
		}
	}
	return missing
}

func (m *Manager) holds(p *metadata.Partition) bool {
	for _, r := range p.Replicas {
		if r == m.o.NodeID {
			return true
		}
	}
	return false
}

// config is a topic's effective configuration. The controller has checked each override; where they do not fit together all the
// same (brokers' dynamic configs with a topic's own, or written by another version), what is understood holds: a topic that
// lost its retention.ms would lose records.
func (m *Manager) config(image *metadata.Image, name string) config.Topic {
	t, err := m.o.Config.Topic(image.TopicOverrides(name, m.o.NodeID))
	if err != nil {
		m.logger.Error("topic's configs do not fit together: those that are understood hold", "topic", name, "error", err)
	}
	return t
}

// applyTopic makes a topic's partitions here what the image says.
func (m *Manager) applyTopic(image *metadata.Image, t *metadata.Topic) error {
	cfg := m.config(image, t.Name)
	old, _ := m.ids.get(t.ID)
	m.createLogs(t, cfg)
	next := &topic{name: t.Name, id: t.ID, partitions: make([]*Partition, len(t.Partitions))}
	var errs []error
	for i := range t.Partitions {
		part := &t.Partitions[i]
		if !m.holds(part) {
			continue
		}
		var p *Partition
		if old != nil && i < len(old.partitions) {
			p = old.partitions[i]
		}
		if p == nil {
			p = &Partition{m: m, topic: t.Name, id: t.ID, index: int32(i)}
		}
		errs = append(errs, m.applyPartition(p, part, cfg))
		next.partitions[i] = p
	}
	m.ids.set(t.ID, next)
	m.names.set(t.Name, next)
	return errors.Join(errs...)
}

// createLogs makes the logs of a topic that are not on disk yet, all at once: one at a time would wait for the disk
// each time. What fails is tried again, and reported, by applyPartition.
func (m *Manager) createLogs(t *metadata.Topic, cfg config.Topic) {
	var missing []model.TopicPartition
	for i := range t.Partitions {
		tp := model.TopicPartition{Topic: t.Name, Partition: int32(i)}
		if m.holds(&t.Partitions[i]) && m.o.Logs.Get(tp) == nil {
			missing = append(missing, tp)
		}
	}
	if len(missing) > 1 {
		_ = m.o.Logs.CreateAll(logmgr.Topic{ID: t.ID, Config: cfg}, missing)
	}
}

func (m *Manager) applyPartition(p *Partition, part *metadata.Partition, cfg config.Topic) error {
	tp := model.TopicPartition{Topic: p.topic, Partition: p.index}
	log := m.o.Logs.Get(tp)
	if log == nil {
		var err error
		if log, err = m.o.Logs.Create(tp, logmgr.Topic{ID: p.id, Config: cfg}); err != nil {
			m.logger.Error("partition is offline", "partition", tp.String(), "error", err)
			p.replace(&state{err: err, epoch: part.LeaderEpoch})
			return err
		}
	} else if log.Config() != cfg {
		log.Reconfigure(cfg)
	}
	p.replace(newState(log, m.o.Logs.DirOf(tp), part, m.o.NodeID))
	return nil
}

// removeTopic takes a deleted topic away: nobody finds it from now on, and who holds or awaits one of its partitions
// is told.
func (m *Manager) removeTopic(id model.TopicID) error {
	t, ok := m.ids.get(id)
	if !ok {
		return nil
	}
	m.ids.remove(id)
	if now, ok := m.names.get(t.name); ok && now == t {
		m.names.remove(t.name)
	}
	var gone []model.TopicPartition
	for _, p := range t.partitions {
		if p != nil {
			p.replace(&state{err: kerr.UnknownTopicOrPartition, epoch: p.LeaderEpoch()})
			gone = append(gone, model.TopicPartition{Topic: p.topic, Partition: p.index})
		}
	}
	err := m.o.Logs.DeleteAll(gone)
	if err != nil {
		m.logger.Error("deleted partition's folder stays until the next start", "topic", t.name, "error", err)
	}
	return err
}
