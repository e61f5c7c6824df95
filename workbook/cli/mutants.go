package cli

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"highwater.dev/workbook/manifest"
	"highwater.dev/workbook/mutants"
	"highwater.dev/workbook/trial"
)

func mutantsCommand(host Host) *cobra.Command {
	var out string
	var jobs int
	cmd := &cobra.Command{
		Use:   "mutants [CHAPTER]",
		Short: "Show that the graded tests reject wrong programs",
		Long: `Apply each named mutant of exercises.yaml to the solution and run its exercise's tests, which have to fail; print which test
killed which mutant. Exit code 1: a mutant survives or cannot be tried, a test kills nothing, or a solution fails; 2: it could not be run.
What was run before, the same mutant with the same tests, is taken from the cache in the user's cache folder.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			w, err := openWorkbench()
			if err != nil {
				return &exitError{2, err}
			}
			chapters, err := w.chosen(args)
			if err != nil {
				return &exitError{2, err}
			}
			cache, err := os.UserCacheDir()
			if err != nil {
				return &exitError{2, err}
			}
			ctx, release := host.Stopped()
			defer release()
			kills, err := mutants.Run(ctx, mutants.Options{
				Root: w.root, Chapters: chapters, Cache: filepath.Join(cache, "highwater", "mutants"), Jobs: jobs, Limits: trial.DefaultLimits(),
			})
			if kills == nil && err != nil {
				return &exitError{2, err}
			}
			werr := mutants.WriteMatrix(host.Stdout, chapters, kills)
			if out != "" && werr == nil {
				werr = writeMatrix(out, chapters, kills)
			}
			if err := errors.Join(err, werr); err != nil {
				return &exitError{1, err}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "file for the kill matrix in Markdown")
	cmd.Flags().IntVar(&jobs, "jobs", 4, "mutants at once: most of them wait, for an answer that does not come")
	return cmd
}

func writeMatrix(name string, chapters []*manifest.Chapter, kills []mutants.Kill) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(mutants.WriteMatrix(f, chapters, kills), f.Close())
}
