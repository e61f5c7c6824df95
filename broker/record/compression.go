package record

// Compression names how a batch's records are compressed.
type Compression int8

// Kafka's codecs (compression.type).
const (
	None Compression = iota
	Gzip
	Snappy
	LZ4
	Zstd
)
