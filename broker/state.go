package broker

import (
	"errors"
	"fmt"

	"highwater.dev/broker/metadata"
	"highwater.dev/broker/replmgr"
)

// State is what the admin server's /state shows.
type State struct {
	ClusterID      string           `json:"clusterId"`
	NodeID         int32            `json:"nodeId"`
	Controller     int32            `json:"controllerId"`
	MetadataOffset int64            `json:"metadataOffset"` // of the next metadata record
	Topics         int              `json:"topics"`
	Dirs           []DirState       `json:"logDirs"`
	Partitions     []PartitionState `json:"partitions"`
}

// DirState is one log dir.
type DirState struct {
	Path       string `json:"path"`
	TotalBytes int64  `json:"totalBytes"` // of the volume; -1 when unknown
	FreeBytes  int64  `json:"freeBytes"`
	Error      string `json:"error,omitempty"` // the dir is offline
}

// PartitionState is one partition that this broker holds.
type PartitionState struct {
	Topic         string `json:"topic"`
	Partition     int32  `json:"partition"`
	LeaderEpoch   int32  `json:"leaderEpoch"`
	LogStart      int64  `json:"logStartOffset"`
	HighWatermark int64  `json:"highWatermark"`
	LogEnd        int64  `json:"logEndOffset"`
	Bytes         int64  `json:"bytes"`
	Segments      int    `json:"segments"`
	Error         string `json:"error,omitempty"`
}

func (b *Broker) state() any {
	s := State{ClusterID: b.ClusterID(), NodeID: int32(b.config.Server.NodeID)}
	leader, _ := b.quorum.Leader()
	s.Controller = int32(leader)
	b.quorum.View(func(image *metadata.Image) {
		s.MetadataOffset, s.Topics = int64(image.NextOffset()), len(image.Topics())
	})
	for _, d := range b.logs.Dirs() {
		s.Dirs = append(s.Dirs, DirState{Path: d.Path, TotalBytes: d.Total, FreeBytes: d.Free, Error: text(d.Err)})
	}
	b.parts.Each(func(p *replmgr.Partition) {
		log := p.Log()
		if log == nil {
			return
		}
		s.Partitions = append(s.Partitions, PartitionState{Topic: p.Topic(), Partition: p.Index(), LeaderEpoch: int32(p.LeaderEpoch()),
			LogStart: int64(log.StartOffset()), HighWatermark: int64(p.HighWatermark()), LogEnd: int64(log.EndOffset()),
			Bytes: log.Size(), Segments: len(log.Segments()), Error: text(log.Failed())})
	})
	return s
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// healthy is nil when every log dir takes writes.
func (b *Broker) healthy() error {
	var errs []error
	for _, d := range b.logs.Dirs() {
		if d.Err != nil {
			errs = append(errs, fmt.Errorf("log dir %s is offline: %w", d.Path, d.Err))
		}
	}
	return errors.Join(errs...)
}
