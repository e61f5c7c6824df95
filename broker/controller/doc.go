// Package controller decides what happens to topics, partitions, configs and producer ids. It is a pure machine: Handle
// looks at a request and answers with records and a reply; Replay applies records, its own or those read from the log.
//
// It owns no clock, disk, network, goroutine or lock, and no effect of it depends on the order of a map. It draws topic
// ids and the first leader of a topic from the random source that its driver gives it.
//
// The driver's duties, in order: Replay every record of the log; then, for each request, Handle, append the records,
// Replay them with their offsets, and send the reply when they are committed, and all that were replayed before. When an
// append fails, drop the machine and make a new one from the log.
//
// Error codes and messages are Apache Kafka 4.3's, as its running controller answers (testdata/kafka.golden). Where this
// controller differs on purpose:
//   - CreatePartitions of too many partitions is POLICY_VIOLATION (Kafka: UNKNOWN_SERVER_ERROR);
//   - an unknown operation in IncrementalAlterConfigs is INVALID_REQUEST (Kafka: UNKNOWN_SERVER_ERROR);
//   - dynamic broker configs are those that give topics their defaults (log.retention.ms, message.max.bytes, ...);
//     all others are refused, also names that Kafka does not know and stores unseen;
//   - results come in the order of the request; Kafka shuffles those of DeleteTopics.
//
// Soft state (not in the log): none. Machine.colliding is derived from the image.
package controller
