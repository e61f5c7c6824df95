// Package cli is the `highwater bench` command.
package cli

import (
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"highwater.dev/bench/floor"
)

// Command returns `bench`, which measures a chapter, with its subcommands.
func Command(chapters Chapters) *cobra.Command {
	bench := &cobra.Command{Short: "Measure a chapter, or the broker beside Apache Kafka and what the machine can do"}
	stageFlags(bench, chapters)
	bench.AddCommand(peersCommand(), floorCommand())
	bench.AddCommand(loadCommand())
	bench.AddCommand(readingCommands()...)
	return bench
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
