package conformance

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"highwater.dev/bench/peer"
)

// smallSegments makes a broker roll often, by the records' time and by the smallest size that Apache Kafka 4 allows.
var smallSegments = map[string]string{
	"log.segment.bytes": "1048576", "log.roll.ms": "7200000", "log.index.interval.bytes": "1024", "log.retention.ms": "-1",
}

// fileRecords is how many records writeFiles leaves in each of its topics.
const fileRecords = 4000

// writeFiles loads a broker so that its folder holds a bit of everything: each codec, several segments, idempotent and plain
// producers, timestamps out of order, log append time, deleted records, and topics deleted.
func writeFiles(t *testing.T, addr, prefix string) (topics []string) {
	t.Helper()
	for i, codec := range codecs {
		topic := prefix + codec
		createNamed(t, addr, topic, 2, nil)
		topics = append(topics, topic)
		opts := []kgo.Opt{kgo.ProducerBatchCompression(franzCodecs[codec]), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(60_000)}
		if i%2 == 1 {
			opts = append(opts, kgo.DisableIdempotentWrite())
		}
		writeSamples(t, addr, topic, opts...)
	}
	appendTime := prefix + "append-time"
	createNamed(t, addr, appendTime, 2, map[string]string{"message.timestamp.type": "LogAppendTime"})
	writeSamples(t, addr, appendTime, kgo.RecordPartitioner(kgo.ManualPartitioner()))

	adm, ctx := kadm.NewClient(franz(t, addr)), testContext(t, 20*time.Second)
	trimmed, gone := prefix+"trimmed", prefix+"gone"
	for _, topic := range []string{trimmed, gone} {
		createNamed(t, addr, topic, 2, nil)
		writeSamples(t, addr, topic, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	}
	deleted, err := adm.DeleteRecords(ctx, kadm.Offsets{trimmed: {0: {Topic: trimmed, At: fileRecords / 2}}})
	require.NoError(t, err)
	require.NoError(t, deleted.Error())
	_, err = adm.DeleteTopic(ctx, gone)
	require.NoError(t, err)
	return append(topics, appendTime)
}

// writeSamples sends fileRecords records to each of the two partitions of topic, by several producers.
func writeSamples(t *testing.T, addr, topic string, opts ...kgo.Opt) {
	t.Helper()
	const producers = 4
	ctx := testContext(t, 60*time.Second)
	for range producers {
		cl := franz(t, addr, opts...)
		for p := range int32(2) {
			for start := 0; start < fileRecords/producers; start += 100 { // several batches
				records := franzRecords(topic, sampleRecords(100))
				for _, r := range records {
					r.Partition, r.Timestamp = p, r.Timestamp.Add(time.Duration(start/100)*time.Hour)
				}
				require.NoError(t, cl.ProduceSync(ctx, records...).FirstErr())
			}
		}
	}
}

// filesOf are the files of a data folder with one of the given endings, those of Kafka's own and of deleted topics left out.
func filesOf(t *testing.T, data string, endings ...string) (files []string) {
	t.Helper()
	for _, ending := range endings {
		found, err := filepath.Glob(filepath.Join(data, "*", "*"+ending))
		require.NoError(t, err)
		for _, f := range found {
			folder := filepath.Base(filepath.Dir(f))
			if !strings.HasPrefix(folder, "__") && !strings.HasSuffix(folder, "-delete") && !strings.HasSuffix(folder, "-stray") {
				files = append(files, f)
			}
		}
	}
	require.NotEmpty(t, files, endings)
	return files
}

// damage is how DumpLogSegments says that something is wrong; it prints that and ends well. Of every segment but the first it
// says that -1 is followed by the segment's base offset: that is no damage, a record followed by another than the next is.
var damage = regexp.MustCompile(`Mismatches in|^ +[0-9]+ is followed by|not found in|out of order timestamp|timestamp mismatch|invalid bytes|isvalid: false|isValid: false|Ignoring unknown file|Exception|Error`)

// kafkaDump runs Apache Kafka's DumpLogSegments over files and fails on every line that reports damage.
func kafkaDump(t *testing.T, files []string, flags ...string) string {
	t.Helper()
	text := kafkaDumped(t, files, flags...)
	for line := range strings.Lines(text) {
		require.False(t, damage.MatchString(line), line)
	}
	return text
}

// kafkaDumped is what the tool prints.
func kafkaDumped(t *testing.T, files []string, flags ...string) string {
	t.Helper()
	out, err := peer.Tool(testContext(t, 2*time.Minute), "org.apache.kafka.tools.DumpLogSegments",
		append(flags, "--files", strings.Join(files, ","))...)
	require.NoError(t, err)
	text := string(out)
	require.Equal(t, len(files), strings.Count(text, "Dumping "), "files looked at")
	return text
}

// requireKafkaAccepts has Apache Kafka's own tool read everything under data.
func requireKafkaAccepts(t *testing.T, data string) {
	t.Helper()
	logs := kafkaDump(t, filesOf(t, data, ".log"), "--deep-iteration")
	require.Positive(t, strings.Count(logs, "isvalid: true"))
	indexes := filesOf(t, data, ".index")
	sane := kafkaDump(t, indexes, "--index-sanity-check")
	require.Equal(t, len(indexes), strings.Count(sane, " passed sanity check.")+strings.Count(sane, " is empty."), "indexes that are sane")
	require.Positive(t, strings.Count(sane, " passed sanity check."))
	kafkaDump(t, append(indexes, filesOf(t, data, ".timeindex")...))
	snapshots := kafkaDump(t, filesOf(t, data, ".snapshot"))
	require.Contains(t, snapshots, "producerId: ")
}

// TestFilesAreKafkas: what the broker wrote, and wrote again after kill -9, Apache Kafka's DumpLogSegments reads without a complaint.
func TestFilesAreKafkas(t *testing.T) {
	broker := startOwn(t, targetName(), peer.Options{Properties: smallSegments})
	writeFiles(t, broker.Addr, "first-")
	require.NoError(t, broker.Kill())
	broker.again()
	writeFiles(t, broker.Addr, "second-")
	require.NoError(t, broker.Stop())
	requireKafkaAccepts(t, broker.DataDir)
	segments := filesOf(t, broker.DataDir, ".log")
	require.Greater(t, len(segments), 2*len(filesOf(t, broker.DataDir, "partition.metadata")), "segments rolled")

	// The tool ends well whatever it finds: that its complaints are seen is tested, too.
	for _, ending := range []string{".log", ".index", ".timeindex"} {
		files := filesOf(t, broker.DataDir, ending)
		slices.SortFunc(files, func(a, b string) int { return int(sizeOf(t, b) - sizeOf(t, a)) })
		flipInLastEntry(t, files[0])
		require.Regexp(t, damage, kafkaDumped(t, files[:1]), ending)
	}
}

func sizeOf(t *testing.T, file string) int64 {
	t.Helper()
	info, err := os.Stat(file)
	require.NoError(t, err)
	return info.Size()
}

// flipInLastEntry damages a file near its end: a record of a log, the offset of an index's or the time of a time index's last entry.
func flipInLastEntry(t *testing.T, file string) {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	back := map[string]int{".log": 1, ".index": 5, ".timeindex": 5}[filepath.Ext(file)]
	content[len(content)-back] ^= 1
	require.NoError(t, os.WriteFile(file, content, 0o600))
}

// dumpLog runs highwater dump-log, which ends with an error when a file is damaged.
func dumpLog(t *testing.T, files []string, flags ...string) string {
	t.Helper()
	binary, err := highwater(t.Context())
	require.NoError(t, err)
	out, err := exec.CommandContext(testContext(t, time.Minute), binary, append(append([]string{"dump-log"}, flags...), files...)...).CombinedOutput()
	require.NoErrorf(t, err, "%s", out[max(0, len(out)-4000):])
	return string(out)
}

// TestDumpLogAcceptsKafkasFiles: our tool reads everything that the broker under test wrote, Apache Kafka's own topics and
// metadata included, and finds damage when there is some.
func TestDumpLogAcceptsKafkasFiles(t *testing.T) {
	broker := startOwn(t, "kafka", peer.Options{Properties: smallSegments})
	writeFiles(t, broker.Addr, "kafkas-")
	require.NoError(t, broker.Stop())
	logs := filesOf(t, broker.DataDir, ".log")
	require.NotEmpty(t, dumpLog(t, logs, "--records", "--values"))
	dumpLog(t, filesOf(t, broker.DataDir, ".index", ".timeindex", ".snapshot", "leader-epoch-checkpoint", "partition.metadata"))
	dumpLog(t, filesOf(t, broker.DataDir, ".index", ".timeindex"), "--index-check")
	for _, name := range []string{"meta.properties", "recovery-point-offset-checkpoint", "replication-offset-checkpoint", "log-start-offset-checkpoint"} {
		dumpLog(t, []string{filepath.Join(broker.DataDir, name)})
	}

	content, err := os.ReadFile(logs[0])
	require.NoError(t, err)
	content[len(content)/2] ^= 1
	damaged := filepath.Join(t.TempDir(), "00000000000000000000.log")
	require.NoError(t, os.WriteFile(damaged, content, 0o600))
	binary, err := highwater(t.Context())
	require.NoError(t, err)
	out, err := exec.CommandContext(t.Context(), binary, "dump-log", damaged).CombinedOutput()
	require.Errorf(t, err, "%s", out)
}

// TestSegmentsMoveBetweenBrokers stops one kind of broker, carries a partition's files into the folder of an equal topic of the
// other kind, which keeps its own partition.metadata, and reads them there: the same records at the same offsets.
func TestSegmentsMoveBetweenBrokers(t *testing.T) {
	for from, to := range map[string]string{"kafka": "highwater", "highwater": "kafka"} {
		t.Run(from+" to "+to, func(t *testing.T) {
			source := startOwn(t, from, peer.Options{Properties: smallSegments})
			topics := writeFiles(t, source.Addr, "moved-")
			want := readAll(t, source.Addr, topics)
			require.NoError(t, source.Stop())

			receiver := startOwn(t, to, peer.Options{Properties: smallSegments})
			for _, topic := range topics {
				createNamed(t, receiver.Addr, topic, 2, nil)
			}
			require.NoError(t, receiver.Stop())
			for _, topic := range topics {
				for p := range 2 {
					carry(t, source.DataDir, receiver.DataDir, fmt.Sprintf("%s-%d", topic, p))
				}
			}
			receiver.again()
			require.Equal(t, want, readAll(t, receiver.Addr, topics))
			for _, topic := range topics { // it goes on where the other broker ended, by time too
				require.EqualValues(t, fileRecords, offsetOf(t, receiver.Addr, topic, -1))
				cl := franz(t, receiver.Addr, kgo.RecordPartitioner(kgo.ManualPartitioner()))
				r := &kgo.Record{Topic: topic, Value: []byte("after the move"), Timestamp: time.Now()}
				require.NoError(t, cl.ProduceSync(testContext(t, 20*time.Second), r).FirstErr())
				require.EqualValues(t, fileRecords, r.Offset)
				require.EqualValues(t, fileRecords, offsetOf(t, receiver.Addr, topic, r.Timestamp.UnixMilli()))
			}
			require.NoError(t, receiver.Stop())
			requireKafkaAccepts(t, receiver.DataDir)
		})
	}
}

// readAll are the records of both partitions of topics, with their offsets, as text.
func readAll(t *testing.T, addr string, topics []string) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, topic := range topics {
		for p := range int32(2) {
			name := fmt.Sprintf("%s-%d", topic, p)
			for _, r := range franzRead(t, addr, topic, p, kgo.NewOffset().AtStart(), fileRecords) {
				out[name] = append(out[name], fmt.Sprintf("%d %d %q %q %q", r.Offset, r.Timestamp.UnixMilli(), r.Key, r.Value, r.Headers))
			}
		}
	}
	return out
}

// carry copies a partition's files but for partition.metadata, over what the receiver had.
func carry(t *testing.T, from, to, partition string) {
	t.Helper()
	old, err := filepath.Glob(filepath.Join(to, partition, "0*"))
	require.NoError(t, err)
	for _, f := range old {
		require.NoError(t, os.Remove(f))
	}
	files, err := os.ReadDir(filepath.Join(from, partition))
	require.NoError(t, err)
	copied := 0
	for _, f := range files {
		if f.Name() == "partition.metadata" {
			continue
		}
		content, err := os.ReadFile(filepath.Join(from, partition, f.Name()))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(to, partition, f.Name()), content, 0o600))
		copied++
	}
	require.GreaterOrEqual(t, copied, 4, "a log, its indexes and the epochs at least")
}
