package peers

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"highwater.dev/bench/peer"
)

// natsShare is which part of a sample's bytes NATS JetStream is given: it acknowledges every message by itself and would take
// minutes for all of them.
const natsShare = 8

// NatsStarter starts program, which bench/nats builds, as a server.
func NatsStarter(program string) Starter {
	return Starter{Nats, false, func(ctx context.Context, dir string) (*peer.Broker, error) {
		return peer.StartProgram(ctx, program, []string{"serve"}, dir)
	}}
}

// nats writes and reads through NATS JetStream's own client, a process beside the server.
func (r *runner) nats(size int) measureFunc {
	return func(ctx context.Context, _ int, s *Server) ([]Sample, error) {
		total := r.plan.Bytes / natsShare
		cmd := exec.CommandContext(ctx, s.Program, "load", s.Addr, strconv.Itoa(int(r.plan.Partitions)), strconv.FormatInt(total, 10), strconv.Itoa(size))
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("%w\n%s", err, stderr.String())
		}
		var samples []Sample
		for i, line := range strings.Fields(string(out)) {
			ns, err := strconv.ParseInt(line, 10, 64)
			if err != nil {
				return nil, err
			}
			name := fmt.Sprintf("%s/size=%d", []string{"Produce", "Consume"}[min(i, 1)], size)
			samples = append(samples, Sample{name, s.Name, []Value{rate(total, time.Duration(ns))}})
		}
		if len(samples) != 2 {
			return nil, fmt.Errorf("two times were expected, not %q", out)
		}
		return samples, nil
	}
}
