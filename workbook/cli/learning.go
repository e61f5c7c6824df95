package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"highwater.dev/workbook/generate"
	"highwater.dev/workbook/lab"
)

// onExercise makes a command of one argument, an exercise's id.
func onExercise(use, short string, run func(w *workbench, id string) error) *cobra.Command {
	return &cobra.Command{
		Use: use + " EXERCISE", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			w, err := openWorkbench()
			if err != nil {
				return &exitError{2, err}
			}
			if err := run(w, args[0]); err != nil {
				return &exitError{2, err}
			}
			return nil
		},
	}
}

func hintCommand(host Host) *cobra.Command {
	return onExercise("hint", "The next of three hints: a question, the place, nearly the code", func(w *workbench, id string) error {
		_, e, err := w.exercise(id)
		if err != nil {
			return err
		}
		n := w.progress.NextHint(id, len(e.Hints))
		for i, hint := range e.Hints[:n] {
			fmt.Fprintf(host.Stdout, "%d of %d: %s\n", i+1, len(e.Hints), strings.TrimSpace(hint))
		}
		return w.progress.Save(w.root)
	})
}

func whyCommand(host Host) *cobra.Command {
	return &cobra.Command{
		Use: "why INVARIANT", Short: "An invariant's sentence and where the text explains it", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			w, err := openWorkbench()
			if err != nil {
				return &exitError{2, err}
			}
			for _, c := range w.chapters {
				for _, inv := range c.Invariants {
					if strings.EqualFold(inv.ID, args[0]) {
						fmt.Fprintf(host.Stdout, "%s: %s\nchapters/%s/README.md%s\n", inv.ID, inv.Sentence, c.Name, inv.Anchor)
						return nil
					}
				}
			}
			return &exitError{2, fmt.Errorf("there is no invariant %q", args[0])}
		},
	}
}

func solutionCommand(host Host) *cobra.Command {
	return onExercise("solution", "Print the teaching solution's file", func(w *workbench, id string) error {
		c, e, err := w.exercise(id)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(filepath.Join(w.root, "solutions", c.Name, e.File))
		if err != nil {
			return err
		}
		_, err = host.Stdout.Write(content)
		return err
	})
}

func diffCommand(host Host) *cobra.Command {
	return onExercise("diff", "Your file against the teaching solution's", func(w *workbench, id string) error {
		c, e, err := w.exercise(id)
		if err != nil {
			return err
		}
		cmd := exec.Command("git", "--no-pager", "diff", "--no-color", "--no-index", "--", w.exerciseFile(c, e), filepath.Join("solutions", c.Name, e.File))
		cmd.Dir, cmd.Stdout, cmd.Stderr = w.root, host.Stdout, host.Stderr
		var exit *exec.ExitError
		if err := cmd.Run(); errors.As(err, &exit) && exit.ExitCode() == 1 {
			return nil // they differ
		} else if err != nil {
			return err
		}
		return nil
	})
}

func resetCommand(host Host) *cobra.Command {
	return onExercise("reset", "Put the exercise's file back to its start; your version is kept beside it as FILE.mine, FILE.mine2 and so on", func(w *workbench, id string) error {
		c, e, err := w.exercise(id)
		if err != nil {
			return err
		}
		made, err := generate.Chapter(w.root, c)
		if err != nil {
			return err
		}
		name := w.exerciseFile(c, e)
		kept, err := keep(filepath.Join(w.root, name))
		if err != nil {
			return err
		}
		if err := generate.Write(w.root, map[string][]byte{name: made[name]}, true); err != nil {
			return err
		}
		w.progress.Ended(id, lab.NoStart)
		fmt.Fprintf(host.Stdout, "%s is as it was made\n", name)
		if kept != "" {
			fmt.Fprintf(host.Stdout, "what it held is in %s\n", filepath.Join(filepath.Dir(name), kept))
		}
		return w.progress.Save(w.root)
	})
}

// keep puts a learner's file aside under a name that is free, and returns the name: an earlier version is never lost. A file
// that is not there, or holds nobody's work, is not kept.
func keep(file string) (string, error) {
	content, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) || err == nil && !generate.Edited(content) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	for n := 0; ; n++ {
		kept := file + ".mine"
		if n > 0 {
			kept += strconv.Itoa(n + 1)
		}
		switch err := os.Link(file, kept); {
		case errors.Is(err, os.ErrExist):
			continue
		case err != nil:
			return "", err
		}
		return filepath.Base(kept), os.Remove(file)
	}
}

func chapterCommand(host Host) *cobra.Command {
	return &cobra.Command{
		Use:                "chapter N [flags of the stage]",
		Short:              "Run a chapter's stage",
		Long:               "Run a chapter's stage: chapters/NN-name, with the flags that follow. `chapter N --help` lists them.",
		Example:            "  go run . chapter 1 --impl mine",
		Args:               cobra.MinimumNArgs(1),
		DisableFlagParsing: true, // they are the stage's
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] == "--help" || args[0] == "-h" {
				return cmd.Help()
			}
			w, err := openWorkbench()
			if err != nil {
				return &exitError{2, err}
			}
			c, err := w.chapter(args[0])
			if err != nil {
				return &exitError{2, err}
			}
			rest := args[1:]
			if len(rest) > 0 && rest[0] == "--" {
				rest = rest[1:]
			}
			stage := exec.Command("go", append([]string{"run", "-tags", "mine", "./chapters/" + c.Name}, rest...)...)
			stage.Dir, stage.Stdin, stage.Stdout, stage.Stderr = w.root, os.Stdin, host.Stdout, host.Stderr
			if err := stage.Run(); err != nil {
				return &exitError{1, err}
			}
			return nil
		},
	}
}

// where prints where the learner is and what to type next: what the command without arguments does.
func where(host Host) error {
	w, err := openWorkbench()
	if err != nil {
		return &exitError{2, err}
	}
	if len(w.chapters) == 0 {
		return &exitError{2, errors.New("this checkout has no chapters")}
	}
	for _, c := range w.chapters {
		fmt.Fprintf(host.Stdout, "%02d %s\n", c.Number, c.Title)
		for _, e := range c.Exercises {
			state := w.progress.Exercises[e.ID].State
			if state == "" {
				state = lab.NoStart
			}
			fmt.Fprintf(host.Stdout, "   %s  %-12s %-50s %3d points, about %d minutes\n", e.ID, state, e.Title, e.Points, e.Minutes)
		}
	}
	c, e := w.progress.Next(w.chapters)
	if e == nil {
		fmt.Fprintln(host.Stdout, "\nAll exercises pass. Points as an instructor sees them: go run . grade")
		return nil
	}
	fmt.Fprintf(host.Stdout, "\nNext: %s %s\n  read   %s\n  edit   %s\n  try    go run . test %s\n  stuck? go run . hint %s\n\n"+
		"make start runs the broker; go run . help lists every command.\n",
		e.ID, e.Title, textOf(c, e), w.exerciseFile(c, e), e.ID, e.ID)
	return nil
}
