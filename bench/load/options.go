package load

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Options say what is sent and received, and how. Counts of clients are per topic.
type Options struct {
	Bootstrap         string // HOST:PORT of a broker
	Topic             string // "": a new name, removed afterwards; with several topics the start of their names
	Topics            int
	Partitions        int32 // of each topic; 0: as the existing topic has, 1 for a new one
	ReplicationFactor int16 // of new topics

	Producers     int // each a client of its own
	Subscriptions int // each receives every record
	Consumers     int // of each subscription; they share the partitions

	RecordBytes        int // of a record's value
	Payload            Payload
	Keys               Keys
	Compression        string // none, gzip, snappy, lz4, zstd
	Acks               string // 0, 1, all
	Idempotent         bool
	TransactionRecords int           // records in a transaction of each producer; 0: no transactions
	Linger             time.Duration // linger.ms
	BatchBytes         int32         // largest batch, before compression

	Rate     float64       // records a second, of all producers together; 0: as fast as possible
	WarmUp   time.Duration // sent, not measured
	Duration time.Duration // of the measured part; 0: Bytes rule
	Bytes    int64         // of values in the measured part; 0: Duration rules
	Backlog  int64         // bytes of values that are written before consumers begin

	Pid      int // of the server on this machine, whose CPU time and memory are read; 0: neither
	Progress func(Progress)
}

// Progress is what a run tells while it runs.
type Progress struct {
	Done     float64 // 0 to 1, of warm-up and measured part
	Records  int64   // acknowledged so far
	Failed   int64
	Received int64
}

// Defaults are one producer that writes records of 1 KiB with Kafka's own acks=all for ten seconds.
func Defaults() Options {
	return Options{
		Bootstrap: "127.0.0.1:9092", Topics: 1, ReplicationFactor: 1, Producers: 1, Subscriptions: 1,
		RecordBytes: 1024, Payload: Payload{RandomRatio: 0.5}, Compression: "none", Acks: "all", Idempotent: true,
		Linger: 5 * time.Millisecond, BatchBytes: 1_000_000, WarmUp: 2 * time.Second, Duration: 10 * time.Second,
	}
}

// Validate tells everything that is wrong with the options.
func (o Options) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(o.Bootstrap != "", "bootstrap: HOST:PORT of a broker is needed")
	check(o.Topics >= 1, "topics: %d, must be at least 1", o.Topics)
	check(o.Partitions >= 0, "partitions: %d, must be at least 1", o.Partitions)
	check(o.ReplicationFactor >= 1, "replication factor: %d, must be at least 1", o.ReplicationFactor)
	check(o.Producers >= 1, "producers: %d, must be at least 1", o.Producers)
	check(o.Consumers >= 0 && o.Subscriptions >= 0, "consumers: must not be negative")
	check(o.RecordBytes >= StampBytes, "record bytes: %d, must be at least %d: a record carries the run's id and the time it was due", o.RecordBytes, StampBytes)
	check(slices.Contains(codecNames, o.Compression), "compression: %q, must be one of %v", o.Compression, codecNames)
	check(slices.Contains(acksNames, o.Acks), "acks: %q, must be one of %v", o.Acks, acksNames)
	check(!o.Idempotent || o.Acks == "all", "idempotent: needs acks=all, not acks=%s", o.Acks)
	check(o.TransactionRecords >= 0, "transactional: %d records, must not be negative", o.TransactionRecords)
	check(o.TransactionRecords == 0 || o.Idempotent, "transactional: needs an idempotent producer")
	check(o.Linger >= 0, "linger: %v, must not be negative", o.Linger)
	check(int(o.BatchBytes) >= o.RecordBytes+recordOverhead, "batch bytes: %d, must hold a record of %d bytes and %d bytes around it", o.BatchBytes, o.RecordBytes, recordOverhead)
	check(o.Rate >= 0, "rate: %g, must not be negative", o.Rate)
	check(o.WarmUp >= 0, "warm-up: %v, must not be negative", o.WarmUp)
	check((o.Duration > 0) != (o.Bytes > 0), "duration or bytes: exactly one of them ends the run")
	check(o.Bytes == 0 || o.Bytes >= int64(o.RecordBytes)*int64(o.Topics*o.Producers), "bytes: %d, must be at least a record for each producer", o.Bytes)
	check(o.Backlog == 0 || o.Consumers > 0, "backlog: needs consumers")
	check(o.Bytes == 0 || o.Backlog <= o.Bytes, "backlog: %d bytes, more than the run writes", o.Backlog)
	errs = append(errs, o.Payload.validate(o.RecordBytes))
	return errors.Join(errs...)
}

// producers is how many there are in all topics together.
func (o Options) producers() int { return o.Topics * o.Producers }

// recordOverhead is at most what a batch adds to its first record's value: batch header, record header, key.
const recordOverhead = 128
