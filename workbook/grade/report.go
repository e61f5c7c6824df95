package grade

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/olekukonko/tablewriter"

	"highwater.dev/workbook/lab"
)

// Exit codes of the grading commands.
const (
	ExitPass      = 0
	ExitFail      = 1
	ExitUndecided = 2
)

// ExitCode is what a command that printed these results ends with: undecided (did not build, ran out of time, was not run) is never
// a pass and outweighs a failure, because the failure may be its consequence.
func ExitCode(results []Result) int {
	code := ExitPass
	for _, r := range results {
		switch r.State {
		case lab.Pass:
		case lab.Fail, lab.NoStart:
			code = max(code, ExitFail)
		default:
			code = ExitUndecided
		}
	}
	return code
}

// Total returns the points earned and to be had.
func Total(results []Result) (points, of int) {
	for _, r := range results {
		points, of = points+r.Points, of+r.Of
	}
	return points, of
}

// WriteTable prints a row for each exercise and the total, then the first lines of each message.
func WriteTable(w io.Writer, results []Result) error {
	table := tablewriter.NewWriter(w)
	table.Header("exercise", "title", "state", "points", "tests", "time")
	for _, r := range results {
		if err := table.Append(r.Exercise, r.Title, string(r.State), fmt.Sprintf("%d of %d", r.Points, r.Of),
			fmt.Sprintf("%d of %d", r.Passed(), len(r.Tests)), r.Took.Round(10*time.Millisecond).String()); err != nil {
			return err
		}
	}
	points, of := Total(results)
	table.Footer("", "total", "", fmt.Sprintf("%d of %d", points, of), "", "")
	if err := table.Render(); err != nil {
		return err
	}
	for _, r := range results {
		if said := r.SecondTry(); said != "" {
			if _, err := fmt.Fprintf(w, "\n%s %s: %s\n", r.Exercise, r.State, said); err != nil {
				return err
			}
		}
		if r.State == lab.Pass || r.State == lab.NoStart {
			continue
		}
		if _, err := fmt.Fprintf(w, "\n%s %s: %s\n", r.Exercise, r.State, Printable(firstLines(r.Message, 12))); err != nil {
			return err
		}
	}
	return nil
}

// SecondTry says that the exercise's file was tried among the solution's other files, and why; it is empty where the learner's own
// package decided.
func (r Result) SecondTry() string {
	if r.Alone == "" {
		return ""
	}
	first, _, _ := strings.Cut(r.Alone, "\n")
	return "in your own package: " + Printable(first) + "; so your file was tried among the solution's other files, and that try decides"
}

// Printable replaces what a terminal would obey rather than show: a learner's program may print anything.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

func firstLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if len(lines) <= n {
		return strings.Join(lines, "\n")
	}
	return strings.Join(lines[:n], "\n") + fmt.Sprintf("\n… %d more lines in results.json", len(lines)-n)
}

// WriteReport writes results.json and results.xml (JUnit) into dir, which it makes.
func WriteReport(dir string, results []Result) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("grade: %w", err)
	}
	points, of := Total(results)
	content, err := json.MarshalIndent(map[string]any{"points": points, "of": of, "exercises": results}, "", "  ")
	if err != nil {
		return fmt.Errorf("grade: %w", err)
	}
	junit, err := xml.MarshalIndent(toJUnit(results), "", "  ")
	if err != nil {
		return fmt.Errorf("grade: %w", err)
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "results.json"), append(content, '\n'), 0o644),
		os.WriteFile(filepath.Join(dir, "results.xml"), append([]byte(xml.Header), junit...), 0o644))
}

type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Seconds float64       `xml:"time,attr"`
	Failure *junitFailure `xml:"failure,omitempty"`
}

type junitFailure struct {
	Type string `xml:"type,attr"`
	Text string `xml:",chardata"`
}

// toJUnit makes a suite of each exercise; one whose tests did not report becomes a single failed case.
func toJUnit(results []Result) junitSuites {
	var all junitSuites
	for _, r := range results {
		suite := junitSuite{Name: r.Exercise + " " + r.Title}
		add := func(name string, state lab.State, message string, millis int64) {
			c := junitCase{Class: r.Chapter + "." + r.Exercise, Name: name, Seconds: float64(millis) / 1000}
			if state != lab.Pass {
				c.Failure = &junitFailure{Type: string(state), Text: message}
				suite.Failures++
			}
			suite.Cases = append(suite.Cases, c)
		}
		for _, v := range r.Tests {
			add(v.Test, v.State, v.Message, v.Millis)
		}
		if r.State != lab.Pass && suite.Failures == 0 {
			add("exercise", r.State, r.Message, r.Took.Milliseconds())
		}
		suite.Tests = len(suite.Cases)
		all.Suites = append(all.Suites, suite)
	}
	return all
}
