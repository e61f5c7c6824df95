package profile

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/pprof"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"highwater.dev/bench/table"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const name = "Produce/size=1024/impl=highwater"

// stack of a made profile: functions from the innermost outwards.
type stack struct {
	seconds   int64
	functions []string
}

// made is a CPU profile of those stacks. An inlined function ("inlined") shares its location with its caller.
func made(stacks ...stack) *profile.Profile {
	p := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}},
		PeriodType: &profile.ValueType{Type: "cpu", Unit: "nanoseconds"}, Period: 1,
	}
	functions := map[string]*profile.Function{}
	function := func(name string) *profile.Function {
		if functions[name] == nil {
			functions[name] = &profile.Function{ID: uint64(len(functions) + 1), Name: name, SystemName: name}
			p.Function = append(p.Function, functions[name])
		}
		return functions[name]
	}
	for _, s := range stacks {
		sample := &profile.Sample{Value: []int64{s.seconds, s.seconds * 1e9}}
		var location *profile.Location
		for i, f := range s.functions {
			if i == 0 || s.functions[i-1] != "inlined" {
				location = &profile.Location{ID: uint64(len(p.Location) + 1)}
				p.Location = append(p.Location, location)
				sample.Location = append(sample.Location, location)
			}
			location.Line = append(location.Line, profile.Line{Function: function(f)})
		}
		p.Sample = append(p.Sample, sample)
	}
	return p
}

func kept(t *testing.T, p *profile.Profile) string {
	t.Helper()
	dir := t.TempDir()
	var data bytes.Buffer
	require.NoError(t, p.Write(&data))
	require.NoError(t, Keep(dir, name, CPU, &data))
	return dir
}

func load(t *testing.T, p *profile.Profile) *Profile {
	t.Helper()
	loaded, err := Load(kept(t, p), name, CPU)
	require.NoError(t, err)
	return loaded
}

var sample = made(
	stack{6, []string{"inlined", "highwater.dev/broker/segment.Append", "highwater.dev/broker.Serve"}},
	stack{3, []string{"syscall.write", "highwater.dev/broker/segment.Append", "highwater.dev/broker.Serve"}},
	stack{1, []string{"walk", "walk", "highwater.dev/broker.Serve"}},
)

func TestKeepPutsAProfileWhereLoadFindsIt(t *testing.T) {
	dir := kept(t, sample)
	require.FileExists(t, filepath.Join(dir, "Produce_size=1024_impl=highwater", "cpu.pb.gz"))
	_, err := Load(dir, "Produce_size=1024_impl=highwater", CPU)
	require.NoError(t, err)
}

func TestFaultyProfilesAreNamed(t *testing.T) {
	dir := kept(t, sample)
	path := Path(dir, name, CPU)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	for want, data := range map[string][]byte{
		" is an empty file":                        {},
		" is damaged or cut off: ":                 whole[:len(whole)/2],
		" is damaged or cut off:":                  []byte("no profile at all"),
		" has no samples: nothing was sampled whi": encoded(t, made()),
	} {
		require.NoError(t, os.WriteFile(path, data, 0o644))
		_, err := Load(dir, name, CPU)
		require.ErrorContains(t, err, "profile: "+path+want)
	}
	_, err = Load(dir, name, Heap)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "heap.pb.gz; kept of this benchmark: cpu: ")
	_, err = Load(dir, "Consume", CPU)
	require.ErrorContains(t, err, "; there are profiles of Produce_size=1024_impl=highwater: ")
	_, err = Load(dir, name, "goroutine")
	require.ErrorContains(t, err, `kind "goroutine"`)
	require.NoError(t, os.WriteFile(Path(dir, name, Heap), encoded(t, sample), 0o644))
	_, err = Load(dir, name, Heap)
	require.ErrorContains(t, err, "heap.pb.gz is no heap profile")
}

func encoded(t *testing.T, p *profile.Profile) []byte {
	t.Helper()
	var data bytes.Buffer
	require.NoError(t, p.Write(&data))
	return data.Bytes()
}

func TestKeepRefusesWhatIsNoProfile(t *testing.T) {
	dir := t.TempDir()
	err := Keep(dir, name, CPU, strings.NewReader("404 page not found"))
	require.ErrorContains(t, err, "18 bytes are no profile")
	require.NoFileExists(t, Path(dir, name, CPU))
	require.ErrorContains(t, Keep(dir, name, "../x", strings.NewReader("")), `kind "../x"`)
}

func TestTop(t *testing.T) {
	top := load(t, sample).Top(3)
	require.Equal(t, [][]string{
		{"6 s", "60.00%", "60.00%", "6 s", "60.00%", "inlined"},
		{"3 s", "30.00%", "90.00%", "3 s", "30.00%", "syscall.write"},
		{"1 s", "10.00%", "100.00%", "1 s", "10.00%", "walk"}, // recursive: counted once
	}, top.Rows)
}

