package suite

import (
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

// picture shows the batch in which got first differs from want, both versions, with a caret at the byte; nothing when got is want's
// beginning and not shorter.
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
	show := func(b []byte) string {
		b = b[min(start, len(b)):]
		return lab.Picture(b[:min(len(b), max(pictureBytes, at-start+16))], headerFields, at-start)
	}
	return fmt.Sprintf("the first difference is at byte %d, which is byte %d of a batch\ngot:\n%sexpected:\n%s", at, at-start, show(got), show(want))
}
