package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"highwater.dev/bench/budget"
	"highwater.dev/bench/stat"
	"highwater.dev/bench/table"
)

func budgetCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "budget FILE...",
		Short: "Which budgets a run meets",
		Long: `Reads files of Go benchmark lines of one run, with impl=highwater, impl=kafka and impl=floor in the names, and prints for each budget
the limit, the measured ratio with its 95 % interval, the noise floor and the verdict: met, missed or not measured.

Exit code: 0 all are met; 1 one is missed; 2 none is missed and one was not measured, or a file could not be read.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			results, err := stat.Read(args...)
			if err != nil {
				return err
			}
			run, err := stat.Against(results, "impl", "")
			if err != nil {
				return err
			}
			outcomes := budget.Judge(run)
			if err := budget.Table(outcomes).Write(cmd.OutOrStdout(), table.Format(format)); err != nil {
				return err
			}
			missed, open := budget.Count(outcomes, budget.Missed), budget.Count(outcomes, budget.NotMeasured)
			switch {
			case missed > 0:
				return &Failed{fmt.Errorf("bench budget: %d of %d missed, %d not measured", missed, len(outcomes), open)}
			case open > 0:
				return fmt.Errorf("bench budget: %d of %d not measured, none missed", open, len(outcomes))
			}
			return nil
		},
	}
	formatFlag(cmd, &format)
	return cmd
}
