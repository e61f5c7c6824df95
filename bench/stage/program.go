package stage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"highwater.dev/bench/profile"
)

// BuildError says that the chapter's tests do not compile with the implementations asked for.
type BuildError struct{ Output string }

func (e *BuildError) Error() string { return "stage: it does not compile:\n" + e.Output }

// program is a chapter's compiled test program.
type program struct{ file, dir string }

func build(ctx context.Context, p Plan, dir string) (program, error) {
	file := filepath.Join(dir, "stage.test")
	args := []string{"test", "-c", "-o", file}
	if slices.Contains(p.Impls, "mine") {
		args = append(args, "-tags", "mine")
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./chapters/"+p.Chapter)...)
	cmd.Dir = p.Root
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && ctx.Err() == nil {
		return program{}, &BuildError{string(out)}
	}
	if err != nil {
		return program{}, fmt.Errorf("stage: %w", err)
	}
	return program{file, filepath.Join(p.Root, "chapters", p.Chapter)}, nil
}

// line is a result: the name, GOMAXPROCS behind a dash, the rest.
var line = regexp.MustCompile(`(?m)^(Benchmark\S+?)(-\d+)?[ \t]+\d+[ \t].*$`)

// list runs every benchmark that matches once and returns their full names.
func (p program) list(ctx context.Context, pattern string) (names []string, err error) {
	out, err := p.run(ctx, "-test.bench", pattern, "-test.benchtime", "1x")
	if err != nil {
		return nil, fmt.Errorf("stage: %w", err)
	}
	for _, m := range line.FindAllStringSubmatch(out, -1) {
		names = append(names, m[1])
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("stage: no benchmark of %s matches %q", filepath.Base(p.dir), pattern)
	}
	return names, nil
}

// bench takes one sample of each named benchmark.
func (p program) bench(ctx context.Context, names []string, lasting time.Duration, flags ...string) ([]string, error) {
	args := append([]string{"-test.bench", exactly(names), "-test.benchtime", lasting.String(), "-test.benchmem"}, flags...)
	out, err := p.run(ctx, args...)
	if err != nil {
		return nil, err
	}
	lines := line.FindAllString(out, -1)
	if len(lines) != len(names) {
		return nil, fmt.Errorf("%d of %d benchmarks gave a result:\n%s", len(lines), len(names), out)
	}
	return lines, nil
}

// exactly matches the named benchmarks and no others: go test matches each level of a name by itself, and takes alternatives.
func exactly(names []string) string {
	var all []string
	for _, name := range names {
		var levels []string
		for _, level := range strings.Split(name, "/") {
			levels = append(levels, "^"+regexp.QuoteMeta(level)+"$")
		}
		all = append(all, strings.Join(levels, "/"))
	}
	return strings.Join(all, "|")
}

// notStarted is what an exercise's stub panics with (lab.NotStarted).
var notStarted = regexp.MustCompile(`(?m)^panic: (exercise \S+ is not started)`)

// run returns what the program prints. A benchmark that fails or panics is an error with the end of it.
func (p program) run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, p.file, append([]string{"-test.run", "^$"}, args...)...)
	cmd.Dir = p.dir
	out, err := cmd.CombinedOutput()
	if m := notStarted.FindSubmatch(out); err != nil && m != nil {
		return "", fmt.Errorf("%s: solve it first, or leave mine out", m[1])
	}
	if err != nil {
		return "", fmt.Errorf("a benchmark failed: %w\n%s", err, out[max(0, len(out)-4096):])
	}
	return string(out), nil
}

// profileTime is how long a benchmark runs for its profiles.
const profileTime = time.Second

// profiles keeps the profiles of each benchmark of each implementation.
func (p Plan) profiles(ctx context.Context, program program, dir string, runs []run) error {
	if p.Profiles == "" {
		return nil
	}
	for _, r := range runs[:len(p.Impls)] {
		for _, name := range r.names {
			if err := p.profile(ctx, program, dir, name); err != nil {
				return fmt.Errorf("stage: profiles of %s: %w", name, err)
			}
		}
	}
	return nil
}

// profile takes the CPU profile in a run of its own: recording every wait would be most of it.
func (p Plan) profile(ctx context.Context, program program, dir, name string) error {
	flags := map[profile.Kind]string{
		profile.CPU: "-test.cpuprofile", profile.Heap: "-test.memprofile", profile.Mutex: "-test.mutexprofile", profile.Block: "-test.blockprofile",
	}
	for _, kinds := range [][]profile.Kind{{profile.CPU}, {profile.Heap, profile.Mutex, profile.Block}} {
		var args []string
		for _, kind := range kinds {
			args = append(args, flags[kind], filepath.Join(dir, string(kind)))
		}
		if _, err := program.bench(ctx, []string{name}, profileTime, args...); err != nil {
			return err
		}
		for _, kind := range kinds {
			data, err := os.ReadFile(filepath.Join(dir, string(kind)))
			if err != nil {
				return err
			}
			if err := profile.Keep(p.Profiles, strings.TrimPrefix(name, "Benchmark"), kind, bytes.NewReader(data)); err != nil {
				return err
			}
		}
	}
	return nil
}
