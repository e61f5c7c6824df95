package api

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Requests that the controller decides: CreateTopics 2 to 7, DeleteTopics 1 to 6, CreatePartitions 0 to 3,
// AlterConfigs 0 to 2 and IncrementalAlterConfigs 0 to 1. They are handed to it as they are; its answer comes when what it
// rests on is committed and this broker has applied it, so a client that creates a topic can produce to it at once. The
// request's own timeout is not used: with one voter a change is either quick or fails.

var errCancelled = errors.New("api: connection is closing")

// submit asks the controller and waits for the answer.
func (s *session) submit(req kmsg.Request) (kmsg.Response, error) {
	type outcome struct {
		resp kmsg.Response
		err  error
	}
	done := make(chan outcome, 1)
	s.api.Quorum.Submit(req, func(resp kmsg.Response, err error) { done <- outcome{resp, err} })
	select {
	case o := <-done:
		if o.err == nil && o.resp == nil {
			return nil, fmt.Errorf("api: the controller has no answer to %T", req)
		}
		return o.resp, o.err
	case <-s.cancelled:
		return nil, errCancelled
	}
}

func (s *session) createTopics(q *kmsg.CreateTopicsRequest) *kmsg.CreateTopicsResponse {
	reply, err := s.submit(q)
	if err == nil {
		return reply.(*kmsg.CreateTopicsResponse)
	}
	answer := kmsg.NewPtrCreateTopicsResponse()
	code, message := s.failure("CreateTopics", notNow(err))
	for i := range q.Topics {
		t := kmsg.NewCreateTopicsResponseTopic()
		t.Topic, t.ErrorCode, t.ErrorMessage = q.Topics[i].Topic, code, message
		answer.Topics = append(answer.Topics, t)
	}
	return answer
}

func (s *session) deleteTopics(q *kmsg.DeleteTopicsRequest) *kmsg.DeleteTopicsResponse {
	reply, err := s.submit(q)
	if err == nil {
		return reply.(*kmsg.DeleteTopicsResponse)
	}
	answer := kmsg.NewPtrDeleteTopicsResponse()
	code, message := s.failure("DeleteTopics", notNow(err))
	refuse := func(name *string, id [16]byte) {
		t := kmsg.NewDeleteTopicsResponseTopic()
		t.Topic, t.TopicID, t.ErrorCode, t.ErrorMessage = name, id, code, message
		answer.Topics = append(answer.Topics, t)
	}
	for i := range q.TopicNames {
		refuse(&q.TopicNames[i], [16]byte{})
	}
	for i := range q.Topics {
		refuse(q.Topics[i].Topic, q.Topics[i].TopicID)
	}
	return answer
}

func (s *session) createPartitions(q *kmsg.CreatePartitionsRequest) *kmsg.CreatePartitionsResponse {
	reply, err := s.submit(q)
	if err == nil {
		return reply.(*kmsg.CreatePartitionsResponse)
	}
	answer := kmsg.NewPtrCreatePartitionsResponse()
	code, message := s.failure("CreatePartitions", notNow(err))
	for i := range q.Topics {
		t := kmsg.NewCreatePartitionsResponseTopic()
		t.Topic, t.ErrorCode, t.ErrorMessage = q.Topics[i].Topic, code, message
		answer.Topics = append(answer.Topics, t)
	}
	return answer
}

func (s *session) alterConfigs(q *kmsg.AlterConfigsRequest) *kmsg.AlterConfigsResponse {
	reply, err := s.submit(q)
	if err == nil {
		return reply.(*kmsg.AlterConfigsResponse)
	}
	answer := kmsg.NewPtrAlterConfigsResponse()
	code, message := s.failure("AlterConfigs", notNow(err))
	for i := range q.Resources {
		r := kmsg.NewAlterConfigsResponseResource()
		r.ResourceType, r.ResourceName = q.Resources[i].ResourceType, q.Resources[i].ResourceName
		r.ErrorCode, r.ErrorMessage = code, message
		answer.Resources = append(answer.Resources, r)
	}
	return answer
}

func (s *session) incrementalAlterConfigs(q *kmsg.IncrementalAlterConfigsRequest) *kmsg.IncrementalAlterConfigsResponse {
	reply, err := s.submit(q)
	if err == nil {
		return reply.(*kmsg.IncrementalAlterConfigsResponse)
	}
	answer := kmsg.NewPtrIncrementalAlterConfigsResponse()
	code, message := s.failure("IncrementalAlterConfigs", notNow(err))
	for i := range q.Resources {
		r := kmsg.NewIncrementalAlterConfigsResponseResource()
		r.ResourceType, r.ResourceName = q.Resources[i].ResourceType, q.Resources[i].ResourceName
		r.ErrorCode, r.ErrorMessage = code, message
		answer.Resources = append(answer.Resources, r)
	}
	return answer
}

// notNow gives an error that a client may retry to what only says that this broker is stopping.
func notNow(err error) error {
	var k *kerr.Error
	if errors.As(err, &k) {
		return err
	}
	return fmt.Errorf("%w: %w", kerr.NotController, err)
}
