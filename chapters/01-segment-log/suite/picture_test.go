package suite

import (
	"testing"

	"github.com/stretchr/testify/require"

	"highwater.dev/broker/model"
	"highwater.dev/broker/record"
	"highwater.dev/broker/segment/logtest"
)

// The caret stands at the field that causes a difference, not at the sums that follow from it.
func TestPictureBlamesTheCause(t *testing.T) {
	want := logtest.Make(5, []model.TimestampMs{1000, 1001}, 20, record.None).Bytes
	longer := logtest.Make(5, []model.TimestampMs{1000, 1001}, 21, record.None).Bytes
	with := func(changes map[int]byte) record.Batch {
		b := append(record.Batch(nil), want...)
		for at, to := range changes {
			b[at] ^= to
		}
		return b
	}
	for name, c := range map[string]struct {
		got  []byte
		want string
	}{
		"a field, and with it the CRC": {with(map[int]byte{18: 1, 26: 1}), "the CRC-32C is wrong because of what follows: the first difference is at byte 26 (last offset delta)"},
		"the CRC alone":                {with(map[int]byte{18: 1}), "the first difference is at byte 18 (CRC-32C)"},
		"before the CRC":               {with(map[int]byte{15: 1, 18: 1}), "the first difference is at byte 15 (leader epoch)"},
		"the length alone":             {with(map[int]byte{11: 1}), "the first difference is at byte 11 (length)"},
		"longer records":               {longer, "the length is wrong because of what follows: the first difference is at byte 61 (records)"},
		"cut":                          {want[:70], "the first difference is at byte 70 (records)"},
	} {
		require.Contains(t, picture(c.got, want), c.want+"\n", name)
	}
	require.Empty(t, picture(want, want))

	// In the second of two batches.
	require.Contains(t, picture(append(append(record.Batch(nil), want...), with(map[int]byte{18: 1, 30: 1})...), append(append(record.Batch(nil), want...), want...)),
		"(base timestamp)\n")
}
