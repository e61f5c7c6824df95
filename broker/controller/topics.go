package controller

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/broker/metadata"
	"highwater.dev/broker/model"
)

// createTopics answers CreateTopics. Topics are made independently of each other, except that a request which is
// too large fails as a whole.
func (m *Machine) createTopics(req *kmsg.CreateTopicsRequest) ([]metadata.Record, kmsg.Response) {
	resp := req.ResponseKind().(*kmsg.CreateTopicsResponse)
	if err := m.checkPartitionTotal(req); err != nil {
		return nil, failTopics(req, resp, err)
	}
	count := map[string]int{}
	for i := range req.Topics {
		count[req.Topics[i].Topic]++
	}
	var records []metadata.Record
	for i := range req.Topics {
		t := &req.Topics[i]
		if count[t.Topic] > 1 {
			continue
		}
		made, result := m.createTopic(t)
		records = append(records, made...)
		resp.Topics = append(resp.Topics, result)
	}
	// Duplicates come last and once, as from Kafka.
	for i := range req.Topics {
		if name := req.Topics[i].Topic; count[name] > 1 {
			count[name] = 0
			resp.Topics = append(resp.Topics, failedTopic(name, refuse(kerr.InvalidRequest, "Duplicate topic name.")))
		}
	}
	if len(records) > maxRecords {
		return nil, failTopics(req, resp, refuse(kerr.PolicyViolation, "Unable to perform excessively large batch operation."))
	}
	if req.ValidateOnly {
		return nil, resp
	}
	return records, resp
}

func (m *Machine) checkPartitionTotal(req *kmsg.CreateTopicsRequest) *apiError {
	total := int64(0)
	for i := range req.Topics {
		switch t := &req.Topics[i]; {
		case len(t.ReplicaAssignment) > 0:
			total += int64(len(t.ReplicaAssignment))
		case t.NumPartitions == -1:
			total += int64(m.o.Config.NumPartitions)
		case t.NumPartitions > 0:
			total += int64(t.NumPartitions)
		}
	}
	if total > maxRecords {
		return refuse(kerr.PolicyViolation, "Excessively large number of partitions per request.")
	}
	return nil
}

func failTopics(req *kmsg.CreateTopicsRequest, resp *kmsg.CreateTopicsResponse, err *apiError) kmsg.Response {
	resp.Topics = nil
	for i := range req.Topics {
		resp.Topics = append(resp.Topics, failedTopic(req.Topics[i].Topic, err))
	}
	return resp
}

func failedTopic(name string, err *apiError) kmsg.CreateTopicsResponseTopic {
	t := kmsg.NewCreateTopicsResponseTopic()
	t.Topic, t.ErrorCode, t.ErrorMessage = name, err.code(), err.text()
	t.NumPartitions, t.ReplicationFactor = -1, -1
	t.Configs = []kmsg.CreateTopicsResponseTopicConfig{}
	return t
}

func (m *Machine) createTopic(t *kmsg.CreateTopicsRequestTopic) ([]metadata.Record, kmsg.CreateTopicsResponseTopic) {
	configs, err := m.checkTopic(t)
	var replicas [][]model.NodeID
	if err == nil {
		replicas, err = m.assign(t)
	}
	if err == nil && m.o.Policy != nil {
		if e := m.o.Policy(t.Topic, int32(len(replicas)), int16(len(replicas[0])), configs); e != nil {
			err = refuse(kerr.PolicyViolation, "%s", e.Error())
		}
	}
	if err != nil {
		return nil, failedTopic(t.Topic, err)
	}
	id := m.newTopicID()
	records := []metadata.Record{metadata.TopicRecord{Name: t.Topic, ID: id}}
	for _, key := range sortedKeys(configs) {
		value := configs[key]
		records = append(records, metadata.ConfigRecord{Resource: metadata.TopicResource, Name: t.Topic, Key: key, Value: &value})
	}
	for p, r := range replicas {
		records = append(records, m.partitionRecord(id, int32(p), r))
	}
	result := kmsg.NewCreateTopicsResponseTopic()
	result.Topic, result.TopicID = t.Topic, id
	result.NumPartitions, result.ReplicationFactor = int32(len(replicas)), int16(len(replicas[0]))
	result.Configs = m.effective(t.Topic, configs)
	return records, result
}

