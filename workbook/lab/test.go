package lab

import (
	"fmt"
	"hash/fnv"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

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

// T is testing.TB for a graded test: it remembers why the test failed and knows its seed. Its methods may be called from
// several goroutines.
type T struct {
	testing.TB
	seed uint64

	mu        sync.Mutex
	unstarted notStarted // the exercise whose stub was met inside Check or Go
	messages  []string   // why the test failed, in order
}

func newT(tb testing.TB, seed uint64) *T { return &T{TB: tb, seed: seed} }

// Seed is where the test's generated inputs come from: the same seed gives the same inputs.
func (t *T) Seed() uint64 { return t.seed }

// Errorf records the message and marks the test failed.
func (t *T) Errorf(format string, args ...any) {
	t.Helper()
	t.TB.Error(t.note(fmt.Sprintf(format, args...)))
}

// Error records the message and marks the test failed.
func (t *T) Error(args ...any) {
	t.Helper()
	t.TB.Error(t.note(fmt.Sprint(args...)))
}

// Logf prints and, once the test has failed, records: rapid tells of a failure first and logs the counterexample then.
func (t *T) Logf(format string, args ...any) {
	t.Helper()
	text := fmt.Sprintf(format, args...)
	t.TB.Log(text)
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.messages) > 0 {
		t.messages = append(t.messages, text)
	}
}

// Log is Logf without a format.
func (t *T) Log(args ...any) {
	t.Helper()
	t.Logf("%s", strings.TrimSuffix(fmt.Sprintln(args...), "\n"))
}

// Fatalf records the message and ends the test.
func (t *T) Fatalf(format string, args ...any) {
	t.Helper()
	t.TB.Fatal(t.note(fmt.Sprintf(format, args...)))
}

// Fatal records the message and ends the test.
func (t *T) Fatal(args ...any) {
	t.Helper()
	t.TB.Fatal(t.note(fmt.Sprint(args...)))
}

// rapidReplay is rapid's own way to repeat a failure. It does not work here, and it tells the seed, which a grader keeps.
var rapidReplay = regexp.MustCompile(`(?m)^To (try to )?reproduce, specify .*\n?`)

func (t *T) note(message string) string {
	message = rapidReplay.ReplaceAllString(message, "")
	t.mu.Lock()
	defer t.mu.Unlock()
	t.messages = append(t.messages, message)
	return message
}

// message is why the test failed; failing without a reason is a fault of the suite that must not look like a pass.
func (t *T) message() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.messages) == 0 {
		return "the test failed and gave no reason"
	}
	return strings.Join(t.messages, "\n")
}

func (t *T) metStub() notStarted {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.unstarted
}

// Go runs f in a goroutine of its own and returns what waits for its end. A panic in f fails this test, or is the stub of an
// exercise; in a plain goroutine it would end the process, and with it every other test.
func (t *T) Go(f func()) (wait func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if r := recover(); r != nil {
				t.caught(r)
				t.Errorf("panic: %v\n%s", r, debug.Stack())
			}
		}()
		f()
	}()
	return func() { <-done }
}

// Virtual runs f in a bubble of testing/synctest, where time is virtual. What f does to its T counts for t.
func (t *T) Virtual(f func(t *T)) {
	t.Helper()
	st, ok := t.TB.(*testing.T)
	if !ok {
		t.Fatalf("lab: virtual time inside of virtual time or a property")
	}
	inner := newT(nil, t.seed)
	defer func() { // also when synctest.Test ends this goroutine, as it does after a failure
		t.mu.Lock()
		defer t.mu.Unlock()
		t.messages = append(t.messages, inner.messages...)
		if t.unstarted == (notStarted{}) {
			t.unstarted = inner.metStub()
		}
	}()
	synctest.Test(st, func(bubble *testing.T) {
		inner.TB = bubble
		defer func() {
			if r := recover(); r != nil {
				inner.caught(r)
				inner.Errorf("panic: %v\n%s", r, debug.Stack())
			}
		}()
		f(inner)
	})
}

// caught remembers the first stub that a recovered panic comes from.
func (t *T) caught(recovered any) {
	stub, ok := recovered.(notStarted)
	t.mu.Lock()
	defer t.mu.Unlock()
	if ok && t.unstarted == (notStarted{}) {
		t.unstarted = stub
	}
}

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
			t.caught(r)
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
