// Package stage runs a chapter's benchmarks for the learner's code, the teaching solution and the broker, in turn, so that their
// differences are not the machine's.
//
// It owns the chapter's compiled test program and the order of its runs: in each round every implementation runs all its
// benchmarks once, A B C and then C B A, and the first one twice, as its own A/A twin (X-again). Samples are lines of Go's
// benchmark format, in measuring order; bench/stat compares them.
//
// It tells implementations apart by the key impl in a benchmark's name (BenchmarkAppend/batch=1KiB/impl=solution). It never changes the
// checkout, and takes no sample while a profile is taken.
package stage
