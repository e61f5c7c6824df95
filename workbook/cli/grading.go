package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"highwater.dev/workbook/grade"
	"highwater.dev/workbook/lab"
	"highwater.dev/workbook/manifest"
	"highwater.dev/workbook/mutants"
	"highwater.dev/workbook/trial"
)

// publicSeed is the seed of a learner's own runs. An instructor grades with another.
const publicSeed = 1

func gradeCommand(host Host) *cobra.Command {
	var out, submission string
	var seed uint64
	cmd := &cobra.Command{
		Use:   "grade [CHAPTER]",
		Short: "Points, as the instructor's run will see them",
		Long: `Grade all exercises, or a chapter's, in processes of their own, with the tests of this checkout and only the exercise
files of --submission. Exit code 0: all passed; 1: something failed or is not started; 2: something could not be decided.
(go run itself turns every failure into 1: scripts use bin/highwater.)`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			w, err := openWorkbench()
			if err != nil {
				return &exitError{2, err}
			}
			chapters := w.chapters
			if len(args) == 1 {
				c, err := w.chapter(args[0])
				if err != nil {
					return &exitError{2, err}
				}
				chapters = []*manifest.Chapter{c}
			}
			own := submission == ""
			if own {
				submission = filepath.Join(w.root, "exercises")
			}
			results, err := grade.Run(cmd.Context(), grade.Options{
				Root: w.root, Submission: submission, Chapters: chapters, Seed: seed, Limits: trial.DefaultLimits(),
			})
			if err != nil {
				return &exitError{2, err}
			}
			return w.report(host, results, out, own)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "folder for results.json and results.xml (JUnit)")
	cmd.Flags().StringVar(&submission, "submission", "", "folder that holds NN-name/*.go (default: this checkout's exercises)")
	cmd.Flags().Uint64Var(&seed, "seed", publicSeed, "seed of property and fault tests")
	return cmd
}

// report prints, writes and remembers results, and ends the command with their exit code.
func (w *workbench) report(host Host, results []grade.Result, out string, own bool) error {
	if err := grade.WriteTable(host.Stdout, results); err != nil {
		return &exitError{2, err}
	}
	if out != "" {
		if err := grade.WriteReport(out, results); err != nil {
			return &exitError{2, err}
		}
	}
	if own {
		for _, r := range results {
			w.progress.Ended(r.Exercise, r.State)
		}
		if err := w.progress.Save(w.root); err != nil {
			return &exitError{2, err}
		}
	}
	if code := grade.ExitCode(results); code != grade.ExitPass {
		return &exitError{code, errQuiet}
	}
	return nil
}

func testCommand(host Host) *cobra.Command {
	var seed uint64
	cmd := &cobra.Command{
		Use:   "test EXERCISE",
		Short: "Try one exercise",
		Example: `  go run . test 1.2
  go run . test 1.6 --seed 7`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			w, err := openWorkbench()
			if err != nil {
				return &exitError{2, err}
			}
			c, e, err := w.exercise(args[0])
			if err != nil {
				return &exitError{2, err}
			}
			fmt.Fprintf(host.Stdout, "as Go runs it: go test -tags mine ./chapters/%s -run 'TestGraded/mine/%s' -impl mine -lab.seed %d\n",
				c.Name, e.ID, seed)
			results, err := grade.Run(cmd.Context(), grade.Options{
				Root: w.root, Submission: filepath.Join(w.root, "exercises"), Chapters: []*manifest.Chapter{c}, Only: e.ID,
				Seed: seed, Limits: trial.DefaultLimits(),
			})
			if err != nil {
				return &exitError{2, err}
			}
			for _, v := range results[0].Tests {
				fmt.Fprintf(host.Stdout, "%-12s %s\n", v.State, v.Test)
			}
			if results[0].State != lab.Pass {
				w.explain(host, c, e, results[0])
			}
			w.progress.Ended(e.ID, results[0].State)
			if err := w.progress.Save(w.root); err != nil {
				return &exitError{2, err}
			}
			if code := grade.ExitCode(results); code != grade.ExitPass {
				return &exitError{code, errQuiet}
			}
			fmt.Fprintf(host.Stdout, "%s %s. Next: go run .\n", lab.Pass, e.ID)
			return nil
		},
	}
	cmd.Flags().Uint64Var(&seed, "seed", publicSeed, "seed of property and fault tests")
	return cmd
}

// explain shows the first failing test: its invariant, its message, and where help is.
func (w *workbench) explain(host Host, c *manifest.Chapter, e *manifest.Exercise, r grade.Result) {
	message := r.Message
	for _, v := range r.Tests {
		if v.State == lab.Pass {
			continue
		}
		for _, inv := range c.Invariants {
			if inv.ID == v.Invariant {
				fmt.Fprintf(host.Stdout, "\n%s: %s\n", inv.ID, inv.Sentence)
			}
		}
		message = v.Test + ": " + v.Message
		break
	}
	fmt.Fprintf(host.Stdout, "\n%s %s\n\n%s\n", r.State, strings.TrimSpace(message), strings.Join([]string{
		"your file: " + w.exerciseFile(c, e),
		"the text:  chapters/" + c.Name + "/README.md",
		"a hint:    go run . hint " + e.ID,
	}, "\n"))
}

func mutantsCommand(host Host) *cobra.Command {
	var out string
	var jobs int
	cmd := &cobra.Command{
		Use:   "mutants [CHAPTER]",
		Short: "Show that the graded tests reject wrong programs",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			w, err := openWorkbench()
			if err != nil {
				return &exitError{2, err}
			}
			chapters := w.chapters
			if len(args) == 1 {
				c, err := w.chapter(args[0])
				if err != nil {
					return &exitError{2, err}
				}
				chapters = []*manifest.Chapter{c}
			}
			cache, err := os.UserCacheDir()
			if err != nil {
				return &exitError{2, err}
			}
			kills, err := mutants.Run(cmd.Context(), mutants.Options{
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
	cmd.Flags().IntVar(&jobs, "jobs", 2, "mutants at once")
	return cmd
}

func writeMatrix(name string, chapters []*manifest.Chapter, kills []mutants.Kill) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(mutants.WriteMatrix(f, chapters, kills), f.Close())
}
