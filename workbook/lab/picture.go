package lab

import (
	"fmt"
	"strings"
)

// Field names a stretch of bytes in a picture.
type Field struct {
	Name string
	Len  int // bytes
}

// bytesPerLine of a picture.
const bytesPerLine = 16

// Picture shows b in hex, a field a line, with a caret under the byte at position wrong (-1: none). Bytes past the
// last field are shown as "rest"; a field that the bytes do not reach is shown as missing.
func Picture(b []byte, fields []Field, wrong int) string {
	var out strings.Builder
	at := 0
	for _, f := range fields {
		end := at + f.Len
		switch {
		case at >= len(b):
			fmt.Fprintf(&out, "%6d  %-*s  %s (missing)\n", at, 3*bytesPerLine-1, "", f.Name)
		case end > len(b):
			line(&out, b, at, len(b), f.Name+" (cut short)", wrong)
		default:
			line(&out, b, at, end, f.Name, wrong)
		}
		at = end
	}
	if at < len(b) {
		line(&out, b, at, len(b), "rest", wrong)
	}
	return out.String()
}

func line(out *strings.Builder, b []byte, from, to int, name string, wrong int) {
	for ; from < to; from += bytesPerLine {
		end := min(from+bytesPerLine, to)
		fmt.Fprintf(out, "%6d  %-*s  %s\n", from, 3*bytesPerLine-1, fmt.Sprintf("% x", b[from:end]), name)
		if wrong >= from && wrong < end {
			fmt.Fprintf(out, "%6s  %*s^^ here\n", "", 3*(wrong-from), "")
		}
		name = ""
	}
}
