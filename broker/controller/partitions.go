package controller

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/broker/metadata"
	"highwater.dev/broker/model"
)

// createPartitions answers CreatePartitions: topics grow to Count partitions, independently of each other.
func (m *Machine) createPartitions(req *kmsg.CreatePartitionsRequest) ([]metadata.Record, kmsg.Response) {
	resp := req.ResponseKind().(*kmsg.CreatePartitionsResponse)
	count := map[string]int{}
	for i := range req.Topics {
		count[req.Topics[i].Topic]++
	}
	var records []metadata.Record
	for i := range req.Topics {
		t := &req.Topics[i]
		var err *apiError
		var added []metadata.Record
		switch n := count[t.Topic]; {
		case n < 0:
			continue
		case n > 1:
			count[t.Topic] = -1
			err = refuse(kerr.InvalidRequest, "Duplicate topic name.")
		default:
			added, err = m.growTopic(t, maxRecords-len(records))
		}
		records = append(records, added...)
		result := kmsg.NewCreatePartitionsResponseTopic()
		result.Topic, result.ErrorCode, result.ErrorMessage = t.Topic, err.code(), err.text()
		resp.Topics = append(resp.Topics, result)
	}
	if req.ValidateOnly {
		return nil, resp
	}
	return records, resp
}

// growTopic makes the records for a topic's new partitions, at most room of them.
func (m *Machine) growTopic(req *kmsg.CreatePartitionsRequestTopic, room int) ([]metadata.Record, *apiError) {
	t := m.image.Topic(req.Topic)
	if t == nil {
		return nil, &apiError{err: kerr.UnknownTopicOrPartition}
	}
	have := len(t.Partitions)
	switch {
	case int(req.Count) == have:
		return nil, refuse(kerr.InvalidPartitions, "Topic already has %d partition(s).", have)
	case int(req.Count) < have:
		return nil, refuse(kerr.InvalidPartitions,
			"The topic %s currently has %d partition(s); %d would not be an increase.", t.Name, have, req.Count)
	}
	additional := int(req.Count) - have
	if additional > room {
		return nil, refuse(kerr.PolicyViolation, "Unable to perform excessively large batch operation.")
	}
	replication := len(t.Partitions[0].Replicas)
	placed, err := m.placeAdditional(req, additional, replication, int32(have))
	if err != nil {
		return nil, err
	}
	records := make([]metadata.Record, additional)
	for i, replicas := range placed {
		records[i] = m.partitionRecord(t.ID, int32(have+i), replicas)
	}
	return records, nil
}

func (m *Machine) placeAdditional(req *kmsg.CreatePartitionsRequestTopic, additional, replication int, first int32) (
	[][]model.NodeID, *apiError) {
	if req.Assignment == nil {
		return m.place(additional, int16(replication))
	}
	if len(req.Assignment) != additional {
		return nil, refuse(kerr.InvalidReplicaAssignment, "Attempted to add %d additional partition(s), but only %d "+
			"assignment(s) were specified.", additional, len(req.Assignment))
	}
	placed := make([][]model.NodeID, additional)
	for i, a := range req.Assignment {
		replicas, err := m.manual(a.Replicas, replication, first+int32(i))
		if err != nil {
			return nil, err
		}
		placed[i] = replicas
	}
	return placed, nil
}
