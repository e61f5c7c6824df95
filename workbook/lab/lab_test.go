package lab

import (
	"encoding/json"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestJudge(t *testing.T) {
	fresh := func() *T { return newT(t, 1) }
	for name, c := range map[string]struct {
		end     ending
		t       *T
		state   State
		message string
	}{
		"own stub":           {ending{recovered: NotStarted("1.2")}, fresh(), NoStart, "1.2"},
		"another's stub":     {ending{recovered: NotStarted("1.1")}, fresh(), NotRun, "needs 1.1"},
		"panic":              {ending{recovered: "boom", stack: []byte("at a.go:7")}, fresh(), Fail, "boom\nat a.go:7"},
		"stub met in Check":  {ending{}, &T{TB: t, unstarted: notStarted{"1.2", "Read"}}, NoStart, "1.2"},
		"goroutine ended":    {ending{}, fresh(), Fail, "Goexit"},
		"returned, no fault": {ending{returned: true}, fresh(), Pass, ""},
	} {
		state, message := judge("1.2", c.t, c.end)
		require.Equal(t, c.state, state, name)
		require.Contains(t, message, c.message, name)
	}
}

func TestSeedsDiffer(t *testing.T) {
	require.Equal(t, seedFor(1, "a"), seedFor(1, "a"))
	require.NotEqual(t, seedFor(1, "a"), seedFor(2, "a"))
	require.NotEqual(t, seedFor(1, "a"), seedFor(1, "b"))
	require.NotZero(t, seedFor(0, ""))
}

func TestCheckDrawsTheSameInputsFromTheSameSeed(t *testing.T) {
	draw := func(seed uint64) (drawn []int) {
		newT(t, seed).Check(func(rt *rapid.T) { drawn = append(drawn, rapid.Int().Draw(rt, "n")) })
		return drawn
	}
	require.Equal(t, draw(7), draw(7))
	require.NotEqual(t, draw(7), draw(8))
}

func TestVirtualTimePasses(t *testing.T) {
	begin := time.Now()
	newT(t, 1).Virtual(func(lt *T) {
		at := time.Now()
		time.Sleep(time.Hour)
		require.Equal(lt, time.Hour, time.Since(at))
	})
	require.Less(t, time.Since(begin), time.Minute)
}

// graded has a Run inside of this process write to a pipe and returns what arrived on it.
func graded(t *testing.T, tests ...Test[int]) (Stream, error) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	inherited = &verdicts{pipe: w, nonce: "n"}
	screen := os.Stdout
	os.Stdout, err = os.OpenFile(os.DevNull, os.O_WRONLY, 0) // what the failing subtests print is not this test's
	require.NoError(t, err)
	defer func() {
		require.NoError(t, os.Stdout.Close())
		inherited, os.Stdout = nil, screen
	}()
	// Failing subtests would fail this test, so Run's are run by a testing of their own.
	testing.RunTests(func(string, string) (bool, error) { return true, nil },
		[]testing.InternalTest{{Name: "Inner", F: func(st *testing.T) { Run(st, 0, tests) }}})
	return ReadVerdicts(r, "n")
}

func TestRunReportsWhatEachTestDid(t *testing.T) {
	s, err := graded(t,
		Test[int]{Exercise: "1.1", Name: "passes", Run: func(*T, int) {}},
		Test[int]{Exercise: "1.1", Name: "fails", Run: func(t *T, _ int) { t.Errorf("one"); t.Fatalf("two") }},
		Test[int]{Exercise: "1.1", Name: "no-reason", Run: func(t *T, _ int) { t.FailNow() }},
		Test[int]{Exercise: "1.1", Name: "skips", Run: func(t *T, _ int) { t.SkipNow() }},
		Test[int]{Exercise: "1.1", Name: "panics", Run: func(*T, int) { panic("boom") }},
		Test[int]{Exercise: "1.1", Name: "stub", Run: func(*T, int) { panic(NotStarted("1.1")) }},
		Test[int]{Exercise: "1.1", Name: "other-stub", Run: func(*T, int) { panic(NotStarted("1.2")) }},
		Test[int]{Exercise: "1.1", Name: "late", Run: func(t *T, _ int) { t.Cleanup(func() { t.Errorf("a file is open") }) }},
		Test[int]{Exercise: "1.1", Name: "property", Run: func(t *T, _ int) {
			t.Check(func(rt *rapid.T) {
				if rapid.IntRange(0, 100).Draw(rt, "n") > 7 {
					rt.Fatalf("eight is too many")
				}
			})
		}},
		Test[int]{Exercise: "1.1", Name: "go-panics", Run: func(t *T, _ int) { t.Go(func() { panic("in a goroutine") })() }},
		Test[int]{Exercise: "1.1", Name: "go-stub", Run: func(t *T, _ int) { t.Go(func() { panic(NotStarted("1.2")) })() }},
		Test[int]{Exercise: "1.1", Name: "bubble-fails", Run: func(t *T, _ int) { t.Virtual(func(t *T) { t.Fatalf("virtual") }) }},
		Test[int]{Exercise: "1.1", Name: "bubble-stub", Run: func(t *T, _ int) { t.Virtual(func(*T) { panic(NotStarted("1.1")) }) }},
	)
	require.NoError(t, err)
	want := []struct {
		name    string
		state   State
		message string
	}{
		{"passes", Pass, ""},
		{"fails", Fail, "one\ntwo"},
		{"no-reason", Fail, "no reason"},
		{"skips", Fail, "skipped"},
		{"panics", Fail, "boom"},
		{"stub", NoStart, "1.1"},
		{"other-stub", NotRun, "needs 1.2"},
		{"late", Fail, "a file is open"},
		{"property", Fail, "n: 8"},
		{"go-panics", Fail, "in a goroutine"},
		{"go-stub", NotRun, "needs 1.2"},
		{"bubble-fails", Fail, "virtual"},
		{"bubble-stub", NoStart, "1.1"},
	}
	require.Len(t, s.Verdicts, len(want))
	for i, w := range want {
		require.Equal(t, w.name, s.Verdicts[i].Test)
		require.Equal(t, w.state, s.Verdicts[i].State, w.name)
		require.Contains(t, s.Verdicts[i].Message, w.message, w.name)
		require.NotContains(t, s.Verdicts[i].Message, "seed", "it may be an instructor's")
	}
}

