package quorumdrv_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"highwater.dev/broker/clock"
	"highwater.dev/broker/config"
	"highwater.dev/broker/controller"
	"highwater.dev/broker/metadata"
	"highwater.dev/broker/model"
	"highwater.dev/broker/quorumdrv"
	"highwater.dev/broker/vfs"
	"highwater.dev/broker/vfs/errorfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens a driver on fs as run number run of broker 1.
func open(t testing.TB, fs vfs.FS, run byte) (*quorumdrv.Driver, error) {
	t.Helper()
	cfg := config.DefaultServer()
	// The log dir itself is logmgr's to make.
	if err := errors.Join(fs.MkdirAll("data"), fs.SyncDir(".")); err != nil {
		return nil, err
	}
	return quorumdrv.Open(quorumdrv.Options{
		FS: fs, Dir: "data", Config: &cfg,
		Machine: func() *controller.Machine {
			return controller.New(controller.Options{Config: &cfg, Rand: rand.New(rand.NewPCG(uint64(run), 1))})
		},
		Broker: metadata.BrokerRecord{Node: 1, Incarnation: metadata.UUID{run}},
		Clock:  clock.NewManual(time.Unix(1_700_000_000, 0)),
	})
}

func mustOpen(t testing.TB, fs vfs.FS, run byte) *quorumdrv.Driver {
	t.Helper()
	d, err := open(t, fs, run)
	require.NoError(t, err)
	return d
}

func createTopic(name string, partitions int32) *kmsg.CreateTopicsRequest {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version = 7
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, partitions, 1
	req.Topics = append(req.Topics, topic)
	return req
}

