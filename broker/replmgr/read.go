package replmgr

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"highwater.dev/broker/commitlog"
	"highwater.dev/broker/model"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/vfs"
)

// ReadRequest asks for a partition's records.
type ReadRequest struct {
	From                 model.Offset
	MaxBytes             int
	MinOne               bool              // a first batch over MaxBytes comes whole; otherwise nothing comes
	Current, LastFetched model.LeaderEpoch // model.NoLeaderEpoch: unknown
	Committed            bool              // read_committed: up to the last stable offset, with aborted transactions
	Replica              model.NodeID      // -1: a consumer, which reads up to the high watermark
}

// ReadResult is filled by Read. It is reused: Aborted keeps its memory.
type ReadResult struct {
	Region        vfs.Region // the caller releases it
	Full          bool       // Region took all of MaxBytes, ends with its segment, or has no room for one batch: waiting will not make it longer
	HighWatermark model.Offset
	LastStable    model.Offset
	LogStart      model.Offset
	Aborted       []commitlog.AbortedTxn // with Committed only; empty otherwise
	// DivergingEpoch is not model.NoLeaderEpoch when LastFetched tells that the fetcher's log left this one's
	// history: it must truncate to DivergingEnd, the end of DivergingEpoch here, first (KIP-595). Region is empty then.
	DivergingEpoch model.LeaderEpoch
	DivergingEnd   model.Offset
}

// Read finds the bytes of the records from q.From on and fills res. At the limit (the high watermark for a consumer, the
// last stable offset with Committed, the log end for a replica) and above it, up to the log end, the region is
// empty. It allocates nothing but errors.
//
// Errors hold a *kerr.Error: OFFSET_OUT_OF_RANGE (the offsets in res are set then too), NOT_LEADER_OR_FOLLOWER,
// FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH, UNKNOWN_TOPIC_OR_PARTITION after a deletion, KAFKA_STORAGE_ERROR.
func (p *Partition) Read(q *ReadRequest, res *ReadResult) error {
	*res = ReadResult{Aborted: res.Aborted[:0], HighWatermark: model.NoOffset, LastStable: model.NoOffset,
		LogStart: model.NoOffset, DivergingEpoch: model.NoLeaderEpoch, DivergingEnd: model.NoOffset}
	s, err := p.leading(q.Current)
	if err != nil {
		return err
	}
	res.HighWatermark = p.HighWatermark()
	res.LastStable = s.log.LastStableOffset(res.HighWatermark)
	res.LogStart = s.log.StartOffset()
	if q.LastFetched != model.NoLeaderEpoch {
		if diverges, err := diverges(s.log, q, res); diverges || err != nil {
			return err
		}
	}
	limit := res.HighWatermark
	switch {
	case q.Replica >= 0:
		limit = s.log.EndOffset()
	case q.Committed:
		limit = res.LastStable
	}
	if err := p.region(s.log, q, limit, res); err != nil {
		return p.readError(err)
	}
	if q.Committed {
		res.Aborted = s.log.AbortedIn(res.Region, q.From, limit, res.Aborted)
	}
	return nil
}

// diverges compares the fetcher's last epoch with this log's history.
func diverges(log *commitlog.Partition, q *ReadRequest, res *ReadResult) (bool, error) {
	e, end := log.EndOffsetForEpoch(q.LastFetched)
	if e == model.NoLeaderEpoch || end == model.NoOffset {
		return false, fmt.Errorf("%w: nothing is known of epoch %d or before", kerr.OffsetOutOfRange, q.LastFetched)
	}
	if e == q.LastFetched && end >= q.From {
		return false, nil
	}
	res.DivergingEpoch, res.DivergingEnd = e, end
	return true, nil
}

func (p *Partition) region(log *commitlog.Partition, q *ReadRequest, limit model.Offset, res *ReadResult) error {
	if q.From >= limit {
		if end := log.EndOffset(); q.From < res.LogStart || q.From > end {
			return fmt.Errorf("%w: %d is not in %d to %d", kerr.OffsetOutOfRange, q.From, res.LogStart, end)
		}
		return nil
	}
	region, err := log.Read(q.From, limit, q.MaxBytes)
	if err != nil {
		return err
	}
	// More than was asked for: a first batch that is larger.
	if !q.MinOne && region.Len > int64(q.MaxBytes) {
		region.Release()
		res.Full = true
		return nil
	}
	cut := region.Len >= int64(q.MaxBytes)
	if cut {
		log.DropCut(&region, q.From)
	}
	res.Region, res.Full = region, region.Len > 0 && (cut || log.Sealed(q.From))
	return nil
}

// readError tells a read that a deletion overtook that the partition is gone.
func (p *Partition) readError(err error) error {
	if now := p.state.Load(); now.err != nil && !errors.Is(err, kerr.OffsetOutOfRange) {
		return now.err
	}
	return err
}

// The times that ListOffsets gives a meaning of their own.
const (
	Latest              model.TimestampMs = -1
	Earliest            model.TimestampMs = -2
	MaxTimestamp        model.TimestampMs = -3 // KIP-734
	EarliestLocal       model.TimestampMs = -4 // KIP-405
	LatestTiered        model.TimestampMs = -5 // KIP-1005
	EarliestPendingCopy model.TimestampMs = -6 // KIP-1023
)

var notFound = segment.TimestampOffset{Offset: model.NoOffset, Timestamp: model.NoTimestamp, LeaderEpoch: model.NoLeaderEpoch}

// ListOffset answers ListOffsets for one time in ms or one of the constants above. committed is isolation level
// read_committed: the last stable offset takes the place of the high watermark, which is the latest offset and above
// which nothing is found. Offset, Timestamp and LeaderEpoch are -1 when nothing is found; Timestamp also
// with the first and last offsets. Nothing is tiered here: EarliestLocal is Earliest; LatestTiered and
// EarliestPendingCopy find nothing. The caller refuses other negative times (UNSUPPORTED_VERSION).
//
// Errors hold a *kerr.Error, as for Read.
func (p *Partition) ListOffset(ts model.TimestampMs, committed bool, current model.LeaderEpoch) (segment.TimestampOffset, error) {
	s, err := p.leading(current)
	if err != nil {
		return notFound, err
	}
	limit := p.HighWatermark()
	if committed {
		limit = s.log.LastStableOffset(limit)
	}
	var at segment.TimestampOffset
	found := false
	switch ts {
	case Latest:
		return segment.TimestampOffset{Offset: limit, Timestamp: model.NoTimestamp, LeaderEpoch: s.epoch}, nil
	case Earliest, EarliestLocal:
		start := s.log.StartOffset()
		return segment.TimestampOffset{Offset: start, Timestamp: model.NoTimestamp, LeaderEpoch: s.log.EpochAt(start)}, nil
	case LatestTiered, EarliestPendingCopy:
		return notFound, nil
	case MaxTimestamp:
		at, found, err = s.log.MaxTimestamp()
	default:
		at, found, err = s.log.OffsetForTime(ts)
	}
	if err != nil {
		return notFound, p.readError(err)
	}
	if !found || at.Offset >= limit {
		return notFound, nil
	}
	return at, nil
}

// EpochEnd answers OffsetForLeaderEpoch: the largest epoch not above e that the log knows and its end offset; -1 and -1
// when there is none. Errors as for Read.
func (p *Partition) EpochEnd(current, e model.LeaderEpoch) (model.LeaderEpoch, model.Offset, error) {
	s, err := p.leading(current)
	if err != nil {
		return model.NoLeaderEpoch, model.NoOffset, err
	}
	epoch, end := s.log.EndOffsetForEpoch(e)
	return epoch, end, nil
}
