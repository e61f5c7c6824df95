package cli

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"highwater.dev/bench/report"
)

func reportCommand() *cobra.Command {
	var out, notes string
	cmd := &cobra.Command{
		Use:   "report FILE... --out DIR",
		Short: "A page of what a run has shown: Markdown, HTML, charts",
		Long: `Reads files of Go benchmark lines of one run and writes DIR/performance.md, the same as DIR/performance.html, which needs no other
file, and the charts and the samples in DIR/performance/. What a person has to say is read from DIR/performance-notes.md and put in
verbatim; everything else is generated, so the page is never edited.

Exit code: 0 written; 2 a file could not be read or written.`,
		Example: "  highwater bench report run.txt --out docs",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if notes == "" {
				notes = filepath.Join(out, "performance-notes.md")
			}
			text, err := report.Notes(notes)
			if err != nil {
				return err
			}
			page, err := report.Build(args, text)
			if err != nil {
				return err
			}
			if err := page.Write(out); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), filepath.Join(out, "performance.md"))
			fmt.Fprintln(cmd.OutOrStdout(), filepath.Join(out, "performance.html"))
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "folder for the page")
	cmd.Flags().StringVar(&notes, "notes", "", "file of notes in Markdown (default DIR/performance-notes.md, if it is there)")
	if err := cmd.MarkFlagRequired("out"); err != nil {
		panic(err) // the flag is defined above
	}
	return cmd
}
