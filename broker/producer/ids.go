package producer

import (
	"sync"

	"highwater.dev/broker/model"
)

// BlockSize is how many producer ids the controller hands to a broker at once (KIP-730).
const BlockSize = 1000

// Block is a range of producer ids that one broker may hand out: First to First + Len - 1.
type Block struct {
	First model.ProducerID
	Len   int32
}

// IDBlocks hands out producer ids from the blocks that the controller gave to this broker. It does no I/O: its
// owner asks the controller for a block when Low says so and gives it to Add. It is safe for concurrent use.
// Each id is handed out at most once, also over restarts, since a block is never given twice.
type IDBlocks struct {
	mu    sync.Mutex
	queue []Block
}

// Add appends a block; an empty one is ignored.
func (b *IDBlocks) Add(block Block) {
	if block.Len <= 0 || block.First < 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queue = append(b.queue, block)
}

// Next hands out one id. ok is false when no block is left: InitProducerId answers COORDINATOR_LOAD_IN_PROGRESS or
// waits for a block.
func (b *IDBlocks) Next() (id model.ProducerID, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.queue) == 0 {
		return model.NoProducerID, false
	}
	id = b.queue[0].First
	b.queue[0].First++
	if b.queue[0].Len--; b.queue[0].Len == 0 {
		b.queue = b.queue[1:]
	}
	return id, true
}

// Low says that a tenth of a block or less is left: time to ask for the next.
func (b *IDBlocks) Low() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	var left int64
	for _, block := range b.queue {
		left += int64(block.Len)
	}
	return left <= BlockSize/10
}
