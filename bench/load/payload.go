package load

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"time"
)

// StampBytes is the head of each record's value: the run's id and when the record was due, ns since 1970, 8 bytes each.
const StampBytes = 16

// Payload says what values hold behind their first StampBytes.
type Payload struct {
	File        string  // a file of exactly the record's size; "": made
	RandomRatio float64 // of made values: the share of bytes that are random, the rest are zeros: they compress to about this share
	Pool        int     // distinct made values; 0: as many as make poolBytes, so that no batch holds one twice
}

// poolBytes is more than a batch and more than the window of gzip, snappy and lz4.
const poolBytes = 4 << 20

func (p Payload) validate(recordBytes int) error {
	switch {
	case p.RandomRatio < 0 || p.RandomRatio > 1:
		return fmt.Errorf("random bytes ratio: %g, must be 0 to 1", p.RandomRatio)
	case p.Pool < 0:
		return fmt.Errorf("payload pool: %d, must not be negative", p.Pool)
	case p.File == "":
		return nil
	}
	info, err := os.Stat(p.File)
	if err != nil {
		return fmt.Errorf("payload: %w", err)
	}
	if info.Size() != int64(recordBytes) {
		return fmt.Errorf("payload: %s has %d bytes, a record has %d", p.File, info.Size(), recordBytes)
	}
	return nil
}

// pool makes the values. The same options make the same values.
func (p Payload) pool(recordBytes int) ([][]byte, error) {
	if p.File != "" {
		value, err := os.ReadFile(p.File)
		if err != nil {
			return nil, fmt.Errorf("payload: %w", err)
		}
		return [][]byte{value}, nil
	}
	n := p.Pool
	if n == 0 {
		n = max(1, poolBytes/recordBytes)
	}
	source := rand.NewChaCha8([32]byte{})
	values := make([][]byte, n)
	for i := range values {
		values[i] = make([]byte, recordBytes)
		if _, err := source.Read(values[i][:int(p.RandomRatio*float64(recordBytes))]); err != nil {
			return nil, fmt.Errorf("payload: %w", err)
		}
	}
	return values, nil
}

func stamp(value []byte, run uint64, due time.Time) {
	binary.BigEndian.PutUint64(value, run)
	binary.BigEndian.PutUint64(value[8:], uint64(due.UnixNano()))
}

// stampOf is when a record of this run was due; ok is false for a record of somebody else.
func stampOf(value []byte, run uint64) (due time.Time, ok bool) {
	if len(value) < StampBytes || binary.BigEndian.Uint64(value) != run {
		return time.Time{}, false
	}
	return time.Unix(0, int64(binary.BigEndian.Uint64(value[8:]))), true
}
