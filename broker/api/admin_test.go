package api_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestCreateAndDeleteTopicsEveryVersion(t *testing.T) {
	s := memory(t)
	for version := int16(2); version <= 7; version++ {
		q := kmsg.NewPtrCreateTopicsRequest()
		q.Topics = append(q.Topics, kmsg.CreateTopicsRequestTopic{Topic: "t", NumPartitions: 2, ReplicationFactor: 1})
		a := call[*kmsg.CreateTopicsResponse](s, q, version)
		require.Zero(t, a.Topics[0].ErrorCode)
		if version >= 5 {
			require.Equal(t, int32(2), a.Topics[0].NumPartitions)
			require.NotEmpty(t, a.Topics[0].Configs)
		}
		a = call[*kmsg.CreateTopicsResponse](s, q, version)
		require.Equal(t, kerr.TopicAlreadyExists.Code, a.Topics[0].ErrorCode)
		s.produce("t", "usable at once")

		d := kmsg.NewPtrDeleteTopicsRequest()
		name := "t"
		d.TopicNames = []string{name}
		d.Topics = append(d.Topics, kmsg.DeleteTopicsRequestTopic{Topic: &name})
		deleted := call[*kmsg.DeleteTopicsResponse](s, d, min(version-1, 6))
		require.Len(t, deleted.Topics, 1)
		require.Zero(t, deleted.Topics[0].ErrorCode)
		p := call[*kmsg.ProduceResponse](s, produceRequest("t", [16]byte{}, 1, 0, batch("x")), 9).Topics[0].Partitions[0]
		require.Equal(t, kerr.UnknownTopicOrPartition.Code, p.ErrorCode)
	}
}

func TestCreatePartitions(t *testing.T) {
	s := memory(t)
	s.create("t", 1)
	for version := int16(0); version <= 3; version++ {
		q := kmsg.NewPtrCreatePartitionsRequest()
		q.Topics = append(q.Topics, kmsg.CreatePartitionsRequestTopic{Topic: "t", Count: int32(version) + 2})
		require.Zero(t, call[*kmsg.CreatePartitionsResponse](s, q, version).Topics[0].ErrorCode)
		p := call[*kmsg.ProduceResponse](s, produceRequest("t", [16]byte{}, 1, int32(version)+1, batch("x")), 9).Topics[0].Partitions[0]
		require.Zero(t, p.ErrorCode)
		require.Equal(t, kerr.InvalidPartitions.Code, call[*kmsg.CreatePartitionsResponse](s, q, version).Topics[0].ErrorCode)
	}
}

func describe(s *server, typ kmsg.ConfigResourceType, name string, version int16, keys ...string) kmsg.DescribeConfigsResponseResource {
	q := kmsg.NewPtrDescribeConfigsRequest()
	q.IncludeSynonyms, q.IncludeDocumentation = true, true
	q.Resources = append(q.Resources, kmsg.DescribeConfigsRequestResource{ResourceType: typ, ResourceName: name, ConfigNames: keys})
	return call[*kmsg.DescribeConfigsResponse](s, q, version).Resources[0]
}

func TestDescribeConfigsOfTopics(t *testing.T) {
	s := memory(t, "log.retention.ms", "1000")
	s.create("t", 1, "max.message.bytes", "2000")
	for version := int16(1); version <= 4; version++ {
		r := describe(s, kmsg.ConfigResourceTypeTopic, "t", version)
		require.Zero(t, r.ErrorCode)
		byName := map[string]kmsg.DescribeConfigsResponseResourceConfig{}
		for _, c := range r.Configs {
			byName[c.Name] = c
		}
		own := byName["max.message.bytes"]
		require.Equal(t, "2000", *own.Value)
		require.Equal(t, kmsg.ConfigSourceDynamicTopicConfig, own.Source)
		require.Len(t, own.ConfigSynonyms, 2)
		require.Equal(t, "message.max.bytes", own.ConfigSynonyms[1].Name)
		require.Equal(t, kmsg.ConfigSourceDefaultConfig, own.ConfigSynonyms[1].Source)
		file := byName["retention.ms"]
		require.Equal(t, "1000", *file.Value)
		require.Equal(t, kmsg.ConfigSourceStaticBrokerConfig, file.Source)
		plain := byName["segment.bytes"]
		require.Equal(t, "1073741824", *plain.Value)
		require.Equal(t, kmsg.ConfigSourceDefaultConfig, plain.Source)
		require.False(t, plain.ReadOnly)
		if version >= 3 {
			require.Equal(t, kmsg.ConfigTypeInt, plain.ConfigType)
			require.NotEmpty(t, *plain.Documentation)
		}
	}
	some := describe(s, kmsg.ConfigResourceTypeTopic, "t", 4, "segment.bytes", "nonsense")
	require.Len(t, some.Configs, 1)
	require.Equal(t, kerr.UnknownTopicOrPartition.Code, describe(s, kmsg.ConfigResourceTypeTopic, "nope", 4).ErrorCode)
	require.Equal(t, kerr.InvalidTopicException.Code, describe(s, kmsg.ConfigResourceTypeTopic, "a/b", 4).ErrorCode)
}

