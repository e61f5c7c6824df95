package network

import (
	"math/bits"
	"sync"
)

// Size classes: powers of two from 1 KiB to 64 KiB, then four steps for each doubling up to 4 MiB. A frame of
// 1,000,100 bytes (a full batch of franz-go) so wastes 5 %, and one of 4,000,400 (four of them) too.
const (
	minClassShift = 10
	midClassShift = 16
	maxClassShift = 22
	smallClasses  = midClassShift - minClassShift + 1
	classes       = smallClasses + 4*(maxClassShift-midClassShift)
	maxPooled     = 1 << maxClassShift

	// maxRetained bounds what the pool keeps while nobody uses it, in bytes; it never keeps more than was once in use. What is
	// not kept becomes garbage, of which the collector lets as much grow as there is memory in use: with 16 producers that
	// send frames of 4 MB, a bound of 16 MiB made a peak of 136 MiB, and this one 76 MiB.
	maxRetained = 64 << 20
)

// bufferPool keeps byte slices for reuse, last in first out, so that a buffer comes back while it is still in the
// CPU's cache. Unlike sync.Pool it has a bound on what it keeps and is not emptied by the garbage collector, which would
// make steady traffic allocate. The zero value is ready. Safe for concurrent use.
type bufferPool struct {
	mu       sync.Mutex
	free     [classes][][]byte
	retained int
	inUse    int
	refused  int // bytes of buffers that were not kept since the last one that was given up for them
}

// classFor returns the smallest class that holds n bytes. n is at most maxPooled.
func classFor(n int) int {
	if n <= 1<<minClassShift {
		return 0
	}
	if n <= 1<<midClassShift {
		return bits.Len(uint(n-1)) - minClassShift
	}
	shift := bits.Len(uint(n-1)) - 1 // 2^shift < n <= 2^(shift+1)
	quarter := (n - 1 - 1<<shift) >> (shift - 2)
	return smallClasses + 4*(shift-midClassShift) + quarter
}

// classSize is the capacity of a class's buffers in bytes.
func classSize(class int) int {
	if class < smallClasses {
		return 1 << (minClassShift + class)
	}
	class -= smallClasses
	shift := midClassShift + class/4
	return 1<<shift + (class%4+1)<<(shift-2)
}

// get returns a slice of length n, with arbitrary contents.
func (p *bufferPool) get(n int) []byte {
	if n > maxPooled {
		p.mu.Lock()
		p.inUse += n
		p.mu.Unlock()
		return make([]byte, n)
	}
	class := classFor(n)
	size := classSize(class)
	p.mu.Lock()
	p.inUse += size
	if stack := p.free[class]; len(stack) > 0 {
		last := len(stack) - 1
		buf := stack[last]
		stack[last] = nil
		p.free[class] = stack[:last]
		p.retained -= size
		p.mu.Unlock()
		return buf[:n]
	}
	p.mu.Unlock()
	return make([]byte, size)[:n]
}

// put takes back a slice from get. The caller does not touch it any more.
func (p *bufferPool) put(buf []byte) {
	size := cap(buf)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inUse -= size
	p.keep(buf)
}

// keep stores buf unless that would be more than the pool may retain.
func (p *bufferPool) keep(buf []byte) {
	size := cap(buf)
	if size > maxPooled {
		return
	}
	class := classFor(size)
	if p.retained+size > maxRetained {
		p.makeRoom(class, size)
	}
	if p.retained+size > maxRetained {
		return
	}
	p.free[class] = append(p.free[class], buf[:0])
	p.retained += size
}

// makeRoom gives up the largest buffer when as many bytes of other classes were refused: what a burst of large frames left does not keep the
// traffic after it out of the pool for ever.
func (p *bufferPool) makeRoom(class, size int) {
	largest := classes - 1
	for len(p.free[largest]) == 0 {
		largest--
	}
	p.refused += size
	if largest == class || p.refused < classSize(largest) {
		return
	}
	last := len(p.free[largest]) - 1
	p.free[largest][last] = nil
	p.free[largest] = p.free[largest][:last]
	p.retained -= classSize(largest)
	p.refused = 0
}

// usage returns the bytes that requests and responses hold now and those that wait in the pool.
func (p *bufferPool) usage() (inUse, retained int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.inUse, p.retained
}
