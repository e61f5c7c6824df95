package progress

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/workbook/lab"
	"highwater.dev/workbook/manifest"
)

func TestRoundTripAndNext(t *testing.T) {
	root := t.TempDir()
	chapters := []*manifest.Chapter{{Number: 1, Exercises: []manifest.Exercise{{ID: "1.1"}, {ID: "1.2"}}}}
	p, err := Load(root)
	require.NoError(t, err)
	_, next := p.Next(chapters)
	require.Equal(t, "1.1", next.ID)
	p.Ended("1.1", lab.Pass)
	require.Equal(t, 1, p.NextHint("1.2", 2))
	require.Equal(t, 2, p.NextHint("1.2", 2))
	require.Equal(t, 2, p.NextHint("1.2", 2))
	require.NoError(t, p.Save(root))

	again, err := Load(root)
	require.NoError(t, err)
	require.Equal(t, p, again)
	_, next = again.Next(chapters)
	require.Equal(t, "1.2", next.ID)
	again.Ended("1.2", lab.Pass)
	_, next = again.Next(chapters)
	require.Nil(t, next)
}

func TestDamagedFileIsAClearError(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, ".highwater"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, File), []byte("{"), 0o644))
	_, err := Load(root)
	require.ErrorContains(t, err, "progress.json is damaged")
}
