package load

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"highwater.dev/broker"
	"highwater.dev/broker/config"
	"highwater.dev/broker/vfs"
)

// startBroker is a real one in this process, its data in memory.
func startBroker(t *testing.T) string {
	t.Helper()
	properties := &config.Properties{}
	for k, v := range map[string]string{"node.id": "1", "listeners": "PLAINTEXT://127.0.0.1:0", "log.dirs": "data", "highwater.admin.listener": ""} {
		properties.Set(k, v, "test")
	}
	server, _, err := config.LoadServer(properties)
	require.NoError(t, err)
	b, err := broker.Open(broker.Config{Server: server, FS: vfs.NewMem(), Logger: slog.New(slog.DiscardHandler)}, broker.Components{})
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- b.Serve() }()
	t.Cleanup(func() {
		require.NoError(t, b.Close(context.Background()))
		require.NoError(t, <-served)
	})
	return b.Addr("PLAINTEXT").String()
}

func small(addr string) Options {
	o := Defaults()
	o.Bootstrap, o.WarmUp, o.Duration, o.Linger = addr, 0, 0, 0
	return o
}

func TestRunAgainstABroker(t *testing.T) {
	goleak.VerifyNone(t, goleak.IgnoreCurrent())
	t.Cleanup(func() { goleak.VerifyNone(t) })
	addr := startBroker(t)
	t.Run("bytes", func(t *testing.T) {
		o := small(addr)
		o.Partitions, o.Producers, o.Consumers, o.Subscriptions, o.Topics = 4, 2, 2, 2, 2
		o.Bytes, o.Compression, o.Pid = 4<<20, "lz4", os.Getpid()
		o.Keys, _ = ParseKeys("uniform:100")
		var last Progress
		o.Progress = func(p Progress) { last = p }
		result, err := Run(t.Context(), o)
		require.NoError(t, err)
		require.NoError(t, result.Err())
		require.EqualValues(t, 4096, result.Records)
		require.EqualValues(t, 8192, result.Received, "each subscription receives every record")
		require.EqualValues(t, 4096, result.Ack.Count())
		require.EqualValues(t, 8192, result.EndToEnd.Count())
		require.InDelta(t, 1, last.Done, 1e-9)
		require.Positive(t, result.Process.peakRSS)
		var line bytes.Buffer
		require.NoError(t, result.WriteBenchmark(&line, ""))
		require.Contains(t, line.String(), "cpu-s/GB")
	})
	t.Run("rate", func(t *testing.T) {
		o := small(addr)
		o.Partitions, o.Consumers, o.Rate, o.WarmUp, o.Duration = 2, 1, 2000, 100*time.Millisecond, 400*time.Millisecond
		result, err := Run(t.Context(), o)
		require.NoError(t, err)
		require.NoError(t, result.Err())
		require.EqualValues(t, 800, result.Records)
		require.EqualValues(t, 800, result.Received)
		require.GreaterOrEqual(t, Percentile(result.EndToEnd, 50)+time.Microsecond, shortest)
	})
	t.Run("backlog", func(t *testing.T) {
		o := small(addr)
		o.Partitions, o.Consumers, o.Bytes, o.Backlog = 1, 1, 4<<20, 2<<20
		result, err := Run(t.Context(), o)
		require.NoError(t, err)
		require.NoError(t, result.Err())
		require.Positive(t, result.Drained)
	})
	t.Run("acks", func(t *testing.T) {
		for _, acks := range acksNames[:2] {
			o := small(addr)
			o.Acks, o.Idempotent, o.Bytes = acks, false, 1<<20
			result, err := Run(t.Context(), o)
			require.NoError(t, err)
			require.NoError(t, result.Err())
			require.EqualValues(t, 1024, result.Records)
		}
	})
	t.Run("a topic with records of others", func(t *testing.T) {
		s := Shape{Addr: addr, Topic: "kept", Partitions: 2, RecordBytes: 100, TotalBytes: 100_000}
		require.NoError(t, CreateTopic(t.Context(), s))
		require.Error(t, CreateTopic(t.Context(), s))
		took, err := Produce(t.Context(), s)
		require.NoError(t, err)
		require.Positive(t, took)
		_, err = Consume(t.Context(), s)
		require.NoError(t, err)
		latencies, err := Latency(t.Context(), s, 1000, 100*time.Millisecond)
		require.NoError(t, err)
		require.EqualValues(t, 100, latencies.Count())

		o := small(addr)
		o.Topic, o.Consumers, o.Bytes = "kept", 2, 1<<20
		result, err := Run(t.Context(), o)
		require.NoError(t, err)
		require.NoError(t, result.Err())
		require.EqualValues(t, 1024, result.Received, "not those that were there before")
		require.EqualValues(t, 2, result.Partitions)
		o.Partitions = 3
		_, err = Run(t.Context(), o)
		require.ErrorContains(t, err, "exists and has 2 partitions, not 3")
		o.Partitions, o.Consumers = 0, 3
		_, err = Run(t.Context(), o)
		require.ErrorContains(t, err, "some would have none")
		require.NoError(t, DeleteTopic(t.Context(), s))
		require.Error(t, DeleteTopic(t.Context(), s))
	})
	t.Run("transactions are not served", func(t *testing.T) {
		o := small(addr)
		o.TransactionRecords, o.Bytes = 10, 1<<20
		_, err := Run(t.Context(), o)
		require.ErrorContains(t, err, "does not serve transactions: it advertises no EndTxn")
	})
	t.Run("an interrupt ends it", func(t *testing.T) {
		o := small(addr)
		o.Rate, o.Duration, o.Consumers = 100, time.Hour, 1
		ctx, cancel := context.WithCancel(t.Context())
		o.Progress = func(p Progress) {
			if p.Received > 0 {
				cancel()
			}
		}
		_, err := Run(ctx, o)
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	o := small(l.Addr().String())
	o.Bytes = 1 << 20
	_, err = Run(t.Context(), o)
	require.ErrorContains(t, err, l.Addr().String())
}

func TestSleepUntilIsNotEarly(t *testing.T) {
	for _, wait := range []time.Duration{0, 100 * time.Microsecond, 3 * time.Millisecond} {
		due := time.Now().Add(wait)
		require.NoError(t, sleepUntil(t.Context(), due))
		require.False(t, time.Now().Before(due))
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, sleepUntil(ended, time.Now().Add(time.Hour)), context.Canceled)
}
