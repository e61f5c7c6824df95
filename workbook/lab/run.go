package lab

import (
	"flag"
	"fmt"
	"runtime/debug"
	"testing"
	"time"
)

var seedFlag = flag.Uint64("lab.seed", 1, "seed of the property and fault tests")

// State is how a graded test, or an exercise, ended. Only Pass earns points.
type State string

// The states.
const (
	Pass    State = "PASS"
	Fail    State = "FAIL"
	Build   State = "BUILD"       // the code does not compile
	Timeout State = "TIMEOUT"     // a limit on time was reached
	NoStart State = "NOT_STARTED" // the exercise's own stub was met
	NotRun  State = "NOT_RUN"     // another exercise's stub was met first, or the test never began
	Infra   State = "INFRA"       // the grader itself could not do its work
)

// Run runs the tests over one implementation as subtests EXERCISE/NAME. A stub that a test meets fails it with a
// message that says which exercise to write.
func Run[I any](t *testing.T, impl I, tests []Test[I]) {
	out := openVerdicts(t)
	for _, test := range tests {
		t.Run(test.Exercise+"/"+test.Name, func(st *testing.T) {
			out.began(test.Exercise, test.Name)
			lt := newT(st, seedFor(*seedFlag, test.Name))
			begin := time.Now()
			var end ending
			// Registered first, so it runs after the test's own cleanups, which may still fail the test.
			st.Cleanup(func() {
				state, message := judge(test.Exercise, lt, end)
				if state != Pass {
					explain(st, test.Exercise, test.Name, test.Invariant, state, message)
				}
				out.write(Verdict{
					Exercise: test.Exercise, Test: test.Name, State: state, Invariant: test.Invariant.ID,
					Message: message, Millis: time.Since(begin).Milliseconds(),
				})
			})
			defer func() {
				if end.recovered = recover(); end.recovered != nil {
					end.stack = debug.Stack()
				}
			}()
			test.Run(lt, impl)
			end.returned = true
		})
	}
	out.end()
}

// ending is how a test's function was left: by returning, by a panic, or (neither) by runtime.Goexit, as FailNow does.
type ending struct {
	returned  bool
	recovered any
	stack     []byte
}

// judge turns how a test ended into its state.
func judge(exercise string, t *T, end ending) (State, string) {
	stub, isStub := end.recovered.(notStarted)
	if met := t.metStub(); met != (notStarted{}) {
		stub, isStub = met, true
	}
	switch {
	case isStub && stub.exercise == exercise:
		return NoStart, stub.Error()
	case isStub:
		return NotRun, "needs " + stub.exercise
	case end.recovered != nil:
		return Fail, fmt.Sprintf("panic: %v\n%s", end.recovered, end.stack)
	case t.Skipped():
		return Fail, "the test was skipped, which is never a pass"
	case t.Failed():
		return Fail, t.message()
	case !end.returned:
		return Fail, "the test's goroutine was ended from inside (runtime.Goexit)"
	default:
		return Pass, ""
	}
}

// explain marks the subtest failed and prints what a learner needs next.
func explain(t *testing.T, exercise, name string, inv Invariant, state State, message string) {
	t.Helper()
	if inv.ID != "" {
		t.Logf("%s: %s", inv.ID, inv.Sentence)
	}
	switch state {
	case NoStart, NotRun:
		t.Errorf("%s %s", state, message)
	default:
		if !t.Failed() {
			t.Errorf("%s", message)
		}
		if inherited == nil { // a grader says it itself, and its seed may be a secret
			t.Logf("again: go run . test %s --only %s --seed %d", exercise, name, *seedFlag)
		}
	}
}

func setFlag(name, value string) {
	if err := flag.Set(name, value); err != nil {
		panic(fmt.Sprintf("lab: flag %s: %v", name, err))
	}
}
