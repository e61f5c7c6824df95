package api

// repeats finds partitions that a request names more than once, which Apache Kafka's clients never do. Kafka serves
// and answers such a partition once, by what was said last. One per connection; it allocates nothing for the few
// partitions that requests usually have, nor again for the many of a connection that has them always.
type repeats struct {
	few  []numbered
	many map[fetchKey]int // all of them, once there are too many to compare one by one
}

type numbered struct {
	fetchKey
	n int
}

const (
	fewPartitions  = 16
	mostPartitions = 4096 // whose room a connection keeps from one request to the next
)

// reset forgets the request, in whose frame the names lie. Call it when all are put.
func (d *repeats) reset() {
	clear(d.few)
	d.few = d.few[:0]
	if len(d.many) > mostPartitions {
		d.many = nil
	}
	clear(d.many)
}

// put gives the partition number n, and says which number it had before, if any.
func (d *repeats) put(key *fetchKey, n int) (before int, again bool) {
	if len(d.many) == 0 {
		for i := range d.few {
			if k := &d.few[i]; k.index == key.index && k.id == key.id && k.topic == key.topic {
				before, k.n = k.n, n
				return before, true
			}
		}
		if len(d.few) < fewPartitions {
			d.few = append(d.few, numbered{*key, n})
			return 0, false
		}
		if d.many == nil {
			d.many = make(map[fetchKey]int)
		}
		for i := range d.few {
			d.many[d.few[i].fetchKey] = d.few[i].n
		}
	}
	before, again = d.many[*key]
	d.many[*key] = n
	return before, again
}
