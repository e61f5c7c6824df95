package epoch

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"highwater.dev/broker/commitlog/checkpoint"
	"highwater.dev/broker/model"
	"highwater.dev/broker/vfs"
)

// FileName of the cache in a partition's folder.
const FileName = "leader-epoch-checkpoint"

// Entry says where an epoch began: Start is the offset of its first record, or the log end offset when its
// leader has not written yet.
type Entry struct {
	Epoch model.LeaderEpoch
	Start model.Offset
}

// Cache maps leader epochs to their first offsets. It is a seam: broker.Components can carry another one.
// It is safe for concurrent use; none of the methods but Flush does I/O.
type Cache interface {
	// Assign says that epoch begins at start. An epoch that is already the latest keeps its start, unless the
	// new one is lower. Entries that contradict the new one (a higher epoch, or the same or a higher start) are
	// dropped: they describe records that this log no longer has.
	Assign(epoch model.LeaderEpoch, start model.Offset)
	// EndOffset answers OffsetForLeaderEpoch: the largest epoch at or below the one asked for, and the first offset
	// after it; logEnd is where the latest epoch ends. An epoch above all known ones, or NoLeaderEpoch, is
	// unknown: NoLeaderEpoch and NoOffset. An epoch below all known ones ends where the first known begins.
	EndOffset(epoch model.LeaderEpoch, logEnd model.Offset) (model.LeaderEpoch, model.Offset)
	// EpochAt is the epoch that offset was written in; NoLeaderEpoch below the first entry.
	EpochAt(offset model.Offset) model.LeaderEpoch
	// TruncateEnd drops the entries that begin at to or above.
	TruncateEnd(to model.Offset)
	// TruncateStart drops the epochs that ended below to; the one that holds to begins there from then on.
	TruncateStart(to model.Offset)
	// Latest is the last entry; false when there is none.
	Latest() (Entry, bool)
	// Entries returns a copy, oldest first.
	Entries() []Entry
	// Flush makes the file say what the cache says, durably. It does nothing when the file says so already: the owner sees to it that
	// the file that was opened is durable.
	Flush() error
}

// file is the broker's Cache: a sorted slice, since a partition has few epochs and asks mostly for the latest.
type file struct {
	fs   vfs.FS
	path string

	mu      sync.RWMutex
	entries []Entry
	// stands is what the file holds; damaged: the file is none.
	stands  []Entry
	damaged bool

	flushing sync.Mutex // one Flush at a time, so that an older state never replaces a newer one
}

// Open reads the checkpoint at path. A missing file is an empty cache. A damaged file is checkpoint.ErrCorrupt
// beside an empty, usable cache: its owner rebuilds it from the log's batches.
func Open(fs vfs.FS, path string) (Cache, error) {
	c := &file{fs: fs, path: path}
	data, err := checkpoint.ReadFile(fs, path)
	if vfs.IsNotExist(err) {
		return c, nil
	}
	if err != nil && !errors.Is(err, checkpoint.ErrCorrupt) {
		return nil, fmt.Errorf("epoch: %w", err)
	}
	if err == nil {
		c.entries, err = Parse(data, path)
	}
	if err != nil {
		c.damaged = true
		return c, err
	}
	c.stands = slices.Clone(c.entries)
	return c, nil
}

func (c *file) Assign(epoch model.LeaderEpoch, start model.Offset) {
	if epoch < 0 || start < 0 {
		return
	}
	c.mu.RLock()
	known := c.covered(epoch, start)
	c.mu.RUnlock()
	if known {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.covered(epoch, start) {
		return
	}
	n := len(c.entries)
	for n > 0 && (c.entries[n-1].Epoch >= epoch || c.entries[n-1].Start >= start) {
		n--
	}
	c.entries = append(c.entries[:n], Entry{epoch, start})
}

func (c *file) covered(epoch model.LeaderEpoch, start model.Offset) bool {
	n := len(c.entries)
	return n > 0 && c.entries[n-1].Epoch == epoch && c.entries[n-1].Start <= start
}

func (c *file) EndOffset(epoch model.LeaderEpoch, logEnd model.Offset) (model.LeaderEpoch, model.Offset) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	n := len(c.entries)
	if epoch == model.NoLeaderEpoch || n == 0 {
		return model.NoLeaderEpoch, model.NoOffset
	}
	if c.entries[n-1].Epoch == epoch {
		return epoch, logEnd
	}
	higher := c.firstAbove(epoch)
	switch higher {
	case n:
		return model.NoLeaderEpoch, model.NoOffset
	case 0:
		return epoch, c.entries[0].Start
	default:
		return c.entries[higher-1].Epoch, c.entries[higher].Start
	}
}

