// Package conformance asks a running broker, over the wire and with unmodified clients, whether it behaves as
// Apache Kafka 4.3 does. It is a module of its own, so that its many dependencies stay out of the broker's.
//
// The same tests run against two targets, chosen by HIGHWATER_TARGET: "highwater" (the default; built from this
// tree) and "kafka" (Apache Kafka 4.3, whose jars Maven fetches once). They pass against both, or they test
// something that is not Kafka's behaviour. HIGHWATER_BOOTSTRAP=host:port uses a broker that runs already.
//
// It owns: the clients (Go ones as tests; kcat, Python, Node and Java ones as scripts that print one JSON line
// for each named check, which become subtests), the raw wire tests, the exchange of files between the two
// brokers, the text corpus and the kill -9 rounds. It never imports a package of the broker.
//
// Needed: go, java 17, mvn, node, npm, python3 with venv, kcat. A missing one fails, it does not skip.
package conformance
