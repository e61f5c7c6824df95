package record

import "encoding/binary"

// varint32 reads a zigzag varint of at most 32 bits in at most five bytes at b[i:]. next is -1 when b ends first or
// the number is longer.
func varint32(b []byte, i int) (v int32, next int) {
	if uint(i) < uint(len(b)) && b[i] < 0x80 {
		u := uint32(b[i])
		return int32(u>>1) ^ -int32(u&1), i + 1
	}
	return varint32Slow(b, i)
}

//go:noinline
func varint32Slow(b []byte, i int) (v int32, next int) {
	var u uint32
	for shift := 0; shift < 35; shift += 7 {
		if uint(i) >= uint(len(b)) {
			return 0, -1
		}
		c := b[i]
		i++
		u |= uint32(c&0x7f) << shift
		if c < 0x80 {
			return int32(u>>1) ^ -int32(u&1), i
		}
	}
	return 0, -1
}

// varint64 reads a zigzag varint of at most 64 bits in at most ten bytes at b[i:]; next as with varint32.
func varint64(b []byte, i int) (v int64, next int) {
	if uint(i) < uint(len(b)) && b[i] < 0x80 {
		u := uint64(b[i])
		return int64(u>>1) ^ -int64(u&1), i + 1
	}
	return varint64Slow(b, i)
}

//go:noinline
func varint64Slow(b []byte, i int) (v int64, next int) {
	if uint(i) > uint(len(b)) {
		return 0, -1
	}
	v, n := binary.Varint(b[i:])
	if n <= 0 {
		return 0, -1
	}
	return v, i + n
}

func appendVarint(dst []byte, v int64) []byte { return binary.AppendVarint(dst, v) }

// varintSize is the number of bytes that appendVarint adds.
func varintSize(v int64) int {
	u := uint64(v<<1) ^ uint64(v>>63)
	n := 1
	for ; u >= 0x80; u >>= 7 {
		n++
	}
	return n
}
