// Package machine says on what a benchmark ran, as the configuration lines of Go's benchmark format: two files whose
// fingerprints differ are not to be compared.
package machine

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// Fact is one configuration line.
type Fact struct{ Key, Value string }

// Facts of this machine and this program. What cannot be found out is left out.
func Facts() []Fact {
	facts := []Fact{
		{"goos", runtime.GOOS}, {"goarch", runtime.GOARCH}, {"go", runtime.Version()},
		{"cores", fmt.Sprint(runtime.NumCPU())}, {"date", time.Now().UTC().Format("2006-01-02")},
	}
	add := func(key, value string) {
		if value != "" {
			facts = append(facts, Fact{key, value})
		}
	}
	add("cpu", first("/proc/cpuinfo", `(?m)^model name\s*:\s*(.+)$`))
	add("memory", first("/proc/meminfo", `(?m)^MemTotal:\s*(.+)$`))
	add("kernel", first("/proc/sys/kernel/osrelease", `^(.+?)\s*$`))
	add("java", java())
	add("commit", commit())
	return facts
}

// Write writes the facts as configuration lines.
func Write(w io.Writer, facts []Fact) error {
	for _, f := range facts {
		if _, err := fmt.Fprintf(w, "%s: %s\n", f.Key, f.Value); err != nil {
			return err
		}
	}
	return nil
}

func first(file, pattern string) string {
	content, err := os.ReadFile(file)
	if err != nil {
		return "" // another system: the fact is not to be had
	}
	if m := regexp.MustCompile(pattern).FindSubmatch(content); m != nil {
		return string(m[1])
	}
	return ""
}

// java is the version of the Java that runs Apache Kafka.
func java() string {
	out, err := exec.Command("java", "-version").CombinedOutput()
	if err != nil {
		return ""
	}
	if m := regexp.MustCompile(`version "([^"]+)"`).FindSubmatch(out); m != nil {
		return string(m[1])
	}
	return ""
}

// commit is what this program was built from, with a + when files were changed. A build without that information
// (-buildvcs=false) is taken to be of the checkout that it runs in.
func commit() string {
	info, ok := debug.ReadBuildInfo()
	revision, modified := "", ""
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = "+"
		}
	}
	if revision == "" {
		if head, err := exec.Command("git", "rev-parse", "HEAD").Output(); err == nil {
			revision = string(head)
		}
		if changes, err := exec.Command("git", "status", "--porcelain").Output(); err == nil && len(changes) > 0 {
			modified = "+"
		}
	}
	return strings.TrimSpace(revision[:min(12, len(revision))] + modified)
}
