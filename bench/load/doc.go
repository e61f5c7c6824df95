// Package load drives a broker, ours or Apache Kafka, through franz-go: an unmodified client that is cheap
// enough to leave most of a small machine to the server.
//
// It owns: the schedule of records, their keys and payloads, the clients of one run, the latency histograms, the result and
// its forms (Go benchmark lines, JSON), and the reading of OpenMessaging benchmark workload files. It creates the topics that
// it needs and removes those that nobody named.
//
// It never looks into the server (bench/proc does, from outside), never joins a consumer group (consumers read assigned
// partitions) and never draws: progress goes to a function.
//
// Invariants:
//
//   - Open loop. With a rate, record n is due at start + n/rate, whatever the server does; every latency counts from when its
//     record was due. A record that is late because the ones before were slow counts its lateness: no coordinated omission.
//     Without a rate a record is due when the client is ready to take it.
//   - Where there are consumers, every record carries, in the first StampBytes of its value, the run's id and when it was due, so that the consumer needs
//     no table, and records of others in the same topic are not counted.
//   - A record is measured when it was due after the warm-up. Records of the warm-up are sent, and must arrive, all the same.
//   - Every failed record is counted, none is sent again by this package (the client retries by Kafka's rules).
//
// Units: a MB is 1e6 bytes and a GB 1e9 bytes of record values, before compression; MiB is 1<<20. Durations are
// time.Duration; in results they are milliseconds, as the unit's name says. Producer, consumer and clock are in one process:
// end-to-end latency needs no clocks that agree.
package load
