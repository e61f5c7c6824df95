package segment

import (
	"errors"
	"fmt"
	"io"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/vfs"
)

// walker steps from batch header to batch header through a .log file. It reads a page at a time: small
// batches share one read. Its page goes back with done.
type walker struct {
	f    vfs.File
	end  int64 // where whole batches end
	pos  int64 // of the next header
	page *[pageBytes]byte
	from int64 // where the page's bytes begin in the file
	n    int   // how many there are
}

func walk(f vfs.File, pos, end int64) walker {
	return walker{f: f, pos: pos, end: end, page: pagePool.Get().(*[pageBytes]byte)}
}

func (w *walker) done() {
	pagePool.Put(w.page)
	w.page = nil
}

// next decodes the header at pos into h and steps over its batch. It returns where the batch starts.
// io.EOF: pos is the end. record.ErrShort: the batch goes on beyond the end.
func (w *walker) next(h *record.Header) (pos int64, err error) {
	pos = w.pos
	if pos >= w.end {
		return pos, io.EOF
	}
	if w.end-pos < record.HeaderSize {
		return pos, record.ErrShort
	}
	if pos < w.from || pos+record.HeaderSize > w.from+int64(w.n) {
		n := int(min(pageBytes, w.end-pos))
		w.n = 0
		if err := readFull(w.f, w.page[:n], pos); err != nil {
			return pos, err
		}
		w.from, w.n = pos, n
	}
	if err := record.ReadHeader(w.page[pos-w.from:w.n], h); err != nil {
		return pos, err
	}
	if int64(h.Size()) > w.end-pos {
		return pos, record.ErrShort
	}
	w.pos = pos + int64(h.Size())
	return pos, nil
}

// find steps to the first batch whose last offset is at least offset: h is its header, pos its place.
// io.EOF: there is none.
func (w *walker) find(offset model.Offset, h *record.Header) (pos int64, err error) {
	for {
		if pos, err = w.next(h); err != nil || h.LastOffset() >= offset {
			return pos, err
		}
	}
}

// expect steps over the batch that an index entry points to, if it is the one that the entry means; errIndex otherwise.
func (w *walker) expect(en OffsetEntry, h *record.Header) error {
	if _, err := w.next(h); err != nil || en.Position <= 0 || h.LastOffset() != en.Offset {
		return fmt.Errorf("%w: no batch at position %d ends at offset %d", errIndex, en.Position, en.Offset)
	}
	return nil
}

// batchReader reads whole batches, one after the other, in large reads.
type batchReader struct {
	f    vfs.File
	end  int64
	pos  int64 // of the next batch
	buf  []byte
	from int64
	n    int
}

// scanChunk is how much recovery reads at once, in bytes.
const scanChunk = 1 << 20

func newBatchReader(f vfs.File, pos, end int64) *batchReader {
	return &batchReader{f: f, pos: pos, end: end, buf: make([]byte, min(scanChunk, end-pos))}
}

// next returns the next whole batch, valid until the following call. Errors as walker.next.
func (r *batchReader) next(h *record.Header) (record.Batch, error) {
	if r.pos >= r.end {
		return nil, io.EOF
	}
	if r.end-r.pos < record.HeaderSize {
		return nil, record.ErrShort
	}
	head, err := r.bytes(record.HeaderSize)
	if err != nil {
		return nil, err
	}
	if err := record.ReadHeader(head, h); err != nil {
		return nil, err
	}
	if int64(h.Size()) > r.end-r.pos {
		return nil, record.ErrShort
	}
	b, err := r.bytes(h.Size())
	if err != nil {
		return nil, err
	}
	r.pos += int64(h.Size())
	return b, nil
}

// bytes returns the n bytes at pos.
func (r *batchReader) bytes(n int) ([]byte, error) {
	if r.pos < r.from || r.pos+int64(n) > r.from+int64(r.n) {
		if n > len(r.buf) {
			r.buf = make([]byte, n)
		}
		r.n = 0
		want := int(min(int64(len(r.buf)), r.end-r.pos))
		if err := readFull(r.f, r.buf[:want], r.pos); err != nil {
			return nil, fmt.Errorf("read %s at %d: %w", r.f.Name(), r.pos, err)
		}
		r.from, r.n = r.pos, want
	}
	return r.buf[r.pos-r.from:][:n], nil
}

// zeros says whether there are only zeros at pos, as far as a header goes.
func (r *batchReader) zeros(pos int64) bool {
	var b [record.HeaderSize]byte
	n, err := r.f.ReadAt(b[:min(record.HeaderSize, r.end-pos)], pos)
	return n > 0 && (err == nil || errors.Is(err, io.EOF)) && b == [record.HeaderSize]byte{}
}