func TestDescribeConfigsOfBrokers(t *testing.T) {
	s := memory(t)
	r := describe(s, kmsg.ConfigResourceTypeBroker, "1", 4, "num.partitions", "log.dirs", "node.id")
	require.Zero(t, r.ErrorCode)
	require.Len(t, r.Configs, 3)
	for _, c := range r.Configs {
		if c.Name == "log.dirs" {
			require.Equal(t, "data", *c.Value)
			require.Equal(t, kmsg.ConfigSourceStaticBrokerConfig, c.Source)
			require.True(t, c.ReadOnly)
		}
	}
	require.Empty(t, describe(s, kmsg.ConfigResourceTypeBroker, "", 4).Configs)
	for _, name := range []string{"2", "one"} {
		require.Equal(t, kerr.InvalidRequest.Code, describe(s, kmsg.ConfigResourceTypeBroker, name, 4).ErrorCode)
	}
	require.Equal(t, kerr.InvalidRequest.Code, describe(s, kmsg.ConfigResourceTypeBrokerLogger, "1", 4).ErrorCode)
}

func TestAlterConfigs(t *testing.T) {
	s := memory(t)
	s.create("t", 1)
	value := func() (string, kmsg.ConfigSource) {
		c := describe(s, kmsg.ConfigResourceTypeTopic, "t", 4, "max.message.bytes").Configs[0]
		return *c.Value, c.Source
	}
	incremental := func(version int16, op kmsg.IncrementalAlterConfigOp, v string) int16 {
		q := kmsg.NewPtrIncrementalAlterConfigsRequest()
		q.Resources = append(q.Resources, kmsg.IncrementalAlterConfigsRequestResource{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: "t",
			Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: "max.message.bytes", Op: op, Value: &v}}})
		return call[*kmsg.IncrementalAlterConfigsResponse](s, q, version).Resources[0].ErrorCode
	}
	for version := int16(0); version <= 1; version++ {
		require.Zero(t, incremental(version, kmsg.IncrementalAlterConfigOpSet, "100"))
		v, source := value()
		require.Equal(t, "100", v)
		require.Equal(t, kmsg.ConfigSourceDynamicTopicConfig, source)
		p := call[*kmsg.ProduceResponse](s, produceRequest("t", [16]byte{}, 1, 0, batch(string(make([]byte, 200)))), 9).Topics[0].Partitions[0]
		require.Equal(t, kerr.MessageTooLarge.Code, p.ErrorCode, "the change is in effect")
		require.Equal(t, kerr.InvalidConfig.Code, incremental(version, kmsg.IncrementalAlterConfigOpSet, "many"))
		require.Zero(t, incremental(version, kmsg.IncrementalAlterConfigOpDelete, ""))
		_, source = value()
		require.Equal(t, kmsg.ConfigSourceDefaultConfig, source)
	}
	for version := int16(0); version <= 2; version++ {
		v := "300"
		q := kmsg.NewPtrAlterConfigsRequest()
		q.Resources = append(q.Resources, kmsg.AlterConfigsRequestResource{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: "t",
			Configs: []kmsg.AlterConfigsRequestResourceConfig{{Name: "max.message.bytes", Value: &v}}})
		require.Zero(t, call[*kmsg.AlterConfigsResponse](s, q, version).Resources[0].ErrorCode)
		now, _ := value()
		require.Equal(t, "300", now)
	}
}

func TestDescribeCluster(t *testing.T) {
	s := memory(t)
	for version := int16(0); version <= 2; version++ {
		q := kmsg.NewPtrDescribeClusterRequest()
		q.EndpointType = 1
		q.IncludeClusterAuthorizedOperations = true
		a := call[*kmsg.DescribeClusterResponse](s, q, version)
		require.Zero(t, a.ErrorCode)
		require.Equal(t, s.api.ClusterID, a.ClusterID)
		require.Equal(t, int32(1), a.ControllerID)
		require.Equal(t, int32(8096), a.ClusterAuthorizedOperations)
		require.Len(t, a.Brokers, 1)
		require.Equal(t, int32(9092), a.Brokers[0].Port)
	}
	q := kmsg.NewPtrDescribeClusterRequest()
	q.EndpointType = 2
	require.Equal(t, kerr.MismatchedEndpointType.Code, call[*kmsg.DescribeClusterResponse](s, q, 1).ErrorCode)
	q.EndpointType = 3
	require.Equal(t, kerr.UnsupportedEndpointType.Code, call[*kmsg.DescribeClusterResponse](s, q, 1).ErrorCode)
}

func TestDescribeLogDirs(t *testing.T) {
	s := memory(t)
	s.create("t", 2)
	s.produce("t", "a")
	for version := int16(1); version <= 5; version++ {
		q := kmsg.NewPtrDescribeLogDirsRequest()
		q.Topics = append(q.Topics, kmsg.DescribeLogDirsRequestTopic{Topic: "t", Partitions: []int32{0}})
		a := call[*kmsg.DescribeLogDirsResponse](s, q, version)
		require.Len(t, a.Dirs, 1)
		require.Equal(t, "data", a.Dirs[0].Dir)
		require.Len(t, a.Dirs[0].Topics, 1)
		require.Len(t, a.Dirs[0].Topics[0].Partitions, 1)
		require.Equal(t, int64(len(batch("a"))), a.Dirs[0].Topics[0].Partitions[0].Size)
		if version >= 4 {
			require.Positive(t, a.Dirs[0].TotalBytes)
		}
		q.Topics = nil
		a = call[*kmsg.DescribeLogDirsResponse](s, q, version)
		require.Len(t, a.Dirs[0].Topics, 1, "without the metadata log")
		require.Len(t, a.Dirs[0].Topics[0].Partitions, 2)
		q.Topics = append(q.Topics, kmsg.DescribeLogDirsRequestTopic{Topic: "__cluster_metadata", Partitions: []int32{0}})
		a = call[*kmsg.DescribeLogDirsResponse](s, q, version)
		require.Empty(t, a.Dirs[0].Topics)
	}
}
