package api

import "github.com/twmb/franz-go/pkg/kmsg"

func (s *session) describeConfigs(q *kmsg.DescribeConfigsRequest) *kmsg.DescribeConfigsResponse {
	return kmsg.NewPtrDescribeConfigsResponse()
}
