package conformance

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// everyRequest has a plain request of every API under test; topic exists, gone does not, id is topic's.
func everyRequest(topic, gone string, id [16]byte) map[int16]func(version int16) kmsg.Request {
	resource := kmsg.ConfigResourceTypeTopic
	return map[int16]func(int16) kmsg.Request{
		0: func(v int16) kmsg.Request { return produceRequest(topic, id, v, -1, simpleBatch("v").bytes()) },
		1: func(v int16) kmsg.Request {
			req := fetchRequest(topic, 0, 0)
			req.Topics[0].TopicID, req.MaxWaitMillis = id, 0
			return req
		},
		2: func(int16) kmsg.Request {
			req := kmsg.NewPtrListOffsetsRequest()
			p := kmsg.NewListOffsetsRequestTopicPartition()
			p.Timestamp = -1
			req.ReplicaID = -1
			req.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: topic, Partitions: []kmsg.ListOffsetsRequestTopicPartition{p}}}
			return req
		},
		3: func(int16) kmsg.Request {
			req := kmsg.NewPtrMetadataRequest()
			req.Topics = []kmsg.MetadataRequestTopic{{Topic: &topic}, {Topic: &gone}}
			req.IncludeTopicAuthorizedOperations, req.IncludeClusterAuthorizedOperations = true, true
			return req
		},
		18: func(int16) kmsg.Request { return apiVersionsRequest() },
		19: func(v int16) kmsg.Request {
			req := kmsg.NewPtrCreateTopicsRequest()
			t := kmsg.NewCreateTopicsRequestTopic()
			t.Topic, t.NumPartitions, t.ReplicationFactor = fmt.Sprintf("%s-made-%d", topic, v), 2, 1
			c := kmsg.NewCreateTopicsRequestTopicConfig()
			c.Name, c.Value = "segment.ms", pointer("3600000")
			t.Configs = append(t.Configs, c)
			req.Topics, req.TimeoutMillis = []kmsg.CreateTopicsRequestTopic{t}, 10_000
			return req
		},
		20: func(int16) kmsg.Request {
			req := kmsg.NewPtrDeleteTopicsRequest()
			gone := gone + "-too" // Metadata before version 4 may have created the other one
			req.TopicNames, req.TimeoutMillis = []string{gone}, 10_000
			req.Topics = []kmsg.DeleteTopicsRequestTopic{{Topic: &gone}}
			return req
		},
		21: func(int16) kmsg.Request {
			req := kmsg.NewPtrDeleteRecordsRequest()
			p := kmsg.DeleteRecordsRequestTopicPartition{Partition: 0, Offset: 0}
			req.Topics = []kmsg.DeleteRecordsRequestTopic{{Topic: topic, Partitions: []kmsg.DeleteRecordsRequestTopicPartition{p}}}
			req.TimeoutMillis = 10_000
			return req
		},
		22: func(int16) kmsg.Request {
			req := kmsg.NewPtrInitProducerIDRequest()
			req.TransactionTimeoutMillis = 1000
			return req
		},
		23: func(int16) kmsg.Request {
			req := kmsg.NewPtrOffsetForLeaderEpochRequest()
			req.ReplicaID = -1
			p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
			req.Topics = []kmsg.OffsetForLeaderEpochRequestTopic{{Topic: topic, Partitions: []kmsg.OffsetForLeaderEpochRequestTopicPartition{p}}}
			return req
		},
		32: func(int16) kmsg.Request {
			req := kmsg.NewPtrDescribeConfigsRequest()
			req.IncludeSynonyms, req.IncludeDocumentation = true, true
			req.Resources = []kmsg.DescribeConfigsRequestResource{{ResourceType: resource, ResourceName: topic}}
			return req
		},
		33: func(int16) kmsg.Request {
			req := kmsg.NewPtrAlterConfigsRequest()
			c := kmsg.AlterConfigsRequestResourceConfig{Name: "segment.ms", Value: pointer("7200000")}
			req.Resources = []kmsg.AlterConfigsRequestResource{{ResourceType: resource, ResourceName: topic, Configs: []kmsg.AlterConfigsRequestResourceConfig{c}}}
			return req
		},
		35: func(int16) kmsg.Request {
			req := kmsg.NewPtrDescribeLogDirsRequest()
			req.Topics = []kmsg.DescribeLogDirsRequestTopic{{Topic: topic, Partitions: []int32{0}}}
			return req
		},
		37: func(v int16) kmsg.Request {
			req := kmsg.NewPtrCreatePartitionsRequest()
			req.Topics = []kmsg.CreatePartitionsRequestTopic{{Topic: topic, Count: int32(v) + 2}}
			req.TimeoutMillis = 10_000
			return req
		},
		44: func(int16) kmsg.Request {
			req := kmsg.NewPtrIncrementalAlterConfigsRequest()
			c := kmsg.IncrementalAlterConfigsRequestResourceConfig{Name: "segment.ms", Op: 0, Value: pointer("7200000")}
			req.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: resource, ResourceName: topic,
				Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{c}}}
			return req
		},
		60: func(int16) kmsg.Request {
			req := kmsg.NewPtrDescribeClusterRequest()
			req.EndpointType = 1
			return req
		},
	}
}

