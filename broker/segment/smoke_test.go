package segment_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/vfs"
)

func batch(base model.Offset, n int, ts model.TimestampMs, size int) record.Batch {
	b := record.Builder{BaseOffset: base, LeaderEpoch: 3}
	for i := range n {
		b.Add(ts+model.TimestampMs(i), nil, make([]byte, size))
	}
	return b.Batch()
}

func TestSmoke(t *testing.T) {
	fs := vfs.OS()
	dir := t.TempDir() + "/t-0"
	opts := segment.Options{Limits: segment.Limits{SegmentBytes: 20000, IndexIntervalBytes: 100}, ReplayFrom: model.NoOffset}
	l, err := segment.Open(fs, dir, opts)
	require.NoError(t, err)
	for i := range 100 {
		require.NoError(t, l.Append(batch(model.Offset(i*10), 10, model.TimestampMs(1000+i*10), 50)))
	}
	check := func() {
		for o := range model.Offset(1000) {
			r, err := l.Read(o, 1000, 1)
			require.NoError(t, err)
			b := make([]byte, r.Len)
			_, err = r.File.ReadAt(b, r.Pos)
			require.NoError(t, err)
			r.Release()
			var h record.Header
			require.NoError(t, record.ReadHeader(b, &h))
			require.Equal(t, o/10*10, h.BaseOffset)
			at, ok, err := l.OffsetForTime(model.TimestampMs(1000 + o))
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, o, at.Offset)
		}
	}
	check()
	require.NoError(t, l.Flush())
	require.NoError(t, l.Close())
	for _, clean := range []bool{true, false} {
		opts.Clean = clean
		l, err = segment.Open(fs, dir, opts)
		require.NoError(t, err)
		check()
		require.NoError(t, l.Close())
	}
	l, err = segment.Open(fs, dir, opts)
	require.NoError(t, err)
	require.NoError(t, l.Truncate(555))
	_, end := l.Bounds()
	require.Equal(t, model.Offset(550), end)
	require.NoError(t, l.TrimTo(550))
	start, end := l.Bounds()
	require.Equal(t, model.Offset(550), end)
	require.Equal(t, model.Offset(550), start)
	require.NoError(t, l.Append(batch(550, 10, 1, 50)))
	require.NoError(t, l.Close())
}
