package commitlog

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/vfs"
)

// abortedLog is a log of three segments in which every transaction is aborted: three records and a marker each. long is one that
// overlaps all the others.
func abortedLog(t testing.TB, fs vfs.FS) *Partition {
	o := testOptions()
	o.Topic.SegmentBytes = 5000
	p := open(t, fs, partitionDir, o)
	require.NoError(t, p.AppendAsFollower(transactional(99, 0, 0, 1, 0)))
	for base := model.Offset(1); base < 321; base += 4 {
		require.NoError(t, p.AppendAsFollower(transactional(7, model.ProducerEpoch(base), 0, 3, base)))
		require.NoError(t, p.AppendAsFollower(marker(7, model.ProducerEpoch(base), false, base+3)))
	}
	require.NoError(t, p.AppendAsFollower(marker(99, 0, false, 321)))
	require.NoError(t, p.AppendAsFollower(at(batch(1, 1), 322, 0)))
	require.Len(t, p.Segments(), 3)
	return p
}

// reaches is the last offset of the batches in r, the one that is cut off included.
func reaches(t *testing.T, r vfs.Region) model.Offset {
	last := model.NoOffset
	for pos := r.Pos; pos < r.Pos+r.Len; {
		var head [record.HeaderSize]byte
		_, err := r.File.ReadAt(head[:], pos)
		require.NoError(t, err)
		var h record.Header
		require.NoError(t, record.ReadHeader(head[:], &h))
		last, pos = h.LastOffset(), pos+int64(h.Size())
	}
	return last
}

// TestAbortedIn: for every read, each aborted transaction that overlaps it is listed, and none that begins further behind it
// than index entries are apart.
func TestAbortedIn(t *testing.T) {
	disk := vfs.NewMem()
	p := abortedLog(t, disk)
	check := func(p *Partition) {
		everything, err := p.Aborted(0, 323, nil)
		require.NoError(t, err)
		require.Len(t, everything, 81)
		for from := range model.Offset(323) {
			for _, limit := range []model.Offset{min(from+5, 323), 200, 323} {
				for _, maxBytes := range []int{1, 500, 3000, 1 << 20} {
					r, err := p.Read(from, limit, maxBytes)
					require.NoError(t, err)
					list := p.AbortedIn(r, from, limit, nil)
					last := model.NoOffset
					if r.Len > 0 {
						last = reaches(t, r)
					}
					var must []AbortedTxn
					for _, txn := range everything {
						if txn.Last >= from && txn.First <= last {
							must = append(must, txn)
						}
					}
					for _, txn := range list {
						require.LessOrEqual(t, txn.First, last+10, "from %d to %d", from, last)
					}
					list = slices.DeleteFunc(list, func(txn AbortedTxn) bool { return txn.First > last })
					require.Equal(t, must, list, "from %d to %d", from, last)
					r.Release()
				}
			}
		}
	}
	check(p)
	require.NoError(t, p.Close())
	o := testOptions()
	o.Clean = true
	check(open(t, disk, partitionDir, o))
}

// TestAbortedInBelievesNoIndex: a bound from a damaged index would hide aborted transactions from the consumer.
func TestAbortedInBelievesNoIndex(t *testing.T) {
	disk := vfs.NewMem()
	p := abortedLog(t, disk)
	require.NoError(t, p.Close())
	f, err := disk.OpenReadWrite(p.file(0, ".index"))
	require.NoError(t, err)
	size, err := f.Size()
	require.NoError(t, err)
	require.Greater(t, size, int64(80))
	for entry := int64(0); entry < size; entry += 8 {
		_, err = f.WriteAt([]byte{0, 0, 0, 1}, entry) // all say that their batch ends at offset 1
		require.NoError(t, err)
	}
	require.NoError(t, f.Close())
	o := testOptions()
	o.Clean = true
	p = open(t, disk, partitionDir, o)
	r, err := p.Read(0, 323, 2000)
	require.NoError(t, err)
	defer r.Release()
	last := reaches(t, r)
	require.Greater(t, last, model.Offset(20))
	list := p.AbortedIn(r, 0, 323, nil)
	require.GreaterOrEqual(t, list[len(list)-2].First, last-3)
}

// TestAbortedInAllocatesNothing, and reads no file when no transaction was aborted.
func TestAbortedInAllocatesNothing(t *testing.T) {
	p := abortedLog(t, vfs.NewMem())
	r, err := p.Read(5, 323, 1000)
	require.NoError(t, err)
	defer r.Release()
	var list []AbortedTxn
	require.Zero(t, testing.AllocsPerRun(100, func() { list = p.AbortedIn(r, 5, 323, list[:0]) }))
	require.NotEmpty(t, list)
}
