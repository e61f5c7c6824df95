package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"highwater.dev/bench/stat"
	"highwater.dev/bench/table"
)

// readingCommands read what the measuring ones wrote.
func readingCommands() []*cobra.Command {
	return []*cobra.Command{compareCommand(), versusCommand(), budgetCommand(), reportCommand(), profileCommand()}
}

func compareCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "compare OLD NEW",
		Short: "What changed between two files of results, as benchstat sees it",
		Long: `Reads two files of Go benchmark lines and prints, for each benchmark and unit, both medians with their 95 % intervals, the
change, p and n, with the methods and defaults of benchstat. Measure both sides in turn, at least 10 samples each.

Exit code: 0 nothing is significantly worse; 1 something is; 2 a file could not be read.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			old, err := stat.Read(args[0])
			if err != nil {
				return err
			}
			now, err := stat.Read(args[1])
			if err != nil {
				return err
			}
			rows, err := stat.Compare(old, now)
			if err != nil {
				return err
			}
			f := table.Format(format)
			if err := stat.CompareTable(rows, f).Write(cmd.OutOrStdout(), f); err != nil {
				return err
			}
			if f != table.CSV {
				for _, note := range stat.Notes(old, now, rows) {
					fmt.Fprintln(cmd.OutOrStdout(), note)
				}
			}
			return worse(rows)
		},
	}
	formatFlag(cmd, &format)
	return cmd
}

func worse(rows []stat.Comparison) error {
	var names []string
	for _, c := range rows {
		if c.Verdict == stat.Loses {
			names = append(names, c.Benchmark+" "+c.Unit)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return &Failed{fmt.Errorf("bench compare: %d of %d rows are worse: %s", len(names), len(rows), strings.Join(names, ", "))}
}

func versusCommand() *cobra.Command {
	var format, key, base string
	cmd := &cobra.Command{
		Use:   "versus FILE...",
		Short: "The implementations of one run beside each other, as ratios, beside the noise floor",
		Long: `Reads files of Go benchmark lines whose names tell implementations apart (…/impl=highwater, …/impl=kafka) and prints for each
benchmark and unit: medians with 95 % intervals, the ratio to the base with its interval (bootstrap over the rounds), and the noise
floor, which is how far two measurements of the same program (X and X-again) lie apart. "~" means: no difference was shown.

Exit code: 0 printed; 2 a file could not be read or has no such implementations.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			results, err := stat.Read(args...)
			if err != nil {
				return err
			}
			v, err := stat.Against(results, key, base)
			if err != nil {
				return err
			}
			return writeVersus(cmd.OutOrStdout(), v, table.Format(format))
		},
	}
	cmd.Flags().StringVar(&key, "key", "impl", "the part of the names that tells implementations apart")
	cmd.Flags().StringVar(&base, "base", "kafka", "the implementation that ratios are to")
	formatFlag(cmd, &format)
	return cmd
}

// writeVersus prints a table for each family of benchmarks, since each was measured with other implementations; in CSV one for all.
func writeVersus(w io.Writer, v *stat.Versus, f table.Format) error {
	if f == table.CSV {
		return v.Table(f).Write(w, f)
	}
	for i, family := range v.Families() {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if err := family.Table(f).Write(w, f); err != nil {
			return err
		}
	}
	return nil
}

func formatFlag(cmd *cobra.Command, format *string) {
	cmd.Flags().StringVar(format, "format", string(table.Text), table.Formats)
}
