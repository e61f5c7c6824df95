package cli

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"highwater.dev/workbook/class"
	"highwater.dev/workbook/grade"
	"highwater.dev/workbook/lab"
	"highwater.dev/workbook/manifest"
	"highwater.dev/workbook/trial"
)

// publicSeed is the seed of a learner's own runs. An instructor grades with another.
const publicSeed = 1

// gradeFlags are the grade command's.
type gradeFlags struct {
	out, submission, submissions, seeds string
	seed                                uint64
	jobs                                int
}

func gradeCommand(host Host) *cobra.Command {
	var f gradeFlags
	cmd := &cobra.Command{
		Use:   "grade [CHAPTER]",
		Short: "Points, as the instructor's run will see them",
		Long: `Grade all exercises, or a chapter's, in processes of their own, with the tests of this checkout and only the exercise
files of --submission. Exit code 0: all passed; 1: something failed or is not started; 2: something could not be decided.
(go run itself turns every failure into 1: scripts use bin/highwater.)

With --submissions, grade every learner's: DIR holds a folder or a .zip, .tar, .tar.gz or .tgz file for each, with exercises/NN-name/
or NN-name/ at the top or one folder down. --out gets grades.csv, grades.json and for each learner
learners/NAME/results.json, results.xml (JUnit) and report.md. A run that was stopped goes on where it was: whose files, seed and tests have
not changed is not graded again. Exit code 0: everybody was graded; 1: a submission was refused, as its problem says;
2: nobody, or not everybody, could be graded.

--seeds FILE holds a number, or any text, that the inputs of property and fault tests are drawn from. Keep it private.`,
		Example: `  go run . grade
  go run . grade 1 --out report
  go run . grade --submissions handed-in --seeds seed.txt --out graded --jobs 4`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			w, err := openWorkbench()
			if err != nil {
				return &exitError{2, err}
			}
			chapters, err := w.chosen(args)
			if err != nil {
				return &exitError{2, err}
			}
			if f.seeds != "" {
				if f.seed, err = readSeed(f.seeds); err != nil {
					return &exitError{2, err}
				}
			}
			o := grade.Options{Root: w.root, Submission: f.submission, Chapters: chapters, Seed: f.seed, Limits: trial.DefaultLimits()}
			if f.submissions != "" {
				return gradeClass(host, o, f)
			}
			return w.gradeOne(host, o, f)
		},
	}
	cmd.Flags().StringVar(&f.out, "out", "", "folder for results.json and results.xml (JUnit), or for the class's grades")
	cmd.Flags().StringVar(&f.submission, "submission", "", "folder that holds NN-name/*.go (default: this checkout's exercises)")
	cmd.Flags().StringVar(&f.submissions, "submissions", "", "folder that holds a folder or an archive for each learner; needs --out")
	cmd.Flags().Uint64Var(&f.seed, "seed", publicSeed, "seed of property and fault tests")
	cmd.Flags().StringVar(&f.seeds, "seeds", "", "file that holds the seed: a number or a text")
	cmd.Flags().IntVar(&f.jobs, "jobs", max(1, runtime.NumCPU()/2), "learners at once, with --submissions")
	cmd.MarkFlagsMutuallyExclusive("submission", "submissions")
	cmd.MarkFlagsMutuallyExclusive("seed", "seeds")
	return cmd
}

// gradeOne grades one folder of exercises: the checkout's own, unless told otherwise.
func (w *workbench) gradeOne(host Host, o grade.Options, f gradeFlags) error {
	own := o.Submission == ""
	if own {
		o.Submission = filepath.Join(w.root, "exercises")
	}
	ctx, release := host.Stopped()
	defer release()
	results, err := grade.Run(ctx, o)
	if err != nil {
		return &exitError{2, err}
	}
	return w.report(host, results, f.out, own)
}

// gradeClass grades every learner's submission.
func gradeClass(host Host, o grade.Options, f gradeFlags) error {
	if f.out == "" {
		return &exitError{2, errors.New("--submissions needs --out, the folder that the grades go to")}
	}
	ctx, release := host.Stopped()
	defer release()
	grades, err := class.Run(ctx, class.Options{Grade: o, Submissions: f.submissions, Out: f.out, Jobs: f.jobs, Progress: host.Stderr})
	if err != nil {
		return &exitError{2, err}
	}
	code := 0
	for _, g := range grades {
		switch {
		case g.Undecided:
			code = 2
		case g.Problem != "":
			code = max(code, 1)
		}
	}
	fmt.Fprintf(host.Stdout, "%d learners: %s\n", len(grades), filepath.Join(f.out, "grades.csv"))
	if code != 0 {
		return &exitError{code, errQuiet}
	}
	return nil
}

