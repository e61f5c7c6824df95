// Command nats is a second yardstick of bench/peers: NATS JetStream, a log server in Go. It is a module of its own, so that the
// broker does not carry its dependencies.
//
//	nats serve DIR                        a server with a file store below DIR; its address is the first line it prints
//	nats load ADDR STREAMS BYTES SIZE     writes BYTES of records of SIZE to STREAMS streams, reads them back, prints
//	                                      the two times in ns
//
// What is comparable is the raw path: bytes from a client to the page cache and back. What differs: every message is acknowledged
// by itself (no batches), has a subject and a header of its own in the file, and goes to readers by server push.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "nats:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "serve":
		return serve(args[1])
	case len(args) == 5 && args[0] == "load":
		l, err := parse(args[1:])
		if err != nil {
			return err
		}
		return l.run(context.Background())
	}
	return errors.New("usage: nats serve DIR | nats load ADDR STREAMS BYTES SIZE")
}

func serve(dir string) error {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: dir, NoSigs: true})
	if err != nil {
		return err
	}
	stop, release := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer release()
	s.Start()
	if !s.ReadyForConnections(30 * time.Second) {
		return errors.New("the server is not ready after 30 s")
	}
	fmt.Println(s.Addr())
	<-stop.Done()
	s.Shutdown()
	s.WaitForShutdown()
	return nil
}

// load is what one run writes and reads.
type load struct {
	addr    string
	streams int
	records int // in each stream
	size    int
}

func parse(args []string) (load, error) {
	streams, err1 := strconv.Atoi(args[1])
	bytes, err2 := strconv.Atoi(args[2])
	size, err3 := strconv.Atoi(args[3])
	if err := errors.Join(err1, err2, err3); err != nil {
		return load{}, err
	}
	if streams < 1 || size < 1 || bytes/size/streams < 1 {
		return load{}, fmt.Errorf("%d streams, %d bytes, records of %d: at least one record a stream is needed", streams, bytes, size)
	}
	return load{args[0], streams, bytes / size / streams, size}, nil
}

func (l load) run(ctx context.Context) error {
	for _, phase := range []func(context.Context, jetstream.JetStream, string) error{l.produce, l.consume} {
		begun := time.Now()
		if err := l.all(ctx, phase); err != nil {
			return err
		}
		fmt.Println(time.Since(begun).Nanoseconds())
	}
	return l.all(ctx, func(ctx context.Context, js jetstream.JetStream, name string) error {
		return js.DeleteStream(ctx, name)
	})
}

// all runs the phase for each stream at once, each with a connection of its own.
func (l load) all(ctx context.Context, phase func(context.Context, jetstream.JetStream, string) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for i := range l.streams {
		group.Go(func() error {
			nc, err := nats.Connect("nats://" + l.addr)
			if err != nil {
				return err
			}
			defer nc.Close()
			js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(4000))
			if err != nil {
				return err
			}
			return phase(ctx, js, fmt.Sprintf("bench-%d", i))
		})
	}
	return group.Wait()
}

func (l load) produce(ctx context.Context, js jetstream.JetStream, name string) error {
	config := jetstream.StreamConfig{Name: name, Subjects: []string{name}, Storage: jetstream.FileStorage}
	if _, err := js.CreateStream(ctx, config); err != nil {
		return err
	}
	payload := make([]byte, l.size)
	for i := range payload {
		payload[i] = byte(i * 7)
	}
	var acks []jetstream.PubAckFuture
	for range l.records {
		ack, err := js.PublishAsync(name, payload, jetstream.WithStallWait(time.Minute))
		if err != nil {
			return err
		}
		acks = append(acks, ack)
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-ctx.Done():
		return ctx.Err()
	}
	for _, ack := range acks {
		select {
		case err := <-ack.Err():
			return err
		case <-ack.Ok():
		}
	}
	return nil
}

func (l load) consume(ctx context.Context, js jetstream.JetStream, name string) error {
	consumer, err := js.OrderedConsumer(ctx, name, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy})
	if err != nil {
		return err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(10_000))
	if err != nil {
		return err
	}
	defer messages.Stop()
	for range l.records {
		m, err := messages.Next()
		if err != nil {
			return err
		}
		if len(m.Data()) != l.size {
			return fmt.Errorf("a record of %d bytes came back, of %d were sent", len(m.Data()), l.size)
		}
	}
	return nil
}
