package network

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"

	"highwater.dev/broker/wire"
)

const (
	// gatherBelow is the size of a region, in bytes, up to which reading it into the response's own bytes is cheaper
	// than a sendfile of its own (BenchmarkRegion: up to 8 KiB by some percent; at 16 KiB they are level).
	gatherBelow = 8 << 10

	// gatherBytes is the size of the buffer in which small regions and the headers around them are collected.
	gatherBytes = 64 << 10
)

var errEmptyResponse = errors.New("network: the session answered nothing")

// errResponseTooLarge: a frame's length is an int32.
var errResponseTooLarge = errors.New("network: response exceeds 2 GiB")

// sender writes responses to one connection.
type sender struct {
	conn     net.Conn
	more     func([]byte) error // writes and says that more follows
	transfer Transfer
	pool     *bufferPool

	gatherBelow int64

	direct []byte // bytes of the response that wait to be sent where they lie
	gather []byte // or else bytes that were collected, in a buffer from pool
}

// send writes the frame of resp, whose Buf lies in frame[lengthBytes:] unless it outgrew it. It returns
// the frame's payload in bytes, of which regions were sent from files without a copy.
func (s *sender) send(frame []byte, resp *wire.Response) (payload, regions int64, err error) {
	payload = resp.Size()
	switch {
	case payload == 0:
		return 0, 0, errEmptyResponse
	case payload > math.MaxInt32-lengthBytes:
		return 0, 0, fmt.Errorf("%w: %d bytes", errResponseTooLarge, payload)
	}
	defer s.drop()
	binary.BigEndian.PutUint32(frame, uint32(payload))
	buf := frame[lengthBytes:cap(frame)]
	if len(resp.Buf) == 0 || &resp.Buf[0] != &buf[0] {
		// The session's appends moved Buf: the length field is no longer in front of it.
		if err := s.more(frame[:lengthBytes]); err != nil {
			return 0, 0, err
		}
		buf = resp.Buf
		regions, err = s.pieces(buf[:len(resp.Buf)], resp, 0)
		return payload, regions, err
	}
	regions, err = s.pieces(frame[:lengthBytes+len(resp.Buf)], resp, lengthBytes)
	return payload, regions, err
}

// pieces sends buf with resp's regions in their places, which count from shift.
func (s *sender) pieces(buf []byte, resp *wire.Response, shift int) (regions int64, err error) {
	sent := 0
	for i := range resp.Regions {
		placed := &resp.Regions[i]
		if at := placed.After + shift; at > sent {
			if err := s.bytes(buf[sent:at]); err != nil {
				return regions, err
			}
			sent = at
		}
		if placed.Region.Len == 0 {
			continue
		}
		if placed.Region.Len <= s.gatherBelow {
			if err := s.small(placed); err != nil {
				return regions, err
			}
			continue
		}
		if err := s.flush(s.more); err != nil {
			return regions, err
		}
		if err := s.transfer.Send(s.conn, placed.Region); err != nil {
			return regions, err
		}
		regions += placed.Region.Len
	}
	if sent < len(buf) {
		if err := s.bytes(buf[sent:]); err != nil {
			return regions, err
		}
	}
	return regions, s.flush(s.write)
}

func (s *sender) write(p []byte) error {
	_, err := s.conn.Write(p)
	return err
}

// bytes queues p, which stays valid until the end of send.
func (s *sender) bytes(p []byte) error {
	if len(s.direct) == 0 && len(s.gather) == 0 {
		s.direct = p
		return nil
	}
	return s.collect(p)
}

// collect moves what is queued, and p, into the gather buffer.
func (s *sender) collect(p []byte) error {
	if len(s.direct)+len(s.gather)+len(p) > gatherBytes {
		if err := s.flush(s.more); err != nil {
			return err
		}
		if len(p) > gatherBytes {
			s.direct = p
			return nil
		}
	}
	s.room()
	s.gather = append(s.gather, s.direct...)
	s.direct = nil
	s.gather = append(s.gather, p...)
	return nil
}

// small queues the bytes of a small region.
func (s *sender) small(placed *wire.PlacedRegion) error {
	length := int(placed.Region.Len)
	if len(s.direct)+len(s.gather)+length > gatherBytes {
		if err := s.flush(s.more); err != nil {
			return err
		}
	}
	if err := s.collect(nil); err != nil {
		return err
	}
	at := len(s.gather)
	s.gather = s.gather[:at+length]
	return readRegion(placed.Region.File, s.gather[at:], placed.Region.Pos)
}

// room makes sure that there is a gather buffer.
func (s *sender) room() {
	if s.gather == nil {
		s.gather = s.pool.get(gatherBytes)[:0]
	}
}

// flush sends what is queued.
func (s *sender) flush(write func([]byte) error) error {
	var err error
	switch {
	case len(s.gather) > 0:
		err = write(s.gather)
		s.gather = s.gather[:0]
	case len(s.direct) > 0:
		err = write(s.direct)
		s.direct = nil
	}
	return err
}

// drop gives up what the last send held.
func (s *sender) drop() {
	s.direct = nil
	if s.gather != nil {
		s.pool.put(s.gather)
		s.gather = nil
	}
}
