package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"

	"github.com/spf13/cobra"

	"highwater.dev/bench/machine"
	"highwater.dev/bench/peer"
	"highwater.dev/bench/peers"
)

// peersOptions are the flags of `bench peers`.
type peersOptions struct {
	plan       peers.Plan
	only       string
	dir, out   string
	mebibytes  int64
	recoveryMB int64
}

func peersCommand() *cobra.Command {
	o := peersOptions{plan: peers.DefaultPlan()}
	cmd := &cobra.Command{
		Use:   "peers",
		Short: "Highwater, Apache Kafka 4.3, NATS JetStream and the floor in one run, alternating",
		Long: `Starts Highwater (twice, for the noise floor), Apache Kafka 4.3 (KRaft, one node, jars from Maven), NATS JetStream (bench/nats) and
the floor server, drives them in turn, and writes each sample as a line of Go's benchmark format; bench versus and bench report read them.
CPU is what the kernel accounts to the server's process. The floor is a plain Go server that receives the same bytes, computes
CRC-32C and writes them to files. What the machine itself can do is measured in the same rounds (Limit/…). Needs Linux and the Go
toolchain; without Java 17 and Maven, or without a network for the first download, what needs them is left out with a sentence.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	p := &o.plan
	f.StringVar(&o.only, "only", "", "regular expression: names of the loads to measure (StartUp, Limit, Produce, Consume, Perf, AckLatency, Sweep, Memory, Recovery, Partitions, Connections)")
	f.IntVar(&p.Rounds, "rounds", p.Rounds, "measured samples of each load; one more warms up")
	f.IntVar(&p.FewRounds, "few-rounds", p.FewRounds, "samples of curves, recovery, idle partitions and connections")
	f.Int64Var(&o.mebibytes, "mib", p.Bytes>>20, "MiB of record values in a throughput sample")
	f.IntSliceVar(&p.RecordBytes, "record-bytes", p.RecordBytes, "record sizes")
	f.DurationVar(&p.Latency, "latency", p.Latency, "length of a latency sample")
	f.Int64Var(&o.recoveryMB, "recovery-mb", p.RecoveryBytes/1e6, "MB of record values in the log that is recovered")
	f.IntVar(&p.IdlePartitions, "idle-partitions", p.IdlePartitions, "partitions that nobody uses")
	f.IntVar(&p.IdleConnections, "idle-connections", p.IdleConnections, "connections that say nothing")
	f.StringVar(&p.Profiles, "profile", "", "folder for Highwater's profiles under these loads, taken after all samples; bench profile shows them")
	f.StringVar(&o.dir, "dir", "", "folder for the servers' data (default: a temporary one, removed afterwards)")
	f.StringVar(&o.out, "out", "", "file for the samples (default: standard output)")
	return cmd
}

func (o *peersOptions) run(ctx context.Context, stdout, stderr io.Writer) (err error) {
	o.plan.Bytes, o.plan.RecoveryBytes = o.mebibytes<<20, o.recoveryMB*1e6
	if o.only != "" {
		if o.plan.Only, err = regexp.Compile(o.only); err != nil {
			return fmt.Errorf("only: %w", err)
		}
	}
	if err := o.plan.Validate(); err != nil {
		return err
	}
	if o.dir == "" {
		if o.dir, err = os.MkdirTemp("", "highwater-bench-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(o.dir)) }()
	}
	if o.out != "" {
		file, createErr := os.Create(o.out) // before the work, not after it
		if createErr != nil {
			return createErr
		}
		stdout = file
		defer func() { err = errors.Join(err, file.Close()) }()
	}
	log := slog.New(slog.NewTextHandler(stderr, nil))
	starters, err := o.starters(ctx, stderr)
	if err != nil {
		return err
	}
	samples, err := peers.Run(ctx, o.plan, starters, o.dir, log)
	if err != nil {
		return err
	}
	return errors.Join(machine.Write(stdout, machine.Facts()), peers.WriteBenchmarks(stdout, samples))
}

// starters of all servers that can be had. What cannot is left out with a sentence.
func (o *peersOptions) starters(ctx context.Context, stderr io.Writer) ([]peers.Starter, error) {
	bin := filepath.Join(o.dir, "bin")
	binary, err := peer.BuildHighwater(ctx, bin)
	if err != nil {
		return nil, err
	}
	starters := peers.StartersFor(binary)
	if err := peer.KafkaAvailable(ctx); err != nil {
		fmt.Fprintf(stderr, "Apache Kafka and its tools are left out: %v\n", err)
		starters = peers.WithoutKafka(starters)
	}
	if nats, err := peer.BuildNats(ctx, bin); err != nil {
		fmt.Fprintf(stderr, "NATS JetStream is left out: %v\n", err)
	} else {
		starters = append(starters, peers.NatsStarter(nats))
	}
	return append(starters, peers.FloorStarter(binary)), nil
}