// firstAbove is the index of the first entry with a higher epoch.
func (c *file) firstAbove(epoch model.LeaderEpoch) int {
	i, _ := slices.BinarySearchFunc(c.entries, epoch, func(e Entry, epoch model.LeaderEpoch) int {
		if e.Epoch > epoch {
			return 1
		}
		return -1
	})
	return i
}

// startingAbove is the index of the first entry that starts above offset.
func (c *file) startingAbove(offset model.Offset) int {
	i, _ := slices.BinarySearchFunc(c.entries, offset, func(e Entry, offset model.Offset) int {
		if e.Start > offset {
			return 1
		}
		return -1
	})
	return i
}

func (c *file) EpochAt(offset model.Offset) model.LeaderEpoch {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if i := c.startingAbove(offset); i > 0 {
		return c.entries[i-1].Epoch
	}
	return model.NoLeaderEpoch
}

func (c *file) TruncateEnd(to model.Offset) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.entries)
	for n > 0 && c.entries[n-1].Start >= to {
		n--
	}
	if n < len(c.entries) {
		c.entries = c.entries[:n]
	}
}

func (c *file) TruncateStart(to model.Offset) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := c.startingAbove(to)
	if i == 0 || i == 1 && c.entries[0].Start == to {
		return
	}
	c.entries = slices.Delete(c.entries, 0, i-1)
	c.entries[0].Start = to
}

func (c *file) Latest() (Entry, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if n := len(c.entries); n > 0 {
		return c.entries[n-1], true
	}
	return Entry{Epoch: model.NoLeaderEpoch, Start: model.NoOffset}, false
}

func (c *file) Entries() []Entry {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return slices.Clone(c.entries)
}

func (c *file) Flush() error {
	c.flushing.Lock()
	defer c.flushing.Unlock()
	c.mu.RLock()
	clean, entries := !c.damaged && slices.Equal(c.entries, c.stands), slices.Clone(c.entries)
	c.mu.RUnlock()
	if clean {
		return nil
	}
	if err := checkpoint.Replace(c.fs, c.path, Append(nil, entries)); err != nil {
		return fmt.Errorf("epoch: %w", err)
	}
	c.mu.Lock()
	c.stands, c.damaged = entries, false
	c.mu.Unlock()
	return nil
}

// Append encodes a checkpoint file.
func Append(dst []byte, entries []Entry) []byte {
	return checkpoint.AppendText(dst, len(entries), func(dst []byte, i int) []byte {
		dst = append(strconv.AppendInt(dst, int64(entries[i].Epoch), 10), ' ')
		return strconv.AppendInt(dst, int64(entries[i].Start), 10)
	})
}

// Parse decodes a checkpoint file; name goes into the errors, which are checkpoint.ErrCorrupt. Entries that break
// invariant 1 are refused.
func Parse(data []byte, name string) ([]Entry, error) {
	var entries []Entry
	err := checkpoint.ParseText(data, name, func(fields []string) error {
		if len(fields) != 2 {
			return errors.New("want epoch and start offset")
		}
		epoch, err := strconv.ParseInt(fields[0], 10, 32)
		if err != nil || epoch < 0 {
			return errors.New("bad epoch")
		}
		start, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil || start < 0 {
			return errors.New("bad start offset")
		}
		e := Entry{model.LeaderEpoch(epoch), model.Offset(start)}
		if n := len(entries); n > 0 && (entries[n-1].Epoch >= e.Epoch || entries[n-1].Start >= e.Start) {
			return errors.New("epochs and offsets must grow")
		}
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return entries, nil
}