func TestGoexitIsNoPass(t *testing.T) {
	// testing itself ends the run at this; the verdict must not be PASS either way.
	state, _ := func() (State, string) {
		var end ending
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer func() { end.recovered = recover() }()
			runtime.Goexit()
		}()
		<-done
		return judge("1.1", newT(t, 1), end)
	}()
	require.Equal(t, Fail, state)
}

func TestVerdictsFailClosed(t *testing.T) {
	line := func(e entry) string {
		e.Nonce = "n"
		content, err := json.Marshal(e)
		require.NoError(t, err)
		return string(content) + "\n"
	}
	pass := Verdict{Exercise: "1.1", Test: "a", State: Pass}
	open, begin := line(entry{Kind: recordOpen}), line(entry{Kind: recordBegin, Verdict: Verdict{Exercise: "1.1", Test: "a"}})
	verdict, last := line(entry{Kind: recordVerdict, Verdict: pass}), line(entry{Kind: recordLast, Count: 1})
	good := open + begin + verdict + last
	s, err := ReadVerdicts(strings.NewReader(good), "n")
	require.NoError(t, err)
	require.Equal(t, Stream{Opened: true, Verdicts: []Verdict{pass}}, s)

	for name, stream := range map[string]string{
		"no last record":          open + begin + verdict,
		"nothing":                 "",
		"count too high":          open + begin + verdict + line(entry{Kind: recordLast, Count: 2}),
		"count too low":           open + begin + verdict + line(entry{Kind: recordLast}),
		"wrong nonce":             strings.ReplaceAll(good, `"n"`, `"x"`),
		"one forged":              open + begin + strings.Replace(verdict, `"n"`, `""`, 1) + last,
		"twice the same test":     open + begin + verdict + begin + verdict + line(entry{Kind: recordLast, Count: 2}),
		"two verdicts, one begin": open + begin + verdict + verdict + line(entry{Kind: recordLast, Count: 2}),
		"never opened":            begin + verdict + last,
		"ends inside a test":      open + begin + line(entry{Kind: recordLast}),
		"more after the last":     good + verdict,
		"two runs":                good + good,
		"not JSON":                "--- PASS: a\n" + good,
	} {
		_, err := ReadVerdicts(strings.NewReader(stream), "n")
		require.Error(t, err, name)
	}

	s, err = ReadVerdicts(strings.NewReader(open+begin), "n")
	require.Error(t, err)
	require.Equal(t, "a", s.Running, "a grader can say where the process hung")
}

func TestInheritedChannel(t *testing.T) {
	require.Nil(t, inherit([]string{"x.test", "-test.run=a"}))
	require.Error(t, inherit([]string{"x.test", VerdictsArg + "three"}).err)
}

func TestPicture(t *testing.T) {
	got := Picture([]byte{0, 1, 2, 3, 4, 5}, []Field{{"length", 4}, {"magic", 1}}, 4)
	require.Equal(t, ""+
		"     0  00 01 02 03                                      length\n"+
		"     4  04                                               magic\n"+
		"        ^^ here\n"+
		"     5  05                                               rest\n", got)
	require.Contains(t, Picture([]byte{1}, []Field{{"length", 4}, {"crc", 4}}, -1), "length (cut short)")
	require.Contains(t, Picture([]byte{1}, []Field{{"length", 4}, {"crc", 4}}, -1), "crc (missing)")
}
