// Package gate counts what a request costs the broker's process: allocations, system calls, bytes that it moved. Counts do
// not depend on the machine or on who else uses it, so a bound on them can fail a change, which a time never may.
//
// It owns one broker process and one connection to it. The bounds are in its tests, beside what was counted when they were set.
// The one figure that is a time, processor seconds for a GB as a ratio to Apache Kafka's in the same run, has a test of its
// own that needs Java: make gate.
package gate
