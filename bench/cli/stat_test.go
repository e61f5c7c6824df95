package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// bench runs a command and gives what it printed.
func bench(args ...string) (string, error) {
	var out bytes.Buffer
	cmd := Command(nil)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	err := cmd.Execute()
	return out.String(), err
}

var (
	oldRun = filepath.Join("..", "stat", "testdata", "old.txt")
	newRun = filepath.Join("..", "stat", "testdata", "new.txt")
)

func TestCompareFailsWhereSomethingIsWorse(t *testing.T) {
	out, err := bench("compare", oldRun, newRun, "--format", "markdown")
	require.NoError(t, err)
	require.Contains(t, out, "better")
	require.Contains(t, out, "\nmeasured on one side only: Gone-2 sec/op, Come-2 widgets/op\n")
	require.Contains(t, out, "\ncommit was aaa and is bbb\n")
	require.Regexp(t, `\| Append-2 +\| sec/op +\| +\S+n`, out)

	_, err = bench("compare", newRun, oldRun)
	var failed *Failed
	require.ErrorAs(t, err, &failed)
	require.ErrorContains(t, err, "3 of 8 rows are worse")

	_, err = bench("compare", oldRun, filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NotErrorAs(t, err, &failed)
}

func TestVersusNeedsItsBase(t *testing.T) {
	_, err := bench("versus", oldRun)
	require.ErrorContains(t, err, "the base kafka is not among the values of impl: highwater")
	out, err := bench("versus", oldRun, "--base", "highwater")
	require.NoError(t, err)
	require.Contains(t, out, "Produce/size=1024")
	_, err = bench("versus", oldRun, "--base", "highwater", "--format", "pdf")
	require.ErrorContains(t, err, "table, csv or markdown")
}
