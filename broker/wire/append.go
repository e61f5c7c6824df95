package wire

import (
	"encoding/binary"
	"math/bits"

	"highwater.dev/broker/model"
)

// The Append functions add one primitive to dst and return it, as append does.

// AppendInt8 adds a signed byte.
func AppendInt8(dst []byte, v int8) []byte { return append(dst, byte(v)) }

// AppendBool adds 1 or 0.
func AppendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// AppendInt16 adds a big-endian 16-bit integer.
func AppendInt16(dst []byte, v int16) []byte { return binary.BigEndian.AppendUint16(dst, uint16(v)) }

// AppendInt32 adds a big-endian 32-bit integer.
func AppendInt32(dst []byte, v int32) []byte { return binary.BigEndian.AppendUint32(dst, uint32(v)) }

// AppendInt64 adds a big-endian 64-bit integer.
func AppendInt64(dst []byte, v int64) []byte { return binary.BigEndian.AppendUint64(dst, uint64(v)) }

// AppendUUID adds 16 bytes.
func AppendUUID(dst []byte, id model.TopicID) []byte { return append(dst, id[:]...) }

// AppendUvarint adds an unsigned varint of one to five bytes.
func AppendUvarint(dst []byte, v uint32) []byte { return binary.AppendUvarint(dst, uint64(v)) }

// AppendVarint adds a zigzag varint.
func AppendVarint(dst []byte, v int32) []byte { return binary.AppendVarint(dst, int64(v)) }

// AppendVarlong adds a zigzag varint of up to 64 bits.
func AppendVarlong(dst []byte, v int64) []byte { return binary.AppendVarint(dst, v) }

// UvarintSize is the number of bytes that AppendUvarint adds.
func UvarintSize(v uint32) int { return (bits.Len32(v|1) + 6) / 7 }

// AppendString adds a string that is not null. A classic string holds at most 32767 bytes; the caller sees to that.
func AppendString(dst []byte, s string, compact bool) []byte {
	if compact {
		dst = AppendUvarint(dst, uint32(len(s)+1))
	} else {
		dst = AppendInt16(dst, int16(len(s)))
	}
	return append(dst, s...)
}

// AppendNull adds a null string; a null array or byte array is AppendArray with -1.
func AppendNull(dst []byte, compact bool) []byte {
	if compact {
		return append(dst, 0)
	}
	return AppendInt16(dst, -1)
}

// AppendNullableString adds s, or null when s is nil.
func AppendNullableString(dst []byte, s *string, compact bool) []byte {
	if s == nil {
		return AppendNull(dst, compact)
	}
	return AppendString(dst, *s, compact)
}

// AppendBytes adds a byte array; nil is null.
func AppendBytes(dst, b []byte, compact bool) []byte {
	if b == nil {
		return AppendArray(dst, -1, compact)
	}
	return append(AppendArray(dst, len(b), compact), b...)
}

// AppendArray adds the count of an array or the length of a byte array; -1 is null.
func AppendArray(dst []byte, n int, compact bool) []byte {
	if compact {
		return AppendUvarint(dst, uint32(n+1))
	}
	return AppendInt32(dst, int32(n))
}

// AppendNoTags adds an empty section of tagged fields.
func AppendNoTags(dst []byte) []byte { return append(dst, 0) }
