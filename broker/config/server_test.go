package config

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDefaultsAreKafkas(t *testing.T) {
	s := DefaultServer()
	require.Equal(t, []Listener{{Name: "PLAINTEXT", Port: 9092, AdvertisedPort: 9092}}, s.Listeners)
	require.Equal(t, Topic{
		CleanupDelete: true, RetentionMs: 604800000, RetentionBytes: -1,
		SegmentBytes: 1 << 30, SegmentMs: 604800000, SegmentIndexBytes: 10 << 20, IndexIntervalBytes: 4096,
		FileDeleteDelayMs: 60000, FlushMessages: maxLong, FlushMs: maxLong,
		MaxMessageBytes: 1048588, TimestampBeforeMaxMs: maxLong, TimestampAfterMaxMs: 3600000,
		CompressionType: "producer", CompressionGzipLevel: -1, CompressionLz4Level: 9, CompressionZstdLevel: 3,
		MinInsyncReplicas: 1, DeleteRetentionMs: 86400000, MaxCompactionLagMs: maxLong, MinCleanableDirtyRatio: 0.5,
	}, s.TopicDefaults)
}
