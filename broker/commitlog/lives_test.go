package commitlog

import (
	"errors"
	"flag"
	"fmt"
	"path"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/commitlog/checkpoint"
	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/vfs"
	"highwater.dev/broker/vfs/errorfs"
)

var (
	livesSeeds = flag.Int("lives-seeds", 150, "histories that TestLives runs")
	livesSeed  = flag.Uint64("lives-seed", 1, "the first history's seed")
)

// ending is how a life of the process ends.
type ending int

const (
	stopped     ending = iota // in order; the next one finds .kafka_cleanshutdown
	stoppedDark               // in order, and then the power goes: of what was not synced nothing stays
	killed                    // in the middle of something; the operating system lives, and with it what was not synced
	dark                      // the power goes in the middle of something
	endings
)

func (e ending) String() string {
	return [...]string{"stops", "stops before a power cut", "kills", "power cuts"}[e]
}

// lives is a partition through many starts and stops of its process, on one disk.
type lives struct {
	*world
	t       *testing.T
	disk    *vfs.Mem
	limit   int   // segment.bytes
	large   int   // a record has fewer bytes
	acked   int   // batches at the front of log that were acknowledged
	cut     bool  // the power went since the log was last compared
	crashAt int64 // the change to the disk at which this life ends; 0 none
	// uncut is the log before a truncation to uncutAt that a kill interrupted: a power cut may undo it until something is flushed behind it.
	uncut   []entry
	uncutAt model.Offset
	lossy   bool // producer snapshots go missing between the lives, or have no room
	story   []string
}

// TestLives takes a partition through histories of short lives: most do little or nothing, and end in order, by a kill, or with
// the power, the latter two also while the log is being opened or closed. After each start the log, what stands beside it, its time indexes,
// and what consumers get are compared with the model. Producers, the last stable offset and the list of aborted transactions are those that
// all batches ever written say, but in the histories in which producer snapshots go missing and lives have no room on the disk: there
// read_committed consumers must get the same.
func TestLives(t *testing.T) {
	ends := map[ending]int{}
	for i := range *livesSeeds {
		seed := *livesSeed + uint64(i)
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			l := &lives{world: newWorld(nil, seed), t: t, disk: newDisk(t), limit: 1500, large: 150}
			if seed%8 == 0 {
				l.limit, l.large = 150_000, 40_000
			}
			l.lossy = seed%7 == 0
			defer func() {
				for i := 0; t.Failed() && i < len(l.story); i++ {
					t.Log(l.story[i])
				}
			}()
			for range 24 {
				if !l.live(ends) {
					return
				}
			}
		})
	}
	t.Log(ends)
}

func (l *lives) tell(format string, args ...any) {
	l.story = append(l.story, fmt.Sprintf(format, args...))
}

// live is one life; false: the model cannot follow any more.
func (l *lives) live(ends map[ending]int) bool {
	how, steps := ending(l.dice.IntN(int(endings))), []int{0, 0, 0, 1, 3, 12, 30}[l.dice.IntN(7)]
	l.fs, l.crashAt = errorfs.New(l.disk), 0
	if how >= killed {
		l.crashAt = 1 + l.dice.Int64N([]int64{8, 30, 120}[l.dice.IntN(3)])
		l.fs.CrashAt(l.crashAt)
	}
	if l.lossy && l.dice.IntN(3) == 0 {
		l.tell("  without room")
		l.fs.SetRules(errorfs.Fail(syscall.ENOSPC, errorfs.Kinds(errorfs.Write), func(op errorfs.Op) bool { return path.Dir(op.Name) == partitionDir }))
	}
	err := l.start()
	if err == nil && l.fs.Crashed() {
		err = errorfs.ErrCrashed // at something that Open can do without: the next life looks
	}
	if err == nil && !l.adopt() {
		return false
	}
	for n := 0; err == nil && n < steps; n++ {
		if err = l.step(); errors.Is(err, syscall.ENOSPC) && !l.fs.Crashed() {
			err = l.refused(err)
		}
		if err == nil {
			l.acked = len(l.log)
		}
		if l.flushed > l.uncutAt {
			l.uncut = nil
		}
		l.tell("    %d..%d, %d flushed, point %d, snapshots %v, %v", l.p.StartOffset(), l.end(), l.flushed, l.p.RecoveryPoint(), l.p.SnapshotOffsets(), err)
	}
	if err == nil && (how < killed || l.dice.IntN(2) == 0) {
		if err = l.stop(); err == nil {
			l.flushed, l.acked = l.end(), len(l.log)
		}
	}
	if err != nil {
		require.True(l.t, l.fs.Crashed() || errors.Is(err, syscall.ENOSPC), "%v", err)
	}
	keep := []int{0, 20, 50, 80, 100}[l.dice.IntN(5)]
	if how == stoppedDark {
		keep = 0
	}
	if how == stoppedDark || how == dark {
		l.cut = true
		l.disk = l.disk.CrashClone(l.dice.Uint64(), keep)
	}
	l.tell("%d of %v, keeping %d", steps, how, keep)
	ends[how]++
	return true
}

