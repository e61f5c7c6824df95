// Package api answers Kafka's requests: one file per API, each opening with its versions, what it does and what it
// leaves out. It implements wire.Handler; package network brings the frames and takes the answers, and neither knows
// the other.
//
// What it owns: the registration table (table.go), fetch sessions (KIP-227), long polls, and the mapping of
// what went wrong below to Kafka's error codes.
//
// What it never does: it opens no file and no socket, holds no partition's state, decides nothing about
// metadata (it forwards to the controller through quorumdrv), and copies no record: produced batches are stretches of the
// frame, fetched ones regions of a file.
//
// # Two kinds of handler
//
// Produce and Fetch carry the data: they use package wire's reused structs and allocate nothing in steady state. Every
// other API decodes and encodes with kmsg.
//
// # Invariants
//
//  1. What ApiVersions lists is what the table serves: a test compares the two with every version.
//  2. A request that cannot be read closes its connection and no other; nothing of it has taken effect.
//  3. A session serves one request at a time; Cancel is the only call that may come from elsewhere.
//  4. Every region that a handler got is in the response or was released, also on error.
//
// # Locks
//
// A fetch session's mutex is taken before the session cache's. Neither is held while a partition is read or waited for.
package api
