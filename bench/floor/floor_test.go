package floor

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func start(t *testing.T) (addr, dir string) {
	dir = t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- Serve(l, dir) }()
	t.Cleanup(func() {
		require.NoError(t, l.Close())
		require.NoError(t, <-done)
	})
	return l.Addr().String(), dir
}

func TestPushWritesEveryFrame(t *testing.T) {
	addr, dir := start(t)
	require.NoError(t, Push(addr, 2, 1000, 8000))
	files, err := filepath.Glob(filepath.Join(dir, "*.log"))
	require.NoError(t, err)
	require.Len(t, files, 2)
	for _, name := range files {
		content, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Len(t, content, 4000)
		require.Equal(t, content[:1000], content[3000:])
		require.Equal(t, byte(7), content[1])
	}
}

func TestLongFrameClosesTheConnection(t *testing.T) {
	addr, dir := start(t)
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, binary.Write(conn, binary.BigEndian, uint32(MaxFrame+1)))
	_, err = conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	info, err := os.Stat(filepath.Join(dir, "floor-0.log"))
	require.NoError(t, err)
	require.Zero(t, info.Size())
}