// start does what logmgr does.
func (l *lives) start() error {
	o, err := l.options(l.fs)
	if err != nil {
		return err
	}
	o.Topic.SegmentBytes = l.limit
	if err := checkpoint.RemoveCleanShutdown(l.fs, logDir); err != nil {
		return err
	}
	if l.lossy {
		l.loseSnapshots()
	}
	if l.p, err = Open(l.fs, partitionDir, testTP, o); err != nil || l.p.RecoveryPoint() >= o.RecoveryPoint {
		return err
	}
	// A truncation was interrupted before the recovery point was checkpointed.
	return checkpoint.WriteOffsets(l.fs, logDir, checkpoint.RecoveryPoints, checkpoint.Offsets{{Topic: "t"}: l.p.RecoveryPoint()})
}

// loseSnapshots removes and damages producer snapshots.
func (l *lives) loseSnapshots() {
	names, err := l.disk.List(partitionDir)
	if vfs.IsNotExist(err) {
		return
	}
	require.NoError(l.t, err)
	for _, o := range offsetsOf(names, snapshotSuffix) {
		name := fmt.Sprintf("%s/%020d%s", partitionDir, o, snapshotSuffix)
		switch l.dice.IntN(8) {
		case 0:
			l.tell("  snapshot %d is gone", o)
			require.NoError(l.t, l.disk.Remove(name))
		case 1:
			l.tell("  snapshot %d is damaged", o)
			f, err := l.disk.OpenReadWrite(name)
			require.NoError(l.t, err)
			require.NoError(l.t, f.Truncate(l.dice.Int64N(50)))
			require.NoError(l.t, f.Close())
		}
	}
}

// stop does what logmgr does.
func (l *lives) stop() error {
	start, tp := l.p.StartOffset(), model.TopicPartition{Topic: "t"}
	if err := l.p.Close(); err != nil {
		return err
	}
	if err := checkpoint.WriteOffsets(l.fs, logDir, checkpoint.RecoveryPoints, checkpoint.Offsets{tp: l.p.RecoveryPoint()}); err != nil {
		return err
	}
	if err := checkpoint.WriteOffsets(l.fs, logDir, checkpoint.LogStarts, checkpoint.Offsets{tp: start}); err != nil {
		return err
	}
	l.durable = start
	return checkpoint.WriteCleanShutdown(l.fs, logDir, 1)
}

