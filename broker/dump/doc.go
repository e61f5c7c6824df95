// Package dump prints the broker's files in readable form and says exactly where and how one is damaged. It reads what
// Highwater and Apache Kafka write: segments and their indexes, producer snapshots, checkpoints, partition.metadata, and the log of
// __cluster_metadata (Highwater's records decoded, Apache Kafka's as plain ones).
//
// It changes nothing and needs no running broker. A file that a broker is writing meanwhile may seem torn at its end.
//
// What is not damage: zeros at the end of a .log, .index or .timeindex file. Apache Kafka allocates index files ahead (and
// segments too, with preallocate=true) and trims them when it closes them.
package dump
