package network

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPoolAfterABurst: a burst of the largest frames fills the pool. The frames that come after it find room in it soon.
func TestPoolAfterABurst(t *testing.T) {
	var p bufferPool
	frames := func(n, size int) {
		var held [][]byte
		for range n {
			held = append(held, p.get(size))
		}
		for _, b := range held {
			p.put(b)
		}
	}
	frames(40, maxPooled)
	_, retained := p.usage()
	require.Equal(t, maxRetained, retained)
	for _, size := range []int{16 << 10, 1 << 20} {
		for range maxPooled / size {
			frames(1, size)
		}
		require.Zero(t, testing.AllocsPerRun(100, func() { p.put(p.get(size)) }), "frames of %d bytes", size)
	}
	inUse, retained := p.usage()
	require.Zero(t, inUse)
	require.LessOrEqual(t, retained, maxRetained)
}
