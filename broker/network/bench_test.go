package network

import (
	"fmt"
	"net"
	"testing"

	"highwater.dev/broker/vfs"
	"highwater.dev/broker/wire"
)

func BenchmarkSmallRequest(b *testing.B) {
	s := start(b, handlerFunc(echo), nil)
	exchange(b, s, 70, 64)
}

// BenchmarkFrameIn receives frames as a producer sends them.
func BenchmarkFrameIn(b *testing.B) {
	for _, size := range []int{16 << 10, 128 << 10, 1 << 20, 4_000_400} {
		for _, buffer := range []int{0, 102400, 1 << 20} {
			b.Run(fmt.Sprintf("bytes=%d/rcvbuf=%d", size, buffer), func(b *testing.B) {
				s := start(b, handlerFunc(func(_ *testSession, req *wire.Request, resp *wire.Response) error {
					wire.BeginResponse(resp, &req.Header)
					return nil
				}), func(o *Options) { o.Config.ReceiveBufferBytes, o.Config.SendBufferBytes = buffer, buffer })
				exchange(b, s, size, 4)
			})
		}
	}
}

// BenchmarkRegion sends regions as a consumer fetches them.
func BenchmarkRegion(b *testing.B) {
	head := make([]byte, 80)
	file, _ := randomFile(b, vfs.OS(), b.TempDir(), 8<<20)
	defer file.Release()
	for _, size := range []int64{1 << 20, 64 << 10, 32 << 10, 16 << 10, 8 << 10, 4 << 10, 1 << 10} {
		for _, how := range []struct {
			name string
			t    Transfer
		}{{"sendfile", NewSendfile()}, {"copy", NewCopy()}, {"gather", nil}} {
			if how.t == nil && size > gatherBytes/2 {
				continue
			}
			b.Run(fmt.Sprintf("bytes=%d/transfer=%s", size, how.name), func(b *testing.B) {
				transfer, gather := how.t, int64(-1)
				if transfer == nil {
					gather = size
				}
				s := start(b, handlerFunc(func(_ *testSession, req *wire.Request, resp *wire.Response) error {
					wire.BeginResponse(resp, &req.Header)
					resp.Buf = append(resp.Buf, head...)
					if !file.Acquire() {
						return net.ErrClosed
					}
					resp.AppendRegion(vfs.Region{File: file, Pos: 4096, Len: size})
					return nil
				}), func(o *Options) { o.Transfer, o.gatherBelow = transfer, gather })
				exchange(b, s, 70, 84+int(size))
			})
		}
	}
}
