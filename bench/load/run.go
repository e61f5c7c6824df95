package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"
)

const (
	// tick is how often a run looks at itself: for progress, for the backlog, for whether all has arrived.
	tick = 20 * time.Millisecond
	// stalled is after how long without a receipt the rest of the records is given up.
	stalled = 10 * time.Second
)

// Run sends and receives what the options say. The result is there whenever the run came to its end, with records that
// failed or did not arrive in it; an error says why it did not.
func Run(ctx context.Context, o Options) (result *Result, err error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	admin, err := kgo.NewClient(kgo.SeedBrokers(o.Bootstrap))
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	defer admin.Close()
	asking, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	if err := greet(asking, admin, o); err != nil {
		return nil, err
	}
	topics, err := prepareTopics(asking, admin, o)
	defer func() { // also after an interrupt, which ended ctx
		removing, cancel := context.WithTimeout(context.WithoutCancel(ctx), adminTimeout)
		defer cancel()
		err = errors.Join(err, removeTopics(removing, admin, topics))
	}()
	if err != nil {
		return nil, err
	}
	return drive(ctx, o, topics)
}

// running is a run's state.
type running struct {
	o         Options
	plan      schedule
	producers []*producer
	receipts  receipts
	sources   []source
	clients   []*kgo.Client
}

// drive makes the clients and runs them.
func drive(ctx context.Context, o Options, topics []topic) (*Result, error) {
	r := &running{o: o}
	defer r.close()
	if err := r.connect(topics); err != nil {
		return nil, err
	}
	r.begin(newSchedule(o, time.Now()))
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	consumers, ctx := errgroup.WithContext(ctx) // a consumer that fails ends the run
	begin := make(chan struct{})
	usage := watchProcess(ctx, o.Pid, r.plan.measureFrom)
	for _, s := range r.sources {
		consumers.Go(func() error {
			select {
			case <-begin:
				return r.receipts.receive(ctx, s)
			case <-ctx.Done():
				return nil
			}
		})
	}
	sent := make(chan error, 1)
	go func() { sent <- r.send(ctx) }()
	drained, err := r.watch(ctx, sent, begin)
	if err != nil {
		stop()
		if failed := consumers.Wait(); failed != nil {
			return nil, failed
		}
		return nil, err
	}
	used, err := usage()
	stop()
	if err := errors.Join(err, consumers.Wait()); err != nil {
		return nil, err
	}
	return r.result(topics, used, drained), nil
}

// connect makes the producers and consumers of all topics.
func (r *running) connect(topics []topic) error {
	payloads, err := r.o.Payload.pool(r.o.RecordBytes)
	if err != nil {
		return err
	}
	r.receipts = receipts{run: rand.Uint64(), endToEnd: NewHistogram()}
	for _, t := range topics {
		for range r.o.Producers {
			index := len(r.producers)
			cl, err := r.client(r.o.producerOptions(r.receipts.run, index))
			if err != nil {
				return err
			}
			r.producers = append(r.producers, &producer{
				index: index, run: r.receipts.run, to: cl, sleepUntil: sleepUntil, topic: t.name, partitions: t.partitions,
				nextKey: r.o.Keys.picker(uint64(index)), payloads: payloads, stamped: r.o.Consumers > 0, perTxn: r.o.TransactionRecords, tally: newTally(),
			})
		}
		for range r.o.Subscriptions {
			for i := range r.o.Consumers {
				cl, err := r.client(r.o.consumerOptions(t, t.share(i, r.o.Consumers)))
				if err != nil {
					return err
				}
				r.sources = append(r.sources, cl)
			}
		}
	}
	return nil
}

func (r *running) client(opts []kgo.Opt) (*kgo.Client, error) {
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	r.clients = append(r.clients, cl)
	return cl, nil
}

func (r *running) close() {
	for _, cl := range r.clients {
		cl.Close()
	}
}

func (r *running) begin(plan schedule) {
	r.plan, r.receipts.plan = plan, plan
	for _, p := range r.producers {
		p.plan = plan
	}
}

// send runs the producers until each has sent its share.
func (r *running) send(ctx context.Context) error {
	producers, ctx := errgroup.WithContext(ctx)
	for _, p := range r.producers {
		producers.Go(func() error { return p.send(ctx) })
	}
	return producers.Wait()
}

// watch tells progress, lets the consumers begin when the backlog is there, and returns when all was sent and received, or
// when nothing arrives any more. drained is how long the backlog lasted.
func (r *running) watch(ctx context.Context, sent <-chan error, begin chan<- struct{}) (drained time.Duration, err error) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	backlog := newBacklog(r.o, begin)
	arrived, since, over := int64(0), time.Now(), false
	for {
		select {
		case err := <-sent:
			if err != nil {
				return 0, err
			}
			sent, over, since = nil, true, time.Now()
		case <-ctx.Done():
			if !over {
				return 0, <-sent
			}
			return 0, ctx.Err()
		case now := <-ticker.C:
			p := r.progress(now)
			if r.o.Progress != nil {
				r.o.Progress(p)
			}
			due := p.Records * int64(r.o.Subscriptions)
			backlog.look(now, p.Records, due-p.Received)
			if p.Received > arrived {
				arrived, since = p.Received, now
			}
			if over && (len(r.sources) == 0 || p.Received >= due || now.Sub(since) > stalled) {
				return backlog.lasted, nil
			}
		}
	}
}

func (r *running) progress(now time.Time) Progress {
	p := Progress{Received: r.receipts.records.Load()}
	measured := int64(0)
	for _, producer := range r.producers {
		p.Records += producer.acked.Load()
		p.Failed += producer.failed.Load()
		measured += producer.ackedMeasured.Load()
	}
	p.Done = r.plan.done(now, measured)
	return p
}
