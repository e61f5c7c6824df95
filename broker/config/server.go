package config

import (
	"errors"
	"fmt"
	"path"
	"sort"
	"strings"
)

// Server is a node's configuration. Make one with DefaultServer or LoadServer; it is read-only from then on
// and may be copied. Milliseconds and bytes, as the names say.
type Server struct {
	NodeID         int32  // node.id, or broker.id
	BrokerRole     bool   // process.roles has broker
	ControllerRole bool   // process.roles has controller
	Rack           string // broker.rack; empty: none

	Listeners           []Listener // for clients and brokers; those of controllers are not among them
	ControllerListeners []Listener // the ones named in controller.listener.names
	InterBrokerListener string     // the name of one of Listeners
	QuorumVoters        []Voter    // controller.quorum.voters; empty: this node alone, or found by QuorumBootstrap
	QuorumBootstrap     []string   // controller.quorum.bootstrap.servers, host:port
	AdminListener       string     // highwater.admin.listener, host:port; empty: no admin server

	SocketRequestMaxBytes        int            // socket.request.max.bytes
	SocketSendBufferBytes        int            // socket.send.buffer.bytes; -1 the system's default
	SocketReceiveBufferBytes     int            // socket.receive.buffer.bytes; -1 the system's default
	SocketListenBacklog          int            // socket.listen.backlog.size
	MaxConnections               int            // max.connections
	MaxConnectionsPerIP          int            // max.connections.per.ip
	MaxConnectionsPerIPOverrides map[string]int // max.connections.per.ip.overrides, by host
	ConnectionsMaxIdleMs         int64          // connections.max.idle.ms; negative: never

	AutoCreateTopics         bool  // auto.create.topics.enable
	DeleteTopicEnable        bool  // delete.topic.enable
	NumPartitions            int32 // num.partitions
	DefaultReplicationFactor int16 // default.replication.factor

	LogDirs                            []string // log.dirs, or log.dir
	MetadataLogDir                     string   // metadata.log.dir; empty: the first of LogDirs
	NumRecoveryThreadsPerDataDir       int      // num.recovery.threads.per.data.dir
	LogRetentionCheckIntervalMs        int64    // log.retention.check.interval.ms
	LogFlushSchedulerIntervalMs        int64    // log.flush.scheduler.interval.ms; math.MaxInt64: never
	LogFlushOffsetCheckpointIntervalMs int64    // log.flush.offset.checkpoint.interval.ms
	LogStartOffsetCheckpointIntervalMs int64    // log.flush.start.offset.checkpoint.interval.ms
	HighWatermarkCheckpointIntervalMs  int64    // replica.high.watermark.checkpoint.interval.ms
	LogInitialTaskDelayMs              int64    // log.initial.task.delay.ms

	FetchMaxBytes          int // fetch.max.bytes
	FetchSessionCacheSlots int // max.incremental.fetch.session.cache.slots

	ProducerIDExpirationMs              int64 // producer.id.expiration.ms
	ProducerIDExpirationCheckIntervalMs int64 // producer.id.expiration.check.interval.ms
	TransactionalIDExpirationMs         int64 // transactional.id.expiration.ms
	TransactionMaxTimeoutMs             int64 // transaction.max.timeout.ms

	// TopicDefaults is the configuration of a topic without overrides, as the server's log.* keys make it.
	TopicDefaults Topic

	set map[string]string // the known keys that were set, as text, for Describe
}

// Warning is something odd about a property that does not stop the start.
type Warning struct {
	Key, Origin string
	Message     string // names the key
}

// String is the line to log.
func (w Warning) String() string { return w.Origin + ": " + w.Message }

// DefaultServer is the configuration without any property set.
func DefaultServer() Server {
	s, _, err := LoadServer(&Properties{})
	if err != nil {
		panic(fmt.Sprintf("config: the defaults are invalid: %v", err))
	}
	return s
}

// LoadServer makes a Server from properties. The error joins a *Problem for each thing that is wrong, in the order
// of the file. Warnings come with it, whether or not there is an error.
func LoadServer(p *Properties) (Server, []Warning, error) {
	l := &loader{props: p, values: map[string]string{}}
	l.readAll()
	s := Server{set: l.values}
	l.node(&s)
	l.sockets(&s)
	l.logs(&s)
	l.topicDefaults(&s.TopicDefaults)
	l.listeners(&s)
	if len(l.problems) > 0 {
		return Server{}, l.warnings, l.joined()
	}
	return s, l.warnings, nil
}

