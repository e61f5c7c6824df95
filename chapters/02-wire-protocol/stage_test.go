package main

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"highwater.dev/broker/network"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/vfs"
	"highwater.dev/broker/wire"
	"highwater.dev/chapters/02-wire-protocol/suite"
)

// startStage runs all of an implementation's parts together, as the stage does.
func startStage(t suite.TB, p parts, loop, transfer string) *suite.Running {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	b := p.newBroker(vfs.NewMem(), "data", segment.Open, 1)
	b.Advertise("127.0.0.1", int32(l.Addr().(*net.TCPAddr).Port))
	d, end := p.newLoop[loop](kafkaDefaults(p.parseHeader, p.newTransfer[transfer]()))
	server, served := p.newServer(b, d), make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	stop := sync.OnceValue(func() error {
		_ = l.Close() // ends Serve
		<-served
		server.Close()
		end()
		return b.Close()
	})
	return &suite.Running{Addr: l.Addr().String(), Stop: stop, Stub: func() any { return nil }}
}

// A real client writes and reads through each combination of the chapter's parts.
func TestFranzGo(t *testing.T) {
	for _, loop := range loopNames {
		for _, transfer := range transferNames {
			t.Run(loop+"/"+transfer, func(t *testing.T) {
				stage := startStage(t, solutionParts, loop, transfer)
				defer func() { require.NoError(t, stage.Stop()) }()
				writeAndRead(t, stage.Addr)
			})
		}
	}
}

// The reactor also serves the real broker: its sessions block in a long poll, so each needs a handler.
func TestTheRealBrokerBehindTheReactor(t *testing.T) {
	d, end := solutionParts.newLoop["reactor"](kafkaDefaults(wire.ParseHeader, network.NewSendfile()))
	node, err := startBroker("127.0.0.1:0", t.TempDir(), d)
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- node.Serve() }()
	writeAndRead(t, node.Addr("PLAINTEXT").String())
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	require.NoError(t, node.Close(ctx))
	require.NoError(t, <-served)
	end()
}

func writeAndRead(t *testing.T, addr string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	writer, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.AllowAutoTopicCreation(), kgo.DisableIdempotentWrite(),
		kgo.RequiredAcks(kgo.LeaderAck()), kgo.DefaultProduceTopic("hello"))
	require.NoError(t, err)
	defer writer.Close()
	const count = 300
	for i := range count {
		require.NoError(t, writer.ProduceSync(ctx, kgo.StringRecord(strconv.Itoa(i))).FirstErr())
	}
	reader, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumeTopics("hello"), kgo.FetchMaxWait(100*time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	require.NoError(t, err)
	defer reader.Close()
	for next := 0; next < count; {
		fetches := reader.PollFetches(ctx)
		require.NoError(t, fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			require.Equal(t, fmt.Sprint(next), string(r.Value))
			require.Equal(t, int64(next), r.Offset)
			next++
		})
	}
}
