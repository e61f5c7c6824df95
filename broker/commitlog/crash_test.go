package commitlog

import (
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"

	"highwater.dev/broker/commitlog/checkpoint"
	"highwater.dev/broker/epoch"
	"highwater.dev/broker/model"
	"highwater.dev/broker/producer"
	"highwater.dev/broker/record"
	"highwater.dev/broker/vfs"
	"highwater.dev/broker/vfs/errorfs"
)

var (
	crashSeeds = flag.Int("crash-seeds", 250, "histories that TestCrash runs")
	crashCuts  = flag.Int("crash-cuts", 10, "crash points of each history")
	crashSeed  = flag.Uint64("crash-seed", 1, "the first history's seed")
)

const logDir, partitionDir = "data", "data/t-0"

// entry is a batch that the model has given to the log.
type entry struct {
	record.Header
	sum    uint32 // of all its bytes
	bytes  record.Batch
	marker *record.EndTxnMarker
}

// client is a producer that keeps what was not acknowledged, and sends it again after a crash.
type client struct {
	id       model.ProducerID
	epoch    model.ProducerEpoch
	sequence int32
	open     bool // a transaction of transactional clients
}

// world is a partition beside the model of it.
type world struct {
	fs      *errorfs.FS
	dice    *rand.Rand
	p       *Partition
	clients []*client

	log      []entry      // every batch given to the log that was not truncated, in order
	flushed  model.Offset // everything below was acknowledged as durable
	start    model.Offset // the log start offset asked for
	durable  model.Offset // the log start offset checkpointed
	epoch    model.LeaderEpoch
	cutting  model.Offset // a truncation to here is under way; -1 when none
	trimming bool         // DeleteRecords is under way
	// forgotten is how many batches at the front of log the producers are not known from.
	forgotten int
}

func newWorld(disk vfs.FS, seed uint64) *world {
	w := &world{fs: errorfs.New(disk), dice: rand.New(rand.NewPCG(seed, 7)), cutting: -1}
	for id := range 5 {
		w.clients = append(w.clients, &client{id: model.ProducerID(id)})
	}
	return w
}

// newDisk is a disk with an empty log directory.
func newDisk(t *testing.T) *vfs.Mem {
	disk := vfs.NewMem()
	require.NoError(t, disk.MkdirAll(logDir))
	require.NoError(t, disk.SyncDir("."))
	return disk
}

func (w *world) end() model.Offset {
	if n := len(w.log); n > 0 {
		return w.log[n-1].NextOffset()
	}
	return 0
}

// options are what logmgr would read from the log directory.
func (w *world) options(fs vfs.FS) (Options, error) {
	o := testOptions()
	o.Topic.SegmentBytes = 1500
	tp := model.TopicPartition{Topic: "t"}
	points, err := checkpoint.ReadOffsets(fs, logDir, checkpoint.RecoveryPoints)
	if err != nil {
		return o, err
	}
	starts, err := checkpoint.ReadOffsets(fs, logDir, checkpoint.LogStarts)
	if err != nil {
		return o, err
	}
	_, o.Clean, err = checkpoint.ReadCleanShutdown(fs, logDir)
	o.RecoveryPoint, o.Start = points[tp], starts[tp]
	return o, err
}

func (w *world) open() error {
	o, err := w.options(w.fs)
	if err != nil {
		return err
	}
	if w.p, err = Open(w.fs, partitionDir, testTP, o); err != nil {
		return err
	}
	return checkpoint.RemoveCleanShutdown(w.fs, logDir)
}

