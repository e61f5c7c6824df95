package load

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// Keys say which key each record has. The zero value is none.
type Keys struct {
	kind  string
	count uint64 // distinct keys; 0: no bound
}

// zipfExponent is how skewed zipf is: key k is drawn in proportion to (1+k)^-1.1.
const zipfExponent = 1.1

// ParseKeys reads none, sequential, sequential:N, uniform:N or zipf:N.
func ParseKeys(text string) (Keys, error) {
	kind, number, counted := strings.Cut(text, ":")
	k := Keys{kind: kind}
	if counted {
		n, err := strconv.ParseUint(number, 10, 64)
		if err != nil || n == 0 {
			return Keys{}, fmt.Errorf("keys: %q: N must be a whole number of at least 1", text)
		}
		k.count = n
	}
	switch {
	case kind == "none" && !counted:
		return Keys{}, nil
	case kind == "sequential", (kind == "uniform" || kind == "zipf") && counted:
		return k, nil
	}
	return Keys{}, fmt.Errorf("keys: %q, must be none, sequential, sequential:N, uniform:N or zipf:N", text)
}

func (k Keys) String() string {
	switch {
	case k.kind == "":
		return "none"
	case k.count == 0:
		return k.kind
	}
	return k.kind + ":" + strconv.FormatUint(k.count, 10)
}

// keyBytes is the length of a key: a decimal number with leading zeros.
const keyBytes = 16

// picker gives the number of the key of each record; nil for none. Each producer has its own, with its own seed.
func (k Keys) picker(seed uint64) func(record int64) uint64 {
	r := rand.New(rand.NewPCG(seed, 1))
	switch k.kind {
	case "sequential":
		return func(record int64) uint64 {
			if k.count == 0 {
				return uint64(record)
			}
			return uint64(record) % k.count
		}
	case "uniform":
		return func(int64) uint64 { return r.Uint64N(k.count) }
	case "zipf":
		z := rand.NewZipf(r, zipfExponent, 1, k.count-1)
		return func(int64) uint64 { return z.Uint64() }
	}
	return nil
}

// key is the number in keyBytes bytes.
func key(number uint64) []byte {
	k := make([]byte, keyBytes)
	for i := len(k) - 1; i >= 0; i-- {
		k[i] = byte('0' + number%10)
		number /= 10
	}
	return k
}
