package conformance

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// codecs are the five compressions of record batches, by Kafka's names.
var codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

// header is a record's header.
type header struct {
	key   string
	value []byte
}

// record is what every client must carry unchanged. A nil key or value is null, which is not empty.
type record struct {
	key, value []byte
	headers    []header
	timestamp  int64 // milliseconds
}

// firstTimestamp is the time of a sample's first record, 2023-11-14: old, but within every default limit.
const firstTimestamp = 1_700_000_000_000

// sampleRecords are n records of every shape: null and empty keys and values, binary ones, repeated and empty headers,
// text that compresses and noise that does not, timestamps that are not in order.
func sampleRecords(n int) []record {
	random := rand.New(rand.NewPCG(7, uint64(n)))
	noise := func(size int) []byte {
		b := make([]byte, size)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return b
	}
	records := make([]record, n)
	for i := range records {
		r := record{
			key:       fmt.Appendf(nil, "key-%d", i),
			value:     bytes.Repeat(fmt.Appendf(nil, "value %d, ", i), 1+i%40),
			timestamp: firstTimestamp + int64(i)*10 - int64(i%3)*15,
		}
		switch i % 8 {
		case 1:
			r.key = nil
		case 2:
			r.value = nil
		case 3:
			r.key, r.value = []byte{}, []byte{}
		case 4:
			r.headers = []header{{"trace", noise(16)}, {"trace", []byte("twice")}, {"ключ", []byte("значение")}}
		case 5:
			r.headers = []header{{"empty", []byte{}}, {"null", nil}}
		case 6:
			r.key, r.value = noise(32), noise(600)
		}
		records[i] = r
	}
	return records
}

// requireSameRecords compares what was read with what was written, field by field.
func requireSameRecords(t *testing.T, want, got []record) {
	t.Helper()
	require.Len(t, got, len(want), "number of records")
	for i := range want {
		require.Equalf(t, want[i].timestamp, got[i].timestamp, "timestamp of record %d", i)
		requireSameBytes(t, want[i].key, got[i].key, "key", i)
		requireSameBytes(t, want[i].value, got[i].value, "value", i)
		require.Lenf(t, got[i].headers, len(want[i].headers), "headers of record %d", i)
		for j, h := range want[i].headers {
			require.Equalf(t, h.key, got[i].headers[j].key, "key of header %d of record %d", j, i)
			requireSameBytes(t, h.value, got[i].headers[j].value, "header value", i)
		}
	}
}

// requireSameBytes tells null from empty.
func requireSameBytes(t *testing.T, want, got []byte, what string, i int) {
	t.Helper()
	require.Equalf(t, want == nil, got == nil, "%s of record %d: null or not", what, i)
	require.Truef(t, bytes.Equal(want, got), "%s of record %d: want %q, got %q", what, i, want, got)
}