// run does steps until the history ends or the power goes.
func (w *world) run(steps int) error {
	if err := w.open(); err != nil {
		return err
	}
	for range steps {
		if err := w.step(); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) step() error {
	switch n := w.dice.IntN(100); {
	case n < 45:
		return w.produce(w.clients[w.dice.IntN(3)])
	case n < 60:
		return w.transact(w.clients[3+w.dice.IntN(2)])
	case n < 64:
		b := batch(1+w.dice.IntN(3), w.dice.IntN(200))
		return w.lead(b)
	case n < 74:
		return w.flush()
	case n < 83:
		return w.checkpoint()
	case n < 88:
		return w.deleteRecords()
	case n < 92:
		w.epoch += model.LeaderEpoch(1 + w.dice.IntN(2))
		w.p.AssignEpoch(w.epoch)
		return nil
	case n < 95:
		return w.truncateAny()
	default:
		return w.restart()
	}
}

// add notes a batch before the log gets it: a crash may keep it although nobody was told.
func (w *world) add(b record.Batch, marker *record.EndTxnMarker) {
	e := entry{bytes: slices.Clone(b), marker: marker}
	if err := record.ReadHeader(b, &e.Header); err != nil {
		panic(err)
	}
	e.bytes.SetBaseOffset(w.end())
	e.bytes.SetLeaderEpoch(w.epoch)
	e.BaseOffset, e.LeaderEpoch = w.end(), w.epoch
	e.sum = crc32.ChecksumIEEE(e.bytes)
	w.log = append(w.log, e)
}

func (w *world) lead(b record.Batch) error {
	w.add(b, nil)
	want := w.log[len(w.log)-1]
	a, err := w.p.AppendAsLeader(b, w.epoch)
	if err == nil && (a.Base != want.BaseOffset || a.Duplicate) {
		return fmt.Errorf("appended at %d (duplicate %v), model at %d", a.Base, a.Duplicate, want.BaseOffset)
	}
	return err
}

// produce sends a batch of an idempotent client, which has at most five unacknowledged.
func (w *world) produce(c *client) error {
	if len(w.unflushed(c.id)) >= producer.BatchesKept {
		if err := w.flush(); err != nil {
			return err
		}
	}
	if w.dice.IntN(20) == 0 {
		c.epoch, c.sequence = c.epoch+1, 0
	}
	n := 1 + w.dice.IntN(4)
	b := idempotent(c.id, c.epoch, c.sequence, n, w.dice.IntN(150))
	c.sequence += int32(n)
	return w.lead(b)
}

// transact writes as a follower, which gets transactions from a leader: batches, and now and then a marker.
func (w *world) transact(c *client) error {
	if c.open && w.dice.IntN(3) == 0 {
		m := record.EndTxnMarker{Commit: w.dice.IntN(2) == 0, CoordinatorEpoch: 1}
		c.epoch, c.sequence, c.open = c.epoch+1, 0, false
		w.add(m.Batch(c.id, c.epoch, model.TimestampMs(testStart.UnixMilli())), &m)
	} else {
		n := 1 + w.dice.IntN(3)
		w.add(transactional(c.id, c.epoch, c.sequence, n, 0), nil)
		c.sequence, c.open = c.sequence+int32(n), true
	}
	return w.p.AppendAsFollower(slices.Clone(w.log[len(w.log)-1].bytes))
}

func (w *world) unflushed(id model.ProducerID) []entry {
	var own []entry
	for _, e := range w.log {
		if e.ProducerID == id && e.BaseOffset >= w.flushed {
			own = append(own, e)
		}
	}
	return own
}

func (w *world) flush() error {
	to := w.end()
	if err := w.p.FlushTo(to); err != nil {
		return err
	}
	w.flushed = max(w.flushed, to)
	return nil
}

func (w *world) checkpoint() error {
	// What other steps made durable on their way is as good as acknowledged.
	w.flushed = max(w.flushed, w.p.RecoveryPoint())
	tp, start := model.TopicPartition{Topic: "t"}, w.p.StartOffset()
	err := checkpoint.WriteOffsets(w.fs, logDir, checkpoint.RecoveryPoints, checkpoint.Offsets{tp: w.p.RecoveryPoint()})
	if err != nil {
		return err
	}
	if err := checkpoint.WriteOffsets(w.fs, logDir, checkpoint.LogStarts, checkpoint.Offsets{tp: start}); err != nil {
		return err
	}
	w.durable = start
	return nil
}

func (w *world) deleteRecords() error {
	start := w.p.StartOffset()
	to := start + model.Offset(w.dice.Int64N(int64(w.end()-start)+1))
	if w.dice.IntN(6) == 0 {
		to = w.end()
	}
	w.start, w.trimming = max(w.start, to), true
	got, err := w.p.DeleteRecords(to)
	if err != nil {
		return err
	}
	if got != w.start {
		return fmt.Errorf("log start is %d, want %d", got, w.start)
	}
	w.trimming, w.flushed = false, max(w.flushed, w.p.RecoveryPoint())
	return nil
}

// truncateAny cuts what was not flushed most often.
func (w *world) truncateAny() error {
	switch n := w.dice.IntN(6); {
	case n < 3:
		return w.truncate(w.flushed)
	case n < 5:
		// The new leader may not have what was flushed here.
		return w.truncate(w.flushed - model.Offset(w.dice.Int64N(int64(w.flushed)+1)))
	default:
		return w.truncateAll()
	}
}

// truncate cuts batches at from and above, and checkpoints the recovery point as Truncate asks.
func (w *world) truncate(from model.Offset) error {
	from = max(from, w.start)
	keep := len(w.log)
	for keep > 0 && w.log[keep-1].BaseOffset >= from && w.dice.IntN(3) > 0 {
		keep--
	}
	if keep == len(w.log) {
		return nil
	}
	w.cutting = w.log[keep].BaseOffset
	if err := w.p.Truncate(w.cutting); err != nil {
		return err
	}
	w.log, w.flushed, w.cutting = w.log[:keep], min(w.flushed, w.cutting), -1
	w.resume()
	w.epoch++
	return w.checkpoint()
}

// truncateAll cuts everything, down to an offset below the log start. What segments that are deleted said of producers ends where
// they end: when the log goes on before that, it is forgotten.
func (w *world) truncateAll() error {
	n := slices.IndexFunc(w.log, func(e entry) bool { return e.BaseOffset >= w.start })
	if n < 0 {
		n = len(w.log)
	}
	if n == 0 {
		return nil
	}
	keep := w.dice.IntN(n)
	w.cutting = w.log[keep].BaseOffset
	if w.cutting < w.p.Segments()[0].BaseOffset {
		w.forgotten = keep
	}
	w.forgotten = min(w.forgotten, keep)
	if err := w.p.Truncate(w.cutting); err != nil {
		return err
	}
	if err := w.checkpoint(); err != nil {
		return err
	}
	w.log, w.flushed, w.start, w.cutting = w.log[:keep], w.cutting, w.cutting, -1
	w.resume()
	w.epoch++
	return nil
}

// resume brings the clients to where the log has them.
func (w *world) resume() {
	for _, c := range w.clients {
		for _, e := range w.log {
			if e.ProducerID == c.id {
				c.epoch, c.open = e.ProducerEpoch, e.Attributes.Transactional() && e.marker == nil
				c.sequence = e.BaseSequence + e.Count
				if e.marker != nil {
					c.sequence = 0
				}
			}
		}
		if !slices.ContainsFunc(w.log, func(e entry) bool { return e.ProducerID == c.id }) {
			*c = client{id: c.id}
		}
	}
}

// restart is a clean shutdown and start.
func (w *world) restart() error {
	if err := w.p.Close(); err != nil {
		return err
	}
	w.flushed = w.end()
	if err := w.checkpoint(); err != nil {
		return err
	}
	if err := checkpoint.WriteCleanShutdown(w.fs, logDir, 1); err != nil {
		return err
	}
	return w.open()
}

// oracle is the state that follows from the batches before end, rebuilt from the first one on.
type oracle struct {
	producers []producer.State
	stable    model.Offset
	aborted   []AbortedTxn
	epochs    []epoch.Entry
}

func rebuild(log []entry, start, end model.Offset) oracle {
	var o oracle
	table := producer.New()
	for i := range log {
		e := &log[i]
		if e.NextOffset() > end {
			break
		}
		if txn, done := table.Apply(&e.Header, e.marker); done && txn.Aborted && txn.Last >= start {
			o.aborted = append(o.aborted, AbortedTxn{ProducerID: txn.ProducerID, First: txn.First, Last: txn.Last, LastStable: txn.LastStable})
		}
		if n := len(o.epochs); e.NextOffset() > start && (n == 0 || o.epochs[n-1].Epoch < e.LeaderEpoch) {
			o.epochs = append(o.epochs, epoch.Entry{Epoch: e.LeaderEpoch, Start: max(start, e.BaseOffset)})
		}
	}
	o.producers = table.Producers()
	o.stable, _ = table.LastStable(end)
	o.stable = max(o.stable, start)
	return o
}

// verify checks a recovered partition against the model, and returns the batches that survived.
func (w *world) verify(t require.TestingT, p *Partition) []entry {
	start, end := p.StartOffset(), p.EndOffset()
	require.LessOrEqual(t, start, w.start)
	require.GreaterOrEqual(t, start, w.durable)
	kept := w.flushed
	if w.cutting >= 0 {
		kept = min(kept, w.cutting)
		if w.cutting <= w.start {
			kept = 0 // the log is emptied: records that DeleteRecords hid may go before the new start is on disk
		}
	}
	require.GreaterOrEqual(t, end, kept, "flushed records are gone")
	log := w.log
	if n := slices.IndexFunc(log, func(e entry) bool { return e.NextOffset() > end }); n >= 0 {
		log = log[:n]
	}
	want := map[model.Offset]entry{}
	for _, e := range log {
		if e.NextOffset() > start {
			want[e.BaseOffset] = e
		}
	}
	require.NoError(t, p.scan(start, end, func(h *record.Header, _ record.Batch) {
		e, ok := want[h.BaseOffset]
		require.True(t, ok, "batch at %d was never appended, or comes twice", h.BaseOffset)
		require.Equal(t, e.Header, *h)
		require.Equal(t, e.sum, sumOf(t, p, h))
		delete(want, h.BaseOffset)
	}))
	require.Empty(t, want, "batches are missing between %d and %d", start, end)
	if o := rebuild(log, start, end); start < end {
		require.Equal(t, o.epochs, p.Epochs())
	}
	return log
}

// verifyProducers checks that producers and transactions are those that the batches in log say.
func (w *world) verifyProducers(t require.TestingT, p *Partition, log []entry) {
	start, end := p.StartOffset(), p.EndOffset()
	if w.cutting == w.start && start == end {
		return // a truncation of the whole log was interrupted: it may have begun anew at an older log start offset
	}
	o := rebuild(log[min(w.forgotten, len(log)):], start, end)
	require.Equal(t, o.producers, p.Producers())
	require.Equal(t, o.stable, p.LastStableOffset(end))
	aborted, err := p.Aborted(start, end, nil)
	require.NoError(t, err)
	require.Equal(t, o.aborted, aborted)
}

// sumOf is the checksum of the whole batch that begins at h, read back.
func sumOf(t require.TestingT, p *Partition, h *record.Header) uint32 {
	r, err := p.Read(max(h.BaseOffset, p.StartOffset()), h.NextOffset(), h.Size())
	require.NoError(t, err)
	defer r.Release()
	b := make([]byte, h.Size())
	_, err = r.File.ReadAt(b, r.Pos)
	require.NoError(t, err)
	return crc32.ChecksumIEEE(b)
}

// resend lets the idempotent clients send again what was not acknowledged: what survived is recognised, what did
// not is appended, and in the end each sequence is in the log once.
func (w *world) resend(t require.TestingT, p *Partition, survived []entry) {
	if w.trimming || w.cutting >= 0 && (w.cutting <= w.start || w.cutting < w.flushed) {
		return // batches may have been deleted, acknowledged ones before those that are sent again
	}
	end := p.EndOffset()
	for id := range model.ProducerID(3) {
		for _, e := range w.unflushed(id) {
			b := slices.Clone(e.bytes)
			b.SetBaseOffset(0)
			a, err := p.AppendAsLeader(b, w.epoch)
			if errors.Is(err, kerr.InvalidProducerEpoch) {
				continue // the client itself has begun a new epoch since
			}
			require.NoError(t, err, "resend of sequence %d", e.BaseSequence)
			there := slices.ContainsFunc(survived, func(s entry) bool { return s.BaseOffset == e.BaseOffset })
			require.Equal(t, there, a.Duplicate, "sequence %d", e.BaseSequence)
			if there {
				require.Equal(t, e.BaseOffset, a.Base)
			} else {
				require.GreaterOrEqual(t, a.Base, end)
			}
		}
	}
	type key struct {
		id    model.ProducerID
		epoch model.ProducerEpoch
	}
	next := map[key]int32{}
	for _, h := range contents(t, p) {
		if h.ProducerID < 0 || h.ProducerID > 2 {
			continue
		}
		k := key{h.ProducerID, h.ProducerEpoch}
		if sequence, known := next[k]; known {
			require.Equal(t, sequence, h.BaseSequence, "producer %d: a batch is missing or comes twice", h.ProducerID)
		}
		next[k] = h.BaseSequence + h.Count
	}
}

// TestCrash cuts the power at random changes to the disk, 2,500 of them, in histories of appends, rolls, flushes,
// checkpoints, trims, truncations to any offset and clean restarts; keeps a random part of what was not synced; recovers, and
// compares with the model. Every other recovery is cut itself first.
func TestCrash(t *testing.T) {
	for i := range *crashSeeds {
		seed := *crashSeed + uint64(i)
		const steps = 70
		whole := newWorld(newDisk(t), seed)
		require.NoError(t, whole.run(steps), "seed %d", seed)
		changes := whole.fs.Changes()
		dice := rand.New(rand.NewPCG(seed, 11))
		for range *crashCuts {
			cut := 1 + dice.Int64N(changes)
			keep := []int{0, 20, 50, 80, 100}[dice.IntN(5)]
			t.Run(fmt.Sprintf("seed=%d/cut=%d/keep=%d", seed, cut, keep), func(t *testing.T) { crash(t, seed, steps, cut, keep, dice) })
		}
	}
}

func crash(t *testing.T, seed uint64, steps int, cut int64, keep int, dice *rand.Rand) {
	disk := newDisk(t)
	w := newWorld(disk, seed)
	w.fs.CrashAt(cut)
	// No error when the power went in the last step, at something the partition can do without.
	_ = w.run(steps)
	require.True(t, w.fs.Crashed())
	disk = disk.CrashClone(dice.Uint64(), keep)
	for dice.IntN(2) == 0 {
		// The power goes again while recovery runs.
		again := errorfs.New(disk)
		again.CrashAt(1 + dice.Int64N(12))
		if o, err := w.options(again); err == nil {
			// Open may be done before the power goes; the reads of a comparison would be what fails then.
			_, _ = Open(again, partitionDir, testTP, o)
		}
		disk = disk.CrashClone(dice.Uint64(), keep)
	}
	o, err := w.options(disk)
	require.NoError(t, err)
	// Recovery is idempotent: what the first one leaves without closing is what the second one finds.
	first := open(t, disk, partitionDir, o)
	if w.cutting >= 0 && w.cutting < w.start {
		return // anything of the log may be gone, and of its producers
	}
	survived := w.verify(t, first)
	w.verifyProducers(t, first, survived)
	end := first.EndOffset()
	disk = disk.CrashClone(dice.Uint64(), keep)
	second := open(t, disk, partitionDir, o)
	require.Equal(t, end, second.EndOffset())
	w.verifyProducers(t, second, w.verify(t, second))
	w.resend(t, second, survived)
	require.NoError(t, second.Close())
}
