package segment_test

import (
	"encoding/hex"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"highwater.dev/broker/model"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/segment/logtest"
	"highwater.dev/broker/vfs"
)

func openTxn(t require.TestingT, fs vfs.FS, damaged model.Offset) segment.TxnIndex {
	x, d, err := segment.OpenTxnIndex(fs, dir)
	require.NoError(t, err)
	require.Equal(t, damaged, d)
	return x
}

func txnFS(t require.TestingT) *vfs.Mem {
	fs := vfs.NewMem()
	require.NoError(t, fs.MkdirAll(dir))
	return fs
}

func TestTxnIndexBytes(t *testing.T) {
	fs := txnFS(t)
	x := openTxn(t, fs, -1)
	require.NoError(t, x.Append(100, segment.AbortedTxn{ProducerID: 0x1122, First: 90, Last: 105, LastStable: 88}))
	require.NoError(t, x.Close())
	w := world{T: t, fs: fs, dir: dir}
	require.Equal(t, "0000"+"0000000000001122"+"000000000000005a"+"0000000000000069"+"0000000000000058",
		hex.EncodeToString(w.read(w.path(100, ".txnindex"))))
}

// TestTxnIndex compares an index over several segments with a plain list, through truncations, removals and restarts.
func TestTxnIndex(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		fs := txnFS(rt)
		x := openTxn(rt, fs, -1)
		type entry struct {
			segment.AbortedTxn
			base model.Offset
		}
		var want []entry
		next := model.Offset(0)
		for range rapid.IntRange(1, 40).Draw(rt, "operations") {
			switch rapid.SampledFrom([]string{"abort", "abort", "abort", "truncate", "remove", "reopen"}).Draw(rt, "do") {
			case "abort":
				first := next + model.Offset(rapid.IntRange(-15, 5).Draw(rt, "first"))
				first = max(first, 0)
				last := max(next, first+1) + model.Offset(rapid.IntRange(0, 10).Draw(rt, "length"))
				base := last / 50 * 50
				a := segment.AbortedTxn{ProducerID: 7, First: first, Last: last, LastStable: first}
				// The last stable offset never falls: it is at most the first offset of what is still open.
				if n := len(want); n > 0 {
					a.LastStable = max(a.LastStable, want[n-1].LastStable)
				}
				require.NoError(rt, x.Append(base, a))
				want = append(want, entry{a, base})
				next = last + 1
			case "truncate":
				to := model.Offset(rapid.Int64Range(0, int64(next)).Draw(rt, "to"))
				require.NoError(rt, x.Truncate(to))
				want = slices.DeleteFunc(want, func(e entry) bool { return e.Last >= to })
				next = to
			case "remove":
				if len(want) == 0 {
					continue
				}
				base := want[0].base
				require.NoError(rt, fs.Remove(dir+"/"+segment.FileName(base, ".txnindex")))
				x.Removed(base)
				want = slices.DeleteFunc(want, func(e entry) bool { return e.base == base })
			case "reopen":
				require.NoError(rt, x.Close())
				x = openTxn(rt, fs, -1)
			}
			from := model.Offset(rapid.Int64Range(0, int64(next)+1).Draw(rt, "from"))
			upTo := from + model.Offset(rapid.Int64Range(0, 60).Draw(rt, "range"))
			got := x.Collect(from, upTo, nil)
			for _, e := range want {
				has := e.Last >= from && e.First < upTo
				if has && !slices.Contains(got, e.AbortedTxn) && e.LastStable < upTo {
					rt.Fatalf("Collect(%d, %d): %+v is missing in %+v", from, upTo, e, got)
				}
			}
			for _, a := range got {
				if a.Last < from || a.First >= upTo {
					rt.Fatalf("Collect(%d, %d): %+v does not belong there", from, upTo, a)
				}
			}
		}
	})
}

func TestTxnIndexTorn(t *testing.T) {
	fs := txnFS(t)
	x := openTxn(t, fs, -1)
	for i := range model.Offset(6) {
		require.NoError(t, x.Append(i/2*100, segment.AbortedTxn{ProducerID: 1, First: i * 50, Last: i*50 + 10}))
	}
	require.NoError(t, x.Close())
	w := world{T: t, fs: fs, dir: dir}
	file := w.path(100, ".txnindex")
	w.write(file, w.read(file)[:50]) // the second entry of the second file is torn
	x = openTxn(t, fs, 111)
	require.Len(t, x.Collect(0, 1000, nil), 3)
	require.ErrorIs(t, x.Append(100, segment.AbortedTxn{First: 100, Last: 110}), segment.ErrOutOfOrder)
	require.NoError(t, x.Append(100, segment.AbortedTxn{First: 120, Last: 160}))
	require.NoError(t, x.Close())
	require.Len(t, w.read(file), 68)
	require.Len(t, openTxn(t, fs, -1).Collect(0, 1000, nil), 4)
}

// TestTxnIndexIsReadBesideAnFsync: a slow disk stalls no consumer that asks for aborted transactions.
func TestTxnIndexIsReadBesideAnFsync(t *testing.T) {
	var x segment.TxnIndex
	fs := &logtest.Tap{FS: txnFS(t)}
	syncs := 0
	fs.Before = func(op, _ string) error {
		if op != "sync" {
			return nil
		}
		syncs++
		got := make(chan []segment.AbortedTxn, 1)
		go func() { got <- x.Collect(0, 10, nil) }()
		select {
		case list := <-got:
			require.Len(t, list, 1)
		case <-time.After(10 * time.Second):
			require.Fail(t, "it waits")
		}
		return nil
	}
	x = openTxn(t, fs, -1)
	require.NoError(t, x.Append(0, segment.AbortedTxn{ProducerID: 1, First: 1, Last: 3, LastStable: 4}))
	require.NoError(t, x.Flush())
	require.Equal(t, 1, syncs)
	require.NoError(t, x.Close())
}
