package wireprotocol

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"highwater.dev/broker/network"
)

// firstBytes is what a frame gets before any of its bytes have come, at most.
const firstBytes = 64 << 10

// Frames splits a stream into frames: network.Frames.
//
//	+----------------+---------------------+----------------+------
//	| length  int32  | length bytes        | length  int32  | ...
//	+----------------+---------------------+----------------+------
type Frames struct {
	src   *bufio.Reader
	limit int // socket.request.max.bytes
}

// NewFrames reads frames of at most limit bytes from src.
func NewFrames(src io.Reader, limit int) *Frames {
	return &Frames{src: bufio.NewReader(src), limit: limit}
}

// Next returns the next frame without its length field, in memory of its own.
//
// The length is what a stranger claims. Below 0 it is network.ErrNegativeLength, above the limit
// network.ErrFrameTooLarge (wrap them with the number); in between, it gets memory as its bytes arrive: no slice is larger than
// firstBytes or twice what has come. A stream that ends between two frames is io.EOF, one that ends within a frame or
// its length io.ErrUnexpectedEOF; another error of src is returned as it is.
func (f *Frames) Next() ([]byte, error) {
	// BEGIN SOLUTION 2.1 read the length, check it, and read the frame into memory that grows with it
	var head [4]byte
	if _, err := io.ReadFull(f.src, head[:]); err != nil {
		return nil, err // ReadFull tells the two ends apart
	}
	length := int(int32(binary.BigEndian.Uint32(head[:])))
	if length < 0 {
		return nil, fmt.Errorf("%w: %d", network.ErrNegativeLength, length)
	}
	if length > f.limit {
		return nil, fmt.Errorf("%w: %d of at most %d bytes", network.ErrFrameTooLarge, length, f.limit)
	}
	frame, have := make([]byte, min(length, firstBytes)), 0
	for {
		n, err := io.ReadFull(f.src, frame[have:])
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if have += n; err != nil || have == length {
			return frame[:have], err
		}
		larger := make([]byte, min(length, 2*have))
		copy(larger, frame)
		frame = larger
	}
	// END SOLUTION
}
