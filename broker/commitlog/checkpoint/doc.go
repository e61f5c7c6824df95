// Package checkpoint reads and writes the small files beside Kafka's logs, byte for byte as Apache Kafka
// does: the offset checkpoints of a log directory, partition.metadata, .kafka_cleanshutdown and
// meta.properties; and the helper with which every small file of the broker is replaced.
//
// It keeps no state and takes no locks. It sits beside the codecs (layer 1): below epoch and commitlog.
//
// Invariants:
//  1. Replace leaves, after a crash at any point, either the old contents or the new, whole (KAFKA-16541).
//  2. A file that a reader refuses is reported as ErrCorrupt with its name and line; no reader panics or
//     allocates more than a small multiple of the file.
package checkpoint