// readSeed reads a seed: a number, or a text that is hashed to one.
func readSeed(name string) (uint64, error) {
	content, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	text := strings.TrimSpace(string(content))
	if text == "" {
		return 0, fmt.Errorf("--seeds %s: the file is empty", name)
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return n, nil
	}
	sum := sha256.Sum256([]byte(text))
	return binary.BigEndian.Uint64(sum[:]), nil
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
	var only string
	cmd := &cobra.Command{
		Use:   "test EXERCISE",
		Short: "Try one exercise",
		Long: `Try one exercise: your package first and, where that fails, your file among the solution's other files. Exit code 0: it
passed; 1: it failed or is not started; 2: it could not be decided (it does not compile, it ran too long, it needs another
exercise). With --only, one of its tests alone; your progress is not touched then.`,
		Example: `  go run . test 1.2
  go run . test 1.6 --seed 7
  go run . test 1.6 --only torn-tail --seed 7`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			w, err := openWorkbench()
			if err != nil {
				return &exitError{2, err}
			}
			c, e, err := w.exercise(args[0])
			if err != nil {
				return &exitError{2, err}
			}
			if only != "" && !slices.Contains(e.Tests.All(), only) {
				return &exitError{2, fmt.Errorf("exercise %s has no test %q; it has %s", e.ID, only, strings.Join(e.Tests.All(), ", "))}
			}
			return w.test(host, c, e, only, seed)
		},
	}
	cmd.Flags().Uint64Var(&seed, "seed", publicSeed, "seed of property and fault tests")
	cmd.Flags().StringVar(&only, "only", "", "one test's name")
	return cmd
}

// test tries one exercise, or one of its tests, and shows what came of it.
func (w *workbench) test(host Host, c *manifest.Chapter, e *manifest.Exercise, only string, seed uint64) error {
	pattern := "TestGraded/mine/" + e.ID
	if only != "" {
		pattern += "/" + only
	}
	fmt.Fprintf(host.Stdout, "as Go runs it: go test -tags mine ./chapters/%s -run '%s' -impl mine -lab.seed %d\n", c.Name, pattern, seed)
	ctx, release := host.Stopped()
	defer release()
	results, err := grade.Run(ctx, grade.Options{
		Root: w.root, Submission: filepath.Join(w.root, "exercises"), Chapters: []*manifest.Chapter{c}, Only: e.ID, Test: only,
		Seed: seed, Limits: trial.DefaultLimits(),
	})
	if err != nil {
		return &exitError{2, err}
	}
	for _, v := range results[0].Tests {
		fmt.Fprintf(host.Stdout, "%-12s %s\n", v.State, v.Test)
	}
	if said := results[0].SecondTry(); said != "" {
		fmt.Fprintf(host.Stdout, "\n%s: %s\n", e.ID, said)
	}
	if results[0].State != lab.Pass {
		w.explain(host, c, e, results[0], seed)
	}
	if only == "" {
		w.progress.Ended(e.ID, results[0].State)
		if err := w.progress.Save(w.root); err != nil {
			return &exitError{2, err}
		}
	}
	if code := grade.ExitCode(results); code != grade.ExitPass {
		return &exitError{code, errQuiet}
	}
	fmt.Fprintf(host.Stdout, "%s %s. Next: go run .\n", lab.Pass, e.ID)
	return nil
}

// explain shows why an exercise did not pass: the invariant at stake, the message, how to see it again, and where help is.
func (w *workbench) explain(host Host, c *manifest.Chapter, e *manifest.Exercise, r grade.Result, seed uint64) {
	for _, v := range r.Tests {
		for _, inv := range c.Invariants {
			if v.Test == r.Decisive && inv.ID == v.Invariant {
				fmt.Fprintf(host.Stdout, "\n%s: %s\n", inv.ID, inv.Sentence)
			}
		}
	}
	var help []string
	if r.Decisive != "" && (r.State == lab.Fail || r.State == lab.Timeout) {
		help = append(help, fmt.Sprintf("again:     go run . test %s --only %s --seed %d", e.ID, r.Decisive, seed))
	}
	help = append(help, "your file: "+w.exerciseFile(c, e), "the text:  "+textOf(c, e), "a hint:    go run . hint "+e.ID)
	fmt.Fprintf(host.Stdout, "\n%s %s\n\n%s\n", r.State, grade.Printable(strings.TrimSpace(r.Message)), strings.Join(help, "\n"))
}

// textOf is the place of the chapter's text that the exercise stands in.
func textOf(c *manifest.Chapter, e *manifest.Exercise) string {
	return "chapters/" + c.Name + "/README.md#exercise-" + strings.ReplaceAll(e.ID, ".", "-")
}
