package vfs

import (
	"math/rand/v2"
)

// CrashClone returns the disk as it would be found after the power was cut now: what was durable is kept, and of the rest
// what chance keeps; see Mem for the rules. keepPct, from 0 to 100, is how likely a block (or a step in a folder's
// names) that was not synced is kept: 0 keeps nothing and 100 everything. The same seed and history give the same disk. Everything
// in the clone is durable, nothing in it is locked or open. m itself is not changed.
func (m *Mem) CrashClone(seed uint64, keepPct int) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	clone := &Mem{nextID: m.nextID, clock: m.clock, locked: map[*node]bool{}}
	c := crash{seed: seed, keepPct: keepPct, done: map[*node]*node{}, kept: map[*change]int{}}
	c.choose(m.root)
	clone.root = c.node(m.root)
	return clone
}

// crash is one power cut.
type crash struct {
	seed    uint64
	keepPct int
	done    map[*node]*node // nodes cloned so far
	kept    map[*change]int // by how many of the folders that had not synced a change it was kept
}

// dice gives each node chances of its own, whatever order nodes are visited in.
func (c *crash) dice(n *node) *rand.Rand { return rand.New(rand.NewPCG(c.seed, n.id)) }

func (c *crash) keeps(dice *rand.Rand) bool { return dice.IntN(100) < c.keepPct }

// choose decides, for every folder that has a name now or on the disk, how much of its journal is kept.
func (c *crash) choose(n *node) {
	if n.folder == nil {
		return
	}
	if _, again := c.done[n]; again {
		return
	}
	c.done[n] = nil
	for _, child := range n.names {
		c.choose(child)
	}
	for _, child := range n.durable {
		c.choose(child)
	}
	if len(n.journal) == 0 {
		return
	}
	dice, prefix := c.dice(n), true
	for _, change := range n.journal {
		for _, e := range change.edits {
			if e.to != nil {
				c.choose(e.to)
			}
		}
		if change.synced[n.folder] {
			continue
		}
		prefix = prefix && c.keeps(dice)
		if prefix {
			c.kept[change]++
		}
	}
}

// folders is how many different folders a change touches.
func (c *change) folders() int {
	if len(c.edits) == 2 && c.edits[0].in != c.edits[1].in {
		return 2
	}
	return 1
}

func (c *crash) node(n *node) *node {
	if n == nil {
		return nil
	}
	if clone := c.done[n]; clone != nil {
		return clone
	}
	clone := &node{id: n.id}
	c.done[n] = clone
	if n.folder == nil {
		clone.content = n.crashed(c, n)
		return clone
	}
	names := n.durable
	if len(n.journal) > 0 {
		names = c.replayed(n.folder)
	}
	clone.folder = &folder{names: make(map[string]*node, len(names)), durable: make(map[string]*node, len(names)), modTime: n.folder.modTime}
	for name, child := range names {
		cloned := c.node(child)
		clone.names[name], clone.durable[name] = cloned, cloned
	}
	return clone
}

// replayed is the durable names with the kept part of the journal applied.
func (c *crash) replayed(f *folder) map[string]*node {
	names := make(map[string]*node, len(f.names))
	for name, n := range f.durable {
		names[name] = n
	}
	for _, change := range f.journal {
		if c.kept[change]+len(change.synced) < change.folders() {
			continue
		}
		for _, e := range change.edits {
			if e.in == f {
				f.apply(e, names)
			}
		}
	}
	return names
}

// crashed is what is left of a file.
func (c *content) crashed(crash *crash, n *node) *content {
	c.mu.RLock()
	defer c.mu.RUnlock()
	clone := &content{size: c.size, blocks: make([]block, len(c.blocks)), modTime: c.modTime}
	for i := range c.blocks {
		clone.blocks[i].durable = c.blocks[i].durable
	}
	if len(c.dirty) > 0 || c.size != c.durableSize || c.lowestSize < c.durableSize {
		c.chance(clone, crash, crash.dice(n))
	}
	clone.cutDurable(clone.size)
	for i := range clone.blocks {
		clone.blocks[i].data = clone.blocks[i].durable
	}
	return clone
}

// chance decides what of the unsynced contents is in clone, which has the durable blocks.
func (c *content) chance(clone *content, crash *crash, dice *rand.Rand) {
	hasCut := c.lowestSize < c.durableSize
	cutKept := !hasCut || crash.keeps(dice)
	unreached := len(c.blocks) // blocks from here on keep what was durable
	if !cutKept {
		// The file system orders a cut before whatever is written over the place: without it, nothing of that is seen.
		unreached = min(unreached, int(c.lowestSize/blockBytes))
	} else if hasCut {
		clone.cutDurable(c.lowestSize)
		gone := clone.blocks[len(clone.blocks):len(c.blocks)]
		clear(gone)
		clone.blocks = clone.blocks[:len(c.blocks)]
	}
	for i := range unreached { // in order of place: c.dirty is in order of time, which goroutines decide
		if b := &c.blocks[i]; b.dirty {
			clone.blocks[i].durable = crash.block(clone.blocks[i].durable, b.data, dice)
		}
	}
	switch {
	case !cutKept:
		clone.size = c.durableSize
	case crash.keeps(dice):
		clone.size = c.size
	case crash.keepPct == 0 || dice.IntN(2) == 0:
		clone.size = c.lowestSize
	default: // a file grows as its blocks arrive
		grown := c.lowestSize + dice.Int64N(c.size-c.lowestSize+1)
		clone.size = max(c.lowestSize, grown/sectorBytes*sectorBytes)
	}
}

// block is what is left of a dirty block: the new bytes, the old ones, or some sectors of each.
func (c *crash) block(durable, data []byte, dice *rand.Rand) []byte {
	switch {
	case c.keepPct == 100:
		return append([]byte(nil), data...)
	case c.keepPct == 0 || !c.keeps(dice) && dice.IntN(2) == 0:
		return durable
	case dice.IntN(4) > 0:
		return append([]byte(nil), data...)
	}
	torn := make([]byte, max(len(data), len(durable)))
	for from := 0; from < len(torn); from += sectorBytes {
		source := durable
		if dice.IntN(2) == 0 {
			source = data
		}
		if from < len(source) {
			copy(torn[from:min(from+sectorBytes, len(torn))], source[from:])
		}
	}
	return torn
}

// cutDurable drops what lies beyond size from the durable blocks: a block that arrived beyond the file's end is not seen.
func (c *content) cutDurable(size int64) {
	n := int((size + blockBytes - 1) / blockBytes)
	if n < len(c.blocks) {
		c.blocks = c.blocks[:n]
	}
	if n > 0 && n == len(c.blocks) {
		last := &c.blocks[n-1]
		if length := int(size - int64(n-1)*blockBytes); len(last.durable) > length {
			last.durable = last.durable[:length:length]
		}
	}
	c.size, c.durableSize, c.lowestSize = size, size, size
}
