package limits

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMeasure(t *testing.T) {
	dir := t.TempDir()
	got, err := Measure(dir, 8<<20)
	require.NoError(t, err)
	var what []string
	for _, l := range got {
		what = append(what, l.What+" "+l.Unit)
		require.Positive(t, l.Value, l.What)
	}
	require.Equal(t, []string{"pagecache MB/s", "sendfile MB/s", "loopback MB/s", "crc32c MB/s", "fsync p50-ms"}, what)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestNoFolder(t *testing.T) {
	_, err := Measure(t.TempDir()+"/none", 1)
	require.ErrorIs(t, err, os.ErrNotExist)
}
