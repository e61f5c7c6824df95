package network

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/vfs"
	"highwater.dev/broker/wire"
)

func asTimeout(err error, into *net.Error) bool { return errors.As(err, into) && (*into).Timeout() }

func TestEchoesFramesOfEverySize(t *testing.T) {
	s := start(t, handlerFunc(echo), nil)
	c := dial(t, s)
	random := rand.NewChaCha8([32]byte{1})
	for _, n := range []int{0, 1, startBytes - 11, startBytes - 10, startBytes - 9, firstStage - 10, firstStage, 1 << 20, 2, 5 << 20, 3} {
		body := make([]byte, n)
		_, _ = random.Read(body)
		go c.send(frame(int32(n), body))
		id, got := c.receive()
		require.Equal(t, int32(n), id)
		require.True(t, bytes.Equal(body, got), "%d bytes came back changed", n)
	}
	requireNoBuffers(t, s)
}

// file returns a file with n random bytes.
func randomFile(t testing.TB, fs vfs.FS, dir string, n int) (*vfs.SharedFile, []byte) {
	f, err := fs.Create(filepath.Join(dir, "00000000000000000000.log"))
	require.NoError(t, err)
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{2}).Read(data)
	_, err = f.WriteAt(data, 0)
	require.NoError(t, err)
	return vfs.Share(f), data
}

func TestSendsRegionsBetweenBytes(t *testing.T) {
	file, data := randomFile(t, vfs.OS(), t.TempDir(), 8<<20)
	defer file.Release()
	type stretch struct{ pos, len int }
	cases := map[string][]stretch{
		"one large":        {{12345, 1 << 20}},
		"one small":        {{1, 100}},
		"small and large":  {{0, 100}, {100, 2 << 20}, {7, gatherBelow}, {9, gatherBelow + 1}, {3, 1}},
		"many small":       {{0, 16000}, {5, 16000}, {6, 16000}, {7, 16000}, {8, 16000}, {9, 16000}},
		"empty ones":       {{0, 0}, {100, 70000}, {0, 0}, {5, 0}},
		"the file's end":   {{8<<20 - 70000, 70000}},
		"the whole file":   {{0, 8 << 20}},
		"nothing but this": {},
	}
	for transferName, transfer := range map[string]Transfer{"sendfile": NewSendfile(), "copy": NewCopy()} {
		for name, stretches := range cases {
			t.Run(transferName+"/"+name, func(t *testing.T) {
				var want []byte
				s := start(t, handlerFunc(func(_ *testSession, req *wire.Request, resp *wire.Response) error {
					wire.BeginResponse(resp, &req.Header)
					for _, st := range stretches {
						resp.Buf = append(resp.Buf, "before"...)
						require.True(t, file.Acquire())
						resp.AppendRegion(vfs.Region{File: file, Pos: int64(st.pos), Len: int64(st.len)})
					}
					resp.Buf = append(resp.Buf, "after"...)
					return nil
				}), func(o *Options) { o.Transfer = transfer })
				for _, st := range stretches {
					want = append(append(want, "before"...), data[st.pos:st.pos+st.len]...)
				}
				want = append(want, "after"...)
				c := dial(t, s)
				for range 3 {
					c.send(frame(1, nil))
					_, got := c.receive()
					require.True(t, bytes.Equal(want, got))
				}
			})
		}
	}
}
