package commitlog

import (
	"sync"

	"highwater.dev/broker/config"
	"highwater.dev/broker/record"
)

// keptBuffer is the largest buffer of a recompressed batch that is kept for the next one, in bytes.
const keptBuffer = 4 << 20

var recompressed = sync.Pool{New: func() any { return new([]byte) }}

// recompress returns the batch in the topic's codec: the batch itself when it has that already. Otherwise
// the new one lies in *buf, which has to go to recycle. A codec and a level come from the topic; both sizes, as sent and as
// stored, have to be within max.message.bytes, as in Apache Kafka.
func recompress(batch record.Batch, h *record.Header, t *config.Topic) (stored record.Batch, buf *[]byte, err error) {
	target, ok := storedAs(t)
	if !ok || target.Compression == h.Attributes.Compression() {
		return batch, nil, nil
	}
	buf = recompressed.Get().(*[]byte)
	stored, err = record.Recompress(*buf, batch, target)
	if err != nil {
		recycle(buf)
		return nil, nil, err
	}
	*buf = stored
	return stored, buf, nil
}

func recycle(buf *[]byte) {
	if buf != nil && cap(*buf) <= keptBuffer {
		recompressed.Put(buf)
	}
}

// storedAs reads compression.type and the level that goes with it; ok is false for "producer".
func storedAs(t *config.Topic) (target record.Target, ok bool) {
	target.MaxBytes = t.MaxMessageBytes
	switch t.CompressionType {
	case "uncompressed":
	case "gzip":
		target.Compression, target.Level = record.Gzip, t.CompressionGzipLevel
	case "snappy":
		target.Compression = record.Snappy
	case "lz4":
		target.Compression, target.Level = record.LZ4, t.CompressionLz4Level
	case "zstd":
		target.Compression, target.Level = record.Zstd, t.CompressionZstdLevel
	default:
		return record.Target{}, false
	}
	return target, true
}
