package controller

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/broker/metadata"
	"highwater.dev/broker/model"
)

// deleteTopics answers DeleteTopics. Up to version 5 topics come as names, from 6 on as a name or an id each.
func (m *Machine) deleteTopics(req *kmsg.DeleteTopicsRequest) ([]metadata.Record, kmsg.Response) {
	resp := req.ResponseKind().(*kmsg.DeleteTopicsResponse)
	asked := req.Topics
	if req.Version < 6 {
		asked = make([]kmsg.DeleteTopicsRequestTopic, len(req.TopicNames))
		for i := range req.TopicNames {
			asked[i].Topic = &req.TopicNames[i]
		}
	}
	names, ids := map[string]int{}, map[model.TopicID]int{}
	for _, a := range asked {
		switch {
		case a.Topic != nil && a.TopicID == [16]byte{}:
			names[*a.Topic]++
		case a.Topic == nil && a.TopicID != [16]byte{}:
			ids[a.TopicID]++
		}
	}
	var records []metadata.Record
	for _, a := range asked {
		// A duplicate is answered once, where it came first. A topic that came by name and by id is answered by its name.
		switch {
		case a.Topic != nil && names[*a.Topic] < 0, a.Topic == nil && ids[a.TopicID] < 0:
			continue
		case a.Topic == nil && ids[a.TopicID] == 1:
			if t := m.image.TopicByID(a.TopicID); t != nil && names[t.Name] == 1 {
				continue
			}
		}
		topic, err := m.deletable(a, req.Version, names, ids)
		result := kmsg.NewDeleteTopicsResponseTopic()
		result.Topic, result.TopicID = a.Topic, a.TopicID
		result.ErrorCode, result.ErrorMessage = err.code(), err.text()
		if topic != nil {
			result.Topic, result.TopicID = &topic.Name, topic.ID
			if err == nil {
				records = append(records, metadata.RemoveTopicRecord{ID: topic.ID})
			}
		}
		resp.Topics = append(resp.Topics, result)
	}
	return records, resp
}

// deletable finds the topic that a means, or says why it cannot be deleted. It marks duplicates as answered.
func (m *Machine) deletable(a kmsg.DeleteTopicsRequestTopic, version int16, names map[string]int, ids map[model.TopicID]int) (
	*metadata.Topic, *apiError) {
	if !m.o.Config.DeleteTopicEnable {
		if version < 3 {
			return nil, refuse(kerr.InvalidRequest, "Topic deletion is disabled.")
		}
		return nil, refuse(kerr.TopicDeletionDisabled, "Topic deletion is disabled.")
	}
	if a.Topic == nil {
		return m.deletableByID(a.TopicID, ids)
	}
	if a.TopicID != [16]byte{} {
		return nil, refuse(kerr.InvalidRequest, "You may not specify both topic name and topic id.")
	}
	if names[*a.Topic] > 1 {
		names[*a.Topic] = -1
		return nil, refuse(kerr.InvalidRequest, "Duplicate topic name.")
	}
	t := m.image.Topic(*a.Topic)
	if t == nil {
		return nil, refuse(kerr.UnknownTopicOrPartition, "This server does not host this topic-partition.")
	}
	if ids[t.ID] != 0 {
		return t, refuse(kerr.InvalidRequest, "The provided topic name maps to an ID that was already supplied.")
	}
	return t, nil
}

func (m *Machine) deletableByID(id model.TopicID, ids map[model.TopicID]int) (*metadata.Topic, *apiError) {
	if id == (model.TopicID{}) {
		return nil, refuse(kerr.InvalidRequest, "Neither topic name nor id were specified.")
	}
	if ids[id] > 1 {
		ids[id] = -1
		return nil, refuse(kerr.InvalidRequest, "Duplicate topic id.")
	}
	t := m.image.TopicByID(id)
	if t == nil {
		return nil, refuse(kerr.UnknownTopicID, "This server does not host this topic ID.")
	}
	return t, nil
}
