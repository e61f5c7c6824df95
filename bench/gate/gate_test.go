package gate

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/bench/peer"
	"highwater.dev/broker/record"
)

// client is a connection that asks one thing after the other.
type client struct {
	net.Conn
	in []byte
}

// ask sends a framed request and returns the response behind its correlation id.
func (c *client) ask(frame []byte) ([]byte, error) {
	if _, err := c.Write(frame); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(c, c.in[:4]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(c.in)
	if _, err := io.ReadFull(c, c.in[:n]); err != nil {
		return nil, err
	}
	return c.in[4:n], nil
}

func framed(q kmsg.Request) []byte { return kmsg.NewRequestFormatter().AppendRequest(nil, q, 1) }

// start starts a broker and makes the topic "gate" of one partition.
func start(t *testing.T) (b *peer.Broker, c *client) {
	binary, err := peer.BuildHighwater(t.Context(), t.TempDir())
	require.NoError(t, err)
	b, err = peer.StartHighwater(t.Context(), peer.Options{Dir: t.TempDir(), Binary: binary, Admin: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Stop()) })
	conn, err := net.Dial("tcp", b.Addr)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	c = &client{conn, make([]byte, 4<<20)}
	q := kmsg.NewPtrMetadataRequest()
	q.Version, q.AllowAutoTopicCreation = 8, true
	q.Topics = []kmsg.MetadataRequestTopic{{Topic: kmsg.StringPtr("gate")}}
	_, err = c.ask(framed(q))
	require.NoError(t, err)
	return b, c
}

// produceFrame is a Produce request with one batch of so many bytes of values, in records of 1000 bytes.
func produceFrame(bytes int) []byte {
	var b record.Builder
	for left := bytes; left > 0; left -= 1000 {
		b.Add(1, nil, make([]byte, min(left, 1000)))
	}
	q := kmsg.NewPtrProduceRequest()
	q.Version, q.Acks, q.TimeoutMillis = 8, -1, 10_000
	q.Topics = []kmsg.ProduceRequestTopic{{Topic: "gate", Partitions: []kmsg.ProduceRequestTopicPartition{{Records: b.Batch()}}}}
	return framed(q)
}

func (c *client) produce(frame []byte) error {
	answer, err := c.ask(frame)
	if err != nil {
		return err
	}
	resp := kmsg.NewPtrProduceResponse()
	resp.Version = 8
	if err := resp.ReadFrom(answer); err != nil {
		return err
	}
	return kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
}

func (c *client) fetch(frame []byte, want int) error {
	answer, err := c.ask(frame)
	if err == nil && len(answer) < want {
		err = fmt.Errorf("%d bytes came, want at least %d", len(answer), want)
	}
	return err
}

// fits checks a count against its bound, and says both.
func fits(t *testing.T, what string, got, most float64) {
	t.Helper()
	t.Logf("%s: %.3f, at most %.3f", what, got, most)
	require.LessOrEqual(t, got, most, what)
}

// requests is how many are counted. The runtime adds allocations to its counters a span at a time, so some thousand objects come late
// or early: one allocation for each request is 20,000.
const requests = 20_000

// A batch is read into the frame's buffer, written once to the log and answered with one write; nothing is allocated.
func TestProduceWork(t *testing.T) {
	b, c := start(t)
	for _, bytes := range []int{1000, 16_000} {
		t.Run(fmt.Sprint(bytes), func(t *testing.T) {
			frame := produceFrame(bytes)
			require.NoError(t, c.produce(frame))
			got, err := Count(b, requests, func() error { return c.produce(frame) })
			require.NoError(t, err)
			fits(t, "allocations", got.Allocs, 0.5)
			fits(t, "reads", got.Reads, 5)
			fits(t, "writes", got.Writes, 2.1)
			fits(t, "bytes written for a byte of the request", got.Written/float64(len(frame)), 1.06)
		})
	}
}

// A fetch is one sendfile between a read of the request and a write of what stands around the records: these
// go from the page cache to the socket.
func TestFetchWork(t *testing.T) {
	b, c := start(t)
	frame := produceFrame(8_000)
	for range 100 {
		require.NoError(t, c.produce(frame))
	}
	for _, bytes := range []int32{16 << 10, 128 << 10} {
		t.Run(fmt.Sprint(bytes), func(t *testing.T) {
			q := kmsg.NewPtrFetchRequest()
			q.Version, q.MaxBytes, q.SessionEpoch, q.MinBytes = 11, bytes, -1, 1
			q.Topics = []kmsg.FetchRequestTopic{{Topic: "gate", Partitions: []kmsg.FetchRequestTopicPartition{{CurrentLeaderEpoch: -1, PartitionMaxBytes: bytes}}}}
			want := int(bytes) - len(frame) // at most a batch is left out
			frame := framed(q)
			require.NoError(t, c.fetch(frame, want))
			got, err := Count(b, requests, func() error { return c.fetch(frame, want) })
			require.NoError(t, err)
			fits(t, "allocations", got.Allocs, 0.5)
			fits(t, "reads", got.Reads, 5)
			fits(t, "writes", got.Writes, 1.1)
			fits(t, "bytes of the response copied", got.CopiedOut, 100)
		})
	}
}
