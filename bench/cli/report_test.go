package cli

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	pprof "github.com/google/pprof/profile"
	"github.com/stretchr/testify/require"

	"highwater.dev/bench/profile"
)

var synthetic = filepath.Join("..", "report", "testdata", "synthetic.txt")

func TestBudgetExitCodes(t *testing.T) {
	out, err := bench("budget", synthetic)
	var failed *Failed
	require.ErrorAs(t, err, &failed)
	require.EqualError(t, err, "bench budget: 2 of 16 missed, 2 not measured")
	require.Contains(t, out, "peak memory")

	_, err = bench("budget", oldRun) // without Kafka nothing can be said: undecided, not failed
	require.NotErrorAs(t, err, &failed)
	require.EqualError(t, err, "bench budget: 16 of 16 not measured, none missed")
}

func TestReportPutsTheNotesIn(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "performance-notes.md"), []byte("## Tried\n"), 0o644))
	out, err := bench("report", synthetic, "--out", dir)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dir, "performance.md")+"\n"+filepath.Join(dir, "performance.html")+"\n", out)
	page, err := os.ReadFile(filepath.Join(dir, "performance.md"))
	require.NoError(t, err)
	require.Contains(t, string(page), "\n## Tried\n")

	again, err := bench("report", filepath.Join(dir, "performance", "synthetic.txt"), "--out", dir) // from the samples kept beside it
	require.NoError(t, err)
	require.Equal(t, out, again)
	same, err := os.ReadFile(filepath.Join(dir, "performance.md"))
	require.NoError(t, err)
	require.Equal(t, string(page), string(same))
}

// keptProfile writes a CPU profile of one function called by another.
func keptProfile(t *testing.T, dir, name, function string) {
	t.Helper()
	leaf, root := &pprof.Function{ID: 1, Name: function}, &pprof.Function{ID: 2, Name: "main.main"}
	locations := []*pprof.Location{{ID: 1, Line: []pprof.Line{{Function: leaf}}}, {ID: 2, Line: []pprof.Line{{Function: root}}}}
	p := &pprof.Profile{
		SampleType: []*pprof.ValueType{{Type: "cpu", Unit: "nanoseconds"}}, Function: []*pprof.Function{leaf, root}, Location: locations,
		Sample: []*pprof.Sample{{Location: locations, Value: []int64{2e9}}},
	}
	var data bytes.Buffer
	require.NoError(t, p.Write(&data))
	require.NoError(t, profile.Keep(dir, name, profile.CPU, &data))
}

func TestProfileCommand(t *testing.T) {
	before, now := t.TempDir(), t.TempDir()
	keptProfile(t, before, "Produce/size=100", "old.work")
	keptProfile(t, now, "Produce/size=100", "new.work")
	top, err := bench("profile", "Produce/size=100", "--dir", now, "--format", "csv")
	require.NoError(t, err)
	require.Equal(t, "flat,flat%,sum%,cum,cum%,function\n2 s,100.00%,100.00%,2 s,100.00%,new.work\n0 s,0.00%,100.00%,2 s,100.00%,main.main\n", top)

	diff, err := bench("profile", "Produce/size=100", "--dir", now, "--diff", before, "--format", "csv", "--top", "2")
	require.NoError(t, err)
	require.Contains(t, diff, "0.00,100.00,+100.00,0.00,100.00,+100.00,new.work\n")

	peek, err := bench("profile", "Produce/size=100", "--dir", now, "--peek", "work")
	require.NoError(t, err)
	require.Contains(t, peek, "main.main")

	page := filepath.Join(t.TempDir(), "flame.html")
	_, err = bench("profile", "Produce/size=100", "--dir", now, "--out", page)
	require.NoError(t, err)
	require.FileExists(t, page)

	_, err = bench("profile", "Produce/size=100", "--dir", now, "--focus", "nobody")
	require.ErrorContains(t, err, "no function matches nobody")
	_, err = bench("profile", "Produce/size=100", "--dir", now, "--kind", "heap")
	require.ErrorContains(t, err, "heap.pb.gz; kept of this benchmark: cpu")
	_, err = bench("profile", "Produce/size=100", "--dir", now, "--diff", before, "--out", page)
	require.ErrorContains(t, err, "none of the others can be")
}

// What --from takes is kept under the name, and read at once.
func TestProfileFromARunningBroker(t *testing.T) {
	dir := t.TempDir()
	keptProfile(t, dir, "theirs", "far.work")
	data, err := os.ReadFile(profile.Path(dir, "theirs", profile.CPU))
	require.NoError(t, err)
	seconds := make(chan string, len(profile.Kinds))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seconds <- r.URL.Query().Get("seconds")
		_, _ = w.Write(data)
	}))
	defer server.Close()
	out, err := bench("profile", "mine", "--dir", dir, "--from", server.Listener.Addr().String(), "--for", "1500ms")
	require.NoError(t, err)
	require.Contains(t, out, "far.work")
	require.Equal(t, "2", <-seconds, "whole seconds, not fewer than asked for")
	require.FileExists(t, profile.Path(dir, "mine", profile.Mutex))
}
