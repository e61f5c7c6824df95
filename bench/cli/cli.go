// Package cli is the `highwater bench` command.
package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"highwater.dev/bench/floor"
	"highwater.dev/bench/peer"
	"highwater.dev/bench/peers"
)

// Command returns `bench` with its subcommands.
func Command() *cobra.Command {
	bench := &cobra.Command{Use: "bench", Short: "Measure the broker, beside Apache Kafka and beside what the machine can do"}
	bench.AddCommand(peersCommand(), floorCommand())
	bench.AddCommand(loadCommand())
	bench.AddCommand(compareCommand(), versusCommand(), profileCommand(), budgetCommand())
	return bench
}

func peersCommand() *cobra.Command {
	plan := peers.DefaultPlan()
	var out, dir string
	var megabytes int64
	cmd := &cobra.Command{
		Use:   "peers",
		Short: "Highwater, Apache Kafka 4.3 and the floor in one run, alternating",
		Long: `Starts Highwater and Apache Kafka 4.3 (KRaft, one node, jars from Maven), drives both through franz-go in turn, and
prints medians with their spread and the ratios. CPU is what the kernel accounts to the server's process. The floor is a plain
Go server that receives the same bytes, computes CRC-32C and writes them to files. Needs Linux, Java 17, Maven and the Go toolchain.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			plan.Bytes = megabytes << 20
			return runPeers(cmd.Context(), plan, dir, out, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().IntVar(&plan.Rounds, "rounds", plan.Rounds, "measured samples of each load; one more warms up")
	cmd.Flags().Int64Var(&megabytes, "mib", plan.Bytes>>20, "MiB of record values in a throughput sample")
	cmd.Flags().IntSliceVar(&plan.RecordBytes, "record-bytes", plan.RecordBytes, "record sizes")
	cmd.Flags().DurationVar(&plan.Latency, "latency", plan.Latency, "length of a latency sample")
	cmd.Flags().StringVar(&dir, "dir", "", "folder for the brokers' data (default: a temporary one, removed afterwards)")
	cmd.Flags().StringVar(&out, "out", "", "file for the samples as Go benchmark lines, which benchstat reads")
	return cmd
}

func runPeers(ctx context.Context, plan peers.Plan, dir, out string, stdout, stderr io.Writer) error {
	if dir == "" {
		temp, err := os.MkdirTemp("", "highwater-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(temp) //nolint:errcheck // a temporary folder
		dir = temp
	}
	binary, err := peer.BuildHighwater(ctx, filepath.Join(dir, "bin"))
	if err != nil {
		return err
	}
	floorServer, stop, err := startFloor(ctx, dir)
	if err != nil {
		return err
	}
	defer stop()
	log := slog.New(slog.NewTextHandler(stderr, nil))
	samples, err := peers.MeasureAll(ctx, plan, peers.Starters(binary, dir), floorServer, log)
	if err != nil {
		return err
	}
	if out != "" {
		if err := writeBenchmarks(out, samples); err != nil {
			return err
		}
	}
	return peers.WriteTable(stdout, samples, []string{peers.Highwater, peers.Kafka, peers.Floor})
}

func writeBenchmarks(name string, samples []peers.Sample) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(peers.WriteBenchmarks(f, samples), f.Close())
}

// startFloor runs this program again as the floor server: a process of its own, so that its CPU time is its own.
func startFloor(ctx context.Context, dir string) (*peers.Server, func(), error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	data := filepath.Join(dir, "floor")
	if err := os.MkdirAll(data, 0o755); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, self, "bench", "floor-server", data)
	cmd.WaitDelay = 5 * time.Second
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		cancel()
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, nil, err
	}
	stop := func() {
		cancel()
		_ = cmd.Wait() // ended by the cancelled context: its error says so and nothing else
	}
	addr, err := bufio.NewReader(pipe).ReadString('\n')
	if err != nil {
		stop()
		return nil, nil, fmt.Errorf("bench: the floor server did not start: %w", err)
	}
	return &peers.Server{Name: peers.Floor, Addr: strings.TrimSpace(addr), Pid: cmd.Process.Pid}, stop, nil
}

func floorCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "floor-server DIR",
		Short:  "Receive frames, compute CRC-32C, write to files in DIR; prints its address (started by peers)",
		Args:   cobra.ExactArgs(1),
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), l.Addr())
			return floor.Serve(l, args[0])
		},
	}
}
