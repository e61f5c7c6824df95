package epoch

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"highwater.dev/broker/commitlog/checkpoint"
	"highwater.dev/broker/model"
	"highwater.dev/broker/vfs"
	"highwater.dev/broker/vfs/errorfs"
)

func cache(t testing.TB, entries ...Entry) *file {
	t.Helper()
	c := &file{}
	for _, e := range entries {
		c.Assign(e.Epoch, e.Start)
	}
	require.Equal(t, entries, c.Entries())
	return c
}

// TestEndOffset holds the answers of KIP-101 and KIP-279, as Apache Kafka's LeaderEpochFileCache gives them.
func TestEndOffset(t *testing.T) {
	full := []Entry{{2, 10}, {4, 20}, {7, 50}}
	for _, c := range []struct {
		name    string
		entries []Entry
		ask     model.LeaderEpoch
		epoch   model.LeaderEpoch
		end     model.Offset
	}{
		{"empty cache knows nothing", nil, 0, -1, -1},
		{"undefined epoch", full, -1, -1, -1},
		{"latest epoch ends at the log end", full, 7, 7, 80},
		{"above the latest is unknown", full, 8, -1, -1},
		{"known epoch ends where the next begins", full, 2, 2, 20},
		{"between two epochs: the lower one's end", full, 3, 2, 20},
		{"just below the latest", full, 6, 4, 50},
		{"below the first: where the first begins", full, 1, 1, 10},
		{"epoch 0 is an epoch", []Entry{{0, 0}, {1, 5}}, 0, 0, 5},
		{"epoch 0 alone", []Entry{{0, 0}}, 0, 0, 80},
	} {
		t.Run(c.name, func(t *testing.T) {
			epoch, end := cache(t, c.entries...).EndOffset(c.ask, 80)
			require.Equal(t, c.epoch, epoch)
			require.Equal(t, c.end, end)
		})
	}
}

func TestAssign(t *testing.T) {
	for _, c := range []struct {
		name   string
		before []Entry
		add    Entry
		after  []Entry
	}{
		{"epoch 0 at offset 0", nil, Entry{0, 0}, []Entry{{0, 0}}},
		{"same epoch later changes nothing", []Entry{{1, 5}}, Entry{1, 9}, []Entry{{1, 5}}},
		{"same epoch earlier moves it", []Entry{{0, 0}, {1, 5}}, Entry{1, 3}, []Entry{{0, 0}, {1, 3}}},
		{"a leader that wrote nothing is replaced", []Entry{{0, 0}, {1, 5}}, Entry{2, 5}, []Entry{{0, 0}, {2, 5}}},
		{"a lower epoch drops higher ones", []Entry{{0, 0}, {3, 5}, {4, 9}}, Entry{2, 12}, []Entry{{0, 0}, {2, 12}}},
		{"a lower offset drops later ones", []Entry{{0, 0}, {3, 5}, {4, 9}}, Entry{5, 4}, []Entry{{0, 0}, {5, 4}}},
		{"no epoch", []Entry{{1, 5}}, Entry{-1, 9}, []Entry{{1, 5}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := cache(t, c.before...)
			e.Assign(c.add.Epoch, c.add.Start)
			require.Equal(t, c.after, e.Entries())
		})
	}
}

func TestTruncate(t *testing.T) {
	full := []Entry{{2, 10}, {4, 20}, {7, 50}}
	for _, c := range []struct {
		name       string
		start, end model.Offset // -1: not cut on that side
		want       []Entry
	}{
		{"end above all", -1, 51, full},
		{"end at an epoch's first offset drops it", -1, 50, full[:2]},
		{"end below all", -1, 10, []Entry{}},
		{"start below all", 9, -1, full},
		{"start at the first", 10, -1, full},
		{"start inside an epoch moves it", 15, -1, []Entry{{2, 15}, {4, 20}, {7, 50}}},
		{"start at an epoch's first offset", 20, -1, []Entry{{4, 20}, {7, 50}}},
		{"start above all keeps the latest", 99, -1, []Entry{{7, 99}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := cache(t, full...)
			if c.end >= 0 {
				e.TruncateEnd(c.end)
			} else {
				e.TruncateStart(c.start)
			}
			require.Equal(t, c.want, e.Entries())
		})
	}
}

// TestFile writes what Apache Kafka 4.3 writes for one epoch, and reads it back.
func TestFile(t *testing.T) {
	fs := vfs.NewMem()
	require.NoError(t, fs.MkdirAll("d"))
	c, err := Open(fs, "d/"+FileName)
	require.NoError(t, err)
	require.NoError(t, c.Flush())
	_, err = fs.Stat("d/" + FileName)
	require.True(t, vfs.IsNotExist(err), "nothing changed, nothing is written")
	c.Assign(1, 0)
	require.NoError(t, c.Flush())
	data, err := checkpoint.ReadFile(fs, "d/"+FileName)
	require.NoError(t, err)
	require.Equal(t, "0\n1\n1 0\n", string(data))
	c.Assign(2, 40)
	again, err := Open(fs, "d/"+FileName)
	require.NoError(t, err)
	require.Equal(t, []Entry{{1, 0}}, again.Entries(), "not flushed, not in the file")
	require.NoError(t, c.Flush())
	again, err = Open(fs, "d/"+FileName)
	require.NoError(t, err)
	require.Equal(t, []Entry{{1, 0}, {2, 40}}, again.Entries())
}