// TestWireEveryAdvertisedVersionIsServed asks every API at every version that the broker advertises: each answer decodes to
// its last byte, and says that the request worked.
func TestWireEveryAdvertisedVersionIsServed(t *testing.T) {
	addr := bootstrap(t)
	topic := createTopic(t, addr, 1, nil)
	// A producer id is there from now on: a broker may answer its first asker that it is still loading.
	require.NoError(t, franz(t, addr).ProduceSync(t.Context(), franzRecords(topic, sampleRecords(1))...).FirstErr())
	requests := everyRequest(topic, topicName(t)+"-gone", topicID(t, addr, topic))
	for key, versions := range advertised(t, addr) {
		make, known := requests[key]
		if targetName() == "highwater" {
			require.Truef(t, known, "%s is advertised and not under test", kmsg.NameForKey(key))
		}
		if !known {
			continue // Apache Kafka serves more than this suite asks
		}
		for v := versions[0]; v <= versions[1]; v++ {
			if key == 0 && v < 3 {
				continue // advertised for librdkafka's sake, refused (KAFKA-18659)
			}
			t.Run(fmt.Sprintf("%s v%d", kmsg.NameForKey(key), v), func(t *testing.T) {
				resp := ask[kmsg.Response](dial(t, addr), v, make(v))
				requireWorked(t, resp)
			})
		}
	}
}

// requireWorked looks at the first error code of a response.
func requireWorked(t *testing.T, resp kmsg.Response) {
	t.Helper()
	var code int16
	switch r := resp.(type) {
	case *kmsg.ProduceResponse:
		code = r.Topics[0].Partitions[0].ErrorCode
	case *kmsg.FetchResponse:
		require.Zero(t, r.ErrorCode)
		code = r.Topics[0].Partitions[0].ErrorCode
	case *kmsg.ListOffsetsResponse:
		code = r.Topics[0].Partitions[0].ErrorCode
	case *kmsg.MetadataResponse:
		require.Len(t, r.Topics, 2)
		require.Len(t, r.Brokers, 1)
		code = r.Topics[0].ErrorCode
	case *kmsg.ApiVersionsResponse:
		code = r.ErrorCode
	case *kmsg.CreateTopicsResponse:
		code = r.Topics[0].ErrorCode
	case *kmsg.DeleteTopicsResponse:
		require.EqualValues(t, 3, r.Topics[0].ErrorCode)
	case *kmsg.DeleteRecordsResponse:
		code = r.Topics[0].Partitions[0].ErrorCode
	case *kmsg.InitProducerIDResponse:
		code = r.ErrorCode
	case *kmsg.OffsetForLeaderEpochResponse:
		code = r.Topics[0].Partitions[0].ErrorCode
	case *kmsg.DescribeConfigsResponse:
		require.NotEmpty(t, r.Resources[0].Configs)
		code = r.Resources[0].ErrorCode
	case *kmsg.AlterConfigsResponse:
		code = r.Resources[0].ErrorCode
	case *kmsg.DescribeLogDirsResponse:
		require.Len(t, r.Dirs, 1)
		code = r.Dirs[0].ErrorCode
	case *kmsg.CreatePartitionsResponse:
		code = r.Topics[0].ErrorCode
	case *kmsg.IncrementalAlterConfigsResponse:
		code = r.Resources[0].ErrorCode
	case *kmsg.DescribeClusterResponse:
		require.Len(t, r.Brokers, 1)
		code = r.ErrorCode
	default:
		require.Failf(t, "unexpected", "%T", resp)
	}
	requireCode(t, nil, code, fmt.Sprintf("%T", resp))
}
