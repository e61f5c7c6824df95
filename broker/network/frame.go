package network

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Errors of a frame's length field, wrapped with the length. The connection is closed.
var (
	// ErrNegativeLength: the length field is below 0.
	ErrNegativeLength = errors.New("network: negative frame length")
	// ErrFrameTooLarge: the length field is above socket.request.max.bytes.
	ErrFrameTooLarge = errors.New("network: frame exceeds socket.request.max.bytes")
)

const (
	lengthBytes = 4

	// startBytes is the size of the buffer that every connection holds. The start of a frame is read into it
	// with one system call, and small frames (most that are not Produce) need no other buffer.
	startBytes = 1 << 10

	// A frame that does not fit in there is read into firstStage bytes, and when these are full into growth times
	// as many. The copies add up to a sixteenth of the frame, for which a lying length costs next to nothing.
	firstStage = 64 << 10
	growth     = 16

	// While at least minAwait bytes of a frame are missing, the goroutine is woken only when that many, but no
	// more than maxAwait, have arrived. A wake-up for each packet costs a quarter more processor time (measured
	// with frames of 1 and 4 MB over loopback).
	minAwait = 128 << 10
	maxAwait = 1 << 20
)

// Frames splits a byte stream into frames. It is the seam of exercise 2.1.
type Frames interface {
	// Next returns the next frame without its length field, valid until the following Next. io.EOF means that the stream
	// ended between two frames, io.ErrUnexpectedEOF that it ended within one. After ErrNegativeLength and
	// ErrFrameTooLarge nobody knows where the next frame begins: the connection is to be closed.
	Next() ([]byte, error)
}

// NewFrames returns the Frames that a connection reads its requests with. Frames above limit bytes are refused.
func NewFrames(src io.Reader, limit int) Frames {
	return &frameReader{src: src, pool: &bufferPool{}, limit: limit}
}

// Next implements Frames.
func (f *frameReader) Next() ([]byte, error) { return f.next() }

// frameReader splits a byte stream into frames.
type frameReader struct {
	src   io.Reader
	await func(n int) // makes reads wait for n bytes; nil where that cannot be had
	pool  *bufferPool
	limit int // socket.request.max.bytes

	start      [startBytes]byte // start[r:w] was read and not yet consumed
	r, w       int
	large      []byte // the frame in work, when it did not fit into start; from pool
	inProgress bool   // at least one byte of the next frame has arrived
}

// next returns the next frame without its length field. It is valid until the following next or release. io.EOF
// means that the stream ended between two frames, io.ErrUnexpectedEOF that it ended within one.
func (f *frameReader) next() ([]byte, error) {
	f.release()
	f.inProgress = f.r < f.w
	if err := f.buffer(lengthBytes); err != nil {
		return nil, err
	}
	length := int(int32(binary.BigEndian.Uint32(f.start[f.r:])))
	if length < 0 {
		return nil, fmt.Errorf("%w: %d", ErrNegativeLength, length)
	}
	if length > f.limit {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrFrameTooLarge, length, f.limit)
	}
	f.r += lengthBytes
	// Also of a large frame the first bytes are awaited here, so that a mere length takes no memory.
	if err := f.buffer(min(length, startBytes)); err != nil {
		return nil, err
	}
	if length > startBytes {
		return f.readLarge(length)
	}
	frame := f.start[f.r : f.r+length : f.r+length]
	f.r += length
	return frame, nil
}

// release gives the last frame's buffer back.
func (f *frameReader) release() {
	if f.large != nil {
		f.pool.put(f.large)
		f.large = nil
	}
}

// buffer reads until start holds at least n unread bytes; n is at most startBytes.
func (f *frameReader) buffer(n int) error {
	if f.w-f.r >= n {
		return nil
	}
	if f.r == f.w {
		f.r, f.w = 0, 0
	} else if f.r+n > startBytes {
		f.w = copy(f.start[:], f.start[f.r:f.w])
		f.r = 0
	}
	for f.w-f.r < n {
		got, err := f.src.Read(f.start[f.w:])
		if err != nil {
			return f.cut(err)
		}
		f.inProgress = true
		f.w += got
	}
	return nil
}

// readLarge reads a frame of length bytes, more than startBytes, into buffers from the pool.
func (f *frameReader) readLarge(length int) ([]byte, error) {
	size := min(length, firstStage)
	f.large = f.pool.get(size)
	have := copy(f.large, f.start[f.r:f.w])
	f.r, f.w = 0, 0
	for {
		if err := f.fill(f.large[have:size]); err != nil {
			f.release()
			return nil, f.cut(err)
		}
		if size == length {
			return f.large, nil
		}
		have, size = size, min(length, size*growth)
		larger := f.pool.get(size)
		copy(larger, f.large)
		f.pool.put(f.large)
		f.large = larger
	}
}

// fill reads all of p.
func (f *frameReader) fill(p []byte) error {
	awaiting := false
	for len(p) > 0 {
		if long := len(p) >= minAwait; f.await != nil && (long || awaiting) {
			awaiting = long
			if long {
				f.await(min(len(p), maxAwait))
			} else {
				f.await(1)
			}
		}
		n, err := f.src.Read(p)
		if err != nil {
			return err
		}
		p = p[n:]
	}
	if awaiting {
		f.await(1)
	}
	return nil
}

// cut makes the end of the stream within a frame an error of its own.
func (f *frameReader) cut(err error) error {
	if errors.Is(err, io.EOF) && f.inProgress {
		return io.ErrUnexpectedEOF
	}
	return err
}
