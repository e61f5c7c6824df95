package api

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/broker/metadata"
)

// DescribeCluster, versions 0 to 2 (KIP-700, KIP-919, KIP-1073): the brokers, with their addresses at the listener the request came in
// by, and the controller. Fenced brokers are listed when version 2 asks for them. Endpoint type 2, controllers, is for the controller
// listener and is answered here with MISMATCHED_ENDPOINT_TYPE; other types with UNSUPPORTED_ENDPOINT_TYPE.

const (
	brokerEndpoints     = 1
	controllerEndpoints = 2
)

func (s *session) describeCluster(q *kmsg.DescribeClusterRequest) *kmsg.DescribeClusterResponse {
	answer := kmsg.NewPtrDescribeClusterResponse()
	if q.Version >= 1 && q.EndpointType != brokerEndpoints {
		reason := kerr.UnsupportedEndpointType
		if q.EndpointType == controllerEndpoints {
			reason = kerr.MismatchedEndpointType
		}
		answer.ErrorCode, answer.ErrorMessage = reason.Code, &reason.Description
		return answer
	}
	answer.ClusterID = s.api.ClusterID
	leader, _ := s.api.Quorum.Leader()
	answer.ControllerID = int32(leader)
	if q.IncludeClusterAuthorizedOperations {
		answer.ClusterAuthorizedOperations = clusterOperations
	}
	s.api.Quorum.View(func(image *metadata.Image) {
		for _, b := range image.Brokers() {
			if b.Fenced && !q.IncludeFencedBrokers {
				continue
			}
			host, port, ok := endpoint(b, s.peer.Listener)
			if !ok {
				continue
			}
			answer.Brokers = append(answer.Brokers, kmsg.DescribeClusterResponseBroker{
				NodeID: int32(b.Node), Host: host, Port: port, Rack: b.Rack, IsFenced: b.Fenced})
		}
	})
	return answer
}
