package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"highwater.dev/broker/dump"
	"highwater.dev/broker/vfs"
)

func dumpLogCommand(host Host) *cobra.Command {
	var o dump.Options
	cmd := &cobra.Command{
		Use:   "dump-log FILE...",
		Short: "Print a broker's files readably, and say where they are damaged",
		Long: `Print files of a log dir, Highwater's or Apache Kafka's: .log, .index, .timeindex, .txnindex, .snapshot,
leader-epoch-checkpoint, the offset checkpoints, partition.metadata and meta.properties.

Damage is printed with its byte position. Exit code 1: a file is damaged; 2: one cannot be read.`,
		Example: `  highwater dump-log --records --values .highwater/data/hello-0/*.log
  highwater dump-log --index-check .highwater/data/hello-0/*index`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, files []string) error {
			code := 0
			for _, name := range files {
				err := dump.File(vfs.OS(), name, o, host.Stdout)
				switch {
				case err == nil:
					continue
				case errors.Is(err, dump.ErrDamaged):
					code = max(code, 1)
				default:
					code = 2
				}
				fmt.Fprintln(host.Stderr, "highwater:", err)
			}
			if code != 0 {
				return &exitError{code, errQuiet}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&o.Records, "records", false, "print and check each record")
	cmd.Flags().BoolVar(&o.Values, "values", false, "print keys, values and headers, too")
	cmd.Flags().BoolVar(&o.IndexCheck, "index-check", false, "compare each index entry with the .log file beside it")
	return cmd
}
