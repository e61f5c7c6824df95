// Command 02-wire-protocol is chapter 02's stage: a broker of five APIs that kcat and other clients talk to.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"highwater.dev/broker"
	"highwater.dev/broker/config"
	"highwater.dev/broker/network"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/vfs"
	"highwater.dev/broker/wire"
	chapter01 "highwater.dev/solutions/01-segment-log"
)

// options are the command line's.
type options struct{ impl, listen, loop, transfer, log, dir string }

func main() {
	var o options
	flag.CommandLine = flag.NewFlagSet("chapter 2", flag.ExitOnError) // without the flags of what the exercises' stubs import
	flag.StringVar(&o.impl, "impl", "solution", "whose code: solution, mine (your exercises) or broker (the real one)")
	flag.StringVar(&o.listen, "listen", "127.0.0.1:9092", "HOST:PORT to listen on, and to tell clients; port 0 is any free one")
	flag.StringVar(&o.loop, "loop", "goroutines", "the way of requests: reactor or goroutines")
	flag.StringVar(&o.transfer, "transfer", "sendfile", "the way of fetched bytes: copy or sendfile")
	flag.StringVar(&o.log, "log", "broker", "the partitions' logs: solution (chapter 01's) or broker")
	flag.StringVar(&o.dir, "dir", "", "folder for the partitions' logs; none: a temporary one that is removed at the end")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	if flag.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q; -help lists the flags", flag.Arg(0))
	}
	if !slices.Contains(loopNames, o.loop) || !slices.Contains(transferNames, o.transfer) {
		return fmt.Errorf("-loop is one of %v, -transfer one of %v", loopNames, transferNames)
	}
	openers := map[string]segment.Opener{"broker": segment.Open, "solution": chapter01.Open}
	open, ok := openers[o.log]
	if !ok {
		return errors.New("-log is solution or broker")
	}
	if o.dir == "" {
		dir, err := os.MkdirTemp("", "highwater-chapter-02-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
		o.dir = dir
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if o.impl == "broker" {
		return runBroker(ctx, o)
	}
	p, ok := implementations[o.impl]
	if !ok {
		return fmt.Errorf("-impl=%s is not here: solution, broker, and with `go run -tags mine`, mine", o.impl)
	}
	return runStage(ctx, o, p, open)
}

// runStage runs the chapter's own broker until ctx ends.
func runStage(ctx context.Context, o options, p parts, open segment.Opener) error {
	l, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	addr, _ := l.Addr().(*net.TCPAddr)
	host, _, err := net.SplitHostPort(o.listen)
	if err != nil {
		return err
	}
	b := p.newBroker(vfs.OS(), o.dir, open, 1)
	b.Advertise(host, int32(addr.Port))
	loop, end := p.newLoop[o.loop](kafkaDefaults(p.parseHeader, p.newTransfer[o.transfer]()))
	server := p.newServer(b, loop)
	o.welcome(net.JoinHostPort(host, fmt.Sprint(addr.Port)))
	ended := context.AfterFunc(ctx, func() { _ = l.Close() }) // Serve returns
	defer ended()
	err = server.Serve(l)
	server.Close()
	end()
	return errors.Join(err, b.Close())
}

// runBroker runs the real broker until ctx ends, with the solution's reactor in it when that is asked for.
func runBroker(ctx context.Context, o options) error {
	transfer := network.NewSendfile()
	if o.transfer == "copy" {
		transfer = network.NewCopy()
	}
	var loop network.Dispatcher
	if o.loop == "reactor" {
		d, end := solutionParts.newLoop[o.loop](kafkaDefaults(wire.ParseHeader, transfer))
		defer end()
		loop = d
	}
	b, err := startBroker(o.listen, o.dir, loop)
	if err != nil {
		return err
	}
	o.welcome(b.Addr("PLAINTEXT").String())
	ended := context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = b.Close(ctx) // a second Close, below, tells the outcome
	})
	defer ended()
	err = b.Serve()
	return errors.Join(err, b.Close(context.Background()))
}

// startBroker opens the real broker; a nil loop is its own.
func startBroker(listen, dir string, loop network.Dispatcher) (*broker.Broker, error) {
	properties := &config.Properties{}
	for key, value := range map[string]string{"node.id": "1", "listeners": "PLAINTEXT://" + listen, "log.dirs": dir, "highwater.admin.listener": ""} {
		properties.Set(key, value, "-listen, -dir")
	}
	server, _, err := config.LoadServer(properties)
	if err != nil {
		return nil, err
	}
	components := broker.Components{}
	if loop != nil {
		components.NewDispatcher = func() network.Dispatcher { return loop }
	}
	return broker.Open(broker.Config{Server: server, Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}, components)
}

func (o options) welcome(addr string) {
	fmt.Printf(`Chapter 02: a broker of Produce, Fetch, ListOffsets, Metadata and ApiVersions at %s
(code: %s, loop: %s, transfer: %s, logs in %s)

Try, in another terminal:
  kcat -L -b %[1]s                           # who leads what
  seq 5 | kcat -P -b %[1]s -t hello          # five records
  kcat -C -b %[1]s -t hello -o beginning -e  # read them, end at the end
  kcat -C -b %[1]s -t hello -o end           # a long poll: write more beside it
  bash -c 'exec 3<>/dev/tcp/%[6]s; printf "\177\377\377\377" >&3; cat <&3'   # a frame of 2 GiB, it says
Ctrl-C ends it.
`, addr, o.impl, o.loop, o.transfer, o.dir, hostAndPort(addr))
}

// hostAndPort is addr as bash's /dev/tcp takes it.
func hostAndPort(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return host + "/" + port
}
