// Package network is the broker's edge to its clients: listeners, frames, the order of responses, limits.
//
// It owns the sockets, the buffers that frames are read into, and the sending of responses. It never looks into a
// request beyond its header, knows no API, and imports neither api nor replmgr: a wire.Handler, given by the composer,
// answers the requests.
//
// # A connection's life
//
// Each connection has one goroutine, and Go's netpoller is the reactor. The goroutine reads a frame, parses the
// header, calls Session.Serve, sends the response and reads the next frame. So one request per connection is in work
// and responses leave in the order of the requests, as Apache Kafka does it by muting a channel.
//
//	accept → quota → [ read frame → wire.ParseHeader → Session.Serve → send ]* → Session.Close
//
// # Memory
//
// An idle connection holds its goroutine's stack and one kilobyte for the start of the next frame. Frames that fit
// there are served from there. A larger frame is read into a buffer from the pool, which begins with 64 KiB once that
// kilobyte has come, and grows sixteenfold as data arrives. The buffer goes back to the pool after the response
// was sent. The pool keeps 16 MiB at most, and no single buffer above 4 MiB.
//
// # Invariants
//
//  1. A request's body is valid from Serve until its response was sent, and nobody else writes to it meanwhile.
//  2. A frame is sent in full or the connection is closed: the length that was promised is never padded.
//  3. Every region of a response is released exactly once, whatever happens.
//  4. After Shutdown returns, no goroutine of the package is left.
//
// # Peers that misbehave
//
// Frames above socket.request.max.bytes, negative lengths, broken headers, errors and panics of a session: the
// connection is closed and nothing else is touched. What is logged about them is limited to once per peer address and
// interval, in bounded memory.
//
// A peer that neither sends nor reads anything for connections.max.idle.ms is disconnected, also in the middle of a
// frame or of a response; there is no shorter write deadline, as in Apache Kafka. A client that reads slowly blocks
// its own connection only. A peer that disconnects while its request is in work (a long poll) is noticed when
// the response is sent; Apache Kafka does not look either. At shutdown Session.Cancel ends long polls.
package network
