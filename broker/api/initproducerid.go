package api

import (
	"errors"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/broker/model"
	"highwater.dev/broker/producer"
)

// InitProducerId, versions 0 to 5 (KIP-98, KIP-360, KIP-730), for idempotent producers: a new producer id with epoch 0, each time. The
// id comes from a block that the controller gave to this broker, so no id is given twice, also over restarts. A producer id without
// an epoch, or the reverse, is INVALID_REQUEST.
//
// Left out: transactions. A request with a transactional.id is answered with UNSUPPORTED_VERSION, which clients take as
// final (an empty one with INVALID_REQUEST, as Apache Kafka does).

// producerIDs hands out producer ids. The mutex is held while a block is fetched, so that one request fetches it for all.
type producerIDs struct {
	mu     sync.Mutex
	blocks producer.IDBlocks
}

func (s *session) initProducerID(q *kmsg.InitProducerIDRequest) *kmsg.InitProducerIDResponse {
	answer := kmsg.NewPtrInitProducerIDResponse()
	answer.ProducerID, answer.ProducerEpoch = int64(model.NoProducerID), int16(model.NoProducerEpoch)
	switch {
	case q.TransactionalID != nil && *q.TransactionalID == "", (q.ProducerID == -1) != (q.ProducerEpoch == -1):
		answer.ErrorCode = kerr.InvalidRequest.Code
		return answer
	case q.TransactionalID != nil:
		s.api.Logger.Warn("refused a transactional producer: transactions are not served", "transactional.id", *q.TransactionalID)
		answer.ErrorCode = kerr.UnsupportedVersion.Code
		return answer
	}
	id, err := s.nextProducerID()
	if err != nil {
		answer.ErrorCode, _ = s.failure("InitProducerId", err)
		return answer
	}
	answer.ProducerID, answer.ProducerEpoch = int64(id), 0
	return answer
}

func (s *session) nextProducerID() (model.ProducerID, error) {
	ids := &s.api.ids
	if id, ok := ids.blocks.Next(); ok {
		return id, nil
	}
	ids.mu.Lock()
	defer ids.mu.Unlock()
	if id, ok := ids.blocks.Next(); ok {
		return id, nil
	}
	type outcome struct {
		block producer.Block
		err   error
	}
	done := make(chan outcome, 1)
	s.api.Quorum.AllocateProducerIDs(func(first model.ProducerID, count int, err error) {
		done <- outcome{producer.Block{First: first, Len: int32(count)}, err}
	})
	select {
	case o := <-done:
		if o.err != nil {
			return model.NoProducerID, retryLater(o.err)
		}
		ids.blocks.Add(o.block)
	case <-s.cancelled:
		return model.NoProducerID, retryLater(errCancelled)
	}
	id, ok := ids.blocks.Next()
	if !ok {
		return model.NoProducerID, retryLater(errNoIDs)
	}
	return id, nil
}

var errNoIDs = errors.New("the controller's block of producer ids is empty")

// retryLater is what clients of this API retry.
func retryLater(err error) error { return fmt.Errorf("%w: %w", kerr.CoordinatorLoadInProgress, err) }
