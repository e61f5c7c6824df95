package machine

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/perf/benchfmt"
)

// The facts are configuration lines that benchstat's own reader takes.
func TestFactsAreConfiguration(t *testing.T) {
	var out bytes.Buffer
	facts := Facts()
	require.NoError(t, Write(&out, facts))
	out.WriteString("BenchmarkX 1 1 ns/op\n")
	reader := benchfmt.NewReader(&out, "facts")
	require.True(t, reader.Scan())
	result, ok := reader.Result().(*benchfmt.Result)
	require.Truef(t, ok, "%v", reader.Result())
	for _, f := range facts {
		require.Equal(t, f.Value, result.GetConfig(f.Key), f.Key)
	}
	require.Equal(t, runtime.Version(), result.GetConfig("go"))
	require.NotEmpty(t, result.GetConfig("date"))
}
