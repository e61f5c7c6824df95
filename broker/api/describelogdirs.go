package api

import (
	"cmp"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/broker/commitlog"
	"highwater.dev/broker/logmgr"
)

// DescribeLogDirs, versions 1 to 5 (KIP-113, KIP-827, KIP-1066): each log dir with the capacity and free space of its volume and the sizes
// of the partitions asked for; null asks for all. An offline dir is KAFKA_STORAGE_ERROR.
// The metadata log is not listed, asked for by name or not, as in Apache Kafka.
//
// Left out: future replicas (moves between dirs) and cordoned dirs do not exist here. The offset lag of a single replica is 0.

func (s *session) describeLogDirs(q *kmsg.DescribeLogDirsRequest) *kmsg.DescribeLogDirsResponse {
	answer := kmsg.NewPtrDescribeLogDirsResponse()
	for _, dir := range s.api.Logs.Dirs() {
		answer.Dirs = append(answer.Dirs, describeDir(dir, wanted(q)))
	}
	return answer
}

// wanted says which partitions a request asks for.
func wanted(q *kmsg.DescribeLogDirsRequest) func(topic string, index int32) bool {
	if q.Topics == nil {
		return func(string, int32) bool { return true }
	}
	return func(topic string, index int32) bool {
		return slices.ContainsFunc(q.Topics, func(t kmsg.DescribeLogDirsRequestTopic) bool {
			return t.Topic == topic && slices.Contains(t.Partitions, index)
		})
	}
}

func describeDir(dir logmgr.Dir, want func(string, int32) bool) kmsg.DescribeLogDirsResponseDir {
	d := kmsg.NewDescribeLogDirsResponseDir()
	d.Dir, d.TotalBytes, d.UsableBytes = dir.Path, dir.Total, dir.Free
	if dir.Err != nil {
		d.ErrorCode = kerr.KafkaStorageError.Code
		return d
	}
	slices.SortFunc(dir.Logs, func(a, b *commitlog.Partition) int {
		x, y := a.TopicPartition(), b.TopicPartition()
		return cmp.Or(cmp.Compare(x.Topic, y.Topic), cmp.Compare(x.Partition, y.Partition))
	})
	for _, log := range dir.Logs {
		tp := log.TopicPartition()
		if !want(tp.Topic, tp.Partition) {
			continue
		}
		if n := len(d.Topics); n == 0 || d.Topics[n-1].Topic != tp.Topic {
			t := kmsg.NewDescribeLogDirsResponseDirTopic()
			t.Topic = tp.Topic
			d.Topics = append(d.Topics, t)
		}
		p := kmsg.NewDescribeLogDirsResponseDirTopicPartition()
		p.Partition, p.Size = tp.Partition, log.Size()
		t := &d.Topics[len(d.Topics)-1]
		t.Partitions = append(t.Partitions, p)
	}
	return d
}