// create asks for a topic and runs turns until the answer is there. It returns the error, or the answer's code as one.
func create(d *quorumdrv.Driver, name string, partitions int32) error {
	err := errors.New("no answer")
	d.Submit(createTopic(name, partitions), func(r kmsg.Response, e error) {
		if err = e; e == nil {
			err = kerr.ErrorForCode(r.(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode)
		}
	})
	for d.Turn() {
	}
	return err
}

// partitions is how many partitions the committed image has of a topic; -1 when it has no such topic.
func partitions(d *quorumdrv.Driver, name string) int {
	n := -1
	d.View(func(im *metadata.Image) {
		if topic := im.Topic(name); topic != nil {
			n = len(topic.Partitions)
		}
	})
	return n
}

func TestWhatWasAnsweredIsThereAfterARestart(t *testing.T) {
	fs := vfs.NewMem()
	d := mustOpen(t, fs, 1)
	_, epoch := d.Leader()
	require.Equal(t, model.LeaderEpoch(0), epoch)
	require.NoError(t, create(d, "a", 3))
	require.ErrorIs(t, create(d, "a", 3), kerr.TopicAlreadyExists)
	require.NoError(t, d.Close())

	d = mustOpen(t, fs, 2)
	defer func() { require.NoError(t, d.Close()) }()
	require.Equal(t, 3, partitions(d, "a"))
	_, epoch = d.Leader()
	require.Equal(t, model.LeaderEpoch(1), epoch, "each start is a new term")
	d.View(func(im *metadata.Image) {
		require.Equal(t, model.LeaderEpoch(1), im.Topic("a").Partitions[0].LeaderEpoch, "a new run leads in a new epoch")
		require.Equal(t, metadata.UUID{2}, im.Broker(1).Incarnation)
	})
}

func TestOneTurnIsOneFsync(t *testing.T) {
	syncs := 0
	fs := errorfs.New(vfs.NewMem(), func(op errorfs.Op) errorfs.Fault {
		if op.Kind == errorfs.Sync && op.Name == "data/__cluster_metadata-0/00000000000000000000.log" {
			syncs++
		}
		return errorfs.Fault{}
	})
	d := mustOpen(t, fs, 1)
	defer func() { require.NoError(t, d.Close()) }()
	syncs = 0
	answered := 0
	var published []int
	d.Subscribe(func(last model.Offset, records []metadata.Record) {
		require.Zero(t, answered, "subscribers hear of records before those who asked for them")
		require.Equal(t, 1, syncs, "only what is durable is published")
		published = append(published, len(records))
	})
	for i := range 10 {
		d.Submit(createTopic(fmt.Sprintf("t%d", i), 2), func(_ kmsg.Response, err error) {
			require.NoError(t, err)
			answered++
		})
	}
	d.Submit(createTopic("t3", 2), func(r kmsg.Response, err error) {
		require.NoError(t, err)
		require.Equal(t, kerr.TopicAlreadyExists.Code, r.(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode,
			"a request sees what those before it in the turn have done")
		answered++
	})
	require.True(t, d.Turn())
	require.Equal(t, 11, answered)
	require.Equal(t, []int{30}, published)
	require.False(t, d.Turn())
}

func TestAnswersWithoutRecords(t *testing.T) {
	d := mustOpen(t, vfs.NewMem(), 1)
	defer func() { require.NoError(t, d.Close()) }()
	var got error
	d.Submit(kmsg.NewPtrHeartbeatRequest(), func(_ kmsg.Response, err error) { got = err })
	d.Turn()
	require.ErrorIs(t, got, kerr.UnsupportedVersion)
	require.NoError(t, create(d, "still-works", 1))
}

func TestProducerIDBlocksNeverOverlap(t *testing.T) {
	fs := vfs.NewMem()
	next := model.ProducerID(0)
	for run := byte(1); run <= 3; run++ {
		d := mustOpen(t, fs, run)
		for range 2 {
			d.AllocateProducerIDs(func(first model.ProducerID, count int, err error) {
				require.NoError(t, err)
				require.Equal(t, next, first)
				require.Equal(t, 1000, count)
				next += 1000
			})
			require.True(t, d.Turn())
		}
		require.NoError(t, d.Close())
	}
	require.Equal(t, model.ProducerID(6000), next)
}

// TestAProposalThatDoesNotFitNeverReachesTheLog: every later start would stumble over it.
func TestAProposalThatDoesNotFitNeverReachesTheLog(t *testing.T) {
	fs := vfs.NewMem()
	d := mustOpen(t, fs, 1)
	end := d.Log().EndOffset()
	var got error
	d.Propose([]metadata.Record{
		metadata.TopicRecord{Name: "x", ID: model.TopicID{9}},
		metadata.PartitionRecord{TopicID: model.TopicID{8}},
	}, func(_ model.Offset, err error) { got = err })
	d.Turn()
	require.ErrorIs(t, got, metadata.ErrReplay)
	require.ErrorIs(t, got, kerr.NotController)
	require.Equal(t, end, d.Log().EndOffset())
	require.NoError(t, create(d, "x", 1), "the controller forgot the half of it that fitted")
	require.NoError(t, d.Close())
	d = mustOpen(t, fs, 2)
	require.Equal(t, 1, partitions(d, "x"))
	require.NoError(t, d.Close())
}

func TestDiskFull(t *testing.T) {
	full := errors.New("no space left on device")
	fs := errorfs.New(vfs.NewMem())
	d := mustOpen(t, fs, 1)
	require.NoError(t, create(d, "before", 2))
	// The third write fails: a proposal of one topic and two partitions lacks its last record then.
	writes := 0
	fs.SetRules(errorfs.Fail(full, errorfs.Kinds(errorfs.Write), errorfs.Base("*.log"), func(errorfs.Op) bool { writes++; return writes >= 3 }))
	err := create(d, "during", 2)
	require.ErrorIs(t, err, kerr.KafkaStorageError)
	require.ErrorIs(t, err, full)
	require.Equal(t, -1, partitions(d, "during"))
	require.Equal(t, 2, partitions(d, "before"), "reads go on")

	fs.SetRules()
	require.NoError(t, create(d, "during", 3), "space came back: nothing is left of the first try")
	require.Equal(t, 3, partitions(d, "during"))
	require.NoError(t, d.Close())
	d = mustOpen(t, fs, 2)
	require.Equal(t, 3, partitions(d, "during"))
	require.Equal(t, 2, partitions(d, "before"))
	require.NoError(t, d.Close())
}

func TestAFailedFsyncIsNeverRetried(t *testing.T) {
	mem := vfs.NewMem()
	fs := errorfs.New(mem)
	d := mustOpen(t, fs, 1)
	require.NoError(t, create(d, "before", 1))
	fs.SetRules(errorfs.Fail(errors.New("I/O error"), errorfs.Kinds(errorfs.Sync), errorfs.Base("*.log")))
	require.ErrorIs(t, create(d, "lost", 1), kerr.KafkaStorageError)
	fs.SetRules()
	require.ErrorIs(t, create(d, "after", 1), kerr.KafkaStorageError, "the log is in doubt until the next start")
	require.Equal(t, -1, partitions(d, "lost"))
	require.Error(t, d.Close())

	d = mustOpen(t, mem.CrashClone(1, 0), 2)
	require.Equal(t, 1, partitions(d, "before"))
	require.Equal(t, -1, partitions(d, "after"))
	require.NoError(t, create(d, "after", 1))
	require.NoError(t, d.Close())
}

func TestClose(t *testing.T) {
	d := mustOpen(t, vfs.NewMem(), 1)
	d.Start()
	answers := make(chan error, 1)
	reply := func(_ kmsg.Response, err error) { answers <- err }
	d.Submit(createTopic("a", 1), reply)
	require.NoError(t, <-answers)
	require.NoError(t, d.Close())
	require.NoError(t, d.Close(), "again")
	d.Submit(createTopic("b", 1), reply)
	require.ErrorIs(t, <-answers, quorumdrv.ErrClosed)
}

// TestAnsweredMetadataSurvivesPowerLoss cuts the power at every change to the disk of a run of requests, with chance
// deciding what of the unsynced is kept: what was answered is there, and a topic has all its partitions or does not exist.
func TestAnsweredMetadataSurvivesPowerLoss(t *testing.T) {
	counting := errorfs.New(vfs.NewMem())
	script(t, counting)
	points := counting.Changes()
	require.Greater(t, points, int64(50))
	for at := int64(1); at <= points; at++ {
		for _, keepPct := range []int{0, 50, 100} {
			mem := vfs.NewMem()
			fs := errorfs.New(mem)
			fs.CrashAt(at)
			answered := script(t, fs)
			require.True(t, fs.Crashed())
			disk := mem.CrashClone(uint64(at), keepPct)
			at := fmt.Sprintf("power cut at change %d, %d %% of the unsynced kept", at, keepPct)
			for run := byte(8); run < 10; run++ {
				d, err := open(t, disk, run)
				require.NoError(t, err, at)
				for name, want := range answered {
					require.Equal(t, want, partitions(d, name), "%s: topic %s", at, name)
				}
				for i := range scriptTopics {
					require.Contains(t, []int{-1, i + 1}, partitions(d, topicName(i)), at)
				}
				require.NoError(t, create(d, fmt.Sprintf("later%d", run), 2), at)
				require.NoError(t, d.Close(), at)
			}
		}
	}
}

const scriptTopics = 6

func topicName(i int) string { return fmt.Sprintf("topic%d", i) }

// script makes topics, topic i with i+1 partitions, until the power is cut, and returns those that were answered.
func script(t *testing.T, fs vfs.FS) map[string]int {
	t.Helper()
	answered := map[string]int{}
	d, err := open(t, fs, 1)
	if err != nil {
		require.ErrorIs(t, err, errorfs.ErrCrashed)
		return answered
	}
	for i := range scriptTopics {
		if err := create(d, topicName(i), int32(i+1)); err == nil {
			answered[topicName(i)] = i + 1
		}
	}
	// After the power cut it fails, and must give its files back all the same.
	_ = d.Close()
	return answered
}
