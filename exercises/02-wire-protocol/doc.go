// Given: no exercise is in this file. It was made from solutions/02-wire-protocol/doc.go by: go run . generate
// made: fe0d40c2a9f7224051a98d6aa0e77a663b090247c3312d842ef2b6e665ff3f25

// Package wireprotocol is chapter 02's solution: a broker of five APIs (Produce, Fetch, ListOffsets, Metadata, ApiVersions) from the
// bytes on the socket to the bytes on the disk.
//
//	frames.go    2.1  a stream of bytes becomes frames
//	headers.go   2.2  a frame becomes a header and a body; what the broker speaks
//	produce.go   2.3  Metadata and Produce
//	fetch.go     2.4  Fetch, a long poll
//	loops.go     2.5  two ways of a request through the broker
//	transfer.go  2.6  a response's file regions on their way to the socket
//	handler.go, topics.go, server.go    given
//
// What keeps it short, and what the broker does instead: each frame has memory of its own, topics live in memory by name, bodies
// other than the Fetch response go through kmsg, there is one replica and one leader epoch.
package wireprotocol
