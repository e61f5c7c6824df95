package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The names that options give to compression and acks.
var (
	codecNames = []string{"none", "gzip", "snappy", "lz4", "zstd"}
	acksNames  = []string{"0", "1", "all"}
)

// deliveryTimeout is after how long a record that nobody takes has failed (delivery.timeout.ms).
const deliveryTimeout = 30 * time.Second

// bufferedBytes bounds what a producer has accepted and not yet seen acknowledged (buffer.memory).
const bufferedBytes = 32 << 20

// bufferedRecords is bufferedBytes in records.
func (o Options) bufferedRecords() int { return max(1000, bufferedBytes/o.RecordBytes) }

// producerOptions are those of the client of producer number index.
func (o Options) producerOptions(run uint64, index int) []kgo.Opt {
	codec := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}[o.Compression]
	acks := map[string]kgo.Acks{"0": kgo.NoAck(), "1": kgo.LeaderAck(), "all": kgo.AllISRAcks()}[o.Acks]
	opts := []kgo.Opt{
		kgo.SeedBrokers(o.Bootstrap),
		kgo.ProducerBatchCompression(codec),
		kgo.RequiredAcks(acks),
		kgo.ProducerLinger(o.Linger),
		kgo.ProducerBatchMaxBytes(o.BatchBytes),
		kgo.MaxBufferedRecords(o.bufferedRecords()),
		kgo.RecordDeliveryTimeout(deliveryTimeout + o.Linger),
	}
	if o.Keys.kind == "" {
		opts = append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	} else {
		opts = append(opts, kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil))) // murmur2, as Kafka's own
	}
	if !o.Idempotent {
		opts = append(opts, kgo.DisableIdempotentWrite())
	}
	if o.TransactionRecords > 0 {
		opts = append(opts, kgo.TransactionalID(fmt.Sprintf("highwater-load-%x-%d", run, index)))
	}
	return opts
}

// consumerOptions are those of a client that reads the given partitions of a topic from where they ended.
func (o Options) consumerOptions(t topic, partitions []int32) []kgo.Opt {
	from := map[int32]kgo.Offset{}
	for _, p := range partitions {
		from[p] = kgo.NewOffset().At(t.from[p])
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(o.Bootstrap),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{t.name: from}),
	}
	if o.TransactionRecords > 0 {
		opts = append(opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	return opts
}

// endTxn is the API that ends a transaction.
const endTxn = 26

// greet sees that a broker answers and serves what the options need.
func greet(ctx context.Context, cl *kgo.Client, o Options) error {
	resp, err := kmsg.NewPtrApiVersionsRequest().RequestWith(ctx, cl)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("load: no broker answered at %s within %v: %w", o.Bootstrap, adminTimeout, err)
	}
	if err != nil {
		return fmt.Errorf("load: the broker at %s: %w", o.Bootstrap, err)
	}
	if o.TransactionRecords == 0 {
		return nil
	}
	for _, key := range resp.ApiKeys {
		if key.ApiKey == endTxn {
			return nil
		}
	}
	return fmt.Errorf("load: the broker at %s does not serve transactions: it advertises no EndTxn (API key %d)", o.Bootstrap, endTxn)
}
