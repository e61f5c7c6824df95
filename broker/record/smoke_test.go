package record

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSmoke(t *testing.T) {
	for c := None; c <= Zstd; c++ {
		w := Builder{Compression: c}
		for i := range 3000 {
			w.Add(1000+123*9, []byte("key"), make([]byte, i), RecordHeader{Key: []byte("h")})
		}
		w.Add(1000, nil, make([]byte, 200000))
		b := w.Batch()
		var h Header
		f, err := Validate(b, Rules{}, &h)
		require.NoError(t, err, c.String())
		require.False(t, f.Rewrite)
		var it Iterator
		require.NoError(t, it.Reset(b))
		n := 0
		for it.Next() {
			n++
		}
		require.NoError(t, it.Err())
		require.Equal(t, 3001, n)
		it.Close()
	}
}
