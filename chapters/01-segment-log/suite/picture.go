package suite

import (
	"encoding/binary"
	"fmt"

	"highwater.dev/broker/record"
	"highwater.dev/workbook/lab"
)

// headerFields names a batch's bytes, for pictures.
var headerFields = []lab.Field{
	{Name: "base offset", Len: 8}, {Name: "length", Len: 4}, {Name: "leader epoch", Len: 4}, {Name: "magic", Len: 1},
	{Name: "CRC-32C", Len: 4}, {Name: "attributes", Len: 2}, {Name: "last offset delta", Len: 4}, {Name: "base timestamp", Len: 8},
	{Name: "max timestamp", Len: 8}, {Name: "producer id", Len: 8}, {Name: "producer epoch", Len: 2}, {Name: "base sequence", Len: 4},
	{Name: "count", Len: 4},
}

// pictureBytes bounds what is shown of a batch.
const pictureBytes = 160

// picture shows the batch in which got first differs from want, both versions, with a caret at the byte that is to blame; nothing when
// got is want's beginning and not shorter.
func picture(got, want []byte) string {
	at := 0
	for at < len(got) && at < len(want) && got[at] == want[at] {
		at++
	}
	if at == len(got) && at >= len(want) {
		return ""
	}
	start := 0 // of the batch in which at lies
	for h := (record.Header{}); record.ReadHeader(want[start:], &h) == nil && start+h.Size() <= at; {
		start += h.Size()
	}
	said := ""
	if cause := blame(got[min(start, len(got)):], want[start:], at-start); cause != at-start {
		said = fmt.Sprintf("the %s is wrong because of what follows: ", fieldAt(at-start))
		at = start + cause
	}
	show := func(b []byte) string {
		b = b[min(start, len(b)):]
		return lab.Picture(b[:min(len(b), max(pictureBytes, at-start+16))], headerFields, at-start)
	}
	place := fmt.Sprintf("byte %d (%s)", at, fieldAt(at-start))
	if start > 0 {
		place = fmt.Sprintf("byte %d, which is byte %d of a batch (%s)", at, at-start, fieldAt(at-start))
	}
	came := "got:\n" + show(got)
	if len(got) <= start {
		came = fmt.Sprintf("got %d bytes, and nothing of this batch\n", len(got))
	}
	return fmt.Sprintf("%sthe first difference is at %s\n%sexpected:\n%s", said, place, came, show(want))
}

// Places of the two fields that are computed from what follows them.
const (
	atLength, behindLength = 8, 12
	atCRC, behindCRC       = 17, 21
)

// blame is the place in a batch that explains the first difference, at place at: a length that is that of the bytes got and a CRC are only as
// wrong as what follows them.
func blame(got, want []byte, at int) int {
	if at >= atLength && at < behindLength && len(got) > record.HeaderSize && int(binary.BigEndian.Uint32(got[atLength:])) == len(got)-behindLength {
		at = differ(got, want, at, behindLength)
	}
	if at >= atCRC && at < behindCRC {
		at = differ(got, want, at, behindCRC)
	}
	return at
}

// differ is the first place in a batch, from place from on, in which got and want differ, and at when there is none.
func differ(got, want []byte, at, from int) int {
	end := len(want)
	if h := (record.Header{}); record.ReadHeader(want, &h) == nil {
		end = min(end, h.Size())
	}
	for i := from; i < end; i++ {
		if i >= len(got) || got[i] != want[i] {
			return i
		}
	}
	return at
}

// fieldAt names the field at a place of a batch.
func fieldAt(place int) string {
	for _, f := range headerFields {
		if place < f.Len {
			return f.Name
		}
		place -= f.Len
	}
	return "records"
}
