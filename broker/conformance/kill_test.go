package conformance

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"highwater.dev/bench/peer"
)

// The load of the kill test: enough to have batches in flight at every kill, not so much that reading them takes long.
const (
	killPartitions = 4
	killWindow     = 2000 // records of a partition in flight at most
	killBurst      = 20   // records of a partition in a millisecond
)

// killLoad produces numbered records to every partition, in order and without end, by one idempotent producer with acks=all
// that never learns that its broker was killed but by its connection.
type killLoad struct {
	topic string
	acked [killPartitions]atomic.Int64 // records acknowledged; number n was at offset n
	ended sync.WaitGroup
	fail  chan error
}

// killValue is the value of record number n of a partition: the numbers, then padding of a size and content that they decide.
func killValue(partition int32, n int64) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(partition))
	b = binary.BigEndian.AppendUint64(b, uint64(n))
	return append(b, bytes.Repeat([]byte{byte(n), byte(n >> 3), 'x'}, int(n*7919%300))...)
}

func (l *killLoad) run(ctx context.Context, cl *kgo.Client) {
	for p := range int32(killPartitions) {
		l.ended.Go(func() {
			slots := make(chan struct{}, killWindow)
			pace := time.NewTicker(time.Millisecond)
			defer pace.Stop()
			for n := int64(0); ctx.Err() == nil; n++ {
				if n%killBurst == 0 {
					<-pace.C
				}
				slots <- struct{}{}
				r := &kgo.Record{Topic: l.topic, Partition: p, Value: killValue(p, n)}
				cl.Produce(context.Background(), r, func(r *kgo.Record, err error) {
					switch {
					case err != nil:
						l.report(fmt.Errorf("record %d of partition %d: %w", n, p, err))
					case r.Offset != n:
						l.report(fmt.Errorf("record %d of partition %d acknowledged at offset %d", n, p, r.Offset))
					default:
						l.acked[p].Add(1)
					}
					<-slots
				})
			}
		})
	}
}

// report keeps the first failure.
func (l *killLoad) report(err error) {
	select {
	case l.fail <- err:
	default:
	}
}

func (l *killLoad) total() (sum int64) {
	for p := range l.acked {
		sum += l.acked[p].Load()
	}
	return sum
}

// killRounds is how often the broker is killed: HIGHWATER_KILL_ROUNDS, or few.
func killRounds(t *testing.T) int {
	t.Helper()
	text := os.Getenv("HIGHWATER_KILL_ROUNDS")
	if text == "" {
		return map[string]int{"highwater": 10, "kafka": 1}[targetName()]
	}
	rounds, err := strconv.Atoi(text)
	require.NoError(t, err, "HIGHWATER_KILL_ROUNDS")
	require.Positive(t, rounds, "HIGHWATER_KILL_ROUNDS")
	return rounds
}

// TestKill kills the broker with kill -9 under load, again and again, and starts it on the same folder. After each start a reader
// that lives through it all finds every record acknowledged before, in order, exactly once, and the producer goes on.
func TestKill(t *testing.T) {
	rounds := killRounds(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d, %d rounds", seed, rounds)
	random := rand.New(rand.NewPCG(seed, 0))
	broker := startOwn(t, targetName(), peer.Options{Properties: map[string]string{
		"log.segment.bytes": "1048576", "log.flush.offset.checkpoint.interval.ms": "200"}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rounds)*10*time.Second+time.Minute)
	defer cancel()
	load := &killLoad{topic: createTopic(t, broker.Addr, killPartitions, nil), fail: make(chan error, 1)}
	quick := []kgo.Opt{kgo.RetryBackoffFn(func(int) time.Duration { return 5 * time.Millisecond }), kgo.RetryTimeout(time.Minute), kgo.MetadataMinAge(10 * time.Millisecond)}
	producer := franz(t, broker.Addr, append(quick, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(time.Millisecond),
		kgo.ProducerBatchCompression(kgo.SnappyCompression(), kgo.NoCompression()), kgo.RecordRetries(1_000_000))...)
	partitions := map[int32]kgo.Offset{}
	for p := range int32(killPartitions) {
		partitions[p] = kgo.NewOffset().AtStart()
	}
	reader := &killReader{cl: franz(t, broker.Addr, append(quick, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{load.topic: partitions}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()), kgo.KeepRetryableFetchErrors())...)}
	producing, stop := context.WithCancel(ctx)
	defer stop()
	load.run(producing, producer)

	for round := range rounds {
		enough := load.total() + 200 + random.Int64N(3000)
		for load.total() < enough {
			select {
			case err := <-load.fail:
				require.NoError(t, err, "round %d", round)
			case <-ctx.Done():
				require.NoErrorf(t, ctx.Err(), "round %d: %d of %d records acknowledged", round, load.total(), enough)
			case <-time.After(time.Millisecond):
			}
		}
		require.NoError(t, broker.Kill())
		broker.again()
		reader.readTo(ctx, t, load)
	}
	stop()
	load.ended.Wait()
	require.NoError(t, producer.Flush(ctx))
	select {
	case err := <-load.fail:
		require.NoError(t, err)
	default:
	}
	reader.readTo(ctx, t, load)
	for p := range int32(killPartitions) {
		require.Equalf(t, load.acked[p].Load(), reader.next[p], "partition %d holds what was acknowledged and no more", p)
	}
	t.Logf("%d records acknowledged and read", load.total())
}

// killReader reads every partition once, from the start to the end.
type killReader struct {
	cl   *kgo.Client
	next [killPartitions]int64 // the record that comes next
}

// readTo reads until every record is seen that is acknowledged by now.
func (r *killReader) readTo(ctx context.Context, t *testing.T, load *killLoad) {
	t.Helper()
	var want [killPartitions]int64
	for p := range want {
		want[p] = load.acked[p].Load()
	}
	behind := func() bool {
		for p := range want {
			if r.next[p] < want[p] {
				return true
			}
		}
		return false
	}
	for behind() {
		fetches := r.cl.PollFetches(ctx)
		require.NoErrorf(t, ctx.Err(), "read to %v of %v", r.next, want)
		fetches.EachRecord(func(k *kgo.Record) {
			n := r.next[k.Partition]
			if k.Offset != n || !bytes.Equal(killValue(k.Partition, n), k.Value) {
				require.Failf(t, "lost, doubled or out of order", "partition %d, offset %d: want record %d, got %.40q", k.Partition, k.Offset, n, k.Value)
			}
			r.next[k.Partition]++
		})
	}
}