// adopt compares what the process finds with the model, and makes it the model.
func (l *lives) adopt() bool {
	// The power stays on while the test looks.
	l.fs.CrashAt(0)
	opened := l.fs.Changes()
	l.tell("  found %d..%d, point %d, snapshots %v; model %d..%d", l.p.StartOffset(), l.p.EndOffset(), l.p.RecoveryPoint(), l.p.SnapshotOffsets(), l.world.start, l.end())
	given := len(l.log)
	if l.cutting >= 0 && l.cutting < l.world.start {
		return false
	}
	if l.cut && l.uncut != nil && l.flushed <= l.uncutAt && !l.holds(l.log) {
		l.tell("  the truncation to %d is undone", l.uncutAt)
		l.log = slices.Clone(l.uncut)
	}
	if !l.cut && l.cutting >= 0 {
		l.uncut, l.uncutAt = slices.Clone(l.log), l.cutting
	}
	survived := l.verify(l.t, l.p)
	if !l.lossy {
		l.verifyProducers(l.t, l.p, survived)
	}
	if l.cutting == l.world.start {
		return false
	}
	if !l.cut && l.cutting < 0 {
		require.GreaterOrEqual(l.t, len(survived), min(l.acked, given), "a kill took what was acknowledged")
	}
	l.log = slices.Clone(survived)
	if l.end() != l.p.EndOffset() {
		return false
	}
	l.times()
	l.consume()
	l.readCommitted()
	l.acked, l.cut, l.cutting, l.trimming = len(l.log), false, -1, false
	l.flushed = min(l.flushed, l.end()) // a truncation may have gone through
	l.world.start = l.p.StartOffset()
	l.resume()
	l.epoch += model.LeaderEpoch(l.dice.IntN(2))
	l.p.AssignEpoch(l.epoch)
	if l.crashAt > 0 {
		l.fs.CrashAt(max(l.crashAt-opened, 1) + l.fs.Changes())
	}
	return true
}

// holds says whether the partition holds nothing but batches of this log.
func (l *lives) holds(log []entry) bool {
	for _, h := range contents(l.t, l.p) {
		if !slices.ContainsFunc(log, func(e entry) bool { return e.Header == h }) {
			return false
		}
	}
	return true
}

// step is one of the world's, without its restarts, or an append of records of different sizes and times.
func (l *lives) step() error {
	switch n := l.dice.IntN(100); {
	case n < 40:
		w := record.Builder{ProducerID: model.NoProducerID, ProducerEpoch: -1, BaseSequence: -1}
		ts := model.TimestampMs(testStart.UnixMilli() - l.dice.Int64N(1000))
		for range 1 + l.dice.IntN(3) {
			w.Add(ts, nil, make([]byte, l.dice.IntN(l.large)))
		}
		return l.lead(w.Batch())
	case n < 55:
		return l.produce(l.clients[l.dice.IntN(3)])
	case n < 67:
		return l.transact(l.clients[3+l.dice.IntN(2)])
	case n < 76:
		return l.flush()
	case n < 83:
		return l.checkpoint()
	case n < 89:
		return l.deleteRecords()
	case n < 94:
		l.epoch += model.LeaderEpoch(1 + l.dice.IntN(2))
		l.p.AssignEpoch(l.epoch)
		return nil
	default:
		return l.truncateAny()
	}
}

// refused follows a step that found no room: nothing of a batch stays. Room is no condition for cutting the log.
func (l *lives) refused(err error) error {
	require.NoError(l.t, l.p.Failed())
	require.False(l.t, l.trimming || l.cutting >= 0, "%v", err)
	if n := len(l.log); l.end() != l.p.EndOffset() {
		l.log = l.log[:n-1]
		require.Equal(l.t, l.end(), l.p.EndOffset())
		l.resume()
	}
	return nil
}

// times asks what the time indexes answer. All records of a batch have one time.
func (l *lives) times() {
	start := l.p.StartOffset()
	for range 5 {
		ts := model.TimestampMs(testStart.UnixMilli() - l.dice.Int64N(1100))
		want := model.NoOffset
		if i := slices.IndexFunc(l.log, func(e entry) bool { return e.MaxTimestamp >= ts && e.NextOffset() > start }); i >= 0 {
			want = max(l.log[i].BaseOffset, start)
		}
		at, found, err := l.p.OffsetForTime(ts)
		require.NoError(l.t, err)
		require.Equal(l.t, want != model.NoOffset, found, "time %d", ts)
		if found {
			require.Equal(l.t, want, at.Offset, "time %d", ts)
		}
	}
	for _, s := range l.p.Segments() {
		largest := model.NoTimestamp
		for _, e := range l.log {
			if e.BaseOffset >= s.BaseOffset && e.BaseOffset < s.EndOffset {
				largest = max(largest, e.MaxTimestamp)
			}
		}
		require.Equal(l.t, largest, s.MaxTimestamp, "segment %d", s.BaseOffset)
	}
}

