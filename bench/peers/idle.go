package peers

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"highwater.dev/bench/load"
	"highwater.dev/bench/proc"
)

// partitionsPerTopic is how idle partitions are spread: Apache Kafka's controller takes at most 10,000 new ones in one request.
const partitionsPerTopic = 1000

// idlePartitions makes many partitions that nobody uses: what does each cost in memory, and how long do making them, stopping and
// starting again take?
func (r *runner) idlePartitions(ctx context.Context, starters []Starter, dir string) error {
	name := fmt.Sprintf("Partitions/count=%d", r.plan.IdlePartitions)
	return r.fresh(ctx, name, starters, dir, func(starter Starter, dir string) ([]Value, error) {
		topics := map[string]int32{}
		for left := r.plan.IdlePartitions; left > 0; left -= partitionsPerTopic {
			topics[fmt.Sprintf("idle-%d", len(topics))] = int32(min(left, partitionsPerTopic))
		}
		s, err := starter.start(ctx, dir)
		if err != nil {
			return nil, err
		}
		var created time.Duration
		grown, err := growth(s, func() error {
			begun := time.Now()
			for topic, n := range topics {
				if err := load.CreateTopic(ctx, load.Shape{Addr: s.Addr, Topic: topic, Partitions: n}); err != nil {
					return err
				}
			}
			err := awaitServed(ctx, s.Addr, topics)
			created = time.Since(begun)
			return err
		})
		stopping := time.Now()
		if err := errors.Join(err, s.Stop()); err != nil {
			return nil, err
		}
		stopped := time.Since(stopping)
		begun := time.Now()
		if s, err = starter.start(ctx, dir); err != nil {
			return nil, err
		}
		err = awaitServed(ctx, s.Addr, topics)
		ready := time.Since(begun)
		if err := errors.Join(err, s.Stop()); err != nil {
			return nil, err
		}
		return []Value{
			{float64(grown) / 1024 / float64(r.plan.IdlePartitions), "KiB/partition"},
			seconds(created, "create-s"), seconds(ready, "ready-s"), seconds(stopped, "stop-s"),
		}, nil
	})
}

// idleConnections opens many connections, each of which asks once and then says nothing: what does each cost in memory?
func (r *runner) idleConnections(ctx context.Context, starters []Starter, dir string) error {
	name := fmt.Sprintf("Connections/count=%d", r.plan.IdleConnections)
	return r.fresh(ctx, name, starters, dir, func(starter Starter, dir string) ([]Value, error) {
		s, err := starter.start(ctx, dir)
		if err != nil {
			return nil, err
		}
		var open []net.Conn
		grown, err := growth(s, func() error {
			for range r.plan.IdleConnections {
				conn, err := greeted(s.Addr)
				if err != nil {
					return err
				}
				open = append(open, conn)
			}
			return nil
		})
		for _, conn := range open {
			err = errors.Join(err, conn.Close())
		}
		if err := errors.Join(err, s.Stop()); err != nil {
			return nil, err
		}
		return []Value{{float64(grown) / 1024 / float64(r.plan.IdleConnections), "KiB/connection"}}, nil
	})
}

// fresh takes samples of brokers that have new data folders each time.
func (r *runner) fresh(_ context.Context, name string, starters []Starter, dir string, sample func(Starter, string) ([]Value, error)) error {
	if !r.plan.wants(name) {
		return nil
	}
	for round := range r.plan.few() {
		for _, starter := range inTurn(brokers(starters), round) {
			own := filepath.Join(dir, "fresh")
			values, err := sample(starter, own)
			if err != nil {
				return fmt.Errorf("peers: %s of %s: %w", name, starter.Name, err)
			}
			if err := os.RemoveAll(own); err != nil {
				return err
			}
			r.samples = append(r.samples, Sample{name, starter.Name, values})
		}
	}
	r.log.Info("measured", "load", name, "rounds", r.plan.few())
	return nil
}

// growth is by how many bytes the server's resident memory is larger after f; 0 when its collector gave back more meanwhile.
func growth(s *Server, f func() error) (int64, error) {
	before, err := proc.RSS(s.PID)
	if err != nil {
		return 0, err
	}
	if err := f(); err != nil {
		return 0, err
	}
	after, err := proc.RSS(s.PID)
	return max(0, after-before), err
}

// greeted opens a connection, asks for the broker's API versions and reads the answer.
func greeted(addr string) (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		return nil, err
	}
	// Header v1: key 18 (ApiVersions), version 0, correlation id 1, null client id. No body.
	_, err = conn.Write([]byte{0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff})
	var length [4]byte
	if err == nil {
		_, err = io.ReadFull(conn, length[:])
	}
	if err == nil {
		_, err = io.CopyN(io.Discard, conn, int64(binary.BigEndian.Uint32(length[:])))
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}