// loader reads typed values out of properties and gathers what is wrong with them.
type loader struct {
	props    *Properties
	values   map[string]string // valid values of known keys that are set
	problems []*Problem
	warnings []Warning
}

// readAll validates every property by itself.
func (l *loader) readAll() {
	for _, prop := range l.props.All() {
		d, known := brokerIndex[prop.Key]
		switch {
		case known:
			if err := d.Validate(prop.Value); err != nil {
				var problem *Problem
				errors.As(err, &problem)
				problem.Origin = prop.Origin
				l.problems = append(l.problems, problem)
				continue
			}
			l.values[prop.Key] = strings.TrimSpace(prop.Value)
		case isKafkaKey(prop.Key):
			l.warn(prop, fmt.Sprintf("%s is a key of Apache Kafka's that has no effect in Highwater", prop.Key))
		default:
			l.warn(prop, unknownKey(prop.Key))
		}
	}
}

func unknownKey(key string) string {
	if d, ok := topicIndex[key]; ok && d.Synonym != "" {
		return fmt.Sprintf("%s is a topic's key and has no effect here; the server's default for it is %s", key, d.Synonym)
	}
	return fmt.Sprintf("%s is not a known key; it has no effect", key)
}

func (l *loader) warn(p Property, message string) {
	l.warnings = append(l.warnings, Warning{Key: p.Key, Origin: p.Origin, Message: message})
}

// refuse records that the value of key (set or default) is wrong.
func (l *loader) refuse(key, allowed string) {
	prop, ok := l.props.Get(key)
	if !ok {
		prop = Property{Key: key, Value: brokerIndex[key].Default, Origin: "default"}
	}
	l.problems = append(l.problems, &Problem{Key: key, Value: prop.Value, Origin: prop.Origin, Allowed: allowed})
}

// joined returns the problems as one error, in the order of the properties.
func (l *loader) joined() error {
	place := func(p *Problem) int {
		if i, ok := l.props.index[p.Key]; ok {
			return i
		}
		return len(l.props.list)
	}
	sort.SliceStable(l.problems, func(i, j int) bool { return place(l.problems[i]) < place(l.problems[j]) })
	all := make([]error, len(l.problems))
	for i, p := range l.problems {
		all[i] = p
	}
	return errors.Join(all...)
}

// text is the value of a key, or its default. It panics on a key that has no definition.
func (l *loader) text(key string) string {
	if v, ok := l.values[key]; ok {
		return v
	}
	return brokerIndex[key].Default
}

func (l *loader) isSet(key string) bool    { _, ok := l.values[key]; return ok }
func (l *loader) int(key string) int       { return int(parseInt(l.text(key))) }
func (l *loader) long(key string) int64    { return parseInt(l.text(key)) }
func (l *loader) bool(key string) bool     { return parseBool(l.text(key)) }
func (l *loader) list(key string) []string { return splitList(l.text(key)) }

// first is the number under the first of keys that is set.
func (l *loader) first(keys ...string) (key string, value int64, ok bool) {
	for _, k := range keys {
		if l.isSet(k) {
			return k, l.long(k), true
		}
	}
	return "", 0, false
}

func (l *loader) node(s *Server) {
	s.NodeID = int32(l.long("node.id"))
	if id := l.long("broker.id"); id >= 0 {
		if l.isSet("node.id") && id != int64(s.NodeID) {
			l.refuse("broker.id", "allowed is the value of node.id, or to leave it out")
		}
		s.NodeID = int32(id)
	}
	for _, role := range l.list("process.roles") {
		s.BrokerRole = s.BrokerRole || role == "broker"
		s.ControllerRole = s.ControllerRole || role == "controller"
	}
	s.Rack = l.text("broker.rack")
	s.AdminListener = l.text("highwater.admin.listener")
	s.QuorumBootstrap = l.list("controller.quorum.bootstrap.servers")
	s.QuorumVoters = parseVoters(l.text("controller.quorum.voters"))
	s.AutoCreateTopics = l.bool("auto.create.topics.enable")
	s.DeleteTopicEnable = l.bool("delete.topic.enable")
	s.NumPartitions = int32(l.long("num.partitions"))
	s.DefaultReplicationFactor = int16(l.long("default.replication.factor"))
	s.ProducerIDExpirationMs = l.long("producer.id.expiration.ms")
	s.ProducerIDExpirationCheckIntervalMs = l.long("producer.id.expiration.check.interval.ms")
	s.TransactionalIDExpirationMs = l.long("transactional.id.expiration.ms")
	s.TransactionMaxTimeoutMs = l.long("transaction.max.timeout.ms")
}

