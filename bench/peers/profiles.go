package peers

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"highwater.dev/bench/load"
	"highwater.dev/bench/profile"
)

// profiles keeps Highwater's profiles under the loads. They are no samples: taking a profile costs something.
func (r *runner) profiles(ctx context.Context, servers []*Server) error {
	if r.plan.Profiles == "" {
		return nil
	}
	for _, s := range servers {
		if s.Name != Highwater {
			continue
		}
		for _, size := range r.plan.RecordBytes {
			if err := r.profileSize(ctx, s, size); err != nil {
				return fmt.Errorf("peers: profiles of %s: %w", s.Name, err)
			}
		}
	}
	r.log.Info("profiles kept", "in", r.plan.Profiles)
	return nil
}

func (r *runner) profileSize(ctx context.Context, s *Server, size int) error {
	shape := load.Shape{Addr: s.Addr, Topic: fmt.Sprintf("profile-%d", size), Partitions: r.plan.Partitions, RecordBytes: size, TotalBytes: r.plan.Bytes}
	if err := load.CreateTopic(ctx, shape); err != nil {
		return err
	}
	for _, phase := range []struct {
		name string
		run  func(context.Context, load.Shape) (time.Duration, error)
	}{{"Produce", load.Produce}, {"Consume", load.Consume}} {
		name := fmt.Sprintf("%s/size=%d", phase.name, size)
		if !r.plan.wants(name) {
			continue
		}
		if err := r.profile(ctx, s, name, func() error { _, err := phase.run(ctx, shape); return err }); err != nil {
			return err
		}
	}
	return load.DeleteTopic(ctx, shape)
}

// profile repeats work until all profiles are kept.
func (r *runner) profile(ctx context.Context, s *Server, name string, work func() error) error {
	group, ctx := errgroup.WithContext(ctx)
	kept := make(chan struct{})
	group.Go(func() error {
		defer close(kept)
		return profile.FromServer(ctx, s.Admin, r.plan.Profiles, name, r.plan.ProfileFor)
	})
	group.Go(func() error {
		for {
			if err := work(); err != nil {
				return err
			}
			select {
			case <-kept:
				return nil
			default:
			}
		}
	})
	return group.Wait()
}