// checkTopic checks a new topic's name and configs.
func (m *Machine) checkTopic(t *kmsg.CreateTopicsRequestTopic) (map[string]string, *apiError) {
	if err := m.checkNewName(t.Topic); err != nil {
		return nil, err
	}
	configs := make(map[string]string, len(t.Configs))
	var nulls []string
	for _, c := range t.Configs {
		if c.Value == nil {
			nulls = append(nulls, c.Name)
			continue
		}
		configs[c.Name] = *c.Value
	}
	if len(nulls) > 0 {
		return nil, refuse(kerr.InvalidConfig, "Null value not supported for topic configs: %s", strings.Join(nulls, ","))
	}
	return configs, m.checkTopicConfigs(configs)
}

// assign decides how many partitions and replicas a new topic has and where.
func (m *Machine) assign(t *kmsg.CreateTopicsRequestTopic) ([][]model.NodeID, *apiError) {
	if len(t.ReplicaAssignment) > 0 {
		return m.assigned(t)
	}
	partitions, replication := t.NumPartitions, t.ReplicationFactor
	switch {
	case replication < -1 || replication == 0:
		return nil, refuse(kerr.InvalidReplicationFactor, "Replication factor must be larger than 0, or -1 to use the default value.")
	case partitions < -1 || partitions == 0:
		return nil, refuse(kerr.InvalidPartitions, "Number of partitions was set to an invalid non-positive value.")
	}
	if partitions == -1 {
		partitions = int32(m.o.Config.NumPartitions)
	}
	if replication == -1 {
		replication = int16(m.o.Config.DefaultReplicationFactor)
	}
	return m.place(int(partitions), replication)
}

// assigned checks a request's own replica assignment.
func (m *Machine) assigned(t *kmsg.CreateTopicsRequestTopic) ([][]model.NodeID, *apiError) {
	if t.ReplicationFactor != -1 {
		return nil, refuse(kerr.InvalidRequest, "A manual partition assignment was specified, but replication factor was not set to -1.")
	}
	if t.NumPartitions != -1 {
		return nil, refuse(kerr.InvalidRequest, "A manual partition assignment was specified, but numPartitions was not set to -1.")
	}
	byPartition := make(map[int32][]model.NodeID, len(t.ReplicaAssignment))
	want := 0
	for _, a := range t.ReplicaAssignment {
		if byPartition[a.Partition] != nil {
			return nil, refuse(kerr.InvalidReplicaAssignment, "Found multiple manual partition assignments for partition %d", a.Partition)
		}
		replicas, err := m.manual(a.Replicas, want, a.Partition)
		if err != nil {
			return nil, err
		}
		byPartition[a.Partition], want = replicas, len(replicas)
	}
	all := make([][]model.NodeID, len(byPartition))
	for p := range all {
		if all[p] = byPartition[int32(p)]; all[p] == nil {
			return nil, refuse(kerr.InvalidReplicaAssignment, "partitions should be a consecutive 0-based integer sequence")
		}
	}
	return all, nil
}

// newTopicID draws an id (a random UUID, version 4). Kafka reserves the ids 0 and 1 and avoids a leading '-' in the text
// form, which looks like a flag to command lines.
func (m *Machine) newTopicID() model.TopicID {
	for {
		var id model.TopicID
		binary.BigEndian.PutUint64(id[:8], m.o.Rand.Uint64())
		binary.BigEndian.PutUint64(id[8:], m.o.Rand.Uint64())
		id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
		if id.String()[0] != '-' && m.image.TopicByID(id) == nil {
			return id
		}
	}
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
