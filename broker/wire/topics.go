package wire

import "highwater.dev/broker/model"

// firstIDVersion is the version of Produce and of Fetch from which a topic is named by its id (KIP-516).
const firstIDVersion int16 = 13

// topicRef is what a decoded request keeps of a topic: where its name or id stands in the body, and how many
// partitions come before its own in the request. At 8 bytes it is under three times the smallest topic (3 bytes).
type topicRef struct {
	at    uint32
	first uint32
}

// Topic is a topic of a decoded request. Its partitions are the request's partitions First to First+Count-1.
type Topic struct {
	Name  string        // a stretch of the frame; empty when the version names topics by id
	ID    model.TopicID // zero when the version names topics by name
	First int
	Count int
}

// topicAt reads topic i of refs; total is the number of partitions of all topics.
func topicAt(body []byte, refs []topicRef, i, total int, byID, flexible bool) (t Topic) {
	r := Reader{src: body, pos: int(refs[i].at)}
	if byID {
		t.ID = r.UUID()
	} else {
		t.Name = r.String(flexible)
	}
	end := total
	if i+1 < len(refs) {
		end = int(refs[i+1].first)
	}
	t.First = int(refs[i].first)
	t.Count = end - t.First
	return t
}

// skipTopicName reads over a topic's name or id.
func skipTopicName(r *Reader, byID, flexible bool) {
	if byID {
		r.Span(16)
		return
	}
	r.String(flexible)
}

// resize returns s with length n, with its old memory where that is large enough and not more than keep times
// what is needed (a connection must not hold on to the arrays of its one largest request).
func resize[T any](s []T, n int) []T {
	const small = 1024
	if cap(s) < n || (cap(s) > small && cap(s)/8 > n) {
		return make([]T, n)
	}
	return s[:n]
}
