// Package broker composes the packages below it into a Kafka broker: Open, Serve, Close. It is also where a tour of the
// house begins.
//
// # The way of a record
//
// A client's frame arrives in package network, one goroutine per connection, in one pooled buffer. Package wire reads its
// header and package api picks the handler from one table. A produced batch is a stretch of that buffer: replmgr takes it to
// the partition, commitlog has record check it, producer check its sequence, writes offset and leader epoch into it, and
// segment writes it to the file with one call. A fetch goes the same way down and comes back as a region of a file, which network has the
// kernel send. No record is copied in between, and nothing is allocated for it.
//
// # The way of a change to metadata
//
// CreateTopics and its like go from api to quorumdrv, whose one goroutine asks the controller (a pure machine) what to do, writes the
// records it answers to __cluster_metadata-0, syncs, replays them into the image, and tells the subscribers: replmgr
// makes and deletes partitions by them. Then the client gets its answer.
//
// # The layers
//
// Imports go strictly down this table; imports_test.go checks it. One package is one noun of Kafka's.
//
//	6  composer  broker
//	5  edge      network  listeners, frames, order of responses, limits, sendfile
//	             api      one file per Kafka API
//	             observe  HTTP for operators: metrics, profiles, state
//	             dump     files in readable form, and where they are damaged
//	4  drivers   4c replmgr    the partitions this broker holds
//	                quorumdrv  the metadata log: persist, then answer
//	             4b logmgr     the log dirs: load, flush, retention, checkpoints
//	3  machines  3b controller topics, configs, producer ids: decides, does no I/O
//	             3a metadata   records and the image that replaying them makes
//	2  log       2b commitlog  a partition's log; composes what follows
//	             2a segment    files with their offset and time indexes
//	                epoch      the leader epoch cache
//	                producer   sequences, open transactions, the last stable offset
//	1  codecs    record   batches, CRC-32C, compression
//	             wire     primitives, headers, versions, Produce and Fetch; the seam Handler between network and api
//	             commitlog/checkpoint  the small text files beside the logs
//	0  words     0b vfs   files, in memory too, with crashes
//	             0a model, clock, metrics, config
//
// # The order of locks
//
// A lock is taken only while holding locks that stand before it:
//
//	api: fetch session → session cache
//	quorumdrv: image (View)
//	replmgr: partition table → partition
//	logmgr: manager
//	commitlog: partition → producer state → flush
//	segment: log
//
// Subscribers of quorumdrv run on its goroutine with none of its locks held. Nobody holds a lock while waiting for a client,
// for the controller, or for another partition.
//
// # Start and stop
//
// Open binds the listeners (network: a port that is taken must leave nothing behind, and an ephemeral one be known before it can be
// advertised), and goes up the layers: the log dirs are locked and checked (logmgr), the metadata log is read and this broker registered (quorumdrv), the partitions opened
// (replmgr). From Serve on, clients are answered. Close goes down the same way: long polls end, responses in work are sent, the
// metadata log and all partitions are flushed and closed, and .kafka_cleanshutdown says so.
package broker
