package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"highwater.dev/bench/load"
)

// loadFlags are what the flags say that load.Options do not.
type loadFlags struct {
	keys, workload, out, json string
	mebibytes                 int64
}

func loadCommand() *cobra.Command {
	o, f := load.Defaults(), loadFlags{}
	cmd := &cobra.Command{
		Use:   "load",
		Short: "Write to and read from a broker at a rate, or as fast as it goes, and tell throughput and latencies",
		Long: `Drives any Kafka broker through franz-go and prints a Go benchmark line, which benchstat reads.

With --rate the load is an open loop: record n is due at start + n/rate, whatever the broker does, and each latency counts
from when its record was due, so a broker that stalls cannot hide it. Without --rate the client's buffer (32 MiB for each
producer) bounds what is under way, and latencies are those of a full queue.

p50-ms … max-ms are from due to acknowledged; e2e-p50-ms … from due to the consumer's receipt (--consumers). MB and GB are 1e6
and 1e9 bytes of record values before compression. Half of each value is random and half zeros by default, so that codecs find
about 2:1; --random-ratio changes that. Consumers read assigned partitions, not by a group, from where the topic ended.

--workload reads an OpenMessaging benchmark workload file instead of the flags for topics, clients per topic, records, keys, rate and
times; --duration and --warm-up still shorten it. Other fields of such a file are refused, with their line. producerRate 0 is as
fast as possible; consumers begin when consumerBacklogSizeGB is written, and drain-s says how long they took to catch up.

Exit code 1: records failed or did not arrive, or no broker answered. 2: wrong arguments.`,
		Example: `  highwater bench load --partitions 4 --consumers 2 --duration 30s
  highwater bench load --rate 20000 --acks all --pid $(pgrep -f 'highwater serve')
  highwater bench load --workload 1-topic-16-partitions-1kb.yaml --duration 1m`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			name, err := f.complete(cmd.Flags(), &o)
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return runLoad(ctx, o, f, name, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f.add(cmd.Flags(), &o)
	return cmd
}

func (f *loadFlags) add(flags *pflag.FlagSet, o *load.Options) {
	flags.StringVar(&o.Bootstrap, "bootstrap", o.Bootstrap, "HOST:PORT of a broker")
	flags.StringVar(&o.Topic, "topic", "", "topic, made when it is not there, and kept (default: a new one, removed afterwards)")
	flags.Int32Var(&o.Partitions, "partitions", 0, "partitions of the topic (default: what it has; 1 for a new one)")
	flags.Int16Var(&o.ReplicationFactor, "replication-factor", o.ReplicationFactor, "of a new topic")
	flags.IntVar(&o.Producers, "producers", o.Producers, "producers, each a client of its own")
	flags.IntVar(&o.Consumers, "consumers", 0, "consumers, which share the partitions; 0: none")
	flags.IntVar(&o.RecordBytes, "record-bytes", o.RecordBytes, "bytes of a record's value, at least 16")
	flags.Float64Var(&o.Payload.RandomRatio, "random-ratio", o.Payload.RandomRatio, "share of a value's bytes that are random, 0 to 1; the rest are zeros")
	flags.StringVar(&f.keys, "keys", "none", "none (partitions in turn), sequential, sequential:N, uniform:N or zipf:N (keyed by murmur2)")
	flags.StringVar(&o.Compression, "compression", o.Compression, "none, gzip, snappy, lz4 or zstd")
	flags.StringVar(&o.Acks, "acks", o.Acks, "0, 1 or all")
	flags.BoolVar(&o.Idempotent, "idempotent", true, "idempotent producers (default: true with acks=all, else false)")
	flags.IntVar(&o.TransactionRecords, "transactional", 0, "records in each transaction; 0: no transactions")
	flags.DurationVar(&o.Linger, "linger", o.Linger, "linger.ms, as a duration")
	flags.Int32Var(&o.BatchBytes, "batch-bytes", o.BatchBytes, "largest batch, before compression")
	flags.Float64Var(&o.Rate, "rate", 0, "records a second of all producers together; 0: as fast as possible")
	flags.DurationVar(&o.WarmUp, "warm-up", o.WarmUp, "sent before the measured part")
	flags.DurationVar(&o.Duration, "duration", o.Duration, "of the measured part")
	flags.Int64Var(&f.mebibytes, "mib", 0, "MiB of values in the measured part, instead of --duration")
	flags.StringVar(&f.workload, "workload", "", "OpenMessaging benchmark workload file (YAML)")
	flags.IntVar(&o.Pid, "pid", 0, "of the broker on this machine: adds cpu-s/GB and peak-RSS-MiB (Linux)")
	flags.StringVar(&f.out, "out", "", "file for the benchmark line (default: standard output)")
	flags.StringVar(&f.json, "json", "", "file for the result as JSON")
}

// fromWorkload are the flags whose place a workload file takes.
var fromWorkload = []string{"partitions", "producers", "consumers", "record-bytes", "random-ratio", "keys", "rate", "mib"}

// complete puts the flags together with the workload file and says what is wrong with them.
func (f *loadFlags) complete(flags *pflag.FlagSet, o *load.Options) (workload string, err error) {
	if !flags.Changed("idempotent") {
		o.Idempotent = o.Acks == "all"
	}
	if flags.Changed("mib") {
		if flags.Changed("duration") {
			return "", errors.New("--mib and --duration: one of them ends the run")
		}
		o.Bytes, o.Duration = f.mebibytes<<20, 0
	}
	if o.Keys, err = load.ParseKeys(f.keys); err != nil {
		return "", err
	}
	if f.workload != "" {
		if i := slices.IndexFunc(fromWorkload, flags.Changed); i >= 0 {
			return "", fmt.Errorf("--%s: the workload file says that", fromWorkload[i])
		}
		duration, warmUp := o.Duration, o.WarmUp
		if workload, err = load.ReadWorkload(f.workload, o); err != nil {
			return "", err
		}
		if flags.Changed("duration") {
			o.Duration = duration
		}
		if flags.Changed("warm-up") {
			o.WarmUp = warmUp
		}
	}
	return workload, o.Validate()
}

func runLoad(ctx context.Context, o load.Options, f loadFlags, workload string, stdout, stderr io.Writer) error {
	progress, finish := progressBar(stderr)
	o.Progress = progress
	result, err := load.Run(ctx, o)
	finish()
	if err != nil {
		return &Failed{err}
	}
	line := &strings.Builder{}
	if err := result.WriteBenchmark(line, workload); err != nil {
		return &Failed{err}
	}
	if f.out == "" {
		fmt.Fprint(stdout, line)
	} else if err := os.WriteFile(f.out, []byte(line.String()), 0o644); err != nil {
		return &Failed{err}
	}
	if f.json != "" {
		text := &strings.Builder{}
		if err := result.WriteJSON(text, workload); err != nil {
			return &Failed{err}
		}
		if err := os.WriteFile(f.json, []byte(text.String()), 0o644); err != nil {
			return &Failed{err}
		}
	}
	if err := result.Err(); err != nil {
		return &Failed{err}
	}
	return nil
}
