// Package peers measures Highwater, Apache Kafka, NATS JetStream and the floor in one run, in turn, so that the noise of
// a shared machine falls on all of them alike: what is quoted are medians and ratios.
//
// It owns the processes and the data of the servers that it starts, and the order in which they are measured: A B C, then
// C B A. Highwater runs twice, as two processes of the same program: what differs between "highwater" and
// "highwater-again" is noise and nothing else.
//
// It never judges: it yields samples, which bench/stat compares. A server that cannot be had is left out with a sentence.
package peers
