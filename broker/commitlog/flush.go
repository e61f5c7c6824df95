package commitlog

import (
	"errors"
	"fmt"
	"math"
	"sync"

	"highwater.dev/broker/commitlog/checkpoint"
	"highwater.dev/broker/model"
	"highwater.dev/broker/segment"
)

// errUnwritten says that something could not be written, for want of room most often, and that all that was durable
// still is: the partition has not failed, and the next flush tries again.
var errUnwritten = errors.New("commitlog: not written yet")

// flushState shares one fsync between the callers that wait for it (group commit).
type flushState struct {
	mu      sync.Mutex
	done    sync.Cond
	running bool
	point   model.Offset // the recovery point: everything below it is durable
	ceiling model.Offset // the lowest offset truncated to while a flush runs
}

// RecoveryPoint is the offset below which everything is durable. logmgr checkpoints it.
func (p *Partition) RecoveryPoint() model.Offset {
	p.flush.mu.Lock()
	defer p.flush.mu.Unlock()
	return p.flush.point
}

// FlushTo returns when every record below o is durable (all there are, when o is above the log end). Concurrent
// callers share one fsync: whoever comes while one runs waits for it, and one of them runs the next for all.
// A failed fsync is never retried: see Failed. What could not be written on a full disk is only not durable yet.
// Errors: KAFKA_STORAGE_ERROR.
func (p *Partition) FlushTo(o model.Offset) error {
	f := &p.flush
	f.mu.Lock()
	defer f.mu.Unlock()
	o = min(o, p.EndOffset())
	for {
		if o <= f.point {
			return nil
		}
		if err := p.Failed(); err != nil {
			return storageError(err)
		}
		if !f.running {
			break
		}
		f.done.Wait()
	}
	f.running, f.ceiling = true, math.MaxInt64
	f.mu.Unlock()
	end, err := p.sync()
	f.mu.Lock()
	f.running = false
	f.done.Broadcast()
	if err != nil && o <= f.point {
		return nil // Close, which ran beside, has done it
	}
	if err != nil {
		return p.flushError(err)
	}
	f.point = max(f.point, min(end, f.ceiling))
	return nil
}

// flushError judges an error of sync: after a failed fsync nobody knows what is on disk.
func (p *Partition) flushError(err error) error {
	if errors.Is(err, errUnwritten) {
		return storageError(err)
	}
	return p.fail(err)
}

// sync makes everything that is in the log now durable and returns up to where it was whole. The recovery point may
// only rise when all of it is: recovery takes what lies below from these files. A marker that is in the log already may still be on its way
// into the transaction index. After a recovery the log and the
// snapshot sync the folder, in which a process that was killed may have renamed a file and not made that durable. Errors:
// errUnwritten, or any other when an fsync failed.
func (p *Partition) sync() (model.Offset, error) {
	end := model.Offset(p.whole.Load())
	if err := unlessFailed(p.log.Flush()); err != nil {
		return 0, err
	}
	if err := unlessFailed(p.txns.Flush()); err != nil {
		return 0, err
	}
	if err := p.syncSnapshots(); err != nil {
		return 0, err
	}
	err := p.epochs.Flush()
	if errors.Is(err, checkpoint.ErrNotReplaced) {
		err = fmt.Errorf("%w: %w", errUnwritten, err)
	}
	return end, err
}

// unlessFailed marks errors of the log and the transaction index that leave nothing in doubt.
func unlessFailed(err error) error {
	if err == nil || errors.Is(err, segment.ErrFailed) {
		return err
	}
	return fmt.Errorf("%w: %w", errUnwritten, err)
}

// lowerRecoveryPoint follows a truncation. The caller holds mu.
func (p *Partition) lowerRecoveryPoint(to model.Offset) {
	f := &p.flush
	f.mu.Lock()
	defer f.mu.Unlock()
	f.point = min(f.point, to)
	f.ceiling = min(f.ceiling, to)
}
