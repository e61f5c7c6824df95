package checkpoint

import (
	"cmp"
	"errors"
	"path"
	"slices"
	"strconv"

	"highwater.dev/broker/model"
	"highwater.dev/broker/vfs"
)

// Names of the offset checkpoints in a log directory.
const (
	// RecoveryPoints: below a partition's offset everything was fsynced.
	RecoveryPoints = "recovery-point-offset-checkpoint"
	// LogStarts: log start offsets that are not the base of a partition's first segment.
	LogStarts = "log-start-offset-checkpoint"
	// HighWatermarks of all partitions (replication-offset-checkpoint).
	HighWatermarks = "replication-offset-checkpoint"
	// CleanerOffsets: up to where compaction has come.
	CleanerOffsets = "cleaner-offset-checkpoint"
)

// Offsets are one checkpoint's lines.
type Offsets map[model.TopicPartition]model.Offset

// WriteOffsets replaces the checkpoint called name (one of the constants) in a log directory, durably.
// Lines are sorted by topic and partition.
func WriteOffsets(fs vfs.FS, logDir, name string, offsets Offsets) error {
	return Replace(fs, path.Join(logDir, name), AppendOffsets(nil, offsets))
}

// ReadOffsets reads a checkpoint. A missing or empty file has no offsets. Errors: ErrCorrupt, I/O.
func ReadOffsets(fs vfs.FS, logDir, name string) (Offsets, error) {
	file := path.Join(logDir, name)
	data, err := ReadFile(fs, file)
	if vfs.IsNotExist(err) {
		return Offsets{}, nil
	}
	if err != nil {
		return nil, err
	}
	return ParseOffsets(data, file)
}

// AppendOffsets encodes a checkpoint: "topic partition offset" lines in the frame of AppendText.
func AppendOffsets(dst []byte, offsets Offsets) []byte {
	keys := make([]model.TopicPartition, 0, len(offsets))
	for tp := range offsets {
		keys = append(keys, tp)
	}
	slices.SortFunc(keys, func(a, b model.TopicPartition) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return AppendText(dst, len(keys), func(dst []byte, i int) []byte {
		dst = append(append(dst, keys[i].Topic...), ' ')
		dst = append(strconv.AppendInt(dst, int64(keys[i].Partition), 10), ' ')
		return strconv.AppendInt(dst, int64(offsets[keys[i]]), 10)
	})
}

// ParseOffsets decodes a checkpoint; name goes into the errors.
func ParseOffsets(data []byte, name string) (Offsets, error) {
	offsets := Offsets{}
	err := ParseText(data, name, func(fields []string) error {
		if len(fields) != 3 {
			return errors.New("want topic, partition and offset")
		}
		partition, err := strconv.ParseInt(fields[1], 10, 32)
		if err != nil || partition < 0 {
			return errors.New("bad partition")
		}
		offset, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil || offset < 0 {
			return errors.New("bad offset")
		}
		tp := model.TopicPartition{Topic: fields[0], Partition: int32(partition)}
		if _, twice := offsets[tp]; twice {
			return errors.New("partition named twice")
		}
		offsets[tp] = model.Offset(offset)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return offsets, nil
}
