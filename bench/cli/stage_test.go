package cli

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A chapter that cannot be measured is wrong usage, exit code 2, and leaves the samples of an earlier run alone.
func TestBenchOfAChapterThatCannotBeMeasured(t *testing.T) {
	out := filepath.Join(t.TempDir(), "samples.txt")
	require.NoError(t, os.WriteFile(out, []byte("earlier"), 0o644))
	for name, c := range map[string]struct {
		chapters Chapters
		args     []string
		want     string
	}{
		"unknown":          {func(arg string) (string, string, error) { return "", "", errors.New("there is no chapter " + arg) }, []string{"9"}, "there is no chapter 9"},
		"does not compile": {func(string) (string, string, error) { return brokenCheckout(t), "01-tiny", nil }, []string{"1"}, "it does not compile"},
		"impl":             {func(string) (string, string, error) { return "", "", nil }, []string{"1", "--impl", "yours"}, "each must be one of"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := Command(c.chapters)
			cmd.SilenceErrors, cmd.SilenceUsage = true, true
			cmd.SetArgs(append(c.args, "--out", out))
			err := cmd.ExecuteContext(t.Context())
			require.ErrorContains(t, err, c.want)
			var failed *Failed
			require.False(t, errors.As(err, &failed))
			kept, err := os.ReadFile(out)
			require.NoError(t, err)
			require.Equal(t, "earlier", string(kept))
		})
	}
}

func brokenCheckout(t *testing.T) string {
	root := t.TempDir()
	dir := filepath.Join(root, "chapters", "01-tiny")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "go.mod"), []byte("module tiny.example\n\ngo 1.26.0\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bench_test.go"), []byte("package tiny\n\nfunc broken() int {}\n"), 0o644))
	return root
}
