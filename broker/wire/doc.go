// Package wire is Kafka's protocol in bytes: request and response headers, the table of versions that are
// served, and the codecs of the messages.
//
// What it owns:
//   - Reader and the Append functions: the protocol's primitives, classic and compact (KIP-482).
//   - ParseHeader and BeginResponse: which header version goes with which key and version.
//   - Versions: the one table that says what is served and what is advertised (KIP-35).
//   - ProduceRequest, FetchRequest, ProduceResponse, FetchResponse: coded by hand, because they carry the data.
//   - DecodeKmsg and EncodeKmsg: every other message, through kmsg, inside limits.
//   - Handler, Session, Request, Response: the seam between package network (sockets) and package api.
//
// What it never does: it reads no socket, starts no goroutine, looks into no record batch and knows no topic.
//
// A frame, as network hands it over (its length field already cut off) and as network sends it:
//
//	request header v1, v2                       response header v0, v1
//	+-----+-------+-----------+---------+------+   +-----------+------+
//	| key |version|correlation|client id|tags  |   |correlation|tags  |
//	| i16 | i16   | id i32    |string?  |v2    |   | id i32    |v1    |
//	+-----+-------+-----------+---------+------+   +-----------+------+
//
// Header v2 and v1 go with flexible versions, except that an ApiVersions response has header v0 at every version:
// the client does not yet know what the broker speaks (KIP-511). The client id is a classic nullable string in
// both request header versions.
//
// # Invariants
//
//  1. Decoding never panics and never reads outside the frame.
//  2. Decoding a Produce or Fetch request allocates at most 3 times the frame, and nothing when the request
//     struct has grown to its working size. Counts are believed only after the whole body was walked.
//  3. Decoding through kmsg takes frames of at most MaxKmsgFrame bytes, at most maxKmsgDecodes at once. The body
//     is first walked against its shape without building anything, so kmsg sees only counts that are true. What
//     it then builds is at most 100 times the frame (a fuzz target measures it; about 25 times is usual for
//     a frame that consists of the smallest elements).
//  4. Bytes that follow a body are ignored, as Apache Kafka ignores them.
//  5. Strings and byte slices of decoded requests are stretches of the frame: they live as long as it does.
package wire
