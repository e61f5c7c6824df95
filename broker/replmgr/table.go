package replmgr

import (
	"hash/maphash"
	"maps"
	"sync/atomic"
)

// shards is the number of maps that a table is split into: a change copies one of them.
const shards = 256

// table is a map that is read without locks and changed by copying a shard. One goroutine changes it at a time.
type table[K comparable, V any] struct {
	seed   maphash.Seed
	shards [shards]atomic.Pointer[map[K]V]
}

func newTable[K comparable, V any]() *table[K, V] {
	t := &table[K, V]{seed: maphash.MakeSeed()}
	for i := range t.shards {
		t.shards[i].Store(&map[K]V{})
	}
	return t
}

func (t *table[K, V]) shard(key K) *atomic.Pointer[map[K]V] {
	return &t.shards[maphash.Comparable(t.seed, key)%shards]
}

func (t *table[K, V]) get(key K) (V, bool) {
	v, ok := (*t.shard(key).Load())[key]
	return v, ok
}

func (t *table[K, V]) set(key K, value V) {
	s := t.shard(key)
	next := maps.Clone(*s.Load())
	next[key] = value
	s.Store(&next)
}

func (t *table[K, V]) remove(key K) {
	s := t.shard(key)
	next := maps.Clone(*s.Load())
	delete(next, key)
	s.Store(&next)
}

func (t *table[K, V]) each(f func(K, V)) {
	for i := range t.shards {
		for k, v := range *t.shards[i].Load() {
			f(k, v)
		}
	}
}
