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

func TestMissingProcess(t *testing.T) {
	_, err := CPU(1 << 30)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = PeakRSS(1 << 30)
	require.ErrorIs(t, err, os.ErrNotExist)
}
