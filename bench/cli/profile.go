package cli

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"highwater.dev/bench/profile"
	"highwater.dev/bench/table"
)

// profileFlags are those of `bench profile`.
type profileFlags struct {
	dir, kind, focus, peek, out, diff, format, from string
	rows                                            int
	during                                          time.Duration
}

func profileCommand() *cobra.Command {
	var f profileFlags
	cmd := &cobra.Command{
		Use:   "profile NAME",
		Short: "Where the time, the memory and the waiting of a measured benchmark went",
		Long: `Reads a profile that a measuring command kept with --profile DIR, at DIR/NAME/KIND.pb.gz; NAME is the benchmark's name, where "/" and
"_" are the same. Prints the functions with the largest cost of their own; with --peek the callers and callees of the functions that
match; with --diff what share of the whole they have now and had in another folder's profile; with --out a flame graph page that needs
no other file. heap counts all bytes allocated, mutex and block need the program to record them. With --from it first takes the
profiles of a running broker, for as long as --for says, and keeps them under NAME.

Exit code: 0 printed; 2 there is no such profile, or it is damaged or without samples.`,
		Example: `  highwater bench profile Produce/size=1024/impl=highwater --dir profiles
  highwater bench profile Produce/size=1024/impl=highwater --dir profiles --out flame.html
  highwater bench profile Produce/size=1024/impl=highwater --dir after --diff before
  highwater bench profile mine --from 127.0.0.1:9644 --for 10s`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runProfile(cmd, args[0], f) },
	}
	cmd.Flags().StringVar(&f.dir, "dir", "profiles", "folder that --profile named")
	cmd.Flags().StringVar(&f.kind, "kind", string(profile.CPU), "cpu, heap, mutex or block")
	cmd.Flags().StringVar(&f.focus, "focus", "", "only stacks with a function that matches this regular expression")
	cmd.Flags().StringVar(&f.peek, "peek", "", "callers and callees of the functions that match this regular expression")
	cmd.Flags().StringVar(&f.out, "out", "", "file for a flame graph page (HTML)")
	cmd.Flags().StringVar(&f.diff, "diff", "", "folder with the profiles of the run before")
	cmd.Flags().IntVar(&f.rows, "top", 30, "rows of the table")
	cmd.Flags().StringVar(&f.from, "from", "", "highwater.admin.listener of a running broker to take the profiles of")
	cmd.Flags().DurationVar(&f.during, "for", 10*time.Second, "how long to take them")
	formatFlag(cmd, &f.format)
	cmd.MarkFlagsMutuallyExclusive("peek", "diff", "out")
	return cmd
}

func runProfile(cmd *cobra.Command, name string, f profileFlags) error {
	if f.from != "" {
		if err := profile.FromServer(cmd.Context(), f.from, f.dir, name, f.during); err != nil {
			return err
		}
	}
	p, err := f.load(f.dir, name)
	if err != nil {
		return err
	}
	switch {
	case f.out != "":
		return writeFlameGraph(p, name, f.out)
	case f.peek != "":
		re, err := regexp.Compile(f.peek)
		if err != nil {
			return fmt.Errorf("bench: --peek: %w", err)
		}
		return p.Peek(cmd.OutOrStdout(), re)
	case f.diff != "":
		before, err := f.load(f.diff, name)
		if err != nil {
			return err
		}
		t, err := profile.Difference(before, p, f.rows)
		if err != nil {
			return err
		}
		return t.Write(cmd.OutOrStdout(), table.Format(f.format))
	}
	return p.Top(f.rows).Write(cmd.OutOrStdout(), table.Format(f.format))
}

func (f profileFlags) load(dir, name string) (*profile.Profile, error) {
	p, err := profile.Load(dir, name, profile.Kind(f.kind))
	if err != nil || f.focus == "" {
		return p, err
	}
	re, err := regexp.Compile(f.focus)
	if err != nil {
		return nil, fmt.Errorf("bench: --focus: %w", err)
	}
	return p, p.Focus(re)
}

func writeFlameGraph(p *profile.Profile, title, path string) error {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(p.WriteFlameGraph(out, title), out.Close())
}
