package wire

import (
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/model"
	"highwater.dev/broker/vfs"
)

// bytesFile is a file of bytes, enough for a Region.
type bytesFile struct {
	b      []byte
	closed int
}

func (f *bytesFile) ReadAt(p []byte, off int64) (int, error) {
	n := copy(p, f.b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
func (f *bytesFile) WriteAt([]byte, int64) (int, error) { return 0, errors.ErrUnsupported }
func (f *bytesFile) Close() error                       { f.closed++; return nil }
func (f *bytesFile) Size() (int64, error)               { return int64(len(f.b)), nil }
func (f *bytesFile) Truncate(int64) error               { return errors.ErrUnsupported }
func (f *bytesFile) Sync() error                        { return errors.ErrUnsupported }
func (f *bytesFile) Name() string                       { return "bytes" }

// regionOf is a region with b in the middle of a file.
func regionOf(b []byte) vfs.Region {
	if b == nil {
		return vfs.Region{}
	}
	f := &bytesFile{b: append(append([]byte("before"), b...), "after"...)}
	return vfs.Region{File: vfs.Share(f), Pos: 6, Len: int64(len(b))}
}

// flatten is what network sends: Buf and regions, interleaved.
func flatten(t require.TestingT, resp *Response) []byte {
	var out []byte
	at := 0
	for _, r := range resp.Regions {
		out = append(out, resp.Buf[at:r.After]...)
		at = r.After
		b := make([]byte, r.Region.Len)
		_, err := r.Region.File.ReadAt(b, r.Region.Pos)
		require.NoError(t, err)
		out = append(out, b...)
	}
	out = append(out, resp.Buf[at:]...)
	require.EqualValues(t, resp.Size(), len(out))
	return out
}

func topicID(n byte) model.TopicID { return model.TopicID{0: n, 15: n} }

// eachVersion runs f at every served version of key.
func eachVersion(t *testing.T, key int16, f func(t *testing.T, version int16)) {
	lo, hi, ok := Supported(key)
	require.True(t, ok)
	for v := lo; v <= hi; v++ {
		t.Run(Name(key)+" "+string(rune('0'+v/10))+string(rune('0'+v%10)), func(t *testing.T) { f(t, v) })
	}
}
