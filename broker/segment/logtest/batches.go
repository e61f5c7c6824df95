package logtest

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
)

// Batch is a batch and what is known of it.
type Batch struct {
	Bytes record.Batch
	Base  model.Offset
	Next  model.Offset // after the last record
	Max   model.TimestampMs
	Times []model.TimestampMs // of the records, in offset order
}

// Make builds a batch at base with one record for each of times, each with a value of size bytes.
func Make(base model.Offset, times []model.TimestampMs, size int, compression record.Compression) Batch {
	w := record.Builder{BaseOffset: base, LeaderEpoch: 7, Compression: compression}
	out := Batch{Base: base, Next: base + model.Offset(len(times)), Max: times[0], Times: times}
	value := make([]byte, size)
	for i, ts := range times {
		for j := range value {
			value[j] = byte(int(base) + 31*i + j*j)
		}
		w.Add(ts, nil, value)
		out.Max = max(out.Max, ts)
	}
	out.Bytes = w.Batch()
	return out
}

// Random builds a batch of a few records at base with timestamps around now, in no order.
func Random(rng *rand.Rand, base model.Offset, now model.TimestampMs) Batch {
	times := make([]model.TimestampMs, 1+rng.IntN(5))
	for i := range times {
		times[i] = now + model.TimestampMs(rng.IntN(40)-20)
	}
	compression := record.None
	if rng.IntN(4) == 0 {
		compression = record.Compression(rng.IntN(5))
	}
	return Make(base, times, rng.IntN(60), compression)
}

// Describe names what a stretch of a .log file holds: batch after batch, then the bytes that are none.
func Describe(b []byte) string {
	var out strings.Builder
	for len(b) > 0 {
		var h record.Header
		if err := record.ReadHeader(b, &h); err != nil {
			fmt.Fprintf(&out, "[%d bytes, %v: % x]", len(b), err, b[:min(24, len(b))])
			break
		}
		if h.Size() > len(b) {
			fmt.Fprintf(&out, "[first %d of %d bytes of batch %d..%d]", len(b), h.Size(), h.BaseOffset, h.LastOffset())
			break
		}
		crc := "CRC right"
		if record.Batch(b[:h.Size()]).CRC() != h.CRC {
			crc = "CRC WRONG"
		}
		fmt.Fprintf(&out, "[batch %d..%d, %d bytes, %s]", h.BaseOffset, h.LastOffset(), h.Size(), crc)
		b = b[h.Size():]
	}
	if out.Len() == 0 {
		return "[nothing]"
	}
	return out.String()
}
