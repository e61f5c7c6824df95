package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"highwater.dev/workbook/generate"
	"highwater.dev/workbook/manifest"
	"highwater.dev/workbook/progress"
)

// workbench is what the workbook's commands work on: the checkout they were started in.
type workbench struct {
	root     string
	chapters []*manifest.Chapter
	progress *progress.Progress
}

func openWorkbench() (*workbench, error) {
	root, err := findRoot()
	if err != nil {
		return nil, err
	}
	chapters, err := manifest.LoadAll(root)
	if err != nil {
		return nil, err
	}
	p, err := progress.Load(root)
	if err != nil {
		return nil, err
	}
	return &workbench{root: root, chapters: chapters, progress: p}, nil
}

// findRoot goes up from the working directory to the checkout.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		content, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(content), "module highwater.dev\n") {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("the workbook's commands work inside a checkout of highwater.dev: change to it first")
		}
		dir = up
	}
}

// chapter finds a chapter by its number ("1", "01") or folder.
func (w *workbench) chapter(arg string) (*manifest.Chapter, error) {
	n, err := strconv.Atoi(arg)
	for _, c := range w.chapters {
		if c.Name == arg || err == nil && c.Number == n {
			return c, nil
		}
	}
	return nil, fmt.Errorf("there is no chapter %q; chapters: %s", arg, w.names())
}

// chapterFolder finds a chapter for the benchmarks.
func chapterFolder(arg string) (root, folder string, err error) {
	w, err := openWorkbench()
	if err != nil {
		return "", "", err
	}
	c, err := w.chapter(arg)
	if err != nil {
		return "", "", err
	}
	return w.root, c.Name, nil
}

// chosen are the chapters that a command is for: the one named, or all.
func (w *workbench) chosen(args []string) ([]*manifest.Chapter, error) {
	if len(args) == 0 {
		return w.chapters, nil
	}
	c, err := w.chapter(args[0])
	return []*manifest.Chapter{c}, err
}

func (w *workbench) names() string {
	var names []string
	for _, c := range w.chapters {
		names = append(names, c.Name)
	}
	return strings.Join(names, ", ")
}

// exercise finds an exercise by its id.
func (w *workbench) exercise(id string) (*manifest.Chapter, *manifest.Exercise, error) {
	number, _, _ := strings.Cut(id, ".")
	c, err := w.chapter(number)
	if err != nil {
		return nil, nil, err
	}
	e, ok := c.Exercise(id)
	if !ok {
		return nil, nil, fmt.Errorf("chapter %d has the exercises 1 to %d, not %q", c.Number, len(c.Exercises), id)
	}
	return c, e, nil
}

func (w *workbench) exerciseFile(c *manifest.Chapter, e *manifest.Exercise) string {
	return filepath.Join("exercises", c.Name, e.File)
}

// workbookCommands are the learner's and the instructor's.
func workbookCommands(host Host) []*cobra.Command {
	return []*cobra.Command{
		testCommand(host), gradeCommand(host), hintCommand(host), whyCommand(host), solutionCommand(host), diffCommand(host),
		resetCommand(host), chapterCommand(host), generateCommand(host), mutantsCommand(host),
	}
}

func generateCommand(host Host) *cobra.Command {
	var force, check bool
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Make exercises/ from solutions/",
		Long: `Make exercises/ from solutions/. A file that you edited is not overwritten without --force. With --check nothing is
written, and files that differ from what would be made end the command with exit code 1. A chapter with an edited file is left as it
is; the others are made.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			w, err := openWorkbench()
			if err != nil {
				return &exitError{2, err}
			}
			return w.generate(host, force, check)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "overwrite edited files")
	cmd.Flags().BoolVar(&check, "check", false, "write nothing; report differences")
	return cmd
}

// generate makes every chapter's exercises, or checks them. What stands in one chapter's way does not stop the others.
func (w *workbench) generate(host Host, force, check bool) error {
	var errs []error
	drifted := 0
	for _, c := range w.chapters {
		made, err := generate.Chapter(w.root, c)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if !check {
			errs = append(errs, generate.Write(w.root, made, force))
			continue
		}
		names, err := generate.Drift(w.root, c, made)
		errs = append(errs, err)
		for _, name := range names {
			fmt.Fprintln(host.Stdout, "differs from its solution:", name)
		}
		drifted += len(names)
	}
	if drifted > 0 {
		errs = append(errs, fmt.Errorf("%d files drifted: run `go run . generate`", drifted))
	}
	if err := errors.Join(errs...); err != nil {
		return &exitError{1, err}
	}
	return nil
}
