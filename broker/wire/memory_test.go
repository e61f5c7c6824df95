package wire

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// The bodies that make kmsg build the most for each byte: all elements are the smallest there are.
func TestDecodeKmsgMemoryIsBounded(t *testing.T) {
	const size = 256 << 10
	worst := 0.0
	eachKmsgVersion(func(v VersionRange, version int16) {
		for i := range requestShapes[v.Key] {
			body := denseBody(v.Key, version, i, size)
			if body == nil {
				continue
			}
			h := Header{Key: v.Key, Version: version}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := DecodeKmsg(&h, body)
			runtime.ReadMemStats(&after)
			require.NoError(t, err, "%s %d", v.Name, version)
			ratio := float64(after.TotalAlloc-before.TotalAlloc) / float64(len(body))
			worst = max(worst, ratio)
			require.Less(t, ratio, 100.0, "%s %d", v.Name, version)
		}
	})
	require.Greater(t, worst, 10.0, "the bodies are meant to be bad")
	t.Logf("at most %.1f bytes for a byte of the frame", worst)
}

// denseBody is a body with array number i (and the first array inside it) filled up to size; nil where there is none.
func denseBody(key, version int16, i, size int) []byte {
	f := &requestShapes[key][i]
	if f.kind != array && f.kind != nullableArray || version < f.from || version > f.to {
		return nil
	}
	d := dense{version: version, flexible: Flexible(key, version)}
	elem := d.element(f)
	var b []byte
	for j := range requestShapes[key] {
		if j != i {
			b = d.smallest(b, &requestShapes[key][j])
			continue
		}
		n := size / len(elem)
		b = AppendArray(b, n, d.flexible)
		for range n {
			b = append(b, elem...)
		}
	}
	if d.flexible {
		b = AppendNoTags(b)
	}
	return b
}

type dense struct {
	version  int16
	flexible bool
}

// element is the smallest element of an array.
func (d dense) element(f *field) (b []byte) {
	if f.elem == nil {
		return d.primitive(nil, f.item)
	}
	for i := range f.elem {
		b = d.smallest(b, &f.elem[i])
	}
	if d.flexible {
		b = AppendNoTags(b)
	}
	return b
}

// smallest is a field with arrays of one element, the costliest for its size.
func (d dense) smallest(b []byte, f *field) []byte {
	switch {
	case d.version < f.from || d.version > f.to:
		return b
	case f.kind == array || f.kind == nullableArray:
		return append(AppendArray(b, 1, d.flexible), d.element(f)...)
	default:
		return d.primitive(b, f.kind)
	}
}

func (d dense) primitive(b []byte, k kind) []byte {
	switch k {
	case text, nullableText:
		return AppendString(b, "", d.flexible)
	default:
		return append(b, make([]byte, 1<<k)...) // fixed1 to fixed16
	}
}

// A request with the most partitions for its size takes the most memory.
func TestProduceAndFetchMemoryIsBounded(t *testing.T) {
	const n = 100_000
	check := func(body []byte, decode func() error) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := decode()
		runtime.ReadMemStats(&after)
		require.NoError(t, err)
		require.Less(t, float64(after.TotalAlloc-before.TotalAlloc)/float64(len(body)), 3.0)
	}
	for _, topics := range []int{1, n} {
		produce := []byte("\x00\x00\x01\x00\x00\x00\x00")
		fetch := make([]byte, 4+4+4+4+1+4+4)
		for _, b := range []*[]byte{&produce, &fetch} {
			*b = AppendArray(*b, topics, true)
		}
		for range topics {
			produce = AppendArray(AppendString(produce, "", true), n/topics-topics/n, true)
			fetch = AppendArray(AppendString(fetch, "", true), n/topics-topics/n, true)
			for range n/topics - topics/n {
				produce = append(produce, "\x00\x00\x00\x01\x00\x00"...)
				fetch = append(fetch, make([]byte, 33)...)
			}
			produce, fetch = AppendNoTags(produce), AppendNoTags(fetch)
		}
		produce = AppendNoTags(produce)
		fetch = append(fetch, 1, 1, 0) // no forgotten topics, no rack, no tags
		check(produce, func() error { return new(ProduceRequest).Decode(9, produce) })
		check(fetch, func() error { return new(FetchRequest).Decode(12, fetch) })
	}
}
