// Package config holds the broker's configuration: Apache Kafka's property names, defaults and units, read from
// Java properties and turned into two documented structs, Server and Topic.
//
// It owns the tables of every known key (BrokerDefs, TopicDefs), the rules of precedence between them, and
// the messages that a wrong value gets. It never reads a file, a flag or the environment (main does), and never
// changes a setting of a running broker.
//
// Invariants:
//  1. A Server that LoadServer returned without an error is valid as a whole: no other package checks it again.
//  2. Every problem of a file is reported at once, each with its key, value, place and what is allowed.
//  3. A file that starts an Apache Kafka 4.3 KRaft node loads here: keys of Kafka's that have no effect in
//     Highwater give a Warning, as unknown keys do. Refused is what protects the data and is not there yet: listeners
//     with TLS or SASL, an authorizer.
//
// Where Highwater differs from Kafka on purpose: log.dirs is "highwater-data" in the working directory unless set
// (Kafka: /tmp/kafka-logs, which a reboot empties); node.id is 1, process.roles is broker,controller and
// controller.listener.names is CONTROLLER unless set (Kafka has no defaults for them); socket.send.buffer.bytes and
// socket.receive.buffer.bytes are -1, the system's own sizing (Kafka: 102400; docs/adr/0003); a properties file is read as UTF-8 (Java: Latin-1).
package config
