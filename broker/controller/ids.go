package controller

import (
	"math"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/broker/metadata"
	"highwater.dev/broker/model"
)

// producerIDBlock is how many producer ids a broker gets at once (KIP-730).
const producerIDBlock = 1000

// allocateProducerIDs answers AllocateProducerIds: the next block of ids, for the registered incarnation only.
func (m *Machine) allocateProducerIDs(req *kmsg.AllocateProducerIDsRequest) ([]metadata.Record, kmsg.Response) {
	resp := req.ResponseKind().(*kmsg.AllocateProducerIDsResponse)
	b := m.image.Broker(model.NodeID(req.BrokerID))
	first := m.image.NextProducerID()
	switch {
	case b == nil:
		resp.ErrorCode = kerr.BrokerIDNotRegistered.Code
	case b.Epoch != req.BrokerEpoch:
		resp.ErrorCode = kerr.StaleBrokerEpoch.Code
	case first > math.MaxInt64-producerIDBlock:
		resp.ErrorCode = kerr.UnknownServerError.Code
	default:
		resp.ProducerIDStart, resp.ProducerIDLen = int64(first), producerIDBlock
		return []metadata.Record{metadata.ProducerIDsRecord{
			Broker: b.Node, BrokerEpoch: b.Epoch, Next: first + producerIDBlock}}, resp
	}
	return nil, resp
}
