// Package cli is the `highwater` command: it reads flags, which nothing below it does, and hands over to the
// broker, the benchmarks and the workbook.
//
// Exit codes: 0 done; 1 it failed, a dumped file is damaged or a measured verdict is a fail; 2 the command line, the configuration or a file could not be read.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	bench "highwater.dev/bench/cli"
)

// Host is what the command sees of the world.
type Host struct {
	Stdout, Stderr io.Writer
	// Stopped gives a context that ends when the process is asked to stop.
	Stopped func() (ctx context.Context, release func())
}

// System is the process's own Host: SIGINT, SIGTERM and SIGHUP stop it.
func System() Host {
	return Host{Stdout: os.Stdout, Stderr: os.Stderr, Stopped: func() (context.Context, func()) {
		stops := []os.Signal{os.Interrupt, syscall.SIGTERM}
		if !signal.Ignored(syscall.SIGHUP) { // as nohup has it: the closing terminal's signal is not for this process
			stops = append(stops, syscall.SIGHUP)
		}
		ctx, release := signal.NotifyContext(context.Background(), stops...)
		return ctx, release
	}}
}

// exitError ends the command with a code. The message was, or is, what is printed; an empty one prints nothing.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// errQuiet ends the command with a code whose reason is already on the screen.
var errQuiet = errors.New("")

// Run executes the command line args and returns the exit code.
func Run(args []string, host Host) int {
	root := Command(host)
	root.SetArgs(args)
	root.SetOut(host.Stdout)
	root.SetErr(host.Stderr)
	err := root.Execute()
	if err == nil {
		return 0
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(host.Stderr, "highwater:", text)
	}
	var exit *exitError
	if errors.As(err, &exit) {
		return exit.code
	}
	var failed *bench.Failed
	if errors.As(err, &failed) {
		return 1
	}
	return 2 // cobra's own: a wrong flag or argument
}

// Command is the tree of commands.
func Command(host Host) *cobra.Command {
	root := &cobra.Command{
		Use:           "highwater",
		Short:         "A Kafka broker you can read, and the workbook that has you build it",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(*cobra.Command, []string) error { return where(host) },
	}
	root.AddCommand(serveCommand(host), dumpLogCommand(host), versionCommand(host), bench.Command(chapterFolder))
	root.AddCommand(workbookCommands(host)...)
	return root
}
