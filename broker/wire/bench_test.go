package wire

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/broker/model"
	"highwater.dev/broker/vfs"
)

func BenchmarkProduceDecode(b *testing.B) {
	for _, partitions := range []int{1, 100} {
		b.Run(fmt.Sprintf("partitions=%d", partitions), func(b *testing.B) {
			req := kmsg.NewPtrProduceRequest()
			req.Version = 13
			topic := kmsg.ProduceRequestTopic{TopicID: topicID(1)}
			for i := range partitions {
				topic.Partitions = append(topic.Partitions,
					kmsg.ProduceRequestTopicPartition{Partition: int32(i), Records: make([]byte, 1000)})
			}
			req.Topics = append(req.Topics, topic)
			body := req.AppendTo(nil)
			var q ProduceRequest
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if err := q.Decode(13, body); err != nil {
					b.Fatal(err)
				}
				t := q.Topic(0)
				for i := range t.Count {
					_ = q.Partition(t.First + i)
				}
			}
		})
	}
}

func BenchmarkFetchDecode(b *testing.B) {
	for _, partitions := range []int{1, 100} {
		b.Run(fmt.Sprintf("partitions=%d", partitions), func(b *testing.B) {
			req := kmsg.NewPtrFetchRequest()
			req.Version = 18
			topic := kmsg.FetchRequestTopic{TopicID: topicID(1)}
			for i := range partitions {
				p := kmsg.NewFetchRequestTopicPartition()
				p.Partition = int32(i)
				topic.Partitions = append(topic.Partitions, p)
			}
			req.Topics = append(req.Topics, topic)
			body := req.AppendTo(nil)
			var q FetchRequest
			b.ReportAllocs()
			for b.Loop() {
				if err := q.Decode(18, body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkFetchResponseEncode(b *testing.B) {
	for _, partitions := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("partitions=%d", partitions), func(b *testing.B) {
			file := vfs.Share(&bytesFile{b: make([]byte, 1000)})
			h := Header{Key: Fetch, Version: 18}
			var resp Response
			var e FetchResponse
			p := NewFetchPartitionResult(0)
			b.ReportAllocs()
			for b.Loop() {
				BeginResponse(&resp, &h)
				e.Begin(&resp, 18, 0, 0, 7)
				e.Topic("", topicID(1))
				for i := range partitions {
					file.Acquire()
					p.Index, p.HighWatermark = int32(i), model.Offset(i)
					p.Region = vfs.Region{File: file, Len: 1000}
					e.Partition(&p)
				}
				e.End(nil)
				resp.Reset()
			}
		})
	}
}

func BenchmarkProduceResponseEncode(b *testing.B) {
	h := Header{Key: Produce, Version: 13}
	var resp Response
	var e ProduceResponse
	p := ProducePartitionResult{Leader: NoLeader, AppendTime: model.NoTimestamp}
	b.ReportAllocs()
	for b.Loop() {
		BeginResponse(&resp, &h)
		e.Begin(&resp, 13, 1)
		e.Topic("", topicID(1), 1)
		e.Partition(&p)
		e.End(0, nil)
		resp.Reset()
	}
}

func BenchmarkParseHeader(b *testing.B) {
	frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID("client")).AppendRequest(nil, kmsg.NewPtrProduceRequest(), 42)[4:]
	frame[3] = 9
	var h Header
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseHeader(frame, &h); err != nil {
			b.Fatal(err)
		}
	}
}
