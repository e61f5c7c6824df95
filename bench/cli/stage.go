package cli

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"highwater.dev/bench/machine"
	"highwater.dev/bench/stage"
	"highwater.dev/bench/stat"
	"highwater.dev/bench/table"
)

// Chapters finds the folder of a chapter, and the checkout it is in, by what a person types: "1", "01-segment-log".
type Chapters func(arg string) (root, folder string, err error)

// stageOptions are the flags of `bench CHAPTER`.
type stageOptions struct {
	plan        stage.Plan
	out, format string
}

// stageFlags makes bench itself the command that measures a chapter.
func stageFlags(bench *cobra.Command, chapters Chapters) {
	o := stageOptions{plan: stage.DefaultPlan()}
	bench.Use = "bench [CHAPTER]"
	bench.Example = "  highwater bench 1\n  highwater bench 2 --impl solution,broker,mine --bench Produce"
	bench.Long = `With a chapter: its benchmarks for the solution and the broker (and yours, with --impl mine,solution), in turn, ten samples each unless --samples says otherwise, and
the first implementation twice; prints medians, ratios to the first and the noise floor, which is how far it lies from itself.

Exit code: 0 measured; 1 a benchmark failed; 2 the command line is wrong, or the chapter does not compile.`
	bench.Args = cobra.MaximumNArgs(1)
	bench.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		var err error
		if o.plan.Root, o.plan.Chapter, err = chapters(args[0]); err != nil {
			return err
		}
		return o.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	f := bench.Flags()
	f.StringSliceVar(&o.plan.Impls, "impl", o.plan.Impls, "implementations: solution, mine, broker; ratios are to the first")
	f.StringVar(&o.plan.Benchmark, "bench", o.plan.Benchmark, "regular expression of the benchmarks, as go test -bench takes it")
	f.IntVar(&o.plan.Samples, "samples", o.plan.Samples, "rounds, with a sample of each benchmark and implementation")
	f.DurationVar(&o.plan.Time, "benchtime", o.plan.Time, "length of a sample")
	f.StringVar(&o.plan.Profiles, "profile", "", "folder for profiles of each benchmark, taken after all samples; bench profile shows them")
	f.StringVar(&o.out, "out", "", "file for the samples as Go benchmark lines")
	formatFlag(bench, &o.format)
}

func (o *stageOptions) run(ctx context.Context, stdout, stderr io.Writer) (err error) {
	if err := o.plan.Validate(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "highwater-stage-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	samples := filepath.Join(dir, "samples.txt")
	file, err := os.Create(samples)
	if err != nil {
		return err
	}
	var broken *stage.BuildError
	err = errors.Join(machine.Write(file, machine.Facts()), stage.Run(ctx, o.plan, file, slog.New(slog.NewTextHandler(stderr, nil))), file.Close())
	switch {
	case errors.As(err, &broken):
		return err
	case err != nil:
		return &Failed{err}
	}
	results, err := stat.Read(samples)
	if err != nil {
		return err
	}
	if o.out != "" { // what was there stays until there is something better
		content, err := os.ReadFile(samples)
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.out, content, 0o644); err != nil {
			return err
		}
	}
	v, err := stat.Against(results, "impl", o.plan.Impls[0])
	if err != nil {
		return err
	}
	return writeVersus(stdout, v, table.Format(o.format))
}
