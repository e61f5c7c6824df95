// Command 01-segment-log is chapter 01's stage: a log to append to, look up in, kill and recover, line by line.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"highwater.dev/broker/model"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/vfs"
)

const usage = `Chapter 01: a partition's log. Commands come as lines on standard input, or as arguments with a ';' between two:

  append TEXT...     one batch, a record for each word        fill N         N batches of one record
  flush              fsync                                     read OFFSET [MAXBYTES]
  time MS            first record of that time or later        files          the segments
  dump               the active segment's last batch, in bytes
  kill [SEED]        power cut: what was not flushed is kept, lost or torn (with -dir: the process dies, the tail is torn)
  careless TEXT      after kill: what a log without recovery would do: write at the file's end
  recover            open the log again                        close          a clean end, then open again

  go run ./chapters/01-segment-log 'append a b c; append d; flush; append e f; kill; recover; read 3'
`

// options are the command line's.
type options struct {
	impl, dir              string
	segmentBytes, interval int
}

func main() {
	var o options
	flag.CommandLine = flag.NewFlagSet("chapter 1", flag.ExitOnError) // without the flags of what the exercises' stubs import
	flag.StringVar(&o.impl, "impl", "solution", "whose log: solution, broker, or mine (your exercises; needs -tags mine)")
	flag.StringVar(&o.dir, "dir", "", "folder for real files (none: a disk in memory that can lose power)")
	flag.IntVar(&o.segmentBytes, "segment-bytes", 1000, "segment.bytes")
	flag.IntVar(&o.interval, "interval", 150, "index.interval.bytes")
	flag.CommandLine.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), usage, "\nFlags:\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	var lines io.Reader = os.Stdin
	if flag.NArg() > 0 {
		lines = strings.NewReader(strings.ReplaceAll(strings.Join(flag.Args(), " "), ";", "\n"))
	} else if info, err := os.Stdin.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		fmt.Print(usage)
	}
	if err := run(o, lines, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// run does the commands of lines, one after another. One that fails says why, and the next is done.
func run(o options, lines io.Reader, out io.Writer) (err error) {
	i, ok := impls[o.impl]
	if !ok {
		return fmt.Errorf("-impl=%s is not here: solution, broker, and with `go run -tags mine`, mine", o.impl)
	}
	s := &session{out: out, impl: i, mem: vfs.NewMem(), dir: "log/hello-0"}
	s.disk = s.mem
	if err := errors.Join(s.mem.MkdirAll("log"), s.mem.SyncDir("/")); err != nil { // the folder of logs is not what power cuts take
		return err
	}
	if o.dir != "" {
		if s.dir, err = filepath.Abs(o.dir); err != nil {
			return err
		}
		s.disk, s.mem = vfs.OS(), nil
	}
	s.opts = segment.Options{
		Limits:     segment.Limits{SegmentBytes: o.segmentBytes, IndexBytes: 10 << 20, IndexIntervalBytes: o.interval},
		ReplayFrom: model.NoOffset,
	}
	if err := s.open(); err != nil {
		return err
	}
	failed := 0
	in := bufio.NewScanner(lines)
	for in.Scan() {
		words := strings.Fields(in.Text())
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		fmt.Fprintln(out, ">", strings.Join(words, " "))
		if err := s.try(words[0], words[1:]); err != nil {
			failed++
			s.printf("  error: %s: %v", words[0], err)
		}
	}
	err = in.Err()
	if s.log != nil {
		err = errors.Join(err, s.log.Close())
	}
	if failed > 0 {
		err = errors.Join(err, fmt.Errorf("%d of the commands failed", failed))
	}
	return err
}