func TestFlushOfWhatTheFileSays(t *testing.T) {
	fs := errorfs.New(vfs.NewMem())
	c, err := Open(fs, FileName)
	require.NoError(t, err)
	c.Assign(1, 0)
	c.Assign(2, 40)
	require.NoError(t, c.Flush())
	for _, open := range []bool{false, true} {
		if open {
			c, err = Open(fs, FileName)
			require.NoError(t, err)
		}
		before := fs.Changes()
		c.Assign(3, 50)
		c.TruncateEnd(50)
		require.NoError(t, c.Flush())
		require.Equal(t, before, fs.Changes(), "it is as it was")
	}
	c.TruncateStart(10)
	require.NoError(t, c.Flush())
	again, err := Open(fs, FileName)
	require.NoError(t, err)
	require.Equal(t, []Entry{{1, 10}, {2, 40}}, again.Entries())
}

func TestDamagedFile(t *testing.T) {
	for name, content := range map[string]string{
		"version":         "1\n0\n",
		"count missing":   "0\n",
		"count too large": "0\n2\n1 0\n",
		"count too small": "0\n1\n1 0\n2 5\n",
		"count absurd":    "0\n99999999999999999999\n",
		"not a number":    "0\n1\nx 0\n",
		"one field":       "0\n1\n1\n",
		"negative":        "0\n1\n-1 0\n",
		"descending":      "0\n2\n2 5\n1 9\n",
		"same offset":     "0\n2\n1 5\n2 5\n",
		"zeros":           "\x00\x00\x00\x00",
	} {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewMem()
			require.NoError(t, checkpoint.Replace(fs, "f", []byte(content)))
			c, err := Open(fs, "f")
			require.ErrorIs(t, err, checkpoint.ErrCorrupt)
			require.Empty(t, c.Entries())
			require.NoError(t, c.Flush())
			c, err = Open(fs, "f")
			require.NoError(t, err, "the damaged file was replaced")
			c.Assign(3, 7)
			require.NoError(t, c.Flush())
			c, err = Open(fs, "f")
			require.NoError(t, err)
			require.Equal(t, []Entry{{3, 7}}, c.Entries())
		})
	}
}

// oracle is the log itself: the epoch of each offset from start on, which the cache summarises.
type oracle struct {
	start  model.Offset
	epochs []model.LeaderEpoch
}

func (o *oracle) end() model.Offset { return o.start + model.Offset(len(o.epochs)) }

func (o *oracle) at(offset model.Offset) model.LeaderEpoch {
	if offset < o.start || offset >= o.end() {
		return -1
	}
	return o.epochs[offset-o.start]
}

// endOffset is OffsetForLeaderEpoch by reading the whole log: the first offset with a higher epoch, and the last
// epoch at or below the one asked for.
func (o *oracle) endOffset(ask model.LeaderEpoch) (model.LeaderEpoch, model.Offset) {
	if n := len(o.epochs); n == 0 || ask < 0 || ask > o.epochs[n-1] {
		return -1, -1
	}
	found, end := ask, o.start
	for _, e := range o.epochs {
		if e > ask {
			break
		}
		found, end = e, end+1
	}
	return found, end
}

// TestCacheAgainstLog compares the cache with the log that it summarises, over appends by leaders of growing
// epochs, truncations at both ends, and reopening.
func TestCacheAgainstLog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fs := vfs.NewMem()
		c, err := Open(fs, "f")
		require.NoError(t, err)
		var log oracle
		epoch := model.LeaderEpoch(0)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"append", "append", "elect", "end", "start", "reopen"}).Draw(t, "step") {
			case "append":
				for range rapid.IntRange(1, 4).Draw(t, "records") {
					c.Assign(epoch, log.end())
					log.epochs = append(log.epochs, epoch)
				}
			case "elect":
				epoch += model.LeaderEpoch(rapid.IntRange(1, 3).Draw(t, "by"))
			case "end":
				to := log.start + model.Offset(rapid.IntRange(0, len(log.epochs)).Draw(t, "to"))
				c.TruncateEnd(to)
				log.epochs = log.epochs[:to-log.start]
			case "start":
				to := log.start + model.Offset(rapid.IntRange(0, len(log.epochs)).Draw(t, "to"))
				c.TruncateStart(to)
				log.epochs, log.start = log.epochs[to-log.start:], to
				if len(log.epochs) == 0 {
					// The cache remembers the last epoch at the end of an emptied log, which the log cannot.
					c.TruncateEnd(to)
				}
			case "reopen":
				require.NoError(t, c.Flush())
				c, err = Open(fs, "f")
				require.NoError(t, err)
			}
			for ask := model.LeaderEpoch(-1); ask <= epoch+1; ask++ {
				wantEpoch, wantEnd := log.endOffset(ask)
				gotEpoch, gotEnd := c.EndOffset(ask, log.end())
				require.Equal(t, wantEpoch, gotEpoch, "epoch %d in %v", ask, c.Entries())
				require.Equal(t, wantEnd, gotEnd, "epoch %d in %v", ask, c.Entries())
			}
			for o := log.start; o < log.end(); o++ {
				require.Equal(t, log.at(o), c.EpochAt(o), "offset %d in %v", o, c.Entries())
			}
			require.Equal(t, model.NoLeaderEpoch, c.EpochAt(log.start-1))
		}
	})
}

// FuzzParse: no panic, and what is accepted encodes to the same entries again.
func FuzzParse(f *testing.F) {
	f.Add([]byte("0\n1\n1 0\n"))
	f.Add([]byte("0\n3\n0 0\n4 1500\n5 1501\n"))
	f.Add([]byte("0\n-1\n"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := Parse(data, "fuzz")
		if err != nil {
			require.ErrorIs(t, err, checkpoint.ErrCorrupt)
			return
		}
		again, err := Parse(Append(nil, entries), "again")
		require.NoError(t, err)
		require.Equal(t, entries, again)
	})
}
