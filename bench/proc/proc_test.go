package proc

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCPUCountsWork(t *testing.T) {
	before, err := CPU(os.Getpid())
	require.NoError(t, err)
	sum := 0
	for start := time.Now(); time.Since(start) < 300*time.Millisecond; {
		for i := range 1000 {
			sum += i
		}
	}
	require.NotZero(t, sum)
	after, err := CPU(os.Getpid())
	require.NoError(t, err)
	require.Greater(t, after, before)
	require.Less(t, after-before, time.Minute)
}

func TestPeakRSSGrowsWithMemory(t *testing.T) {
	const size = 64 << 20
	block := make([]byte, size)
	for i := 0; i < len(block); i += 4096 {
		block[i] = 1
	}
	peak, err := PeakRSS(os.Getpid())
	require.NoError(t, err)
	require.Greater(t, peak, int64(size))
	require.Equal(t, byte(1), block[4096])
}

func TestRSSIsNotAboveItsPeak(t *testing.T) {
	now, err := RSS(os.Getpid())
	require.NoError(t, err)
	peak, err := PeakRSS(os.Getpid())
	require.NoError(t, err)
	require.Positive(t, now)
	require.LessOrEqual(t, now, peak)
}

func TestMovedCountsCallsAndBytes(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	defer file.Close()
	before, err := Moved(os.Getpid())
	require.NoError(t, err)
	for range 100 {
		_, err := file.Write(make([]byte, 1000))
		require.NoError(t, err)
	}
	_, err = file.ReadAt(make([]byte, 50_000), 0)
	require.NoError(t, err)
	after, err := Moved(os.Getpid())
	require.NoError(t, err)
	moved := after.Minus(before)
	require.GreaterOrEqual(t, moved.Writes, int64(100))
	require.GreaterOrEqual(t, moved.WrittenBytes, int64(100_000))
	require.Positive(t, moved.Reads)
	require.GreaterOrEqual(t, moved.ReadBytes, int64(50_000))
	require.Less(t, moved.WrittenBytes, int64(1<<20), "this process does little else")
}

func TestMissingProcess(t *testing.T) {
	_, err := CPU(1 << 30)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Moved(1 << 30)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = PeakRSS(1 << 30)
	require.ErrorIs(t, err, os.ErrNotExist)
}
