package peers

import (
	"context"
	"fmt"
	"regexp"
	"strconv"

	"highwater.dev/bench/load"
	"highwater.dev/bench/peer"
)

// perfJVM runs the tool as Apache Kafka's own script does, but for the heap.
var perfJVM = []string{"-Xmx512m", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"}

const perfClass = "org.apache.kafka.tools.ProducerPerformance"

// perfTool has Apache Kafka's own producer performance tool write the records, with its defaults (acks=all, idempotent, 16 KiB
// batches, linger 5 ms). Its first quarter warms up the JVM and is not counted, by the tool's own option.
func (r *runner) perfTool(size int) measureFunc {
	return func(ctx context.Context, round int, s *Server) ([]Sample, error) {
		shape := load.Shape{
			Addr: s.Addr, Topic: fmt.Sprintf("perf-%d-%d", size, round), Partitions: r.plan.Partitions,
			RecordBytes: size, TotalBytes: r.plan.Bytes,
		}
		if err := load.CreateTopic(ctx, shape); err != nil {
			return nil, err
		}
		n := shape.Records()
		var said []byte
		used, err := cpu(s, func() (err error) {
			said, err = peer.ToolIn(ctx, perfJVM, perfClass, "--bootstrap-server", s.Addr, "--topic", shape.Topic, "--num-records", strconv.FormatInt(n, 10),
				"--record-size", strconv.Itoa(size), "--throughput", "-1", "--warmup-records", strconv.FormatInt(n/4, 10))
			return err
		})
		if err != nil {
			return nil, err
		}
		perSecond, err := steadyRate(said)
		if err != nil {
			return nil, err
		}
		values := []Value{{perSecond * float64(size) / 1e6, "MB/s"}, cost(shape.TotalBytes, used)}
		return []Sample{{fmt.Sprintf("Perf/size=%d", size), s.Name, values}}, load.DeleteTopic(ctx, shape)
	}
}

// summary is the tool's last line: "393216 steady state records sent, 312345.6 records/sec (305.0 MB/sec), …".
var summary = regexp.MustCompile(`(?m)^\d+ steady state records sent, ([0-9.]+) records/sec`)

func steadyRate(said []byte) (float64, error) {
	m := summary.FindAllSubmatch(said, -1)
	if len(m) == 0 {
		return 0, fmt.Errorf("no summary of the steady state in what %s said:\n%s", perfClass, said)
	}
	return strconv.ParseFloat(string(m[len(m)-1][1]), 64)
}
