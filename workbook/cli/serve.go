package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"highwater.dev/broker"
	"highwater.dev/broker/config"
)

// stopWithin is how long a graceful stop waits for clients before their connections are closed.
const stopWithin = 30 * time.Second

// defaults are what a node without a configuration file gets where they differ from the package's: on loopback, with its data in
// the working directory. log.dir is the key of lower precedence: log.dirs and log.dir both override it.
var defaults = []struct{ key, value string }{
	{"listeners", "PLAINTEXT://127.0.0.1:9092"},
	{"log.dir", ".highwater/data"},
}

func serveCommand(host Host) *cobra.Command {
	var overrides []string
	var level string
	cmd := &cobra.Command{
		Use:   "serve [server.properties]",
		Short: "Run a broker",
		Long: `Run a broker until SIGINT, SIGTERM or SIGHUP.

server.properties is Kafka's own file, with Kafka's names, units and defaults; the file that starts an Apache Kafka
KRaft node starts Highwater. Without a file: node 1 on 127.0.0.1:9092 with its data in .highwater/data. The data folder
is formatted at the first start. An unknown key is a warning; an invalid value refuses to start (exit 2) and says what
is allowed, for all keys at once.

Metrics, profiles and state are on highwater.admin.listener (default 127.0.0.1:9644; empty: off).`,
		Example: `  highwater serve --override log.dirs=/var/lib/highwater
  highwater serve server.properties --override auto.create.topics.enable=false`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			logger, err := newLogger(host, level)
			if err != nil {
				return &exitError{2, err}
			}
			server, err := loadServer(args, overrides, logger)
			if err != nil {
				return &exitError{2, err}
			}
			return serve(host, server, logger)
		},
	}
	cmd.Flags().StringArrayVar(&overrides, "override", nil, "set a property, as key=value; goes before the file; may be repeated")
	cmd.Flags().StringVar(&level, "log-level", "info", "debug, info, warn or error")
	return cmd
}

func newLogger(host Host, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level=%s: allowed is debug, info, warn or error", level)
	}
	return slog.New(slog.NewTextHandler(host.Stderr, &slog.HandlerOptions{Level: l})), nil
}

// loadServer reads the file, if there is one, and the overrides. The error lists everything that is wrong.
func loadServer(args, overrides []string, logger *slog.Logger) (config.Server, error) {
	props := &config.Properties{}
	if len(args) == 1 {
		f, err := os.Open(args[0])
		if err != nil {
			return config.Server{}, err
		}
		defer func() { _ = f.Close() }() // opened for reading: nothing can be lost
		if props, err = config.ParseProperties(f, args[0]); err != nil {
			return config.Server{}, err
		}
	} else {
		for _, d := range defaults {
			props.Set(d.key, d.value, "default")
		}
	}
	for _, o := range overrides {
		key, value, ok := strings.Cut(o, "=")
		if !ok || strings.TrimSpace(key) == "" {
			return config.Server{}, fmt.Errorf("--override %s: allowed is key=value", o)
		}
		props.Set(strings.TrimSpace(key), value, "--override")
	}
	server, warnings, err := config.LoadServer(props)
	for _, w := range warnings {
		logger.Warn("configuration", "warning", w.String())
	}
	if err != nil {
		return config.Server{}, fmt.Errorf("the configuration is refused:\n%w", err)
	}
	err = absolute(&server)
	return server, err
}

// absolute gives the log dirs the names that messages and DescribeLogDirs show: as Kafka's, they do not depend on who reads them.
func absolute(server *config.Server) (err error) {
	for i, dir := range server.LogDirs {
		if server.LogDirs[i], err = filepath.Abs(dir); err != nil {
			return fmt.Errorf("log dir %s: %w", dir, err)
		}
	}
	if server.MetadataLogDir != "" {
		if server.MetadataLogDir, err = filepath.Abs(server.MetadataLogDir); err != nil {
			return fmt.Errorf("metadata.log.dir: %w", err)
		}
	}
	return nil
}

func serve(host Host, server config.Server, logger *slog.Logger) error {
	ctx, release := host.Stopped()
	defer release()
	began := time.Now()
	b, err := broker.Open(broker.Config{Server: server, Logger: logger}, broker.Components{})
	if err != nil {
		return &exitError{1, err}
	}
	failed := make(chan error, 1)
	go func() { failed <- b.Serve() }()
	logger.Info("ready", readyArgs(b, &server, time.Since(began))...)

	var failure error
	select {
	case failure = <-failed:
		logger.Error("a server failed; stopping", "error", failure)
	case <-ctx.Done():
		logger.Info("stopping", "within", stopWithin)
	}
	// Further signals change nothing: timeout(1) and shells send the same one twice, and the stop is bounded.
	closing, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	if err := b.Close(closing); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		failure = errors.Join(failure, err)
	}
	if failure != nil {
		return &exitError{1, failure}
	}
	logger.Info("stopped; everything is flushed")
	return nil
}

// readyArgs says in one line where everything is.
func readyArgs(b *broker.Broker, server *config.Server, took time.Duration) []any {
	args := []any{"node", server.NodeID, "cluster", b.ClusterID()}
	for _, l := range server.Listeners {
		args = append(args, "listener", l.Name+"://"+b.Addr(l.Name).String())
	}
	args = append(args, "data", strings.Join(server.LogDirs, ","))
	if addr := b.AdminAddr(); addr != nil {
		args = append(args, "admin", "http://"+addr.(*net.TCPAddr).String())
	}
	return append(args, "took", took.Round(time.Millisecond))
}
