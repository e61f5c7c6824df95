package lab

import (
	"fmt"
	"hash/fnv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Kind says how a test finds its inputs.
type Kind string

// Kinds of graded tests. Property and Fault tests draw their inputs from a seed that an instructor may keep private.
const (
	Public   Kind = "public"   // fixed inputs, all in the open
	Property Kind = "property" // generated inputs
	Fault    Kind = "fault"    // generated faults: crashes, torn writes, hostile peers
)

// Test is one graded test over a seam. I is the chapter's implementation type.
type Test[I any] struct {
	Exercise  string // "1.2"
	Name      string // unique within the chapter: lower case, words joined by '-'
	Kind      Kind
	Invariant Invariant
	Run       func(t *T, impl I)
}

// Invariant is what a test checks, in one sentence.
type Invariant struct {
	ID       string // "LOG-3"
	Sentence string
}

// T is testing.TB for a graded test: it remembers why the test failed and knows its seed.
type T struct {
	testing.TB
	seed      uint64
	unstarted string   // the exercise whose stub was met inside Check
	messages  []string // why the test failed, in order
}

// Seed is where the test's generated inputs come from: the same seed gives the same inputs.
func (t *T) Seed() uint64 { return t.seed }

// Errorf records the message and marks the test failed.
func (t *T) Errorf(format string, args ...any) {
	t.Helper()
	t.messages = append(t.messages, fmt.Sprintf(format, args...))
	t.TB.Errorf(format, args...)
}

// Error records the message and marks the test failed.
func (t *T) Error(args ...any) {
	t.Helper()
	t.messages = append(t.messages, fmt.Sprint(args...))
	t.TB.Error(args...)
}

// Fatalf records the message and ends the test.
func (t *T) Fatalf(format string, args ...any) {
	t.Helper()
	t.messages = append(t.messages, fmt.Sprintf(format, args...))
	t.TB.Fatalf(format, args...)
}

// Fatal records the message and ends the test.
func (t *T) Fatal(args ...any) {
	t.Helper()
	t.messages = append(t.messages, fmt.Sprint(args...))
	t.TB.Fatal(args...)
}

func (t *T) message() string { return strings.Join(t.messages, "\n") }

// Check runs a property with inputs from the test's seed and shrinks the first failure to a small one. The stub of an
// exercise that the property runs into is reported as such, not as a counterexample.
func (t *T) Check(property func(*rapid.T)) {
	t.Helper()
	setFlag("rapid.seed", fmt.Sprint(t.seed))
	setFlag("rapid.nofailfile", "true")
	rapid.Check(t, func(rt *rapid.T) {
		defer func() {
			r := recover()
			if r == nil {
				return
			}
			if exercise, ok := Unstarted(r); ok {
				t.unstarted = exercise
			}
			panic(r)
		}()
		property(rt)
	})
}

// seedFor mixes the run's seed with the test's name, so that tests do not share inputs and one can be replayed alone.
func seedFor(base uint64, name string) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d/%s", base, name)
	return h.Sum64()>>1 | 1 // rapid takes 0 for "pick one"
}