func (l *loader) sockets(s *Server) {
	s.SocketRequestMaxBytes = l.int("socket.request.max.bytes")
	s.SocketSendBufferBytes = l.int("socket.send.buffer.bytes")
	s.SocketReceiveBufferBytes = l.int("socket.receive.buffer.bytes")
	s.SocketListenBacklog = l.int("socket.listen.backlog.size")
	s.MaxConnections = l.int("max.connections")
	s.MaxConnectionsPerIP = l.int("max.connections.per.ip")
	s.MaxConnectionsPerIPOverrides = parseIPOverrides(l.text("max.connections.per.ip.overrides"))
	s.ConnectionsMaxIdleMs = l.long("connections.max.idle.ms")
	s.FetchMaxBytes = l.int("fetch.max.bytes")
	s.FetchSessionCacheSlots = l.int("max.incremental.fetch.session.cache.slots")
}

func (l *loader) logs(s *Server) {
	key := "log.dir"
	if l.isSet("log.dirs") {
		key = "log.dirs"
	}
	s.LogDirs = l.list(key)
	seen := map[string]bool{}
	for _, dir := range s.LogDirs {
		folder := path.Clean(dir)
		if dir == "" || seen[folder] {
			l.refuse(key, "allowed is a comma-separated list of different folders")
			break
		}
		seen[folder] = true
	}
	if len(s.LogDirs) == 0 {
		l.refuse(key, "allowed is a comma-separated list of at least one folder")
	}
	s.MetadataLogDir = l.text("metadata.log.dir")
	s.NumRecoveryThreadsPerDataDir = l.int("num.recovery.threads.per.data.dir")
	s.LogRetentionCheckIntervalMs = l.long("log.retention.check.interval.ms")
	s.LogFlushSchedulerIntervalMs = l.long("log.flush.scheduler.interval.ms")
	s.LogFlushOffsetCheckpointIntervalMs = l.long("log.flush.offset.checkpoint.interval.ms")
	s.LogStartOffsetCheckpointIntervalMs = l.long("log.flush.start.offset.checkpoint.interval.ms")
	s.HighWatermarkCheckpointIntervalMs = l.long("replica.high.watermark.checkpoint.interval.ms")
	s.LogInitialTaskDelayMs = l.long("log.initial.task.delay.ms")
}

// topicDefaults fills t from the server keys that topic keys name as their synonyms.
func (l *loader) topicDefaults(t *Topic) {
	const minute, hour = 60 * 1000, 60 * 60 * 1000
	for _, d := range topicDefs {
		switch {
		case d.Name == internalSegmentBytes:
		case d.Synonym == "":
			t.set(d.Name, d.Default)
		default:
			if def := brokerIndex[d.Synonym]; !def.NullDefault || l.isSet(d.Synonym) {
				t.set(d.Name, l.text(d.Synonym))
			}
		}
	}
	// The four whose default comes from several keys, the first that is set.
	switch key, v, ok := l.first("log.retention.ms", "log.retention.minutes"); {
	case !ok:
		t.RetentionMs = l.long("log.retention.hours") * hour
		l.retention(t, "log.retention.hours")
	case key == "log.retention.minutes":
		t.RetentionMs = v * minute
		l.retention(t, key)
	default:
		t.RetentionMs = v
		l.retention(t, key)
	}
	if !l.isSet("log.roll.ms") {
		t.SegmentMs = l.long("log.roll.hours") * hour
	}
	if !l.isSet("log.roll.jitter.ms") {
		t.SegmentJitterMs = l.long("log.roll.jitter.hours") * hour
	}
	if !l.isSet("log.flush.interval.ms") {
		t.FlushMs = l.long("log.flush.scheduler.interval.ms")
	}
	if t.MinCompactionLagMs > t.MaxCompactionLagMs {
		l.refuse("log.cleaner.min.compaction.lag.ms", "allowed is at most log.cleaner.max.compaction.lag.ms")
	}
}

// retention turns every negative time into -1, unlimited, and refuses zero, as Kafka does on the server's keys.
func (l *loader) retention(t *Topic, key string) {
	if t.RetentionMs < 0 {
		t.RetentionMs = -1
	}
	if t.RetentionMs == 0 {
		l.refuse(key, "allowed is a time above 0, or -1 for unlimited")
	}
}