// The figures are those of pprof's own top.
func TestTopIsThatOfPprof(t *testing.T) {
	p := load(t, sample)
	var out bytes.Buffer
	require.NoError(t, p.drive(&out, "-top", "-nodefraction=0"))
	theirs := map[string]string{}
	for line := range strings.Lines(out.String()) {
		if f := strings.Fields(line); len(f) >= 6 && strings.HasSuffix(f[1], "%") {
			theirs[f[5]] = strings.Join([]string{f[0], f[3]}, " ")
		}
	}
	require.Len(t, theirs, 5)
	for _, c := range p.Costs() {
		seconds := func(ns int64) string {
			if ns == 0 {
				return "0"
			}
			return time.Duration(ns).String()
		}
		require.Equal(t, theirs[c.Function], seconds(c.Flat)+" "+seconds(c.Cum), c.Function)
	}
}

func TestFocus(t *testing.T) {
	p := load(t, sample)
	require.NoError(t, p.Focus(regexp.MustCompile("segment")))
	require.Equal(t, int64(9e9), p.Total())
	require.ErrorContains(t, p.Focus(regexp.MustCompile("nobody")), "no function matches nobody")
}

func TestPeekShowsCallersAndCallees(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", home)
	t.Setenv("PPROF_TMPDIR", home)
	var out bytes.Buffer
	require.NoError(t, load(t, sample).Peek(&out, regexp.MustCompile("Append")))
	require.Regexp(t, `(?s)9s +100% \|   highwater.dev/broker.Serve\n +0 +0% .*9s 90.00%.* \| highwater.dev/broker/segment.Append\n +6s 66.67% \|   inlined.*\n +3s 33.33% \|   syscall.write\n`, out.String())
	left, err := os.ReadDir(home)
	require.NoError(t, err)
	require.Empty(t, left, "the driver saved something")
	require.ErrorContains(t, load(t, sample).Peek(&out, regexp.MustCompile("nobody")), "no matches found for regexp: nobody")
}

// The second run is twice as long: shares are compared, not seconds.
func TestDifferenceIsNormalised(t *testing.T) {
	before := load(t, made(stack{5, []string{"a", "main"}}, stack{5, []string{"b", "main"}}))
	now := load(t, made(stack{16, []string{"a", "main"}}, stack{4, []string{"c", "main"}}))
	diff, err := Difference(before, now, 10)
	require.NoError(t, err)
	require.Equal(t, [][]string{
		{"50.00", "0.00", "-50.00", "50.00", "0.00", "-50.00", "b"},
		{"50.00", "80.00", "+30.00", "50.00", "80.00", "+30.00", "a"},
		{"0.00", "20.00", "+20.00", "0.00", "20.00", "+20.00", "c"},
		{"0.00", "0.00", "+0.00", "100.00", "100.00", "+0.00", "main"},
	}, diff.Rows)
}

func TestFlameGraphStandsAlone(t *testing.T) {
	var out bytes.Buffer
	hostile := made(stack{1, []string{"</script><script>alert(1)</script>", "main.run"}})
	require.NoError(t, load(t, hostile).WriteFlameGraph(&out, "a <b>"))
	page := out.String()
	require.NotRegexp(t, `(?i)(src|href)\s*=|url\(|@import|https?://`, page)
	require.Equal(t, 1, strings.Count(page, "<script"))
	require.Contains(t, page, "a &lt;b&gt;")

	out.Reset()
	require.NoError(t, load(t, sample).WriteFlameGraph(&out, name))
	require.Contains(t, out.String(), `{"n":"all","o":"library","v":10000000000,"l":"10 s","c":[{"n":"highwater.dev/broker.Serve","o":"ours","v":10000000000`)
	require.Contains(t, out.String(), `{"n":"syscall.write","o":"runtime","v":3000000000,"l":"3 s"}`)
}

// A server as the broker's: a second of work is seen in its CPU profile, and heap, mutex and block are kept beside it.
func TestFromServer(t *testing.T) {
	runtime.SetMutexProfileFraction(1)
	runtime.SetBlockProfileRate(1)
	t.Cleanup(func() { runtime.SetMutexProfileFraction(0); runtime.SetBlockProfileRate(0) })
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	server := httptest.NewServer(mux)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	t.Cleanup(server.Close)
	addr := strings.TrimPrefix(server.URL, "http://")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); burn(ctx) }()
	dir := t.TempDir()
	err := FromServer(t.Context(), addr, dir, name, 300*time.Millisecond)
	cancel()
	<-done
	require.NoError(t, err)
	for _, kind := range Kinds {
		require.FileExists(t, Path(dir, name, kind))
	}
	p, err := Load(dir, name, CPU)
	require.NoError(t, err)
	require.NoError(t, p.Focus(regexp.MustCompile(`profile\.burn`)))
	var out bytes.Buffer
	require.NoError(t, p.Top(5).Write(&out, table.Text))
	require.Contains(t, out.String(), "function")

	server.Config.Handler = http.NotFoundHandler()
	err = FromServer(t.Context(), addr, t.TempDir(), name, time.Millisecond)
	require.ErrorContains(t, err, addr+": 404 Not Found: 404 page not found")
}

// burn works until ctx ends.
func burn(ctx context.Context) {
	for sum := 0; ctx.Err() == nil; {
		for i := range 1000 {
			sum += i
		}
	}
}
