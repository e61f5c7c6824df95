package peer

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCachedFillsOnceAndNeverHalf(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	fills := 0
	fill := func(dir string) error {
		fills++
		return os.WriteFile(filepath.Join(dir, "file"), []byte("whole"), 0o600)
	}
	_, err := Cached("name", []byte("v1"), func(string) error { return os.ErrPermission })
	require.ErrorIs(t, err, os.ErrPermission)
	first, err := Cached("name", []byte("v1"), fill)
	require.NoError(t, err)
	again, err := Cached("name", []byte("v1"), fill)
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Equal(t, 1, fills)
	require.FileExists(t, filepath.Join(first, "file"))

	other, err := Cached("name", []byte("v2"), fill)
	require.NoError(t, err)
	require.NotEqual(t, first, other, "other versions, another folder")
	left, err := os.ReadDir(filepath.Dir(first))
	require.NoError(t, err)
	require.Len(t, left, 2, "no temporary folder is left behind")
}

func TestKillAndStopWaitForTheEnd(t *testing.T) {
	for name, end := range map[string]func(*Broker) error{"kill": (*Broker).Kill, "stop": (*Broker).Stop} {
		t.Run(name, func(t *testing.T) {
			b, err := launch(exec.Command("sleep", "60"), filepath.Join(t.TempDir(), "log"))
			require.NoError(t, err)
			select {
			case <-b.Done():
				require.Fail(t, "ended by itself")
			default:
			}
			require.Empty(t, b.Ended())
			require.NoError(t, end(b))
			<-b.Done()
			require.Contains(t, []string{"signal: killed", "signal: terminated"}, b.Ended())
			require.NoError(t, end(b), "a second time is harmless")
		})
	}
}

func TestABrokerThatEndsWhileStartingIsAnErrorWithItsLog(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "broken")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\necho disk on fire\nexit 3\n"), 0o700))
	begun := time.Now()
	_, err := StartHighwater(t.Context(), Options{Dir: dir, Binary: program})
	require.ErrorContains(t, err, "disk on fire")
	require.Less(t, time.Since(begun), 10*time.Second)
}