// consume reads all as a consumer does, which throws away a last batch that is cut.
func (l *lives) consume() {
	var got, want []model.Offset
	for at, end := l.p.StartOffset(), l.p.EndOffset(); at < end; {
		r, err := l.p.Read(at, end, 1+l.dice.IntN(2*l.large))
		require.NoError(l.t, err)
		l.p.DropCut(&r, at)
		bytes := make([]byte, r.Len)
		_, err = r.File.ReadAt(bytes, r.Pos)
		require.NoError(l.t, err)
		r.Release()
		before := at
		var h record.Header
		for len(bytes) >= record.HeaderSize {
			require.NoError(l.t, record.ReadHeader(bytes, &h))
			if h.Size() > len(bytes) {
				break
			}
			got, at, bytes = append(got, h.BaseOffset), h.NextOffset(), bytes[h.Size():]
		}
		require.Greater(l.t, at, before, "a consumer is stuck")
	}
	for _, e := range l.log {
		if e.NextOffset() > l.p.StartOffset() {
			want = append(want, e.BaseOffset)
		}
	}
	require.Equal(l.t, want, got)
}

// readCommitted reads as a read_committed consumer does, in fetches of any size, and gets all that was not aborted.
func (l *lives) readCommitted() {
	start, stable := l.p.StartOffset(), l.p.LastStableOffset(l.p.EndOffset())
	var want []model.Offset
	for i, e := range l.log {
		if e.marker != nil || e.NextOffset() <= start || e.BaseOffset >= stable || start == stable {
			continue
		}
		if e.Attributes.Transactional() {
			end := slices.IndexFunc(l.log[i:], func(m entry) bool { return m.marker != nil && m.ProducerID == e.ProducerID })
			require.GreaterOrEqual(l.t, end, 0, "batch %d of an open transaction is below the last stable offset %d", e.BaseOffset, stable)
			if !l.log[i+end].marker.Commit {
				continue
			}
		}
		want = append(want, e.BaseOffset)
	}
	var got []model.Offset
	for from := start; from < stable; {
		var read []model.Offset
		read, from = l.fetchCommitted(from, stable)
		got = append(got, read...)
	}
	require.Equal(l.t, want, got)
}

// fetchCommitted is one fetch, with the consumer's algorithm: a producer's batches are left out from the first offset of an aborted
// transaction on, up to its marker.
func (l *lives) fetchCommitted(from, stable model.Offset) (got []model.Offset, next model.Offset) {
	r, err := l.p.Read(from, stable, 1+l.dice.IntN(2*l.large))
	require.NoError(l.t, err)
	defer r.Release()
	list := l.p.AbortedIn(r, from, stable, nil)
	slices.SortFunc(list, func(a, b AbortedTxn) int { return int(a.First - b.First) })
	aborted := map[model.ProducerID]bool{}
	bytes := make([]byte, r.Len)
	_, err = r.File.ReadAt(bytes, r.Pos)
	require.NoError(l.t, err)
	next = from
	for len(bytes) >= record.HeaderSize {
		var h record.Header
		require.NoError(l.t, record.ReadHeader(bytes, &h))
		if h.Size() > len(bytes) {
			break
		}
		for len(list) > 0 && list[0].First <= h.LastOffset() {
			aborted[list[0].ProducerID], list = true, list[1:]
		}
		switch {
		case h.Attributes.Control():
			delete(aborted, h.ProducerID)
		case !h.Attributes.Transactional() || !aborted[h.ProducerID]:
			got = append(got, h.BaseOffset)
		}
		next, bytes = h.NextOffset(), bytes[h.Size():]
	}
	require.Greater(l.t, next, from, "a consumer is stuck")
	return got, next
}
