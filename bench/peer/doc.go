// Package peer starts brokers as processes of their own: Apache Kafka, the judge of behaviour and the
// yardstick of benchmarks, and Highwater itself. It needs the standard library only, so that the benchmarks
// and the conformance module can both import it.
//
// It owns: the folder of Apache Kafka's jars in the user's cache (filled once by Maven, at the versions that
// pom.xml pins), the data folders it makes, and the processes it starts.
//
// It never ends a process by name, never waits without a bound, and never leaves a process behind: Stop and
// Kill wait for the end, and on Linux a child also dies with the process that started it.
package peer
